"""Tables of a comparison, for the screen and for its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from finetune.compare.results import CONTRADICTED, HELD, METRICS, OPEN
from finetune.report.tables import Table, gap_text, score_cells
from finetune.tasks.accounts import pieces_tested

Row = Mapping[str, Any]
_NOTHING = "–"
_BESIDE = ("full", "scratch", "best baseline")
_LEAKS = {True: " (LEAKY)", None: " (leaks unknown)", False: ""}


def score_rows(task: Row) -> Table:
    """Return heads and rows of test scores: baselines, then arms with the differences to others."""
    header = [
        f"{pieces_tested(task['split']):,} test pieces",
        *METRICS.values(),
        "95 % of accuracy",
        *(f"above {name}" for name in _BESIDE),
    ]
    baselines = [
        [one["title"], *score_cells(one["test"], METRICS), *[_NOTHING] * len(_BESIDE)]
        for one in task["baselines"]
    ]
    arms = [
        [
            row["arm"] + _LEAKS[row["leaky"]] + row["code"],
            *score_cells(row["test"], METRICS, row["seeds"] > 1),
            *(_gap(row["above"][name]) for name in _BESIDE),
        ]
        for row in task["rows"]
    ]
    return _filled(header, [*baselines, *arms])


def cost_rows(task: Row) -> Table:
    """Return heads and rows of what every arm costs, and of how its learning rate was chosen."""
    return _table(_COSTS, task["rows"])


def rank_rows(comparison: Row) -> Table:
    """Return heads and rows of mean ranks, beside those of the paper."""
    ranks = comparison["ranks"]
    shown = {name: key for name, key in _RANKS.items() if any(one[key] is not None for one in ranks)}
    rows = [
        [one["arm"], *(_NOTHING if one[key] is None else f"{round(one[key], 2):g}" for key in shown.values())]
        for one in ranks
    ]
    return ["arm", *shown], rows


def claim_rows(comparison: Row) -> Table:
    """Return heads and rows of claims, and whether they held here."""
    return _table(_CLAIMS, comparison["claims"])


def claim_line(comparison: Row) -> str:
    """Return one sentence that says how many claims held."""
    verdicts = [one["verdict"] for one in comparison["claims"]]
    counts = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in (HELD, CONTRADICTED, OPEN))
    return f"Of {len(verdicts)} claims, one a task: {counts}."


def failure_lines(comparison: Row) -> list[str]:
    """Return a sentence for every arm that failed."""
    failed = ((task["name"], failure) for task in comparison["tasks"] for failure in task["failures"])
    return [f"{failure['arm']} on {task} failed: {failure['reason']}" for task, failure in failed]


def summary_line(comparison: Row) -> str:
    """Return one sentence that says what was compared."""
    study, tasks = comparison["study"], ", ".join(task["name"] for task in comparison["tasks"])
    rates, seeds = len(study["trials"]), study["seeds"]
    return (
        f"{len(study['arms'])} arms on {tasks}: {rates} learning rate{'s' if rates > 1 else ''} each, "
        f"{seeds} seed{'s' if seeds > 1 else ''}."
    )


def _table(columns: Mapping[str, Callable[[Row], str]], rows: list[Row]) -> Table:
    return _filled(list(columns), [[cell(row) for cell in columns.values()] for row in rows])


def _filled(header: list[str], rows: list[list[str]]) -> Table:
    """Return heads and rows without the columns in which nothing stands."""
    kept = [i for i in range(len(header)) if any(row[i] not in ("", _NOTHING) for row in rows)]
    return [header[i] for i in kept], [[row[i] for i in kept] for row in rows]


def _gap(gap: Mapping[str, float] | None) -> str:
    return _NOTHING if gap is None else gap_text(gap)


def _bytes(count: float | None) -> str:
    if count is None:
        return _NOTHING
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"


def _rates(row: Row) -> str:
    if row["lr"] == 0:
        return _NOTHING
    return ", ".join(f"{trial['lr']:g}: {100 * trial['valid']:.1f}" for trial in row["trials"])


_COSTS: Mapping[str, Callable[[Row], str]] = {
    "cost": lambda row: row["arm"],
    "trained": lambda row: f"{row['trained']:,}",
    "share": lambda row: f"{100 * row['share']:.2f} %",
    "file": lambda row: _bytes(row["saved_bytes"]),
    "s an epoch": lambda row: (
        _NOTHING if row["seconds_per_epoch"] is None else f"{row['seconds_per_epoch']:.1f}"
    ),
    "peak memory": lambda row: _bytes(row["peak_memory_bytes"]),
    "rate": lambda row: f"{row['lr']:g}" + (" *" if row["at_edge"] else "") if row["lr"] else _NOTHING,
    "validation by rate, %": _rates,
}
_CLAIMS: Mapping[str, Callable[[Row], str]] = {
    "claim": lambda one: one["claim"],
    "source": lambda one: one["source"],
    "task": lambda one: one["task"],
    "arms": lambda one: "{} against {}".format(*one["arms"]),
    "difference, points": lambda one: _gap(one["gap"]),
    "here": lambda one: one["verdict"] + (f": {one['reason']}" if one["reason"] else ""),
}
_RANKS = {"mean rank": "rank", "among the paper's methods": "among_paper", "the paper's": "paper"}
