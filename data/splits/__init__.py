"""Splits: committed tables, splits by hash and the check that no copy is on two sides.

`python -m data.splits ROOT` makes the tables from the corpora under ROOT.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from data.splits.small import SMALL, Bundle, dealing_hash, dealt_in_classes
from symbolic.errors import CorpusError, LeakError

SPLITS = ("train", "valid", "test")
"""Sides from the least to the most strict. If copies are on two sides, the one on the stricter side stays."""
EXCLUDED = "excluded"
FOLDS = 5
"""Number of folds, in tables that have them."""


class Entry(NamedTuple):
    """A row of a split table.

    Attributes:
        piece: Key in the corpus.
        group: Pieces of one group are the same song.
        split: A side or "excluded".
        fingerprint: Note fingerprint of the file.
        reason: Reason of exclusion.
        fold: Fold for cross-validation. None where the table has no folds.
    """

    piece: str
    group: str
    split: str
    fingerprint: int
    reason: str
    fold: int | None = None


class Member(NamedTuple):
    """A piece before its side is settled.

    Attributes:
        key: Key of the piece.
        split: A given side, "excluded" or None to choose.
        group: Pieces of one group stay together. "": no group.
        fingerprint: Pieces with one note fingerprint stay together too.
        reason: Reason of exclusion.
    """

    key: str
    split: str | None
    group: str
    fingerprint: int
    reason: str = ""


class Verdict(NamedTuple):
    """The side of a piece, its group and the reason of exclusion."""

    split: str
    group: str
    reason: str


_PLAIN = Entry._fields[:-1]
"""Columns of a table without folds."""


def load_table(name: str, folder: Path | None = None) -> dict[str, Entry]:
    """Read the committed split table of a corpus by piece.

    Raises:
        CorpusError: If there is no such table, or it is damaged.
    """
    path = (folder or Path(__file__).parent) / f"{name}.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        if tuple(header) not in (_PLAIN, Entry._fields):
            raise ValueError(f"its columns are {', '.join(header)}")
        entries = [
            Entry(key, group, split, int(fp), reason, int(fold[0]) if fold else None)
            for key, group, split, fp, reason, *fold in rows
        ]
    except (OSError, ValueError) as error:
        raise CorpusError(
            f"{path}: not a split table ({error}). Install Counterpoint anew, or make the table with "
            "`python -m data.splits`."
        ) from error
    return {entry.piece: entry for entry in entries}


def save_table(name: str, entries: Iterable[Entry], folder: Path | None = None) -> None:
    """Write a split table in order of pieces."""
    path, rows = (folder or Path(__file__).parent) / f"{name}.csv", sorted(entries)
    columns = Entry._fields if any(row.fold is not None for row in rows) else _PLAIN
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(row[: len(columns)] for row in rows)


def side_in_fold(entry: Entry, fold: int) -> str:
    """Return the side of a piece if this fold is tested and the next one validates."""
    held_out = {fold: "test", (fold + 1) % FOLDS: "valid"}
    return EXCLUDED if entry.fold is None else held_out.get(entry.fold, "train")


def resolve(
    members: Sequence[Member],
    fractions: Mapping[str, float],
    near: Iterable[tuple[int, int]] = (),
    classes: Sequence[str] | None = None,
) -> list[Verdict]:
    """Settle the side of each piece, so that no group, copy or near-duplicate is on two sides.

    Pieces that share a group or a fingerprint, or are near-duplicates, form one set, directly or through others. If
    sides are given, pieces without a side join the strictest and copies on a less strict side are excluded. If none is
    given, a hash of the group or of the notes chooses, or `dealt_in_classes` in classes of fewer than `SMALL` pieces.
    Either is the same on every machine.

    Args:
        members: All pieces of a corpus.
        fractions: Proportion of each side. They add to 1.
        near: Pairs of indices of near-duplicates.
        classes: Class of each piece, "" where it has none, to deal within classes. None: a hash chooses.

    Raises:
        LeakError: If a given group has pieces on two given sides.
    """
    _refuse_torn_groups(members)
    together: dict[int, list[int]] = defaultdict(list)
    for index, root in enumerate(connected([(m.group, m.fingerprint) for m in members], near)):
        together[root].append(index)
    dealt = {} if classes is None else _dealt(members, list(together.values()), fractions, classes)
    verdicts: dict[int, Verdict] = {}
    for indices in together.values():
        some = [members[i] for i in indices]
        groups = [m.group for m in some if m.group]
        name = min(groups) if groups else some[0].key
        sides = [m.split for m in some if m.split in SPLITS]
        side = (
            max(sides, key=SPLITS.index)
            if sides
            else dealt.get(indices[0])
            or hashed_split(name if groups else min(m.fingerprint for m in some), fractions)
        )
        staying = [m for m in some if m.split in (side, None) or not sides]
        same = {mark for m in staying for mark in (m.group, m.fingerprint) if mark != ""}
        for index, member in zip(indices, some, strict=True):
            if member.split == EXCLUDED:
                verdicts[index] = Verdict(EXCLUDED, name, member.reason or "excluded by the split table")
            elif member.split in (None, side):
                verdicts[index] = Verdict(side, name, "")
            else:
                what = "same music as" if {member.group, member.fingerprint} & same else "near-duplicate of"
                verdicts[index] = Verdict(EXCLUDED, name, f"{what} {staying[0].key}, which is in {side}")
    return [verdicts[i] for i in range(len(members))]


def _dealt(
    members: Sequence[Member],
    together: Iterable[Sequence[int]],
    fractions: Mapping[str, float],
    classes: Sequence[str],
) -> dict[int, str]:
    """Return the side of each set of pieces of a small class without a given side, by its first index."""
    firsts, bundles = [], []
    for indices in together:
        if {members[i].split for i in indices} & {*SPLITS}:
            continue
        inside = [i for i in indices if members[i].split is None]
        if inside:
            label = classes[inside[0]]
            if len(inside) > 1:  # few sets have several pieces, and counting is slow
                label = Counter(sorted(classes[i] for i in inside)).most_common(1)[0][0]
            mark = min(members[i].fingerprint for i in inside)
            firsts.append(indices[0])
            bundles.append(Bundle(label, len(inside), mark))
    sizes = Counter[str]()
    for bundle in bundles:
        sizes[bundle.label] += bundle.size
    small = [i for i, bundle in enumerate(bundles) if sizes[bundle.label] < SMALL]
    sides = dealt_in_classes([bundles[i] for i in small], fractions)
    return {firsts[i]: side for i, side in zip(small, sides, strict=True)}


def hashed_split(identity: str | int, fractions: Mapping[str, float]) -> str:
    """Choose a side by a hash in the given proportions."""
    place = int.from_bytes(dealing_hash(identity), "little") / 2**64
    for side, fraction in fractions.items():
        place -= fraction
        if place < 0:
            return side
    return next(iter(fractions))  # fractions that add to a little under 1


def connected(marks: Sequence[tuple[str, int]], pairs: Iterable[tuple[int, int]] = ()) -> list[int]:
    """Return for each (group, fingerprint) the index of the first of its set.

    A union-find joins those that share a group or a fingerprint, and the given pairs of indices. The group "" joins
    nothing.
    """
    parent = list(range(len(marks)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[str | int, int] = {}
    for index, (group, fingerprint) in enumerate(marks):
        for mark in (group, fingerprint):
            if mark != "":
                low, high = sorted((root(index), root(first.setdefault(mark, index))))
                parent[high] = low
    for pair in pairs:
        low, high = sorted(map(root, pair))
        parent[high] = low
    return [root(index) for index in range(len(marks))]


def _refuse_torn_groups(members: Sequence[Member]) -> None:
    sides: dict[str, set[str]] = defaultdict(set)
    for member in members:
        if member.group and member.split in SPLITS:
            sides[member.group].add(member.split)
    torn = sorted(group for group, found in sides.items() if len(found) > 1)
    if torn:
        shown = ", ".join(f"'{g}' ({' and '.join(sorted(sides[g], key=SPLITS.index))})" for g in torn[:5])
        raise LeakError(
            f"{len(torn)} groups stand on more than one side of the split: {shown}"
            + (", …" if len(torn) > 5 else "")
            + ". Give all pieces of a group the same split, or leave the split blank."
        )
