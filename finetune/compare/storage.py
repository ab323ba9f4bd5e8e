"""Comparisons as files of results: one line of JSON for the study, then one for each arm."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from finetune.compare.results import Outcomes, compared
from finetune.compare.study import Arm, Claim, Study, TaskUse
from symbolic.documents import read_json
from symbolic.errors import ConfigError

_AGAIN = "Copy it again, or run the comparison anew."
_ORIGIN = ("command", "time", "versions", "machine")


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
    origin = {name: comparison[name] for name in _ORIGIN if name in comparison}
    lines: list[dict[str, Any]] = [{**origin, "study": comparison["study"], "failures": failures}]
    for (task, arm), outcome in outcomes.items():
        trials = [{"lr": trial["lr"], "valid": trial["valid"]} for trial in outcome["trials"]]
        about = {"lr": outcome["lr"], "trials": trials, "own_process": outcome.get("own_process", True)}
        lines.append({"cell": [task, arm], **about, **without_shared(outcome["record"])})
    write_results(path, lambda _: lines)


def read_study(path: Path) -> dict[str, Any]:
    """Read a study and compare its arms again. The baselines are in the folder above it."""
    first, *lines = read_lines(path)
    tasks = read_tasks(path.parent.with_name(BASELINES))
    outcomes = {}
    for line in lines:
        about = {name: line.pop(name) for name in ("lr", "trials", "own_process")}
        outcomes[tuple(line.pop("cell"))] = {**about, "record": with_shared(line, tasks)}
    failures = {(one["task"], one["arm"]): one["reason"] for one in first["failures"]}
    origin = {name: first[name] for name in _ORIGIN if name in first}
    return {**origin, **compared(_study(first["study"]), outcomes, failures)}


def find_studies(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Read every comparison below a folder with the path of its page."""
    runs = [
        (path.with_suffix(".md"), read_json(path, ConfigError, _AGAIN))
        for path in sorted(folder.rglob(COMPARISON))
    ]
    return runs + [
        (path.with_suffix(".md"), read_study(path)) for path in sorted(folder.rglob(f"{STUDIES}/*.jsonl"))
    ]


def _study(document: Mapping[str, Any]) -> Study:
    parts = {"tasks": TaskUse, "arms": Arm, "claims": Claim}
    made = {name: tuple(kind(**_tuples(one)) for one in document[name]) for name, kind in parts.items()}
    return Study(**{**_tuples(document), **made})


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
