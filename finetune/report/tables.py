"""Rows of tables from records, for the screen, the page of a run, and RESULTS.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.toolkit.settings import flatten
from finetune.settings import FEATURES, PROBES
from finetune.tasks.metrics import unpack_counts

Record = Mapping[str, Any]
Table = tuple[list[str], list[list[str]]]
"""Heads, and rows of as many cells."""


def pretrained(record: Record) -> bool:
    """Whether a run began from a checkpoint."""
    return bool(record["backbone"]["source"] == "checkpoint")


def transfer_of(record: Record) -> Record | None:
    """What a run was trained on, where that is another task than it was scored on; None where it is the same."""
    learnt: Record | None = record.get("transfer")
    return learnt


def variant_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """What tells arms of one method apart, by setting: a probe's kind, note features, trees, an adapter's place, size, options.

    What is usual is left out, so that names of runs that ask for nothing special are the method's alone.
    """
    kind = settings.get("probe")
    kinds = {} if kind in (None, PROBES[0]) else {"probe": str(kind)}
    given = {name: settings.get(name) for name in ("layers", "size", "share", "options")}
    heard = {name: "" for name in ("note_features", "ensemble") if settings.get(name)}
    return kinds | heard | {name: str(value) for name, value in given.items() if value is not None}


def method_of(record: Record) -> str:
    """What was trained, in a few words: method, and what is unusual about it."""
    variant = variant_of(flatten(record.get("settings", {})))
    about = ", ".join(
        value if name in ("probe", "options") else f"{name.replace('_', ' ')} {value}".rstrip()
        for name, value in variant.items()
    )
    if any(
        "valid" in seed.get("learnt_from", ()) for run in record["seeds"] for seed in run.get("folds", [run])
    ):
        about = "of validation pieces too"
    return f"{record['method']} ({about})" if about else str(record["method"])


def code_mark(record: Record) -> str:
    """Return which commit made a record, if its code has changed since; else an empty text."""
    return f" (code of {record['commit']})" if "commit" in record else ""


def title_of(record: Record) -> str:
    """A run in a few words: method, backbone, seeds, and what it was trained on where that is another task."""
    seeds = len(record["seeds"])
    marks = {True: ", LEAKY", None: ", leaks unknown"}.get(record["leaks"]["leaky"], "")
    learnt = transfer_of(record)
    elsewhere = f"trained on {_share(learnt)}'{learnt['from']}': " if learnt else ""
    fresh = "" if record["method"] == FEATURES else "from scratch"
    source = f"from {record['backbone']['path']}" if pretrained(record) else fresh
    parts = [method_of(record), source, f"{seeds} seed{'s' if seeds > 1 else ''}{marks}"]
    return elsewhere + ", ".join(filter(None, parts)) + code_mark(record)


def _share(learnt: Record) -> str:
    return "" if learnt["budget"] == 1 else f"{learnt['budget']:.0%} of "


def score_table(record: Record) -> Table:
    """Heads and rows on the test pieces, in per cent: baselines first, then the run."""
    metrics = record["task"]["metrics"]
    header, rows = baseline_table(record["baselines"], metrics)
    cells = score_cells(record["test"], metrics, len(record["seeds"]) > 1)
    return header, [*rows, [title_of(record), *cells]]


def baseline_table(baselines: Sequence[Record], metrics: Mapping[str, str]) -> Table:
    """Heads and rows of baselines on the test pieces, in per cent."""
    header = ["test pieces, %", *metrics.values(), "95 % interval of accuracy"]
    return header, [
        [baseline["title"], *score_cells(baseline["test"]["scores"], metrics)] for baseline in baselines
    ]


def score_cells(scores: Record, metrics: Mapping[str, str], several: bool = False) -> list[str]:
    """A cell a metric, with the deviation over several seeds, and one for the interval of accuracy."""
    cells = []
    for name in metrics:
        cell = f"{100 * scores[name]['mean']:.1f}"
        cells.append(f"{cell} ± {100 * scores[name]['sd']:.1f}" if several else cell)
    low, high = scores["accuracy"]["interval"]
    return [*cells, f"{100 * low:.1f} to {100 * high:.1f}"]


def published_table(record: Record) -> Table:
    """Heads and rows of others' numbers, each with its protocol."""
    metrics = record["task"]["metrics"]
    rows = [
        [
            row["system"],
            *(str(row["scores"].get(name, "")) for name in metrics),
            row["protocol"] + (" (leaky)" if row["leaky"] else ""),
        ]
        for row in record["published"]
    ]
    return ["reported elsewhere, %", *metrics.values(), "protocol"], rows


def window_line(record: Record) -> str:
    """Window-level accuracy of a sequence-level task, which papers quote; empty at note level."""
    found = record["test"].get("window_accuracy")
    return f"window-level accuracy: {100 * found['mean']:.1f} ± {100 * found['sd']:.1f} %" if found else ""


def side_lines(record: Record) -> list[str]:
    """How many pieces each side has, what was left out, and which classes the test side lacks."""
    split = record["split"]
    truth = unpack_counts(record["test_counts"])[0].sum(axis=(0, 2))
    lacking = [name for name, count in zip(record["task"]["classes"], truth, strict=True) if count == 0]
    sizes = f"{split['train']:,} pieces to learn from, {split['valid']:,} to select by, {split['test']:,} to test on"
    if left_out := sum(record["corpus"]["totals"].get("skipped", {}).values()):
        sizes += f"; {left_out:,} left out, as unreadable or filtered"
    absent = f"nothing on the test side is of class {', '.join(lacking)}: the score says nothing of it"
    return [sizes, *([absent] if lacking else [])]


def kept_of(cost: Mapping[str, Any]) -> str:
    """How many parameters are kept, to be said after how many were trained; empty where they are as many."""
    kept = cost.get("kept_parameters")
    return "" if kept in (None, cost["trained_parameters"]) else f", {kept:,} kept"


def machine_of(record: Record) -> str:
    """What sort of machine a run took place on."""
    machine = record["machine"]
    name = machine.get("accelerator") or machine.get("processor_name") or machine["processor"]
    return name if "accelerator" in machine else f"{machine['cores']} cores, {name}"
