"""The schema of a checkpoint's config.json, checked before anything is built."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symbolic.errors import CheckpointError
from symbolic.storage import RECOPY, require_fields

FORMAT_VERSION = 2
LEVELS = ("note", "sequence")
_TEXTS = list[str]
_CONFIG: Mapping[str, Any] = {
    "tokenizer": str,
    "backbone": (dict, type(None)),
    "heads": dict,
    "parts": dict,
    "task": dict,
}
_BASE: Mapping[str, Any] = {"model": str, "weights": str}
_TASK: Mapping[str, Any] = {
    "name": str,
    "title": str,
    "level": str,
    "label": str,
    "classes": _TEXTS,
    "hide": _TEXTS,
    "one_piano": bool,
}
_WORDS = {str: "text", dict: "an object", bool: "true or false", _TEXTS: "a list of texts"}


def check_config(path: Path, config: Mapping[str, Any]) -> None:
    """Check the values of a config.json.

    Args:
        path: The file, for messages.
        config: Its values.

    Raises:
        CheckpointError: If the format version is another one, or fields are missing, unknown or of a wrong kind. The
            message names all of them.
    """
    require_fields(path, config, tuple(_CONFIG), FORMAT_VERSION)
    problems = _problems("", config, _CONFIG, ("format_version", "base"))
    if isinstance(config.get("base", {}), Mapping):
        problems += _problems("base.", config["base"], _BASE) if config.get("base") else []
    else:
        problems.append("base is not an object")
    for group in ("heads", "parts"):
        if isinstance(config[group], Mapping):
            wrong = [name for name, value in config[group].items() if not isinstance(value, Mapping)]
            problems += [f"{group}.{name} is not an object" for name in wrong]
    task = config["task"]
    # A pretrained model has no task. What has classes predicts them, and needs the whole description.
    if isinstance(task, Mapping) and "classes" in task:
        problems += _problems("task.", task, _TASK)
        if task.get("level") not in LEVELS:
            problems.append(f"task.level is {task.get('level')!r}, not one of {', '.join(LEVELS)}")
    if problems:
        raise CheckpointError(f"{path} does not fit: {'; '.join(problems)}. {RECOPY}")


def _problems(
    prefix: str, values: Mapping[str, Any], schema: Mapping[str, Any], optional: tuple[str, ...] = ()
) -> list[str]:
    found = [f"{prefix}{name} is unknown" for name in values if name not in schema and name not in optional]
    for name, kind in schema.items():
        if name not in values:
            found.append(f"{prefix}{name} is missing")
        elif not _fits(values[name], kind):
            words = _WORDS.get(kind, "an object or null")
            found.append(f"{prefix}{name} is not {words}")
    return found


def _fits(value: Any, kind: Any) -> bool:
    if kind is _TEXTS:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    return isinstance(value, kind)
