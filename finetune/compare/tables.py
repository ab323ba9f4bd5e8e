"""Tables of a comparison, for the screen and for its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finetune.compare.results import CONTRADICTED, HELD, METRICS, OPEN
from finetune.report.tables import Table, score_cells


def score_rows(task: Mapping[str, Any]) -> Table:
    """Return heads and rows of test scores: baselines, then arms with the differences to others."""
    header = [
        "test",
        *METRICS.values(),
        "95 % of accuracy",
        "above full",
        "above scratch",
        "above best baseline",
    ]
    baselines = [
        [baseline["title"], *score_cells(baseline["test"], METRICS), "–", "–", "–"]
        for baseline in task["baselines"]
    ]
    arms = [
        [
            row["arm"] + {True: " (LEAKY)", None: " (leaks unknown)"}.get(row["leaky"], "") + row["code"],
            *score_cells(row["test"], METRICS, row["seeds"] > 1),
            *(_gap(row["above"][name]) for name in ("full", "scratch", "best baseline")),
        ]
        for row in task["rows"]
    ]
    return header, [*baselines, *arms]


def cost_rows(task: Mapping[str, Any]) -> Table:
    """Return heads and rows of what every arm costs, and of how its learning rate was chosen."""
    header = [
        "cost",
        "trained",
        "share",
        "file",
        "s an epoch",
        "peak memory",
        "rate",
        "validation by rate, %",
    ]
    return header, [
        [
            row["arm"],
            f"{row['trained']:,}",
            f"{100 * row['share']:.2f} %",
            _bytes(row["saved_bytes"]),
            "–" if row["seconds_per_epoch"] is None else f"{row['seconds_per_epoch']:.1f}",
            _bytes(row["peak_memory_bytes"]),
            f"{row['lr']:g}" + (" *" if row["at_edge"] else ""),
            ", ".join(f"{trial['lr']:g}: {100 * trial['valid']:.1f}" for trial in row["trials"]),
        ]
        for row in task["rows"]
    ]


def rank_rows(comparison: Mapping[str, Any]) -> Table:
    """Return heads and rows of mean ranks, beside those of the paper."""
    columns = {"rank": "mean rank", "among_paper": "among the paper's methods", "paper": "the paper's"}
    shown = [name for name in columns if any(one[name] is not None for one in comparison["ranks"])]
    rows = [[one["arm"], *(_number(one[name]) for name in shown)] for one in comparison["ranks"]]
    return ["arm", *(columns[name] for name in shown)], rows


def claim_rows(comparison: Mapping[str, Any]) -> Table:
    """Return heads and rows of claims, and whether they held here."""
    header = ["claim", "source", "task", "arms", "difference, points", "here"]
    return header, [
        [
            one["claim"],
            one["source"],
            one["task"],
            "{} against {}".format(*one["arms"]),
            _gap(one["gap"]),
            one["verdict"] + (f": {one['reason']}" if one["reason"] else ""),
        ]
        for one in comparison["claims"]
    ]


def claim_line(comparison: Mapping[str, Any]) -> str:
    """Return one sentence that says how many claims held."""
    verdicts = [one["verdict"] for one in comparison["claims"]]
    counts = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in (HELD, CONTRADICTED, OPEN))
    return f"Of {len(verdicts)} claims, one a task: {counts}."


def failure_lines(comparison: Mapping[str, Any]) -> list[str]:
    """Return a sentence for every arm that failed."""
    return [
        f"{failure['arm']} on {task['name']} failed: {failure['reason']}"
        for task in comparison["tasks"]
        for failure in task["failures"]
    ]


def summary_line(comparison: Mapping[str, Any]) -> str:
    """Return one sentence that says what was compared."""
    study, tasks = comparison["study"], comparison["tasks"]
    seeds = study["seeds"]
    rates = len(study["trials"])
    return (
        f"{len(study['arms'])} arms on {', '.join(task['name'] for task in tasks)}: {rates} learning "
        f"rate{'s' if rates > 1 else ''} each, {seeds} seed{'s' if seeds > 1 else ''}."
    )


def _gap(gap: Mapping[str, float] | None) -> str:
    if gap is None:
        return "–"
    return f"{100 * gap['mean']:+.1f} ({100 * gap['low']:+.1f} to {100 * gap['high']:+.1f})"


def _bytes(count: float | None) -> str:
    if count is None:
        return "–"
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")
