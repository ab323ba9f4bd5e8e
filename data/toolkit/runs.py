"""Run folders: name them, find them again, and refuse those with other content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.toolkit.locks import LOCK
from data.toolkit.record_schema import PRETRAINED, RESTORE, TRAINED, Kind
from data.toolkit.records import write_json
from data.toolkit.settings import flatten
from symbolic.checkpoint.bundled import RECORD, is_model
from symbolic.documents import anything, fields, mapped, read_json, require, text
from symbolic.errors import ConfigError
from symbolic.replacing import is_unfinished

SETTINGS = "settings.json"
_REMEDY = "Name another folder with --out."
_SCHEMA = fields({}, {"settings": mapped(text(), anything), "command": text()}, more=True)


def find_folder(
    base: str | Path,
    settings: Mapping[str, Any],
    out: str | None,
    resume: bool,
    flags: Mapping[str, str] | None = None,
    unset: Mapping[str, str] | None = None,
) -> Path:
    """Find the folder of a run, new or resumed. Nothing is written.

    Args:
        base: Default folder. It gets a number if it exists.
        settings: Settings that identify the run, as JSON values, nested or flat.
        out: The folder that the user names, or None.
        resume: Resume the run in `out`, which may be new, or the latest run that was named after `base`.
        flags: Flags of settings with other names.
        unset: How a user writes None of a setting, where leaving its flag out means something else.

    Raises:
        ConfigError: If a new run would overwrite another, or the run to be resumed had other settings. Also if there
            is no run to be resumed and no folder for one.
    """
    base = Path(base)
    folder = Path(out) if out else _latest(base) if resume else _unused(base)
    if folder is None:
        raise ConfigError(
            f"--resume: {base.parent} holds no run called {base.name}. Leave --resume out to begin one, or name the "
            "folder of a run."
        )
    if any(
        "\ud800" <= letter <= "\udfff" for letter in str(folder.resolve())
    ):  # safetensors opens no such path
        raise ConfigError(f"{folder}: the path of a run must be UTF-8. Name another folder with --out.")
    if not (folder / SETTINGS).is_file():
        if folder.exists() and (not folder.is_dir() or any(map(_is_other, folder.iterdir()))):
            raise ConfigError(f"{folder} holds files that are no run's. Name another folder with --out.")
        return folder
    if not resume:
        raise ConfigError(
            f"{folder} already holds a run. Go on with it by --resume, or name another folder with --out."
        )
    before = read_settings(folder)
    before = flatten(before.get("settings", before))
    if problems := changed_settings(before, flatten(settings), folder, flags, unset):
        raise ConfigError(problems)
    return folder


def _is_other(path: Path) -> bool:
    """Whether a file is neither the lock of a run nor what is left of one that was killed as it began."""
    return path.name != LOCK and not is_unfinished(path)


def changed_settings(
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    folder: Path,
    flags: Mapping[str, str] | None = None,
    unset: Mapping[str, str] | None = None,
) -> list[str]:
    """Return one sentence for each setting that is not as it was when a run began.

    Args:
        before: All settings of the run, by the names of leaves.
        now: Settings that must agree with them.
        folder: Folder of the run.
        flags: Flags of settings with other names.
        unset: How a user writes None of a setting, where leaving its flag out means something else.
    """
    flags, unset = flags or {}, unset or {}
    return [
        f"--{flags.get(name, name)} was {_written(before.get(name), unset.get(name))} when {folder} began and is "
        f"{_written(value, unset.get(name))} now; resume with the settings it began with."
        for name, value in now.items()
        if before.get(name) != value
    ]


def _written(value: Any, unset: str | None) -> str:
    """Return the value of a setting as a user would write it."""
    return (unset or "not given") if value is None else repr(value)


def begin(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings of a run into its folder.

    Raises:
        ConfigError: If it cannot be made or written.
    """
    try:
        write_json(folder / SETTINGS, settings)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written ({error.strerror}). Name another folder with --out."
        ) from error


def read_settings(folder: Path) -> dict[str, Any]:
    """Read the settings of a run, as `begin` wrote them.

    Raises:
        ConfigError: If the file is damaged.
    """
    found = read_json(folder / SETTINGS, ConfigError, _REMEDY)
    require(folder / SETTINGS, found, _SCHEMA, ConfigError, _REMEDY)
    return found


def read_record(run: Path, kind: Kind) -> dict[str, Any]:
    """Read the record of a finished run.

    Args:
        run: The folder.
        kind: What it must be a record of.

    Raises:
        ConfigError: If the folder holds no such record, or one that was damaged or changed.
    """
    path = run / RECORD
    found = read_json(path, ConfigError, RESTORE) if path.is_file() else {}
    if not kind.marks <= found.keys():
        raise ConfigError(
            f"{run} holds no record of `{kind.command}`. {_instead(run, found, kind)}Name the folder of one of its "
            "finished runs."
        )
    require(path, found, kind.check, ConfigError, RESTORE)
    return found


def _instead(run: Path, found: Mapping[str, Any], kind: Kind) -> str:
    """Return what a folder or a name is that holds no record of a kind, and the command for it. "" if unknown."""
    for other in (TRAINED, PRETRAINED):
        if other.command != kind.command and other.marks <= found.keys():
            return f"It is a run of `{other.command}`: export it by `{other.command} export`. "
    if not found and is_model(run) and not (run / SETTINGS).is_file():  # a run that goes on is no model yet
        return (
            "It is a model already, which commands and `symbolic.load` take as it is. Runs become models by "
            "`pretrain export` and `finetune export`. "
        )
    return ""


def _latest(base: Path) -> Path | None:
    """Return the latest run of that name, or of the names that `_unused` numbered after it."""
    ours = re.compile(re.escape(base.name) + r"(-\d+)?")
    runs = [path for path in base.parent.glob(f"*/{SETTINGS}") if ours.fullmatch(path.parent.name)]
    return max(runs, key=lambda path: path.stat().st_mtime).parent if runs else None


def _unused(base: Path) -> Path:
    number = 1
    while (folder := base if number == 1 else base.with_name(f"{base.name}-{number}")).exists():
        number += 1
    return folder
