"""Results of a comparison as JSON values: scores, costs, differences, ranks, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.report.tables import Record, above, best_baseline, code_mark, warnings_of
from finetune.settings import SCRATCH
from finetune.tasks.metrics import (
    Counts,
    Difference,
    accuracy,
    bootstrap_interval,
    paired_bootstrap,
    unpack_counts,
)

if TYPE_CHECKING:
    from finetune.compare.study import Arm, Claim, Study, TaskUse

FORMAT = 1
METRICS = {"accuracy": "accuracy", "macro_f1": "macro F1"}
PAPER_RANKS = {
    **{"adapter": 2.5, "lora": 2.8, "ssf": 3.5, "prefix": 3.8, "bitfit": 4.5, "full": 4.75, "probe": 6.3}
}
"""Mean ranks over 14 cells in Ding & Lerch."""
PAPER = "2411.19371"
"""Its number in arXiv."""
HELD, CONTRADICTED, OPEN = "held", "contradicted", "undecided"

_REMEDY = "Delete the folder of the one that is out of date, and go on with --resume."

Outcomes = Mapping[tuple[str, str], Mapping[str, Any]]
"""Results by task and arm: "record", "lr", "usual" and "trials", as `Cell.outcome` gives them."""


def strangers(outcomes: Outcomes) -> dict[tuple[str, str], str]:
    """Return arms that cannot be paired with the first of their task, and the reason.

    All must be scored on the same items. All that read the same tokens must be trained on the same music.
    """
    items: dict[str, tuple[str, Counts]] = {}
    music: dict[tuple[str, str], tuple[str, str]] = {}
    found = {}
    for (task, arm), outcome in outcomes.items():
        record = outcome["record"]
        scored, corpus = _counts(record)[0].sum(axis=-1), record["corpus"]
        first, theirs = items.setdefault(task, (arm, scored))
        tokenizer = corpus.get("tokenizer", f"unknown, of {corpus['shards']}")
        other, shards = music.setdefault((task, tokenizer), (arm, corpus["shards"]))
        if not np.array_equal(scored, theirs):
            found[task, arm] = f"it was scored on other test pieces than '{first}'. {_REMEDY}"
        elif corpus["shards"] != shards:
            found[task, arm] = f"it was trained on other music, labels or sides than '{other}'. {_REMEDY}"
    return found


def compared(study: Study, outcomes: Outcomes, failures: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Return everything that tables and charts show.

    Args:
        study: The study.
        outcomes: Results of the finished cells.
        failures: Reasons of those that failed.
    """
    tasks = [
        _task(study, use, outcomes, failures)
        for use in study.tasks
        if any(use.name == task for task, _ in (*outcomes, *failures))
    ]
    return {
        "format": FORMAT,
        "title": study.title,
        "study": asdict(study),
        "tasks": tasks,
        "ranks": _ranks(study, tasks),
        "claims": [
            _tried(study, claim, use, outcomes)
            for claim in study.claims
            for use in study.tasks
            if claim.of(use)
        ],
    }


def _task(
    study: Study, use: TaskUse, outcomes: Outcomes, failures: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    done = {arm: outcomes[use.name, arm.name] for arm in study.arms if (use.name, arm.name) in outcomes}
    failed = [
        (arm.name, failures[use.name, arm.name]) for arm in study.arms if (use.name, arm.name) in failures
    ]
    found: dict[str, Any] = {
        "name": use.name,
        "title": use.name,
        "budget": use.budget,
        "failures": [{"arm": arm, "reason": reason} for arm, reason in failed],
        "rows": [],
    }
    if not done:
        return found
    first = next(iter(done.values()))["record"]
    baselines = [
        {"title": baseline["title"], "test": {name: baseline["test"]["scores"][name] for name in METRICS}}
        for baseline in first["baselines"]
    ]
    rows = [_row(arm, outcome, _beside(arm, done)) for arm, outcome in done.items()]
    for row, rank in zip(rows, ranks([row["test"]["accuracy"]["mean"] for row in rows]), strict=True):
        row["rank"] = rank
    return found | {
        "title": first["task"]["title"],
        "items": "notes" if first["task"]["level"] == "note" else "pieces",
        "split": first["split"],
        "baselines": baselines,
        "best_baseline": best_baseline(first["baselines"])["title"],
        "warnings": list(
            dict.fromkeys(one for outcome in done.values() for one in warnings_of(outcome["record"]))
        ),
        "rows": rows,
    }


def _row(arm: Arm, outcome: Mapping[str, Any], beside: Mapping[str, Record | None]) -> dict[str, Any]:
    record, trials = outcome["record"], outcome["trials"]
    costs = [seed["cost"] for seed in record["seeds"]]
    rates = [trial["lr"] for trial in trials]
    timed = [cost["seconds_per_epoch"] for cost in costs if cost.get("seconds_per_epoch") is not None]
    peaks = [cost["peak_memory_bytes"] for cost in costs if cost.get("peak_memory_bytes") is not None]
    own = outcome.get("own_process", True)
    return {
        "arm": arm.name,
        "method": arm.method,
        "axes": dict(arm.axes),
        "seeds": len(record["seeds"]),
        "test": {
            name: {key: record["test"][name][key] for key in ("mean", "sd", "interval")} for name in METRICS
        },
        "over_seeds": list(bootstrap_interval(_counts(record), accuracy, over_seeds=True)),
        "valid": record["valid"]["accuracy"]["mean"],
        "trained": costs[0]["trained_parameters"],
        "share": costs[0]["trained_parameters"] / costs[0]["parameters"],
        "saved_bytes": costs[0]["saved_bytes"],
        "seconds_per_epoch": float(np.mean(timed)) if timed else None,
        "peak_memory_bytes": max(peaks) if peaks and own else None,
        "lr": outcome["lr"],
        "trials": [{"lr": trial["lr"], "valid": trial["valid"]} for trial in trials],
        "at_edge": len(rates) > 2 and outcome["lr"] in (min(rates), max(rates)),
        "leaky": record["leaks"]["leaky"],
        "above": {name: None if other is None else _above(record, other) for name, other in beside.items()},
        "command": record["command"],
        "code": code_mark(record),
    }


def _beside(arm: Arm, done: Mapping[Arm, Mapping[str, Any]]) -> dict[str, Record | None]:
    """Return what an arm is compared with: full fine-tuning of its checkpoint, training from scratch, best baseline.

    The run from scratch has the arm's own shape if possible, else its kind of backbone, else it is the first.
    """
    full = [one for one in done if one.method == "full" and one.checkpoint == arm.checkpoint != SCRATCH]
    fresh = [one for one in done if one.method == "full" and one.checkpoint == SCRATCH]
    shape = done[arm]["record"]["backbone"].get("config", {})  # hand-made features have none
    shapes = {one: done[one]["record"]["backbone"].get("config", {}) for one in fresh}
    fresh.sort(key=lambda one: (shapes[one] != shape, shapes[one].get("kind") != shape.get("kind")))

    def other(those: Sequence[Arm]) -> Record | None:
        return done[those[0]]["record"] if those and those[0] != arm else None

    return {
        "full": other(full),
        "scratch": other(fresh),
        "best baseline": best_baseline(done[arm]["record"]["baselines"]),
    }


def _above(ours: Record, theirs: Record) -> dict[str, float] | None:
    gap = above(ours, theirs)
    return None if gap is None else _values(gap)


def _counts(record: Record) -> Counts:
    return unpack_counts(record["test_counts"])


def _values(gap: Difference) -> dict[str, float]:
    return {name: float(value) for name, value in gap._asdict().items()}


def ranks(scores: Sequence[float]) -> list[float]:
    """Return the rank of each score, 1 for the highest. Equal scores share their mean rank."""
    values = np.asarray(scores)
    higher = (values[None, :] > values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    return [float(rank) for rank in higher + (equal + 1) / 2]


def _ranks(study: Study, tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return mean ranks. A paper's own stand beside them only in a study that tests its claims.

    Without them the rank on a single task says no more than its scores. Then there are none.
    """
    found = mean_ranks(study.arms, tasks)
    if any(PAPER in claim.source for claim in study.claims):
        return found
    return [{**one, "among_paper": None, "paper": None} for one in found] if len(tasks) > 1 else []


def mean_ranks(arms: Sequence[Arm], tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the mean rank over tasks of every arm that was scored on all of them, lowest first.

    Methods that Ding & Lerch rank are also ranked among themselves, beside the paper's mean rank. Only arms of the
    usual place and size count and of several arms of one method only the first.
    """
    scored = [{row["arm"]: row["test"]["accuracy"]["mean"] for row in task["rows"]} for task in tasks]
    whole = [arm for arm in arms if scored and all(arm.name in scores for scores in scored)]
    theirs: dict[str, Arm] = {}
    for arm in whole:
        if arm.method in PAPER_RANKS and arm.checkpoint != SCRATCH and arm.usual:
            theirs.setdefault(arm.method, arm)
    overall = _means(whole, scored)
    among = _means(list(theirs.values()), scored) if len(theirs) > 1 else {}
    found = [
        {
            "arm": arm.name,
            "rank": overall[arm.name],
            "among_paper": among.get(arm.name),
            "paper": PAPER_RANKS[arm.method] if arm.name in among else None,
        }
        for arm in whole
    ]
    return sorted(found, key=lambda one: one["rank"])


def _means(arms: Sequence[Arm], scored: Sequence[Mapping[str, float]]) -> dict[str, float]:
    each = [ranks([scores[arm.name] for arm in arms]) for scores in scored]
    means = np.mean(each, axis=0) if each and arms else []
    return {arm.name: float(mean) for arm, mean in zip(arms, means, strict=True)}


def _tried(study: Study, claim: Claim, use: TaskUse, outcomes: Outcomes) -> dict[str, Any]:
    """Test a claim on a task: means over arms and seeds of both sides, paired by song group and seed."""
    sides = [study.matching(side) for side in (claim.better, claim.worse)]
    arms = [len(side) for side in sides]
    about = {"claim": claim.claim, "source": claim.source, "task": use.name, "arms": arms}
    if missing := [arm for side in sides for arm in side if (use.name, arm) not in outcomes]:
        return about | {"verdict": OPEN, "reason": f"{', '.join(missing)} did not finish", "gap": None}
    better, worse = ([_counts(outcomes[use.name, arm]["record"]) for arm in side] for side in sides)
    gap = _values(paired_bootstrap(better, worse, accuracy))
    return about | {"verdict": verdict(gap["low"], gap["high"]), "reason": "", "gap": gap}


def verdict(low: float, high: float) -> str:
    """Return whether a claimed difference is above 0 by its interval."""
    return HELD if low > 0 else CONTRADICTED if high < 0 else OPEN
