"""Folds of one label's pieces, as committed tables: of corpora whose own table has a split and no folds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.shards import PieceRecord
from data.splits import EXCLUDED, Entry, load_table, side_in_fold
from data.splits.dealing import folded
from symbolic.errors import LeakError

OUTSIDE = "on no side of the corpus' split; it may stand in a fold"


class Asked(NamedTuple):
    """Which pieces a table of folds deals, each class alike.

    Attributes:
        corpus: Name of its reader.
        label: Name of the sequence-level label.
        classes: Pieces with any other label, or none, stand in no fold.
    """

    corpus: str
    label: str
    classes: tuple[str, ...]


FOLD_TABLES = {
    "asap_composer_folds": Asked(
        "asap_performances", "composer", ("Bach", "Beethoven", "Chopin", "Haydn", "Liszt", "Schubert")
    ),
    "metre_folds": Asked("asap_performances", "metre", ("2/4", "3/4", "4/4", "6/8")),
    "lieder_composer_folds": Asked(
        "openscore_lieder",
        "composer",
        (
            *("Bizet, Georges", "Chaminade, Cécile", "Debussy, Claude", "Faisst, Clara Mathilda"),
            *("Fauré, Gabriel", "Holmès, Augusta Mary Anne", "Kinkel, Johanna", "Lang, Josephine"),
            *("Lehmann, Liza", "Reichardt, Louise", "Schröter, Corona", "Stanford, Charles Villiers"),
            *("Viardot, Pauline", "Warlock, Peter"),
        ),
    ),
}
"""The tables, each called after the task that it is for."""


def dealt_folds(pieces: Iterable[PieceRecord], label: str, classes: Sequence[str]) -> list[Entry]:
    """Entries of the pieces whose label is one of the classes, with folds of whole groups.

    Args:
        pieces: Of a prepared corpus, whose groups hold songs, copies and near-duplicates together.
        label: Name of the label.
        classes: Each is spread evenly over the folds.
    """
    asked = [piece for piece in pieces if piece.tokens and piece.labels.get(label) in classes]
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for piece in asked:
        counts[piece.group or piece.key][piece.labels[label]] += 1
    folds = folded(counts)
    entries = []
    for piece in asked:
        group, reason = piece.group or piece.key, OUTSIDE if piece.split == EXCLUDED else ""
        entries.append(Entry(piece.key, group, piece.split, piece.fingerprint, reason, folds[group]))
    return entries


def sides_of(
    pieces: Sequence[PieceRecord], table: str, fold: int, folder: Path | None = None
) -> NDArray[np.str_]:
    """(P,) side of each piece when a fold is tested on; "excluded" of one that is not in the table.

    Args:
        pieces: P of a prepared corpus.
        table: Name of the table.
        fold: The test set; the next one is validation.
        folder: Where the table lies, if not here.

    Raises:
        CorpusError: If there is no such table, or it is damaged.
        LeakError: If a piece is not the one that the table was made for, or the corpus was prepared so that a group
            of it stands on two sides.
    """
    entries = load_table(table, folder)
    sides = [EXCLUDED] * len(pieces)
    found: dict[str, str] = {}
    for number, piece in enumerate(pieces):
        entry = entries.get(piece.key)
        if entry is None:
            continue
        if entry.fingerprint != piece.fingerprint:
            raise LeakError(
                f"{piece.key} holds other notes than table '{table}' was made for. Get the corpus' own files, or make "
                f"the table anew with `python -m data.splits ROOT {table}`."
            )
        sides[number] = side_in_fold(entry, fold)
        if found.setdefault(piece.group or piece.key, sides[number]) != sides[number]:
            raise LeakError(
                f"{piece.key} is near a piece on another side of table '{table}'. Prepare the corpus with the usual "
                f"--near_duplicates, or make the table anew with `python -m data.splits ROOT {table}`."
            )
    return np.array(sides)
