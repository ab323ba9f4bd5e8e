"""Tables made of records, for the screen, the page of a run, and RESULTS.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.toolkit.settings import flatten
from finetune.budgets import budget_title
from finetune.settings import FEATURES, PROBES
from finetune.tasks.accounts import pieces_tested
from finetune.tasks.checks import few_pieces_warning
from finetune.tasks.metrics import FEW_GROUPS, Difference, accuracy, paired_bootstrap, unpack_counts
from symbolic.errors import ConfigError

Record = Mapping[str, Any]
Table = tuple[list[str], list[list[str]]]
"""Heads, and rows of as many cells."""
WHOLE = "whole"
"""Key of a record: to how many pieces the saved model is fitted once folds have tested its method."""
INTERVALS = (
    "Mean ± standard deviation over seeds; 95 % interval by bootstrap over song groups, or by Wilson's formula where "
    f"all resamples agree or there are fewer than {FEW_GROUPS} groups."
)


def pretrained(record: Record) -> bool:
    """Return whether a run started from a checkpoint."""
    return bool(record["backbone"]["source"] == "checkpoint")


def transfer_of(record: Record) -> Record | None:
    """Return what a run was trained on, if that is another task than it was scored on; else None."""
    trained_on: Record | None = record.get("transfer")
    return trained_on


def variant_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the unusual settings of a method by name: kind of probe, note features, ensemble, place, size, options.

    Usual settings are left out, so that most runs are named by their method alone.
    """
    kind = settings.get("probe")
    kinds = {} if kind in (None, PROBES[0]) else {"probe": str(kind)}
    given = {name: settings.get(name) for name in ("layers", "size", "share", "options")}
    keys = settings.get("keys")
    kinds |= {"keys": str(keys)} if keys not in (None, 1) else {}
    inputs = {name: "" for name in ("note_features", "ensemble", "probe_first") if settings.get(name)}
    return kinds | inputs | {name: str(value) for name, value in given.items() if value is not None}


def method_of(record: Record) -> str:
    """Return the method of a run with its unusual settings, in a few words."""
    variant = variant_of(flatten(record.get("settings", {})))
    about = ", ".join(
        value if name in ("probe", "options") else f"{name.replace('_', ' ')} {value}".rstrip()
        for name, value in variant.items()
    )
    if refitted(record):
        about = "of validation pieces too"
    return f"{record['method']} ({about})" if about else str(record["method"])


def refitted(record: Record) -> bool:
    """Return whether validation pieces were trained on too, once they were scored."""
    return any(
        "valid" in seed.get("learnt_from", ()) for run in record["seeds"] for seed in run.get("folds", [run])
    )


def code_mark(record: Record) -> str:
    """Return which commit made a record, if its code has changed since; else an empty text."""
    return f" (code of {record['commit']})" if "commit" in record else ""


def title_of(record: Record) -> str:
    """Return a run in a few words: method, backbone, seeds, and the task it was trained on if that is another."""
    seeds = len(record["seeds"])
    marks = {True: ", LEAKY", None: ", leaks unknown"}.get(record["leaks"]["leaky"], "")
    other = transfer_of(record)
    part = "" if other is None or other["budget"] == 1 else f"{budget_title(other['budget'])} of "
    elsewhere = f"trained on {part}'{other['from']}': " if other else ""
    fresh = "" if record["method"] == FEATURES else "from scratch"
    source = f"from {record['backbone']['path']}" if pretrained(record) else fresh
    parts = [method_of(record), source, f"{seeds} seed{'s' if seeds > 1 else ''}{marks}"]
    return elsewhere + ", ".join(filter(None, parts)) + code_mark(record)


def score_table(record: Record) -> Table:
    """Return heads and rows of test scores in per cent: baselines first, then the run."""
    metrics = record["task"]["metrics"]
    header, rows = baseline_table(record["baselines"], metrics, pieces_tested(record["split"]))
    return header, [
        *rows,
        [title_of(record), *score_cells(record["test"], metrics, len(record["seeds"]) > 1)],
    ]


def baseline_table(baselines: Sequence[Record], metrics: Mapping[str, str], tested: int) -> Table:
    """Return heads and rows of the scores of baselines on a number of test pieces, in per cent."""
    rows = [[one["title"], *score_cells(one["test"]["scores"], metrics)] for one in baselines]
    return [f"{tested:,} test pieces, %", *metrics.values(), "95 % interval of accuracy"], rows


def score_cells(scores: Record, metrics: Mapping[str, str], several: bool = False) -> list[str]:
    """Return a cell for each metric, with the deviation over several seeds, and one for the interval of accuracy."""
    cells = []
    for name in metrics:
        cell = f"{100 * scores[name]['mean']:.1f}"
        cells.append(f"{cell} ± {100 * scores[name]['sd']:.1f}" if several else cell)
    low, high = scores["accuracy"]["interval"]
    return [*cells, f"{100 * low:.1f} to {100 * high:.1f}"]


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table as lines of plain text. The first column is set left, the others right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, *rows):
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join([first.strip().ljust(widths[0]), *others]))
    return lines


def published_table(record: Record, leaky: str = "(leaky)") -> Table:
    """Return heads and rows of published scores, each with its protocol and the mark of a leaky one.

    Of a part of the labels there are none: others had them all.
    """
    metrics = record["task"]["metrics"]
    rows = []
    for row in record["published"] if record.get("budget", 1) == 1 else ():
        scores = (str(row["scores"].get(name, "")) for name in metrics)
        rows.append([row["system"], *scores, row["protocol"] + (f" {leaky}" if row["leaky"] else "")])
    return ["reported elsewhere, %", *metrics.values(), "protocol"], rows


def window_line(record: Record) -> str:
    """Return the window-level accuracy that papers quote; empty at note level."""
    found = record["test"].get("window_accuracy")
    if not found:
        return ""
    deviation = f" ± {100 * found['sd']:.1f}" if len(record["seeds"]) > 1 else ""
    tested = pieces_tested(record["split"])
    return f"window-level accuracy: {100 * found['mean']:.1f}{deviation} %, of {tested:,} test pieces"


def above(run: Record, other: Record) -> Difference | None:
    """Compute by how much accuracy a run is above a baseline or another run. None without saved counts.

    Raises:
        ConfigError: If they were not scored on the same pieces, as in records that were put together by hand.
    """
    if "test_counts" not in run or "test_counts" not in other:
        return None
    ours, theirs = (unpack_counts(one["test_counts"]) for one in (run, other))
    try:
        return paired_bootstrap([ours], [theirs], accuracy)
    except ValueError as error:
        raise ConfigError(f"{run['task']['title']}: {error}. Restore the record from a copy.") from error


def best_baseline(baselines: Sequence[Record]) -> Record:
    """Return the baseline with the highest accuracy on the test pieces."""
    return max(baselines, key=lambda baseline: baseline["test"]["scores"]["accuracy"]["mean"])


def verdict_line(record: Record) -> str:
    """Return whether a run is better than the best baseline, in two sentences; empty without saved counts."""
    best = best_baseline(record["baselines"])
    gap = above(record, best)
    if gap is None:
        return ""
    claim = (
        "It is better."
        if gap.low > 0
        else "It is worse."
        if gap.high < 0
        else "No difference can be claimed."
    )
    return (
        f"Against the best baseline, {best['title']}: {gap_text(gap._asdict())} points of accuracy. {claim}"
    )


def gap_text(gap: Mapping[str, float]) -> str:
    """Return a difference in points with its interval."""
    return f"{100 * gap['mean']:+.1f} ({100 * gap['low']:+.1f} to {100 * gap['high']:+.1f})"


def account_table(split: Record) -> Table:
    """Return heads and rows of what the pieces of a corpus were used for. The rows add up to all of them.

    Args:
        split: The entry "split" of a record.
    """
    uses = {"trained on": split["train"], "selected by": split["valid"], "tested": split["test"]}
    if "folds" in split:
        uses = {f"tested, each in one of {len(split['folds'])} folds": pieces_tested(split)}
    reasons = split.get("left_out", {})
    uses |= {f"left out: {reason}": count for reason, count in reasons.items()}
    return ["pieces", "number"], [
        [use, f"{count:,}"] for use, count in {**uses, "all": sum(uses.values())}.items()
    ]


def model_line(record: Record) -> str:
    """Return which model a run with folds saves, and what its scores are of; empty for a run without folds."""
    folds = record["split"].get("folds")
    if not folds:
        return ""
    whole = record.get(WHOLE)
    saved = (
        f"is fitted to all {whole:,} labelled pieces"
        if whole
        else f"is the one that is best on its validation pieces, {Path(record['checkpoint']).parts[0]}"
    )
    return (
        f"The model that is saved {saved}. The scores are of {len(folds)} models. Each was tested on pieces that it "
        "was not trained on."
    )


def warnings_of(record: Record) -> list[str]:
    """Return what a reader must know before the scores of a record are trusted, in sentences."""
    return [*record.get("warnings", ()), *few_pieces_warning(pieces_tested(record["split"]))]


def kept_of(cost: Mapping[str, Any]) -> str:
    """Return how many parameters are saved; empty if all trained ones are."""
    saved = cost.get("kept_parameters")
    return "" if saved in (None, cost["trained_parameters"]) else f", {saved:,} saved"


def machine_of(record: Record) -> str:
    """Return the kind of machine that a run used."""
    machine = record["machine"]
    name = machine.get("accelerator") or machine.get("processor_name") or machine["processor"]
    return name if "accelerator" in machine else f"{machine['cores']} cores, {name}"
