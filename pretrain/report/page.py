"""Report of a run: one self-contained HTML page and its charts as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.shards import Shards
from data.toolkit.charts import draw_charts
from data.toolkit.page import Page, asset
from data.toolkit.settings import flatten
from pretrain.report.charts import calibration_chart, roll_data, run_charts, value_names
from pretrain.report.inspection import SHOWN_NOTES, inspect_sides, turns_of
from pretrain.report.summary import field_table, selector_lines
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import FIELDS

if TYPE_CHECKING:
    from pretrain.training.module import PretrainModule


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
        record: Contents of `record.json`.
        module: Trained.
        tokenizer: Tokenizer of the tokens.
        shards: Shards with the tokens.
        train: (W, 3) training windows.
        valid: (V, 3) held-out windows.
    """
    settings = flatten(record["settings"])
    page = Page(f"Pretraining: {settings['selector']} selector on {record['corpus']['name']}")
    _corpus(page, record, shards)
    page.heading("Recovery of masked tokens")
    _fields(page, record)
    page.heading("Choice of the selector")
    _selector(page, record, module)
    page.heading("Note by note")
    _roll(page, module, tokenizer, shards, {"held out": valid, "training": train})
    page.heading("Course of the run")
    page.figure(
        "curves",
        "Training losses are of the tokens that the selector chose: means since the last evaluation. Held-out losses "
        "are of tokens masked at random.",
        draw_charts,
        *run_charts(record),
    )
    page.origin(record, {"shards": record["corpus"]["shards"]})
    page.facts(
        {name: "–" if value is None else str(value) for name, value in settings.items()}, "All settings"
    )
    page.write(out / "report.html")
    page.save_pictures(out / "pictures")


def _corpus(page: Page, record: dict[str, Any], shards: Shards) -> None:
    """Add the training music and what the model may be tested on."""
    corpus, totals, terms = record["corpus"], shards.manifest["totals"], shards.manifest["corpus"]
    splits = ", ".join(f"{count:,} {split}" for split, count in totals["splits"].items())
    parts = (f"{part} {count:,}" for part, count in record["parameters"].items() if count)
    page.facts(
        {
            "corpus": f"{terms['title']}: {corpus['pieces']:,} pieces, {corpus['notes']:,} notes ({splits})",
            "licence": terms["licence"],
            "trained on": f"{corpus['training_pieces']:,} pieces for {record['history'][-1]['step']:,} steps",
            "held out": f"{corpus['held_out_windows']:,} windows of other pieces, for all accuracies and correlations",
            "tested on": "nothing. `finetune` refuses to score this checkpoint on pieces that it was trained on.",
            "checkpoint": f"{record['files']['checkpoint']}/, next to this page",
            "parameters": ", ".join(parts),
        }
    )
    if totals["skipped"]:
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in totals["skipped"].items())
        count = sum(totals["skipped"].values())
        page.missing(
            f"{count:,} files were skipped ({reasons}). ledger.jsonl of the prepared corpus names them."
        )


def _fields(page: Page, record: dict[str, Any]) -> None:
    """Add the accuracy of every field."""
    held_out = record["history"][-1]["held_out"]
    rows = [
        (*cells, f"{float(cells[1]) - float(cells[2]):+.3f}", f"{held_out['loss'][key]:.3f}")
        for cells, key in zip(field_table(record), FIELDS, strict=True)
    ]
    page.table(("field", "accuracy", "majority", "gain", "loss, nats"), rows)
    page.text(
        f"{held_out['tokens']:,} held-out tokens were masked at random, with all their fields. Majority: always "
        "predict the most common value. A field that never changes scores 1.000 and means nothing.",
        note=True,
    )


def _selector(page: Page, record: dict[str, Any], module: PretrainModule) -> None:
    """Add how well the scores predict the loss."""
    page.table(("measurement", "value"), selector_lines(record))
    if not module.objective.selector.learns:
        page.text("No calibration: this selector has no scores to compare with the loss.", note=True)
    elif (chart := calibration_chart(*module.held_out.tokens())) is None:
        page.missing("No calibration: all scores of the held-out tokens are the same.")
    else:
        page.figure(
            "calibration",
            "These tokens were masked at random. The line rises if the scores predict the loss. Even and odd windows "
            "are shown apart: a sign that flips in every second window would cancel in the mean.",
            draw_charts,
            chart,
        )


def _roll(
    page: Page,
    module: PretrainModule,
    tokenizer: Tokenizer,
    shards: Shards,
    sides: dict[str, NDArray[np.int64]],
) -> None:
    """Add the piano roll of windows of both sides."""
    page.text(
        "Point at a note, or focus the roll and use the arrow keys. For the true loss every note is masked once, in "
        f"{turns_of(module)} random turns. Positions and durations are in quarter notes, tempos in quarter notes a "
        f"minute. The windows were picked by length alone. Each shows at most its first {SHOWN_NOTES} notes.",
        note=True,
    )
    found = inspect_sides(module, tokenizer, shards, sides)
    payload = {
        "fields": FIELDS,
        "words": value_names(tokenizer.vocabulary),
        "resolution": tokenizer.vocabulary.positions_per_quarter,
        "learns": module.objective.selector.learns,
        "windows": [roll_data(*one) for one in found],
    }
    page.widget(
        "inspection",
        payload,
        [asset("data.toolkit", "roll.css"), asset("pretrain.report", "inspection.css")],
        [asset("data.toolkit", "roll.js"), asset("pretrain.report", "inspection.js")],
    )
