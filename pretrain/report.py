"""The report of a run: one HTML page, and its pictures as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.page import Page
from data.shards import Shards
from pretrain.look import look_at
from pretrain.module import Pretraining
from pretrain.pictures import calibration, curves, piano_roll
from symbolic.tokenizer import Tokenizer
from symbolic.vocabulary import FIELDS

_SHOWN_ROWS = 160


def field_table(record: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Field, held-out accuracy, majority floor, as text."""
    accuracy, floors = record["history"][-1]["held_out"]["accuracy"], record["floors"]
    return [(name.replace("_", " "), f"{accuracy[name]:.3f}", f"{floors[name]:.3f}") for name in FIELDS]


def selector_lines(record: dict[str, Any]) -> list[tuple[str, str]]:
    """What the selector learnt, as text; a note where it learns nothing."""
    measured = record["history"][-1]["held_out"].get("selector")
    if not measured:
        return [("selector", f"{record['settings']['selector']}: chooses at random, so it learns nothing")]
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
    module: Pretraining,
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
    pictures = {"curves": (curves(record["history"], record["floors"]), "How the run went.")}
    if module.objective.selector.learns:
        pictures["calibration"] = (
            calibration(*module.held_out.rows()),
            "What the selector's score says of the loss on held-out rows that were masked at random.",
        )
    for side, windows in (("held-out", valid), ("training", train)):
        start, stop, piece = (int(n) for n in _typical(windows))
        stop = min(stop, start + _SHOWN_ROWS)
        frozen = module.book.frozen(np.array([start]), stop - start)[0]
        look = look_at(module, tokenizer, shards.rows(start, stop), frozen)
        key = shards.pieces[piece].key
        pictures[f"roll-{side}"] = (piano_roll(look, f"{side} piece {key}"), f"A {side} window of {key}.")

    page = Page(f"Pretraining: {record['settings']['selector']} selector on {record['corpus']['name']}")
    corpus = record["corpus"]
    page.text(
        f"{corpus['pieces']:,} pieces, {corpus['notes']:,} notes; trained on {corpus['training_pieces']:,} pieces, "
        f"{record['history'][-1]['step']:,} steps."
    )
    page.heading("Masked rows recovered, field by field")
    page.table(("field", "accuracy", "majority class"), field_table(record))
    page.text("Held-out rows, masked at random, every field of a row at once.", note=True)
    page.heading("What the selector learnt")
    page.table(("measurement", "value"), selector_lines(record))
    (out / "pictures").mkdir(exist_ok=True)
    for name, (figure, caption) in pictures.items():
        figure.savefig(out / "pictures" / f"{name}.png", dpi=110)
        page.heading(name.replace("-", " ").capitalize())
        page.figure(figure, caption)
    page.heading("How it was made")
    page.code(record["command"])
    page.write(out / "report.html")


def _typical(windows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The window of median length: neither a scrap nor a giant."""
    lengths = windows[:, 1] - windows[:, 0]
    return np.asarray(windows[np.argsort(lengths, kind="stable")[len(lengths) // 2]])
