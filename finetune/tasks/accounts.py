"""Account for every piece of a corpus: trained on, selected by, tested or left out and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from data.preparation.summary import kind_of, read_ledger
from data.splits import EXCLUDED
from finetune.tasks.data import TaskData

LEFT_OUT = "left out"
FOLDS = "folds"
"""The use of a piece that is tested in one fold and trained on in others."""


class PieceUse(NamedTuple):
    """The use of a piece.

    Attributes:
        piece: Its key.
        use: "train", "valid", "test", "folds" or "left out".
        reason: Why it was left out; else "".
    """

    piece: str
    use: str
    reason: str


def piece_uses(folds: Sequence[TaskData]) -> list[PieceUse]:
    """Return the use of every piece of the corpus, in its order, skipped files included.

    Args:
        folds: The data of every fold with the label budget applied.
    """
    uses: dict[str, set[str]] = defaultdict(set)
    for data in folds:
        for side, pieces in data.splits.items():
            for piece in pieces:
                uses[data.shards.pieces[piece].key].add(side)
    first, found = folds[0], []
    labelled = _labelled(first)
    for line in read_ledger(first.shards):
        key = line["key"]
        if key in uses:
            sides = uses[key]
            found.append(PieceUse(key, next(iter(sides)) if len(sides) == 1 else FOLDS, ""))
        elif line["status"] == "skipped" or (line["split"] == EXCLUDED and line["reason"]):
            found.append(PieceUse(key, LEFT_OUT, line["reason"]))
        elif key not in labelled:
            found.append(PieceUse(key, LEFT_OUT, "no label among the classes of the task"))
        elif first.protocol.table:
            found.append(PieceUse(key, LEFT_OUT, f"in no fold of table {first.protocol.table}"))
        else:
            found.append(PieceUse(key, LEFT_OUT, "beyond the budget of labels"))
    return found


def left_out(uses: Iterable[PieceUse]) -> dict[str, int]:
    """Return the number of pieces that were left out, by reason, the most frequent first."""
    counts = Counter(_kind(one.reason) for one in uses if one.use == LEFT_OUT)
    return dict(counts.most_common())


def pieces_tested(split: Mapping[str, object]) -> int:
    """Return the number of pieces that a record's scores are of.

    Args:
        split: The entry "split" of a record. With folds, each piece is tested in one of them.
    """
    folds = split.get("folds")
    parts: list[Mapping[str, Any]] = folds if isinstance(folds, list) else [split]
    return sum(part["test"] for part in parts)


def _kind(reason: str) -> str:
    """Return a reason without the names of pieces."""
    copy = reason.startswith(("same music as ", "near-duplicate of "))
    return "the same or nearly the same as a piece on another side" if copy else kind_of(reason)


def _labelled(data: TaskData) -> set[str]:
    return {record.key for piece, record in enumerate(data.shards.pieces) if (data.truth(piece) >= 0).any()}
