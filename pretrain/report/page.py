"""Report of a run: one self-contained HTML page, and the same charts as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.shards import Shards
from data.toolkit.page import Page, asset, slug
from data.toolkit.pictures import draw_rolls
from data.toolkit.settings import flatten
from pretrain.report.charts import calibration_chart, field_charts, roll_data, rolls, run_charts, value_names
from pretrain.report.inspection import Inspection, inspect_window, turns_of
from pretrain.report.summary import field_table, selector_lines
from pretrain.training.measure import spearman
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import FIELDS

if TYPE_CHECKING:
    from pretrain.training.module import PretrainModule

_SHOWN_NOTES = 400
_WINDOWS = {"held out": (0.5, 0.25, 0.75, 0.9, 1.0), "training": (0.5, 0.9)}
"""Windows that are shown, as quantiles of length: the typical one first, none picked by hand."""


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
    page = Page(
        f"Pretraining: {flatten(record['settings'])['selector']} selector on {record['corpus']['name']}"
    )
    _corpus(page, record, shards)
    page.heading("Recovery of masked tokens")
    _fields(page, record)
    page.heading("Choice of the selector")
    _selector(page, record, module)
    page.heading("Note by note")
    inspections = _inspections(module, tokenizer, shards, {"held out": valid, "training": train})
    _rolls(page, inspections, module, tokenizer)
    page.heading("Course of the run")
    page.charts(*run_charts(record), picture="curves")
    page.text(
        "Training losses are of the tokens that the selector chose: means since the last evaluation. Held-out "
        "losses are "
        "of tokens masked at random. The selector's own loss is known in training alone. Its held-out measure is the "
        "rank correlation.",
        note=True,
    )
    if not any("learning_rate" in entry.get("training", {}) for entry in record["history"]):
        page.missing("The learning rate was not recorded.")
    page.heading("Origin")
    page.code(record["command"])
    machine = (
        f"{value} cores" if part == "cores" else str(value) for part, value in record["machine"].items()
    )
    page.facts(
        {
            "machine": ", ".join(machine),
            "versions": ", ".join(f"{package} {version}" for package, version in record["versions"].items()),
            "shards": record["corpus"]["shards"],
        }
    )
    settings = flatten(record["settings"]).items()
    page.facts({name: "–" if value is None else str(value) for name, value in settings}, fold="All settings")
    page.write(out / "report.html")
    page.save_pictures(out / "pictures")
    typical = {side: (inspection, key) for inspection, key, side in reversed(inspections)}
    for side, (inspection, key) in typical.items():
        figure = draw_rolls(*rolls(inspection, f"{side} piece {key}"))
        figure.savefig(out / "pictures" / f"roll-{slug(side)}.png", dpi=110)


def _corpus(page: Page, record: dict[str, Any], shards: Shards) -> None:
    """Add what was trained on, and what the model may be tested on."""
    corpus, totals, terms = record["corpus"], shards.manifest["totals"], shards.manifest["corpus"]
    splits = ", ".join(f"{count:,} {split}" for split, count in totals["splits"].items())
    page.facts(
        {
            "corpus": f"{terms['title']}: {corpus['pieces']:,} pieces, {corpus['notes']:,} notes ({splits})",
            "licence": terms["licence"],
            "trained on": f"{corpus['training_pieces']:,} pieces for {record['history'][-1]['step']:,} steps",
            "held out": f"{corpus['held_out_windows']:,} windows of other pieces, for all accuracies and correlations",
            "tested on": "nothing: test pieces, if there are any, were neither trained on nor measured. The checkpoint "
            "names the pieces it was trained on, and `finetune` refuses to score it on them.",
            "checkpoint": f"{record['files']['checkpoint']}/, next to this page",
            "parameters": ", ".join(
                f"{part} {count:,}" for part, count in record["parameters"].items() if count
            ),
            "ended": f"{record['time'][:16].replace('T', ' ')} UTC",
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
        (
            name,
            accuracy,
            baseline,
            f"{float(accuracy) - float(baseline):+.3f}",
            f"{held_out['loss'][key]:.3f}",
        )
        for (name, accuracy, baseline), key in zip(field_table(record), FIELDS, strict=True)
    ]
    page.table(("field", "accuracy", "majority", "gain", "loss, nats"), rows)
    page.text(
        f"{held_out['tokens']:,} held-out tokens were masked at random, with all their fields. Majority: always "
        "predict the most common value. A field that never changes scores 1.000 and means nothing.",
        note=True,
    )
    page.charts(*field_charts(record), picture="fields")


def _selector(page: Page, record: dict[str, Any], module: PretrainModule) -> None:
    """Add what the scores say of the loss."""
    page.table(("measurement", "value"), selector_lines(record))
    if not module.objective.selector.learns:
        page.text("No calibration: this selector has no scores to compare with the loss.", note=True)
    elif (chart := calibration_chart(*module.held_out.tokens())) is None:
        page.missing("No calibration: all scores of the held-out tokens are the same.")
    else:
        page.charts(chart, picture="calibration")
        page.text(
            "These tokens were masked at random, whatever the selector would choose. The line rises if the scores "
            "predict the loss. Even and odd windows are shown apart, because a sign that flips in every second window "
            "would cancel in the mean.",
            note=True,
        )


def _rolls(
    page: Page, inspections: list[tuple[Inspection, str, str]], module: PretrainModule, tokenizer: Tokenizer
) -> None:
    """Add the interactive piano roll."""
    page.text(
        "Point at a note, or focus the roll and use the arrow keys; + and - zoom, 1 to 4 change the colours. For "
        "the true "
        f"loss every note is masked once, in {turns_of(module)} random turns. Positions and durations are in quarter "
        "notes, tempos in quarter notes a minute. The windows were picked by length alone. Each shows at most "
        f"its first {_SHOWN_NOTES} notes.",
        note=True,
    )
    payload = {
        "fields": FIELDS,
        "words": value_names(tokenizer.vocabulary),
        "resolution": tokenizer.vocabulary.positions_per_quarter,
        "learns": module.objective.selector.learns,
        "windows": [{**roll_data(*one), "correlation": _agreement(one[0])} for one in inspections],
    }
    page.widget("roll", payload, asset("pretrain.report", "roll.css"), asset("pretrain.report", "roll.js"))


def _inspections(
    module: PretrainModule, tokenizer: Tokenizer, shards: Shards, sides: dict[str, NDArray[np.int64]]
) -> list[tuple[Inspection, str, str]]:
    """Inspect windows of both sides; return each with the key of its piece and its side."""
    found = []
    for side, windows in sides.items():
        order = np.argsort(windows[:, 1] - windows[:, 0], kind="stable")
        picked = dict.fromkeys(int(order[round(share * (len(order) - 1))]) for share in _WINDOWS[side])
        for start, stop, piece in windows[list(picked)].tolist():
            stop = min(stop, start + _SHOWN_NOTES)
            frozen = module.book.frozen(np.array([start]), stop - start)[0]
            inspection = inspect_window(module, tokenizer, shards.tokens(start, stop), frozen)
            found.append((inspection, shards.pieces[piece].key, side))
    return found


def _agreement(inspection: Inspection) -> float | None:
    """Return the rank correlation of score and loss in one window."""
    return None if inspection.score is None else spearman(inspection.score.mean(1), inspection.loss.sum(1))
