"""Committed folds of the pieces with one label for corpora whose table has a split and no folds."""

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
    """The pieces of a table of folds.

    Attributes:
        corpus: Name of the reader.
        label: Name of the sequence-level label.
        classes: Classes that are spread evenly. Other pieces are in no fold.
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
"""The tables by name. Each is named after its task."""


def dealt_folds(pieces: Iterable[PieceRecord], label: str, classes: Sequence[str]) -> list[Entry]:
    """Make entries of the pieces of given classes with folds of whole groups.

    Args:
        pieces: Pieces of a prepared corpus. Its groups keep songs, copies and near-duplicates together.
        label: Name of the label.
        classes: Classes to spread evenly over the folds.
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


def dealt_sides(
    pieces: Sequence[PieceRecord], label: str, classes: Sequence[str], fold: int
) -> NDArray[np.str_]:
    """Return the (P,) sides of pieces of a corpus without a table of folds, if a fold is tested.

    Args:
        pieces: P pieces of a prepared corpus.
        label: Name of the label.
        classes: Classes to spread evenly over the folds. Other pieces are "excluded".
        fold: The fold to test on. The next one validates.
    """
    entries = {entry.piece: entry for entry in dealt_folds(pieces, label, classes)}
    sides = [side_in_fold(entries[piece.key], fold) if piece.key in entries else EXCLUDED for piece in pieces]
    return np.array(sides)


def sides_of(
    pieces: Sequence[PieceRecord], table: str, fold: int, folder: Path | None = None
) -> NDArray[np.str_]:
    """Return the (P,) sides of pieces if a fold is tested. Pieces outside the table are "excluded".

    Args:
        pieces: P pieces of a prepared corpus.
        table: Name of the table.
        fold: The fold to test on. The next one validates.
        folder: Folder of the table. Default: this package.

    Raises:
        CorpusError: If there is no such table, or it is damaged.
        LeakError: If a piece has other notes than the table's, or if a group of the prepared corpus is on two sides.
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
