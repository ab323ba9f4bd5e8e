"""A comparison as tables, for Markdown and for the page alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.toolkit.markdown import markdown_table
from finetune.compare.results import CONTRADICTED, HELD, METRICS, OPEN
from finetune.report.tables import Table

NOTE = (
    "Test pieces, in per cent: mean ± standard deviation over seeds, 95 % interval by bootstrap over song groups. "
    "*Above* are points of accuracy above full fine-tuning of the same checkpoint, above full training from random "
    "initialisation, of the same shape where the study has that, and above the best baseline, by a bootstrap that draws "
    "song groups and seeds, both paired; a difference is claimed only where its interval does not hold 0. Drawn "
    "from few seeds such intervals are a little narrow. {rates} Trained parameters count the head.{few}"
)
TRIED = (
    "Every arm had as many learning rates to try as any other, on the first seed; the one that was best on the "
    "validation pieces was taken for all seeds, and no test score had a say. The lowest or highest of three or more is "
    "marked *: a better one may lie beyond."
)
GIVEN = (
    "Every arm was trained at one learning rate, {factor:g} times the usual one of its method unless it names its own; "
    "none was chosen, and another may suit an arm better."
)
WANTED = 5
"""Seeds of a table (docs/evaluation.md, rule 7)."""
FEW = " With {seeds} seeds there are fewer than the 5 that this project asks of a table."
COST_NOTE = (
    "Seconds are those of training and validation for one pass over the training windows; arms at work at a time "
    "share the machine. Those of a probe leave out the passes of the backbone whose states it learns from, and of "
    "the best layer are of that layer alone; there are none of runs with folds or that were resumed. Peak memory is "
    "the accelerator's where there is one; else that of the arm's process, its libraries included. The file is the "
    "adapter's, or where there is none the whole model's."
)
RANK_NOTE = (
    "Mean over tasks of the rank by test accuracy, 1 the best; equals share the mean rank. Ding & Lerch (arXiv "
    "2411.19371) rank seven methods over 14 cells; theirs is to be compared with the rank among these alone, and "
    "where not all seven stand here, in order but not in size."
)
CLAIM_NOTE = (
    "A claim is of means: of all arms on either side, the difference paired by song group and by seed. It held "
    "where the 95 % interval lies above 0 and is contradicted where it lies below; single arms may do otherwise. "
    "Intervals do not allow for the number of claims: where there is no difference at all, one in twenty leaves 0 "
    "out."
)


def score_rows(task: Mapping[str, Any]) -> Table:
    """Baselines, then arms: scores and what they are above."""
    header = [
        "test",
        *METRICS.values(),
        "95 % of accuracy",
        "above full",
        "above scratch",
        "above best baseline",
    ]
    baselines = [
        [baseline["title"], *_scores(baseline["test"], False), "–", "–", "–"]
        for baseline in task["baselines"]
    ]
    arms = [
        [
            row["arm"] + {True: " (LEAKY)", None: " (leaks unknown)"}.get(row["leaky"], ""),
            *_scores(row["test"], row["seeds"] > 1),
            *(_gap(row["above"][name]) for name in ("full", "scratch", "best baseline")),
        ]
        for row in task["rows"]
    ]
    return header, [*baselines, *arms]


def cost_rows(task: Mapping[str, Any]) -> Table:
    """Of every arm, what it costs and how its learning rate was chosen."""
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
    """Mean ranks, beside the paper's."""
    columns = {"rank": "mean rank", "among_paper": "among the paper's methods", "paper": "the paper's"}
    shown = [name for name in columns if any(one[name] is not None for one in comparison["ranks"])]
    rows = [[one["arm"], *(_number(one[name]) for name in shown)] for one in comparison["ranks"]]
    return ["arm", *(columns[name] for name in shown)], rows


def claim_rows(comparison: Mapping[str, Any]) -> Table:
    """What was claimed, and whether it was so here."""
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
    """How many claims held, in a sentence."""
    verdicts = [one["verdict"] for one in comparison["claims"]]
    counts = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in (HELD, CONTRADICTED, OPEN))
    return f"Of {len(verdicts)} claims, one a task: {counts}."


def failure_lines(comparison: Mapping[str, Any]) -> list[str]:
    """A sentence for every arm that failed."""
    return [
        f"{failure['arm']} on {task['name']} failed: {failure['reason']}"
        for task in comparison["tasks"]
        for failure in task["failures"]
    ]


def note_of(comparison: Mapping[str, Any]) -> str:
    """How the tables are to be read."""
    trials, seeds = comparison["study"]["trials"], comparison["study"]["seeds"]
    rates = TRIED if len(trials) > 1 else GIVEN.format(factor=trials[0])
    return NOTE.format(rates=rates, few="" if seeds >= WANTED else FEW.format(seeds=seeds))


def summary_line(comparison: Mapping[str, Any]) -> str:
    """What was compared, in a sentence."""
    study, tasks = comparison["study"], comparison["tasks"]
    seeds = study["seeds"]
    rates = len(study["trials"])
    return (
        f"{len(study['arms'])} arms on {', '.join(task['name'] for task in tasks)}: {rates} learning "
        f"rate{'s' if rates > 1 else ''} each, {seeds} seed{'s' if seeds > 1 else ''}."
    )


def markdown(comparison: Mapping[str, Any]) -> str:
    """The whole comparison as a page."""
    lines = [
        f"# {comparison['title']}",
        "",
        f"Generated by `{comparison['command']}`; do not edit. {summary_line(comparison)}",
        "",
        note_of(comparison),
        "",
        COST_NOTE,
        "",
    ]
    lines += [line for failure in failure_lines(comparison) for line in (f"**{failure}**", "")]
    if comparison["claims"]:
        lines += [
            "## Claims",
            "",
            claim_line(comparison),
            "",
            CLAIM_NOTE,
            "",
            *_table(claim_rows(comparison)),
        ]
    if comparison["ranks"]:
        lines += ["## Mean rank", "", RANK_NOTE, "", *_table(rank_rows(comparison))]
    for task in comparison["tasks"]:
        if task["rows"]:
            split = task["split"]
            about = f"{split['train']}/{split['valid']}/{split['test']} pieces. Split: {split['source']}."
            lines += [
                f"## {task['title']}",
                "",
                about,
                "",
                *_table(score_rows(task)),
                *_table(cost_rows(task)),
            ]
            lines += ["Each by itself:", "", "```", *(row["command"] for row in task["rows"]), "```", ""]
    return "\n".join(lines)


def _table(table: Table) -> list[str]:
    return [*markdown_table(*table, numbers=True), ""]


def _scores(scores: Mapping[str, Any], several: bool) -> list[str]:
    cells = [
        f"{100 * scores[name]['mean']:.1f}"
        + (f"\u00a0±\u00a0{100 * scores[name]['sd']:.1f}" if several else "")
        for name in METRICS
    ]
    low, high = scores["accuracy"]["interval"]
    return [*cells, f"{100 * low:.1f} to {100 * high:.1f}"]


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
