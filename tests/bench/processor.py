"""The processor that a benchmark runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def processor() -> dict[str, Any]:
    """Return the name of the processor and whether it multiplies in bf16, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return {"model": found.get("model name", "unknown"), "bf16": "_bf16" in found.get("flags", "")}
