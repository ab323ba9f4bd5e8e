"""Warn in plain sentences of whatever makes labels and scores untrustworthy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from finetune.tasks.data import TaskData

FEW_PIECES = 30
"""A test of fewer pieces is marked wherever its scores are shown."""
_SIDES = {"train": "training", "valid": "validation", "test": "test"}


def class_warnings(counts: Mapping[str, int]) -> list[str]:
    """Return a sentence for each thing that is odd about classes of pieces.

    Args:
        counts: Number of labelled pieces of each class.
    """
    warnings = []
    alike: dict[str, list[str]] = defaultdict(list)
    for name in counts:
        alike[" ".join(name.replace("-", " ").replace("_", " ").split()).casefold()].append(name)
    for names in filter(lambda names: len(names) > 1, alike.values()):
        listed = " and ".join(f"'{name}' ({_pieces(counts[name])})" for name in names)
        warnings.append(f"{listed} are different classes. If they mean the same, spell them alike.")
    if rare := [name for name, count in counts.items() if count < len(_SIDES)]:
        verb = "has" if len(rare) == 1 else "have"
        warnings.append(
            f"{len(rare)} of {len(counts)} classes {verb} fewer than {len(_SIDES)} pieces ({_listed(rare)}): too few "
            "to be trained on, selected by and tested. Add pieces, or merge classes."
        )
    if all(_is_number(name) for name in counts):
        listed = ", ".join(list(counts)[:3])
        warnings.append(
            f"All {len(counts)} classes are numbers ({listed}, ...). Each number is a class by itself: order and "
            "distance do not count, and values between are never predicted."
        )
    for mark in "|;":
        if several := [name for name in counts if mark in name.strip(mark)]:
            pieces = sum(counts[name] for name in several)
            warnings.append(
                f"The labels of {_pieces(pieces)} hold '{mark}', such as '{several[0]}'. A piece has one label, so the "
                "whole text is the class. For several labels, make a table for each."
            )
    return warnings


def side_warnings(folds: Sequence[TaskData]) -> list[str]:
    """Return a sentence for each side that lacks classes.

    Args:
        folds: The data of every fold. A class is absent from training if any fold trains without it, and from the
            other sides if all folds are without it.
    """
    classes, warnings = folds[0].task.classes, []
    for side, adjective in _SIDES.items():
        present = [_present(data, side) for data in folds]
        lacking = (set[int].union if side == "train" else set[int].intersection)(
            *(set(range(len(classes))) - one for one in present)
        )
        if not lacking:
            continue
        names = [classes[index] for index in sorted(lacking)]
        effect = {"train": "never predicted", "valid": "disregarded in selection", "test": "not scored"}[side]
        where, there = f"the {adjective} side", ""
        if side == "train" and len(folds) > 1:
            where, there = f"{where} of a fold", " there"
        kind = "class" if len(names) == 1 else "classes"
        be = "it is" if len(names) == 1 else "they are"
        warnings.append(f"Here {where} has nothing of {kind} {_listed(names)}, so {be} {effect}{there}.")
    return warnings


def few_pieces_warning(tested: int) -> list[str]:
    """Return a sentence if few pieces are tested, else nothing."""
    if tested >= FEW_PIECES:
        return []
    return [
        f"Only {_pieces(tested)} {'is' if tested == 1 else 'are'} tested: one piece more or less right is "
        f"{100 / tested:.0f} points. Scores of fewer than {FEW_PIECES} pieces are no more than a hint."
    ]


def _present(data: TaskData, side: str) -> set[int]:
    truths = [np.unique(truth) for _, truth in data.pieces(side)]
    return set(np.unique(np.concatenate(truths)).tolist()) - {-1}


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _listed(names: Iterable[str], shown: int = 5) -> str:
    some = list(names)
    return ", ".join(some[:shown]) + (f" and {len(some) - shown} more" if len(some) > shown else "")


def _pieces(count: int) -> str:
    return f"{count:,} piece{'' if count == 1 else 's'}"
