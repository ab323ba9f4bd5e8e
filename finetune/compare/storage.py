"""Comparisons as files of results: one line of JSON for the study, then one for each arm."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.toolkit.record_schema import ORIGIN, TRAINED, plain
from data.toolkit.results import (
    BASELINES,
    COMPARISON,
    STUDIES,
    read_lines,
    read_tasks,
    with_shared,
    without_shared,
    write_results,
)
from finetune.compare.results import Outcomes, compared, strangers
from finetune.compare.study import Arm, Claim, Study, TaskUse
from symbolic.documents import (
    anything,
    fields,
    listed,
    mapped,
    nullable,
    number,
    read_json,
    require,
    text,
    texts,
    truth,
    whole,
)
from symbolic.errors import ConfigError

_AGAIN = "Copy it again, or run the comparison anew."
_NUMBER, _WORDS = number(-1e9, 1e9), nullable(text())
_USE = fields(
    {"task": text()},
    {
        "budget": number(0, 1e9),
        "epochs": nullable(_NUMBER),
        **dict.fromkeys(("protocol", "folder", "labels", "tracks"), _WORDS),
    },
)
_ARM = fields(
    {"method": text()},
    {
        **dict.fromkeys(("checkpoint", "label", "like"), text()),
        **dict.fromkeys(("preset", "layers", "share", "probe"), _WORDS),
        "size": nullable(whole(0, 2**31)),
        "keys": whole(1, 12),
        "probe_first": truth,
        "options": mapped(text(), plain),
        "rates": listed(_NUMBER),
        "axes": mapped(text(), text()),
    },
)
_NAMES = listed(text(), least=1)
_CLAIM = fields({"claim": text(), "source": text(), "better": _NAMES, "worse": _NAMES}, {"tasks": texts})
_HEAD = fields(
    {
        **ORIGIN,
        "study": fields(
            {"title": text(), "tasks": listed(_USE), "arms": listed(_ARM)},
            {
                "trials": listed(_NUMBER),
                "epochs": nullable(_NUMBER),
                **dict.fromkeys(("seeds", "tokens_per_batch", "patience"), whole(0, 2**31)),
                "claims": listed(_CLAIM),
                "checkpoints": mapped(text(), text()),
            },
        ),
        "failures": listed(fields(dict.fromkeys(("task", "arm", "reason"), text()), more=True)),
    },
    more=True,
)
_TRIALS = listed(fields({"lr": _NUMBER, "valid": _NUMBER}, more=True), least=1)
_ARM_LINE = fields(
    {
        "cell": listed(text(), least=2),
        "of": listed(text()),
        "lr": _NUMBER,
        "trials": _TRIALS,
        "own_process": truth,
    },
    more=True,
)
_TESTED = fields(
    {
        **dict.fromkeys(("claim", "source", "task", "verdict", "reason"), text()),
        "arms": listed(whole(0, 2**31), least=2),
        "gap": nullable(fields(dict.fromkeys(("mean", "low", "high", "p"), _NUMBER))),
    }
)
_COMPARISON = fields(
    {
        "title": text(),
        "tasks": listed(fields({"name": text()}, more=True)),
        "study": fields({"arms": listed(anything), "seeds": whole(0, 2**31)}, more=True),
        "claims": listed(_TESTED),
    },
    more=True,
)


def save_study(path: Path, study: Study, outcomes: Outcomes, comparison: Mapping[str, Any]) -> None:
    """Write a study: its definition first, then the record of every arm on every task.

    Args:
        path: The file, replaced as a whole.
        study: The study.
        outcomes: Results of the finished cells with portable records.
        comparison: Comparison from `compared` with its origin and without paths of this machine.
    """
    failures = [
        {"task": task["name"], **failure} for task in comparison["tasks"] for failure in task["failures"]
    ]
    origin = {name: comparison[name] for name in ORIGIN}
    lines: list[dict[str, Any]] = [{**origin, "study": comparison["study"], "failures": failures}]
    for (task, arm), outcome in outcomes.items():
        trials = [{"lr": trial["lr"], "valid": trial["valid"]} for trial in outcome["trials"]]
        about = {"lr": outcome["lr"], "trials": trials, "own_process": outcome.get("own_process", True)}
        lines.append({"cell": [task, arm], **about, **without_shared(outcome["record"])})
    write_results(path, lambda _: lines)


def read_study(path: Path) -> dict[str, Any]:
    """Read a study and compare its arms again. The baselines are in the folder above it.

    Raises:
        ConfigError: If it was damaged or changed.
    """
    first, *lines = read_lines(path) or [{}]
    require(path, first, _HEAD, ConfigError, _AGAIN)
    study = _study(first["study"])
    if problems := study.problems():
        raise ConfigError(f"{path} does not fit: {problems[0]} {_AGAIN}")
    tasks = read_tasks(path.parent.with_name(BASELINES))
    outcomes = {}
    for line in lines:
        require(path, line, _ARM_LINE, ConfigError, _AGAIN)
        about = {name: line.pop(name) for name in ("lr", "trials", "own_process")}
        cell, record = tuple(line.pop("cell")), with_shared(line, tasks, path)
        require(path, record, TRAINED.check, ConfigError, _AGAIN)
        outcomes[cell] = {**about, "record": record}
    failures = {(one["task"], one["arm"]): one["reason"] for one in first["failures"]}
    for (task, arm), reason in strangers(outcomes).items():
        raise ConfigError(f"{path}: '{arm}' on {task}: {reason}")
    origin = {name: first[name] for name in ORIGIN}
    return {**origin, **compared(study, outcomes, failures)}


def find_studies(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Read every comparison below a folder with the path of its page.

    Raises:
        ConfigError: If one was damaged or changed.
    """
    runs = []
    for path in sorted(folder.rglob(COMPARISON)):
        comparison = read_json(path, ConfigError, _AGAIN)
        require(path, comparison, _COMPARISON, ConfigError, _AGAIN)
        runs.append((path.with_suffix(".md"), comparison))
    return runs + [
        (path.with_suffix(".md"), read_study(path)) for path in sorted(folder.rglob(f"{STUDIES}/*.jsonl"))
    ]


def _study(document: Mapping[str, Any]) -> Study:
    parts = {"tasks": TaskUse, "arms": Arm, "claims": Claim}
    made = {name: tuple(kind(**_tuples(one)) for one in document[name]) for name, kind in parts.items()}
    return Study(**{**_tuples(document), **made})


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
