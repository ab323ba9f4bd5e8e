"""Run folders: made, found again, and refused where they hold something else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.records import write_json
from symbolic.errors import ConfigError

SETTINGS, RECORD = "settings.json", "record.json"
_FREE = {"out", "resume", "jobs", "root", "accelerator", "seeds", "allow_leaks"}
"""Settings that may change when a run is resumed, for they change no seed's result."""


def claim_folder(name: str, settings: Mapping[str, Any]) -> Path:
    """The folder of a run, new or to be resumed.

    Args:
        name: Of the run, for the default folder; it gets a number where it is taken.
        settings: All settings. `out` names the folder; with `resume`, it or the latest of that name is taken.

    Raises:
        ConfigError: If a new run would overwrite another, or a run to be resumed had other settings.
    """
    base = Path("runs") / "finetune" / name
    taken = sorted(base.parent.glob(f"{base.name}*/{SETTINGS}"), key=lambda path: path.stat().st_mtime)
    if settings["out"]:
        out = Path(settings["out"])
    elif settings["resume"] and taken:
        out = taken[-1].parent
    else:
        numbers = (base if n == 1 else base.with_name(f"{base.name}-{n}") for n in range(1, 10_000))
        out = next(path for path in numbers if not path.exists())
    kept = lasting(settings)
    if (out / SETTINGS).exists():
        _refuse_other(out, kept, bool(settings["resume"]))
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} holds files that are no run's. Name another folder with --out.")
    write_json(out / SETTINGS, kept)
    return out


def lasting(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that make a run what it is."""
    return {key: value for key, value in settings.items() if key not in _FREE}


def _refuse_other(out: Path, kept: Mapping[str, Any], resume: bool) -> None:
    if not resume:
        raise ConfigError(
            f"{out} already holds a run. Go on with it by --resume, or name another folder with --out."
        )
    before = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
    changed = [key for key in kept if before.get(key) != kept[key]]
    if changed:
        raise ConfigError(
            f"--{'from' if key == 'checkpoint' else key} was {before.get(key)!r} when {out} began and is "
            f"{kept[key]!r} now; resume with the settings it began with."
            for key in changed
        )


def find_run(path: str | Path) -> Path:
    """The checkpoint that a run predicts with: its best seed's, by validation.

    Args:
        path: A run folder, a seed's folder in it, or a checkpoint.

    Raises:
        ConfigError: If there is nothing to predict with.
    """
    path = Path(path)
    for place in (path, path / "checkpoint"):
        if (place / "config.json").is_file():
            return place
    if not (path / RECORD).is_file():
        raise ConfigError(
            f"{path} is no finished run of `finetune`: it has no {RECORD}. Name the folder of one."
        )
    record = json.loads((path / RECORD).read_text(encoding="utf-8"))
    return path / str(record["checkpoint"])
