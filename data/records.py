"""Records of what was run: versions, machine, command, and JSON that is never half-written."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from data.safewrite import write

_PACKAGES = ("counterpoint-smu", "torch", "lightning", "numpy", "symusic", "music21", "scikit-learn")


def provenance() -> dict[str, Any]:
    """Versions, kind of machine, time (UTC) and command, as JSON values. No host, user or path is named."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    program = Path(sys.argv[0])
    # Run as `python -m pretrain.cli`, the program is a file of the package that is the command.
    name = program.parent.name if program.name == "cli.py" else program.name
    return {
        "command": shlex.join([name, *sys.argv[1:]]),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions,
        "machine": machine_kind(),
    }


def machine_kind() -> dict[str, Any]:
    """What sort of machine this is; the accelerator is named if torch is loaded and has one."""
    kind: dict[str, Any] = {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        kind["accelerator"] = torch.cuda.get_device_name(0)
    return kind


def write_json(path: str | Path, document: Mapping[str, Any] | list[Any]) -> None:
    """Write JSON so that a reader sees the old file or the new one, never a part."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
