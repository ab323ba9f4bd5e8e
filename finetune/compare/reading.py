"""Studies from YAML files and from the command line."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from finetune.budgets import budget_problem
from finetune.compare.study import DEFAULT, Arm, Claim, Study, TaskUse
from finetune.settings import FEATURES, METHODS, SCRATCH
from finetune.tasks import TASKS
from symbolic.documents import read_yaml
from symbolic.errors import ConfigError, did_you_mean

OWN = ("sequence", "note")
"""Tasks of a user's own labels."""


def read_study(path: str | Path) -> Study:
    """Read a study from an experiment file.

    Args:
        path: YAML with the fields of `Study`. Tasks are names or mappings of `TaskUse`. Arms are methods, "scratch"
            or mappings of `Arm`. A `grid`, or each of several, maps names of axes to values and adds an arm for every
            combination. A value is a label with a mapping of arm settings. A list of values is enough if the axis is
            itself a setting.

    Raises:
        ConfigError: If the file is absent or no YAML, or has unknown names. Lists all of them.
    """
    try:
        document = read_yaml(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}). Name an experiment file, tasks, or a folder of your own."
        ) from error
    except (ConfigError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {error}. See finetune/experiments/studies.") from error
    if not isinstance(document, dict):
        raise ConfigError(
            f"{path} holds no settings. See finetune/experiments/studies for how it is written."
        )
    document = {"title": Path(path).stem, **document}
    problems: list[str] = []
    known = {one.name for one in fields(Study)} | {"grid"}
    problems += _unknown(f"{path}", document, known)
    given = known & document.keys() - {"grid"}
    found: dict[str, Any] = {name: document[name] for name in given if document[name] is not None}
    found["title"] = str(document["title"] or Path(path).stem)
    arms = [_arm(one, problems) for one in _listed(document.get("arms"))]
    arms += [arm for grid in _listed(document.get("grid")) for arm in _grid(grid, problems)]
    found["arms"] = tuple(arm for arm in arms if arm is not None)
    found["tasks"] = tuple(filter(None, (_task(one, problems) for one in _listed(document.get("tasks")))))
    found["claims"] = tuple(filter(None, (_claim(one, problems) for one in _listed(document.get("claims")))))
    found["checkpoints"] = document.get("checkpoints") or {}
    if not isinstance(found["checkpoints"], dict):
        problems.append("checkpoints: write names with paths, as in {default: PATH}.")
    if "trials" in found:
        found["trials"] = _numbers("trials", _listed(found["trials"]), problems)
    for name, kind in (("seeds", int), ("epochs", float), ("tokens_per_batch", int), ("patience", int)):
        if name in found:
            found[name] = _number(name, kind, found[name], problems)
    if problems:
        raise ConfigError(problems)
    return Study(**found)


def named_study(words: Sequence[str], methods: Sequence[str]) -> Study:
    """Build a study of tasks and methods that are named one by one.

    Args:
        words: Tasks and folders of music with labels.
        methods: As `finetune --method` names them, and "scratch".

    Raises:
        ConfigError: If a word is neither, or a method unknown.
    """
    problems: list[str] = []
    tasks = []
    for word in words:
        own = {"task": "sequence", "folder": word} if word not in TASKS and Path(word).is_dir() else {}
        tasks.append(_task({"task": word, **own}, problems))
    arms = [_arm(method, problems) for method in methods]
    if problems:
        raise ConfigError(problems)
    title = f"{', '.join(Path(word).name for word in words)}: {', '.join(methods)}"
    return Study(title, tuple(filter(None, tasks)), tuple(filter(None, arms)))


def _task(given: Any, problems: list[str]) -> TaskUse | None:
    values = _named("task", given, problems)
    before = len(problems)
    problems += _unknown("A task", values, {one.name for one in fields(TaskUse)})
    name = values.get("task")
    if name not in (*TASKS, *OWN):
        problems.append(
            f"There is no task '{name}'; {did_you_mean(str(name), (*TASKS, *OWN))}choose one of "
            f"{', '.join((*TASKS, *OWN))}, or name a folder of music."
        )
    elif name in OWN and not values.get("folder"):
        problems.append(f"Task '{name}' needs a folder of music: folder: PATH.")
    elif name == "note" and not values.get("tracks"):
        problems.append("Task 'note' needs names of tracks: tracks: MELODY,PIANO.")
    elif name in TASKS and values.get("protocol") is not None:
        protocols = [one.name for one in TASKS[name].protocols]
        if values["protocol"] not in protocols:
            problems.append(
                f"Task '{name}' has no protocol '{values['protocol']}'; "
                f"{did_you_mean(str(values['protocol']), protocols)}it has {', '.join(protocols)}."
            )
    if values.get("epochs") is not None:
        values["epochs"] = _number("epochs", float, values["epochs"], problems)
        if values["epochs"] is not None and not values["epochs"] > 0:
            problems.append(f"epochs {values['epochs']}: must be positive.")
    if "budget" in values:
        values["budget"] = next(iter(_numbers("budget", [values["budget"]], problems)), 1.0)
        if problem := budget_problem(values["budget"]):
            problems.append(problem)
    return TaskUse(**values) if len(problems) == before else None


def _arm(given: Any, problems: list[str], axes: Mapping[str, str] | None = None) -> Arm | None:
    values = _named("method", given, problems)
    if values.get("method") == "scratch":
        values |= {"method": "full", "checkpoint": SCRATCH}
    before = len(problems)
    label = values.get("label", values.get("method"))
    problems += _unknown(f"Arm '{label}'", values, {one.name for one in fields(Arm)} - {"axes"})
    if values.get("method") == FEATURES:
        values.setdefault("checkpoint", SCRATCH)
    elif values.get("method") not in METHODS:
        known = ("scratch", FEATURES, *METHODS)
        problems.append(
            f"Arm '{label}' has no method '{values.get('method')}'; "
            f"{did_you_mean(str(values.get('method')), known)}choose one of {', '.join(known)}."
        )
    for name in ("label", "layers", "share"):
        if values.get(name) is not None:
            values[name] = str(values[name])
    if values.get("size") is not None:
        values["size"] = _number(f"size of arm '{label}'", int, values["size"], problems)
    if values.get("checkpoint", "") is None:
        values["checkpoint"] = SCRATCH
    if not isinstance(values.get("options", {}), dict):
        problems.append(f"Arm '{label}': write options as names with values, as in options: {{scale: 2}}.")
    if "rates" in values:
        values["rates"] = _numbers(f"rates of arm '{label}'", _listed(values["rates"]), problems)
    return Arm(**values, axes=axes or {}) if len(problems) == before else None


def _grid(axes: Any, problems: list[str]) -> list[Arm | None]:
    """An arm for every combination of the axes' values, labelled by them."""
    if not isinstance(axes, dict) or not axes:
        problems.append("grid: write names of axes, each with its values.")
        return []
    valued = {
        axis: values if isinstance(values, dict) else {str(value): {axis: value} for value in _listed(values)}
        for axis, values in axes.items()
    }
    arms = []
    for labels in itertools.product(*valued.values()):
        merged: dict[str, Any] = {"label": ", ".join(map(str, labels))}
        options: dict[str, Any] = {}
        for axis, label in zip(valued, labels, strict=True):
            settings = dict(valued[axis][label])
            options |= settings.pop("options", {})
            merged |= settings
        if options:
            merged["options"] = options
        where = {axis: str(label) for axis, label in zip(valued, labels, strict=True)}
        arms.append(_arm(merged, problems, where))
    return arms


def _claim(given: Any, problems: list[str]) -> Claim | None:
    before = len(problems)
    if not isinstance(given, dict) or not given.get("claim"):
        problems.append("claims: write each as claim, source, better, worse, and optionally tasks.")
        return None
    wanted = {one.name for one in fields(Claim)}
    problems += _unknown(f"Claim '{given['claim']}'", given, wanted)
    problems += [
        f"Claim '{given['claim']}' lacks '{name}'."
        for name in ("source", "better", "worse")
        if not given.get(name)
    ]
    if len(problems) > before:
        return None
    lists = {name: tuple(map(str, _listed(given.get(name)))) for name in ("better", "worse", "tasks")}
    return Claim(str(given["claim"]), str(given["source"]), **lists)


def with_checkpoints(study: Study, given: Sequence[str]) -> Study:
    """Return a study with the checkpoints of the command line, which overrule those of its file.

    Args:
        study: As read.
        given: Paths. One as NAME=PATH is for the arms that begin from that name.
    """
    paths = dict(study.checkpoints)
    for one in given:
        name, equals, path = one.partition("=")
        # The folder of a run may hold an equals sign too, behind the folders above it.
        paths |= {name: path} if equals and Path(name).name == name else {DEFAULT: one}
    return replace(study, checkpoints=paths)


def _named(setting: str, given: Any, problems: list[str]) -> dict[str, Any]:
    """Settings, of which one alone may be given by its value."""
    if not isinstance(given, str | dict):
        problems.append(f"{given!r} is no {setting}: write its name, or settings by their names.")
    return dict(given) if isinstance(given, dict) else {setting: given}


def _listed(given: Any) -> list[Any]:
    return [] if given is None else list(given) if isinstance(given, list | tuple) else [given]


def _numbers(what: str, given: Sequence[Any], problems: list[str]) -> tuple[float, ...]:
    """YAML reads 1e-3 as text, so text will do."""
    try:
        return tuple(float(one) for one in given)
    except (TypeError, ValueError):
        problems.append(f"{what}: {', '.join(map(str, given))} must be numbers.")
        return ()


def _number(what: str, kind: type[int] | type[float], given: Any, problems: list[str]) -> float | None:
    """One number, whole if its kind is; None where it is not, which is then a problem."""
    found = next(iter(_numbers(what, [given], problems)), None)
    if found is not None and kind is int and not found.is_integer():
        problems.append(f"{what}: {given} must be a whole number.")
        return None
    return found if found is None else kind(found)


def _unknown(what: str, given: Mapping[str, Any], known: Collection[str]) -> list[str]:
    names = sorted(map(str, given.keys() - set(known)))
    return [
        f"{what} has no setting '{name}'; {did_you_mean(name, known)}there are {', '.join(sorted(known))}."
        for name in names
    ]
