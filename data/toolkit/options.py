"""Read and write options of an adapter as one line of text, for flags, names of runs and experiment files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from symbolic.errors import ConfigError

_OPTION = re.compile(r"\s*(\w+)\s*=(.*)", re.DOTALL)


def read_options(text: str) -> dict[str, Any]:
    """Read options from key=value with commas between, as in "targets=[query,value],scale=2".

    Args:
        text: Values are JSON or YAML. A list becomes text with commas between its items as methods take it.

    Raises:
        ConfigError: Names every piece that cannot be read.
    """
    options: dict[str, Any] = {}
    problems = []
    # A comma within a list or quotes is followed by no key.
    for piece in re.split(r",(?=\s*\w+\s*=)", text) if text.strip() else []:
        match = _OPTION.fullmatch(piece)
        try:
            if match is None or match[1] in options:
                raise ValueError
            value = _value(match[2])
            options[match[1]] = ",".join(map(str, value)) if isinstance(value, list) else value
        except ValueError:
            problems.append(
                f"--options {text}: cannot read '{piece.strip()}'; say key=value, each key once, with commas between "
                "and lists in brackets, as in scale=2,targets=[query,value]."
            )
    if problems:
        raise ConfigError(problems)
    return options


def written_options(options: Mapping[str, Any]) -> str | None:
    """Return options as text that `read_options` reads. None where there are none."""
    return ",".join(f"{name}={_written(value)}" for name, value in options.items()) or None


def _value(text: str) -> Any:
    """One value. ValueError where it is none, or more than one."""
    try:
        return json.loads(text)  # comes first because YAML takes 1e-3 for a word
    except json.JSONDecodeError:
        pass
    try:
        values = yaml.safe_load(f"[{text}]")
    except yaml.YAMLError as error:
        raise ValueError(text) from error
    if not isinstance(values, list) or len(values) != 1:
        raise ValueError(text)
    return values[0]


def _written(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, str):
        try:
            plain = _value(value)
        except ValueError:
            plain = None
        return value if plain == value else json.dumps(value)
    return json.dumps(value)
