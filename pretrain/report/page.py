"""Report of a run: one self-contained HTML page, and the same pictures as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.shards import Shards
from data.toolkit.page import Page, asset
from data.toolkit.settings import flatten
from pretrain.report.inspection import Inspection, inspect_window, turns_of
from pretrain.report.panels import calibration_chart, field_charts, roll, run_charts, words
from pretrain.report.pictures import calibration, curves, piano_roll
from pretrain.training.measure import spearman
from pretrain.training.module import PretrainModule
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import FIELDS

_SHOWN_ROWS = 400
_HELD_OUT, _TRAINING = (0.5, 0.25, 0.75, 0.9, 1.0), (0.5, 0.9)
"""Windows shown of either side, as shares of the windows in order of length: the typical first, none chosen by hand."""


def field_table(record: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Field, held-out accuracy, majority baseline, as text."""
    accuracy, baselines = record["history"][-1]["held_out"]["accuracy"], record["baselines"]
    return [(name.replace("_", " "), f"{accuracy[name]:.3f}", f"{baselines[name]:.3f}") for name in FIELDS]


def selector_lines(record: dict[str, Any]) -> list[tuple[str, str]]:
    """What the selector learnt, as text; a note where it learns nothing."""
    measured = record["history"][-1]["held_out"].get("selector")
    if not measured:
        return [
            (
                "selector",
                f"{flatten(record['settings'])['selector']}: trains no network, so there is nothing to measure",
            )
        ]
    chance = measured["overlap_by_chance"]
    shown = (
        ("rank correlation with held-out loss", "correlation"),
        ("  in even batch rows", "correlation_even"),
        ("  in odd batch rows", "correlation_odd"),
        ("  within windows", "correlation_within_windows"),
        (f"overlap with the hardest 30 % (chance {chance:.3f})", "overlap_with_hardest"),
        ("entropy of its scores (1: even)", "entropy"),
    )
    return [(label, "–" if measured[key] is None else f"{measured[key]:+.3f}") for label, key in shown]


def write_report(
    out: Path,
    record: dict[str, Any],
    module: PretrainModule,
    tokenizer: Tokenizer,
    shards: Shards,
    train: NDArray[np.int64],
    valid: NDArray[np.int64],
) -> None:
    """Write `report.html` and `pictures/` into a run folder.

    Args:
        out: The run folder.
        record: What `record.json` holds.
        module: Trained.
        tokenizer: Of the rows.
        shards: Where they lie.
        train: (W, 3) training windows.
        valid: (V, 3) held-out windows.
    """
    inspections = _inspections(module, tokenizer, shards, train, valid)
    scores = module.held_out.tokens() if module.objective.selector.learns else None
    _write_pictures(out / "pictures", record, inspections, scores)

    page = Page(
        f"Pretraining: {flatten(record['settings'])['selector']} selector on {record['corpus']['name']}"
    )
    _head(page, record, shards)
    page.heading("Masked rows recovered, field by field")
    _fields(page, record)
    page.heading("What the selector learnt")
    _selector(page, record, scores)
    page.heading("Note by note")
    page.text(
        "Point at a note, or focus the roll and use the arrow keys; + and - zoom, 1 to 4 change the colours. True "
        f"loss: every note is masked whole once, in {turns_of(module)} random turns. Positions and durations are in "
        "quarter notes, tempos in quarter notes a minute. The windows were picked by length alone; of each, the first "
        f"{_SHOWN_ROWS} notes at most.",
        note=True,
    )
    payload = {
        "fields": FIELDS,
        "words": words(tokenizer.vocabulary),
        "resolution": tokenizer.vocabulary.positions_per_quarter,
        "learns": module.objective.selector.learns,
        "windows": [
            {**roll(inspection, key, side), "correlation": _agreement(inspection)}
            for inspection, key, side in inspections
        ],
    }
    page.widget("roll", payload, asset("pretrain.report", "roll.css"), asset("pretrain.report", "roll.js"))
    page.heading("How the run went")
    page.charts(*run_charts(record))
    page.text(
        "Training losses are of what the selector chose, means since the measurement before; held-out losses are of "
        "rows masked at random. The selector's own loss is known in training alone: its held-out measure is the rank "
        "correlation.",
        note=True,
    )
    if not any("learning_rate" in entry.get("training", {}) for entry in record["history"]):
        page.missing("The learning rate was not recorded.")
    page.heading("How it was made")
    page.code(record["command"])
    _origin(page, record)
    page.write(out / "report.html")


def _head(page: Page, record: dict[str, Any], shards: Shards) -> None:
    """What was run on what, and what the model may be tested on."""
    corpus, totals, terms = record["corpus"], shards.manifest["totals"], shards.manifest["corpus"]
    sides = ", ".join(f"{count:,} {side}" for side, count in totals["splits"].items())
    skipped = sum(totals["skipped"].values())
    page.facts(
        {
            "corpus": f"{terms['title']}: {corpus['pieces']:,} pieces, {corpus['notes']:,} notes ({sides})",
            "licence": terms["licence"],
            "trained on": f"{corpus['training_pieces']:,} pieces for {record['history'][-1]['step']:,} steps",
            "held out": f"{corpus['held_out_windows']:,} windows of other pieces, for all accuracies and correlations",
            "tested on": "nothing: test pieces, if the split has any, were neither trained on nor measured. The "
            "checkpoint names the pieces it was trained on, and `finetune` refuses to score it on them.",
            "checkpoint": f"{record['files']['checkpoint']}/ beside this page",
            "parameters": ", ".join(
                f"{part} {count:,}" for part, count in record["parameters"].items() if count
            ),
            "ended": f"{record['time'][:16].replace('T', ' ')} UTC",
        }
    )
    if skipped:
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in totals["skipped"].items())
        page.missing(
            f"{skipped:,} files were skipped ({reasons}); ledger.jsonl of the prepared corpus names each."
        )


def _fields(page: Page, record: dict[str, Any]) -> None:
    loss = record["history"][-1]["held_out"]["loss"]
    rows = [
        (name, accuracy, baseline, f"{float(accuracy) - float(baseline):+.3f}", f"{loss[key]:.3f}")
        for (name, accuracy, baseline), key in zip(field_table(record), FIELDS, strict=True)
    ]
    page.table(("field", "accuracy", "majority", "gain", "loss, nats"), rows)
    page.text(
        f"{record['history'][-1]['held_out']['tokens']:,} held-out rows, masked at random, every field of a row at once. "
        "Majority: always naming the commonest value. A field that never changes scores 1.000 and says nothing.",
        note=True,
    )
    page.charts(*field_charts(record))


def _selector(
    page: Page, record: dict[str, Any], scores: tuple[NDArray[np.float64], NDArray[np.float64]] | None
) -> None:
    page.table(("measurement", "value"), selector_lines(record))
    if scores is None:
        page.text(
            "No calibration: this selector learns no scores that could be compared with the loss.", note=True
        )
        return
    chart = calibration_chart(*scores)
    if chart is None:
        page.missing("No calibration: all scores of the held-out rows are the same.")
        return
    page.charts(chart)
    page.text(
        "Rows masked at random, whatever the selector would have chosen. A useful selector makes the line rise. Even "
        "and odd batch rows are told apart because a sign that flips in every second row would cancel in the mean.",
        note=True,
    )


def _origin(page: Page, record: dict[str, Any]) -> None:
    machine = record["machine"]
    page.facts(
        {
            "machine": ", ".join(
                f"{value}{' cores' if part == 'cores' else ''}" for part, value in machine.items()
            ),
            "versions": ", ".join(f"{package} {version}" for package, version in record["versions"].items()),
            "shards": record["corpus"]["shards"],
        }
    )
    settings = {
        name: "–" if value is None else str(value) for name, value in flatten(record["settings"]).items()
    }
    page.facts(settings, fold="All settings")


def _inspections(
    module: PretrainModule,
    tokenizer: Tokenizer,
    shards: Shards,
    train: NDArray[np.int64],
    valid: NDArray[np.int64],
) -> list[tuple[Inspection, str, str]]:
    """Looks at windows of either side, with the key of the piece and the side."""
    inspections = []
    for side, windows, shares in (("held out", valid, _HELD_OUT), ("training", train, _TRAINING)):
        order = np.argsort(windows[:, 1] - windows[:, 0], kind="stable")
        picked = dict.fromkeys(int(order[round(share * (len(order) - 1))]) for share in shares)
        for start, stop, piece in windows[list(picked)].tolist():
            stop = min(stop, start + _SHOWN_ROWS)
            frozen = module.book.frozen(np.array([start]), stop - start)[0]
            inspection = inspect_window(module, tokenizer, shards.tokens(start, stop), frozen)
            inspections.append((inspection, shards.pieces[piece].key, side))
    return inspections


def _write_pictures(
    folder: Path,
    record: dict[str, Any],
    inspections: list[tuple[Inspection, str, str]],
    scores: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
) -> None:
    """The same as files: curves, calibration, and the typical window of either side."""
    figures = {"curves": curves(record["history"], record["baselines"])}
    if scores is not None:
        figures["calibration"] = calibration(*scores)
    for inspection, key, side in inspections:
        name = f"roll-{side.replace(' ', '-')}"
        if name not in figures:
            figures[name] = piano_roll(inspection, f"{side} piece {key}")
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=110)


def _agreement(inspection: Inspection) -> float | None:
    """Rank correlation of score and loss in one window."""
    return None if inspection.score is None else spearman(inspection.score.mean(1), inspection.loss.sum(1))
