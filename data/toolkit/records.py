"""Records of what was run: versions, machine, command, no path of this machine; JSON that is never half-written."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from data.toolkit.safewrite import write

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


def portable_command(command: str) -> str:
    """A command whose absolute paths, also in lists and after an equals sign, are cut to their last part."""
    words = shlex.split(command)
    return shlex.join(re.sub(r"(?<![^=,])/[^=,]+", lambda found: Path(found[0]).name, word) for word in words)


def portable_text(text: str) -> str:
    """A sentence whose absolute paths are cut to their last part."""
    return re.sub(r"(?<![\w./])/(?:[^\s,=':/]+/)*([^\s,=':/]+)", r"\1", text)


def portable_value(value: Any) -> Any:
    """An absolute path is cut to its last part; anything else stays."""
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def portable_provenance(about: Mapping[str, Any]) -> dict[str, Any]:
    """What `provenance` said, and settings beside it, without this machine's paths."""
    kept = dict(about)
    if "command" in kept:
        kept["command"] = portable_command(kept["command"])
    if "settings" in kept:
        kept["settings"] = {name: portable_value(value) for name, value in kept["settings"].items()}
    return kept


def write_json(path: str | Path, document: Mapping[str, Any] | list[Any]) -> None:
    """Write JSON so that a reader sees the old file or the new one, never a part."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
