"""Records of runs: versions, machine and command as JSON, without paths of this machine."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.toolkit.safewrite import write
from symbolic.documents import as_json

_PACKAGES = ("counterpoint-smu", "torch", "lightning", "numpy", "symusic", "music21", "scikit-learn")


def provenance(command: Sequence[str] | None = None) -> dict[str, Any]:
    """Return versions, kind of machine, time (UTC) and command as JSON values.

    The name of the host and the user's name are left out.

    Args:
        command: Words of the command that makes the result again. Default: those of this process.
    """
    from importlib import metadata  # 40 ms, and every command imports this file

    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "command": shlex.join(command or _own_command()),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions,
        "machine": machine_kind(),
    }


def machine_kind() -> dict[str, Any]:
    """Return system, processor and number of cores and the accelerator if torch is loaded and has one."""
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
    """Return a command with absolute paths cut to their last part, also in lists and after an equals sign."""
    words = shlex.split(command)
    return shlex.join(re.sub(r"(?<![^=,])/[^=,]+", lambda found: Path(found[0]).name, word) for word in words)


def portable_text(text: str) -> str:
    """Return a sentence with absolute paths cut to their last part."""
    return re.sub(r"(?<![\w./])/(?:[^\s,=':/]+/)*([^\s,=':/]+)", r"\1", text)


def portable_value(value: Any) -> Any:
    """Return an absolute path cut to its last part and anything else as it is."""
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def portable_provenance(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return a provenance, with the settings beside it, without paths of this machine."""
    kept = dict(about)
    if "command" in kept:
        kept["command"] = portable_command(kept["command"])
    if "settings" in kept:
        kept["settings"] = portable_settings(kept["settings"])
    return kept


def portable_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings whose absolute paths are cut to their last part."""
    return {
        name: portable_settings(value) if isinstance(value, Mapping) else portable_value(value)
        for name, value in settings.items()
    }


def write_json(path: str | Path, document: Mapping[str, Any] | list[Any]) -> None:
    """Write JSON so that a reader finds the old file or the new one, never a part. NaN becomes null."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, as_json(document, indent=2, sort_keys=False))


_CONSOLE_NAMES = {"data": "corpora"}
"""Commands that are not called like their package."""


def _own_command() -> list[str]:
    """Return the words that started this process, a module of a package as `python -m PACKAGE.MODULE`."""
    program = Path(sys.argv[0])
    if program.name == "cli.py":  # `python -m pretrain.cli` is the command `pretrain`
        package = program.resolve().parent.name
        return [_CONSOLE_NAMES.get(package, package), *sys.argv[1:]]
    names, folder = [program.stem] * (program.stem != "__main__"), program.resolve().parent
    while (folder / "__init__.py").is_file():
        names, folder = [folder.name, *names], folder.parent
    in_package = program.suffix == ".py" and folder != program.resolve().parent
    return [*(("python", "-m", ".".join(names)) if in_package else (program.name,)), *sys.argv[1:]]
