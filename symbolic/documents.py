"""Read JSON and YAML that others wrote: bounded, strict, and checked by a schema before anything is built of it.

A schema is a `Check`. The functions that return one are the words of a schema:

    require(path, values, fields({"name": text(), "size": whole(1, 1024)}))
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from symbolic.errors import CheckpointError, ConfigError, CounterpointError

Check = Callable[[str, Any], list[str]]
"""Takes the name of a place and the value there. Returns a phrase for everything that is wrong."""
RECOPY = "Copy the checkpoint again from its source."
PLAIN_NAME = r"[^\W_][\w .+=-]{0,99}"
"""Names that become names of files and folders."""
_MOST_BYTES = 64 * 2**20
_MOST_VALUES = 100_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_ESCAPE = "backslashreplace"
"""File names that are not UTF-8 hold lone surrogates. This turns them into escapes of JSON."""


def text(pattern: str = "", longest: int = 10_000) -> Check:
    """Return a check of texts, by a pattern that all of a text must match."""

    def check(place: str, value: Any) -> list[str]:
        if not isinstance(value, str):
            return [f"{place} is not text"]
        if len(value) > longest or (pattern and not re.fullmatch(pattern, value)):
            return [f"{place} is {value[:60]!r}, which is no such name"]
        return []

    return check


def one_of(*choices: str) -> Check:
    """Return a check of texts that are one of several."""
    return lambda place, value: (
        [] if value in choices else [f"{place} is {value!r}, not one of {', '.join(choices)}"]
    )


def whole(low: int, high: int) -> Check:
    """Return a check of whole numbers from `low` to `high`."""
    return _in_range(int, "a whole number", low, high)


def number(low: float, high: float) -> Check:
    """Return a check of finite numbers from `low` to `high`."""
    return _in_range((int, float), "a number", low, high)


def _in_range(kinds: type | tuple[type, ...], words: str, low: float, high: float) -> Check:
    def check(place: str, value: Any) -> list[str]:
        right = isinstance(value, kinds) and not isinstance(value, bool)
        if not right:
            return [f"{place} is not {words}"]
        size: Any = value
        return [] if low <= size <= high else [f"{place} is {size:.6g}, not from {low:g} to {high:g}"]

    return check


def truth(place: str, value: Any) -> list[str]:
    """Check that a value is true or false."""
    return [] if isinstance(value, bool) else [f"{place} is not true or false"]


def anything(place: str, value: Any) -> list[str]:
    """Accept any value."""
    return []


def nullable(check: Check) -> Check:
    """Return a check that accepts null too."""
    return lambda place, value: [] if value is None else check(place, value)


def listed(item: Check, words: str = "a list", least: int = 0) -> Check:
    """Return a check of lists with such items, of which there are `least` or more."""

    def check(place: str, value: Any) -> list[str]:
        if not isinstance(value, list):
            return [f"{place} is not {words}"]
        if len(value) < least:
            return [f"{place} holds {len(value)} items, not {least} or more"]
        problems = [problem for i, one in enumerate(value) for problem in item(f"{place}[{i}]", one)]
        return problems and [f"{place} is not {words} ({problems[0]})"]

    return check


texts = listed(text(), "a list of texts")


def mapped(name: Check, value: Check) -> Check:
    """Return a check of objects with any names, each checked with its value."""

    def check(place: str, values: Any) -> list[str]:
        if not isinstance(values, Mapping):
            return [f"{place} is not an object"]
        wrong = [problem for key in values for problem in name(f"a name in {place}", key)]
        return wrong + [
            problem for key, one in values.items() for problem in value(_below(place, str(key)), one)
        ]

    return check


def fields(
    required: Mapping[str, Check], optional: Mapping[str, Check] | None = None, more: bool = False
) -> Check:
    """Return a check of objects with known names.

    Args:
        required: Checks of values by the names that must be there.
        optional: Checks of values by names that may be there.
        more: Accept other names too.
    """
    known = {**required, **(optional or {})}

    def check(place: str, values: Any) -> list[str]:
        if not isinstance(values, Mapping):
            return [f"{place} is not an object"]
        problems = [
            f"{_below(place, name)[:60]} is unknown" for name in values if not more and name not in known
        ]
        problems += [f"{_below(place, name)} is missing" for name in required if name not in values]
        return problems + [
            problem
            for name, one in known.items()
            if name in values
            for problem in one(_below(place, name), values[name])
        ]

    return check


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def require(
    path: Path | str,
    values: Any,
    check: Check,
    error: type[CounterpointError] = CheckpointError,
    remedy: str = RECOPY,
) -> None:
    """Refuse a document that does not fit its schema.

    Args:
        path: The file, or a line of it, for the message.
        values: Its content.
        check: The schema.
        error: What is raised.
        remedy: What the user can do, as a full sentence.

    Raises:
        CounterpointError: Of the kind `error`, with the first problems.
    """
    if problems := check("", values):
        more = f"; and {len(problems) - 12} more" if len(problems) > 12 else ""
        raise error(f"{path} does not fit: {'; '.join(problems[:12])}{more}. {remedy}")


def read_json(
    path: Path, error: type[CounterpointError] = CheckpointError, remedy: str = RECOPY
) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: The file.
        error: What is raised.
        remedy: What the user can do, as a full sentence.

    Raises:
        CounterpointError: Of the kind `error`, if there is no such file, or it holds no JSON object or too much.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise error(f"{path} is no file. {remedy}")
        if found.st_size > _MOST_BYTES:
            raise error(
                f"{path} holds {found.st_size:,} bytes, and at most {_MOST_BYTES:,} are read. {remedy}"
            )
        values = parse_json(path.read_text(encoding="utf-8"))
    except OSError as reason:
        raise error(f"{path} cannot be read ({reason.strerror}). {remedy}") from reason
    except ValueError as reason:
        raise error(f"{path} is not valid JSON ({reason}). {remedy}") from reason
    if not isinstance(values, dict):
        raise error(f"{path} does not hold a JSON object. {remedy}")
    return values


def require_fields(path: Path, values: Mapping[str, Any], names: tuple[str, ...], version: int) -> None:
    """Check the format version of a file, and that all its fields are present.

    Args:
        path: Path of the file, for errors.
        values: Content of the file.
        names: Required fields.
        version: Required format version.

    Raises:
        CheckpointError: If the version differs, or fields are missing.
    """
    found = values.get("format_version")
    if found != version:
        raise CheckpointError(
            f"{path} has format version {found!r}, and this release reads version {version}. "
            "Install the release that wrote it, or train again."
        )
    missing = [name for name in names if name not in values]
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}. {RECOPY}")


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write an object as indented JSON."""
    path.write_bytes(as_json(values, indent=2, sort_keys=False))


def parse_json(content: str | bytes) -> Any:
    """Parse JSON. Python's own parser also accepts NaN and numbers beyond all bounds.

    Raises:
        ValueError: If it is not JSON, or lists and objects are nested too deeply.
    """
    try:
        return json.loads(content, parse_constant=_refuse, parse_float=_finite_float)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")


def _finite_float(digits: str) -> float:
    found = float(digits)
    return found if math.isfinite(found) else _refuse(digits[:20])


def as_json(document: Any, *, indent: int | None = 1, sort_keys: bool = True) -> bytes:
    """Return a document as JSON. Equal documents give equal bytes.

    Args:
        document: JSON values. Numbers that are not finite become null, for JSON has none.
        indent: Spaces by which a level is indented; None for one line.
        sort_keys: Sort the keys of objects.
    """
    separators = None if indent else (",", ":")
    style: dict[str, Any] = {"indent": indent, "sort_keys": sort_keys, "separators": separators}
    try:
        written = json.dumps(document, ensure_ascii=False, allow_nan=False, **style)
    except ValueError:
        written = json.dumps(_finite(document), ensure_ascii=False, allow_nan=False, **style)
    return (written + "\n").encode(errors=_ESCAPE)


def _finite(value: Any) -> Any:
    """Return JSON values with None in the place of numbers that are not finite."""
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_yaml(content: str) -> Any:
    """Parse YAML. A few lines of aliases can stand for gigabytes, so values are counted before they are made.

    Raises:
        ConfigError: If it is no YAML, contains itself, or stands for too many values.
    """
    import yaml

    try:
        loader = yaml.SafeLoader(content)
        node = loader.get_single_node()
        if node is None:
            return None
        if _values(node, {}) > _MOST_VALUES:
            raise ConfigError(f"its aliases stand for more than {_MOST_VALUES:,} values")
        return loader.construct_document(node)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{error or 'it is nested too deeply'}") from error


def _values(node: Any, counted: dict[int, int]) -> int:
    """Count the values that a YAML node stands for, with those behind aliases.

    Args:
        node: The node.
        counted: Counts of nodes by their identity.
    """
    if id(node) not in counted:
        counted[id(node)] = _MOST_VALUES + 1  # until it is known: a node within itself is endless
        inner = node.value if isinstance(node.value, list) else []
        parts = [part for one in inner for part in (one if isinstance(one, tuple) else (one,))]
        counted[id(node)] = 1 + sum(_values(part, counted) for part in parts)
    return counted[id(node)]


def csv_cell(value: Any) -> Any:
    """Return the value of a CSV cell. Spreadsheets take text that begins with =, +, - or @ for a formula.

    Such text gets an apostrophe before it, which they do not show. None becomes an empty cell.
    """
    formula = isinstance(value, str) and value.startswith(_FORMULA)
    return "" if value is None else f"'{value}" if formula else value


def as_csv(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> bytes:
    """Return a table as CSV with the cells of `csv_cell`, in UTF-8 with escapes for names that are not.

    Args:
        columns: Names of the columns.
        rows: Values of each row in the order of the columns.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(csv_cell, row) for row in rows)
    return text.getvalue().encode(errors=_ESCAPE)


def csv_text(cell: str) -> str:
    """Return the text that `csv_cell` made a cell of."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
