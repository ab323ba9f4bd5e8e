"""Results of many runs in files with one line of JSON a run, small enough to be committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.toolkit.locks import sole_writer
from data.toolkit.record_schema import RESTORE, RESULT
from data.toolkit.safewrite import write_lines
from symbolic.checkpoint.bundled import RECORD
from symbolic.documents import (
    Check,
    anything,
    as_json,
    fields,
    listed,
    mapped,
    parse_json,
    read_json,
    require,
    text,
)
from symbolic.errors import ConfigError

Record = dict[str, Any]
RUNS, BASELINES, STUDIES = "finetune.jsonl", "baselines.jsonl", "studies"
COMPARISON = "comparison.json"
SHARED = ("task", "protocol", "budget", "published", "corpus", "split", "baselines")
"""Entries that all runs on one prepared task have in common. They are written once, into `BASELINES`."""
_KEY = listed(text())
TASK_LINE = fields(
    {"task": fields({"title": text()}, more=True), "corpus": fields({"shards": text()}, more=True)}, more=True
)
"""What finds the baselines of a task again."""
RUN_LINE = fields(
    {"of": _KEY, "name": text(), "settings": mapped(text(), anything), "backbone": fields({}, more=True)},
    {"transfer": fields({}, more=True)},
    more=True,
)
"""What finds a run again."""
_RESTORE = "Restore the file from a copy."
_COUNT, _SAME = "*", "="
_MOST_VALUES = 10**7


def read_lines(path: Path, check: Check = anything) -> list[Record]:
    """Read one object a line. Return an empty list if there is no such file.

    Args:
        path: The file.
        check: The schema of a line.

    Raises:
        ConfigError: If a line is damaged.
    """
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        place = f"{path}, line {number},"
        try:
            document = parse_json(line)
        except ValueError as error:
            raise ConfigError(f"{place} is no JSON ({error}). {_RESTORE}") from error
        require(place, document, fields({}, more=True), ConfigError, _RESTORE)
        require(place, document, check, ConfigError, _RESTORE)
        found.append(document)
    return found


def write_results(
    path: Path, change: Callable[[list[Record]], Sequence[Record]], check: Check = anything
) -> None:
    """Replace the lines of a file. Readers see the old file or the new one and other writers wait.

    Args:
        path: The file. Its folder is made if needed.
        change: Returns the new lines from the old ones.
        check: The schema of an old line.

    Raises:
        ConfigError: If an old line is damaged. The file stays as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with sole_writer(path.parent, wait=True):
        write_lines(path, map(_line, change(read_lines(path, check))))


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


def with_shared(line: Mapping[str, Any], tasks: Mapping[tuple[str, str], Record], path: Path) -> Record:
    """Return the whole record of a line.

    Args:
        line: From `without_shared`.
        tasks: Records of baselines by their keys.
        path: The file of the line, for errors.

    Raises:
        ConfigError: If the line is damaged, or there are no baselines of its task.
    """
    key = tuple(line["of"])
    if key not in tasks:
        raise ConfigError(f"{path} has a run on '{key[0]}', and {BASELINES} has no such task. {_RESTORE}")
    shared = {name: tasks[key][name] for name in SHARED}
    record = {**shared, **unpack({name: value for name, value in line.items() if name != "of"}, path)}
    require(path, record, RESULT.check, ConfigError, _RESTORE)
    return record


def read_tasks(path: Path) -> dict[tuple[str, str], Record]:
    """Read the records of baselines in a file by their keys.

    Raises:
        ConfigError: If one is damaged.
    """
    records = [unpack(line, path) for line in read_lines(path, TASK_LINE)]
    for record in records:
        require(path, record, RESULT.check, ConfigError, _RESTORE)
    return {task_key(record): record for record in records}


def read_results(folder: str | Path) -> list[Record]:
    """Read every record of `finetune` below a folder from run folders and from files of results.

    Runs of studies are left out. A record without scores of its own is one of baselines.

    Raises:
        ConfigError: If one was damaged or changed.
    """
    folder = Path(folder)
    studies = [path.parent for path in folder.rglob(COMPARISON)]
    found = []
    for path in sorted(folder.rglob(RECORD)):
        if any(path.is_relative_to(study) for study in studies):
            continue
        record = read_json(path, ConfigError, RESTORE)
        if record.keys() >= RESULT.marks:
            require(path, record, RESULT.check, ConfigError, RESTORE)
            found.append(record)
    for path in sorted(folder.rglob(BASELINES)):
        runs = path.with_name(RUNS)
        tasks, lines = read_tasks(path), read_lines(runs, RUN_LINE)
        used = {tuple(line["of"]) for line in lines}
        found += [task for key, task in tasks.items() if key in used or "study" not in task]
        found += [with_shared(line, tasks, runs) for line in lines]
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


def unpack(value: Any, path: Path) -> Any:
    """Undo `pack`.

    Args:
        value: Packed values.
        path: Their file, for errors.

    Raises:
        ConfigError: If they were not packed by `pack`, or stand for too many.
    """
    try:
        if _size(value) <= _MOST_VALUES:
            return _unpacked(value)
        problem = f"it stands for more than {_MOST_VALUES:,} values"
    except (ValueError, TypeError, RecursionError) as error:
        problem = str(error)
    raise ConfigError(f"{path} is damaged ({problem}). {_RESTORE}")


def _size(value: Any) -> int:
    """Return the number of values that packed ones stand for. A few of them can stand for billions."""
    if isinstance(value, list):
        return 1 + sum(map(_size, value))
    if not isinstance(value, dict):
        return 1
    times: int = value[_COUNT] if _COUNT in value and _SAME in value else 1
    if type(times) is not int or times < 0:
        raise ValueError(f"{times!r} is no number of values")
    return 1 + times * sum(_size(one) for name, one in value.items() if name != _COUNT)


def _unpacked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpacked(one) for one in value]
    if not isinstance(value, dict):
        return value
    columns = {key: _unpacked(one) for key, one in value.items() if key != _COUNT}
    if _COUNT not in value:
        return columns
    if _SAME in columns:
        return [columns[_SAME]] * value[_COUNT]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _line(document: Record) -> bytes:
    return as_json(document, indent=None, sort_keys=False)
