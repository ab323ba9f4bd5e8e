"""Results of many runs in files with one line of JSON a run, small enough to be committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.toolkit.locks import sole_writer
from data.toolkit.safewrite import write_lines
from symbolic.checkpoint.bundled import RECORD
from symbolic.documents import as_json, parse_json, read_json
from symbolic.errors import ConfigError

Record = dict[str, Any]
RUNS, BASELINES, STUDIES = "finetune.jsonl", "baselines.jsonl", "studies"
COMPARISON = "comparison.json"
SHARED = ("task", "protocol", "budget", "published", "corpus", "split", "baselines")
"""Entries that all runs on one prepared task have in common. They are written once, into `BASELINES`."""
_COUNT, _SAME = "*", "="


def read_lines(path: Path) -> list[Record]:
    """Read one document a line. Return an empty list if there is no such file."""
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            found.append(parse_json(line))
        except ValueError as error:
            raise ConfigError(
                f"{path}, line {number}, is no JSON ({error}). Restore the file from a copy."
            ) from error
    return found


def write_results(path: Path, change: Callable[[list[Record]], Sequence[Record]]) -> None:
    """Replace the lines of a file. Readers see the old file or the new one and other writers wait.

    Args:
        path: The file. Its folder is made if needed.
        change: Returns the new lines from the old ones.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with sole_writer(path.parent, wait=True):
        write_lines(path, map(_line, change(read_lines(path))))


def append_results(path: Path, records: Iterable[Record]) -> None:
    """Add records to the end of a file, which is made if needed."""
    write_results(path, lambda before: [*before, *records])


def task_key(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return what identifies a prepared task: its title and the fingerprint of its shards."""
    return record["task"]["title"], record["corpus"]["shards"]


def without_shared(record: Mapping[str, Any]) -> Record:
    """Return a record as one line holds it: packed and with a key in the place of what the task shares."""
    own = {name: value for name, value in record.items() if name not in SHARED}
    return {"of": list(task_key(record)), **pack(own)}


def with_shared(line: Mapping[str, Any], tasks: Mapping[tuple[str, str], Record]) -> Record:
    """Return the whole record of a line.

    Args:
        line: From `without_shared`.
        tasks: Records of baselines by their keys.
    """
    own = {name: value for name, value in line.items() if name != "of"}
    about = tasks[tuple(line["of"])]
    return {**{name: about[name] for name in SHARED}, **unpack(own)}


def read_tasks(path: Path) -> dict[tuple[str, str], Record]:
    """Read the records of baselines in a file by their keys."""
    return {task_key(record): record for record in map(unpack, read_lines(path))}


def read_results(folder: str | Path) -> list[Record]:
    """Read every record of `finetune` below a folder from run folders and from files of results.

    Runs of studies are left out. A record without scores of its own is one of baselines.
    """
    folder = Path(folder)
    studies = [path.parent for path in folder.rglob(COMPARISON)]
    runs = [
        read_json(path, ConfigError, "Delete it, or run this again.")
        for path in sorted(folder.rglob(RECORD))
        if not any(path.is_relative_to(study) for study in studies)
    ]
    found = [run for run in runs if {"task", "baselines"} <= run.keys()]
    for path in sorted(folder.rglob(BASELINES)):
        tasks, lines = read_tasks(path), read_lines(path.with_name(RUNS))
        used = {tuple(line["of"]) for line in lines}
        found += [task for key, task in tasks.items() if key in used or "study" not in task]
        found += [with_shared(line, tasks) for line in lines]
    return found


def pack(value: Any) -> Any:
    """Make JSON values shorter: a list of alike mappings becomes one mapping of columns. `unpack` undoes it."""
    if isinstance(value, dict):
        return {key: pack(one) for key, one in value.items()}
    if not isinstance(value, list):
        return value
    first = value[0] if len(value) > 1 else None
    if (
        isinstance(first, dict)
        and first
        and all(isinstance(v, dict) and v.keys() == first.keys() for v in value)
    ):
        return {_COUNT: len(value), **{key: pack([one[key] for one in value]) for key in first}}
    if first is not None and all(one == first and type(one) is type(first) for one in value):
        return {_COUNT: len(value), _SAME: pack(first)}
    return [pack(one) for one in value]


def unpack(value: Any) -> Any:
    """Undo `pack`."""
    if isinstance(value, list):
        return [unpack(one) for one in value]
    if not isinstance(value, dict):
        return value
    columns = {key: unpack(one) for key, one in value.items() if key != _COUNT}
    if _COUNT not in value:
        return columns
    if _SAME in columns:
        return [columns[_SAME]] * value[_COUNT]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _line(document: Record) -> bytes:
    return as_json(document, indent=None, sort_keys=False)
