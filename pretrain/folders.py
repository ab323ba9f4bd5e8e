"""Run folders: made, found again, and refused where they hold something else."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pretrain.config import PretrainSettings
from symbolic.errors import ConfigError

SETTINGS = "settings.json"
_FREE = {"out", "resume", "jobs", "workers", "root"}
"""Settings that may change when a run is resumed, for they change nothing in it."""


def settings_of(settings: PretrainSettings) -> dict[str, Any]:
    """The settings that make a run what it is."""
    return {name: value for name, value in asdict(settings).items() if name not in _FREE}


def find_folder(settings: PretrainSettings) -> Path:
    """The folder of a run, new or to be resumed; nothing is written yet.

    Args:
        settings: `out` names it; without, the name is made of corpus, preset and selector, with a number where
            that is taken. With `resume`, the folder or the latest of that name.

    Raises:
        ConfigError: If a new run would overwrite another, or a run to be resumed had other settings.
    """
    corpus = Path(settings.folder).resolve().name if settings.folder else settings.corpus
    base = Path("runs") / "pretrain" / f"{corpus}-{settings.preset}-{settings.selector}"
    taken = sorted(base.parent.glob(f"{base.name}*/{SETTINGS}"), key=lambda path: path.stat().st_mtime)
    if settings.out:
        out = Path(settings.out)
    elif settings.resume and taken:
        out = taken[-1].parent
    else:
        numbers = (base if n == 1 else base.with_name(f"{base.name}-{n}") for n in range(1, 10_000))
        out = next(path for path in numbers if not path.exists())
    record = out / SETTINGS
    if record.exists():
        _check_same(record, settings)
    elif out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} holds files that are no run's. Name another folder with --out.")
    return out


def _check_same(record: Path, settings: PretrainSettings) -> None:
    if not settings.resume:
        raise ConfigError(
            f"{record.parent} already holds a run. Go on with it by --resume, or name another folder with --out."
        )
    before, now = json.loads(record.read_text(encoding="utf-8")), settings_of(settings)
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        raise ConfigError(
            f"--{name} was {before.get(name)!r} when {record.parent} began and is {now[name]!r} now; "
            "resume with the settings it began with."
            for name in changed
        )
