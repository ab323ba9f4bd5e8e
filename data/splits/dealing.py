"""Deal groups of pieces onto sides and into folds by a fixed seed and equally in every stratum."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from data.splits import FOLDS, SPLITS, connected

SEED = 2021


def plain_title(title: str) -> str:
    """Return a title without case, punctuation, article and remarks in brackets."""
    words = re.sub(r"\(.*?\)|[^\w ]", "", title).casefold().split()
    return " ".join(words[1:] if words[:1] in (["the"], ["a"]) else words)


def grouped(
    prints: Mapping[str, int], songs: Mapping[str, str], same: Iterable[tuple[str, str]] = ()
) -> dict[str, str]:
    """Return the group of each piece, named after its first piece.

    Args:
        prints: Note fingerprint of each piece. Copies are one group.
        songs: Song of each piece that has one. Pieces of a song are one group.
        same: Pairs of pieces known to be one song.
    """
    keys = list(prints)
    place = {key: index for index, key in enumerate(keys)}
    marks = [(songs.get(key, ""), prints[key]) for key in keys]
    # A pair becomes a further song that both pieces share.
    links = [
        mark
        for i, (one, other) in enumerate(same)
        for mark in ((f"pair {i}", prints[one]), (f"pair {i}", prints[other]))
    ]
    roots = connected([*marks, *links])
    return {key: keys[roots[place[key]]] for key in keys}


def dealt(strata: Mapping[str, str], sizes: Mapping[str, int]) -> dict[str, str]:
    """Deal each group to a side. In each stratum a tenth of the pieces goes to valid and a tenth to test.

    Args:
        strata: Stratum of each group such as its genre.
        sizes: Number of pieces of each group.
    """
    shuffle = random.Random(SEED).shuffle
    sides: dict[str, str] = {}
    train, *held_out = SPLITS
    for groups in _in_strata(strata):
        shuffle(groups)
        tenth = round(sum(sizes[group] for group in groups) / 10)
        for side in held_out:
            taken = 0
            while taken < tenth:
                group = groups.pop()
                sides[group] = side
                taken += sizes[group]
        sides.update(dict.fromkeys(groups, train))
    return sides


def folded(classes: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Deal each group to a fold, so that folds have about equal numbers of each class.

    Groups come in random order, large ones first. Each goes to the fold where it adds least to the sum of squared
    proportions of the classes.

    Args:
        classes: Number of pieces of each class in each group.
    """
    groups = sorted(classes)
    random.Random(SEED).shuffle(groups)
    totals: Counter[str] = Counter()
    for group in groups:
        totals.update(classes[group])
    taken: list[Counter[str]] = [Counter() for _ in range(FOLDS)]
    folds = {}
    for group in sorted(groups, key=lambda name: -sum(classes[name].values())):
        costs = [
            sum(n * (2 * fold[c] + n) / totals[c] ** 2 for c, n in classes[group].items()) for fold in taken
        ]
        folds[group] = min(range(FOLDS), key=lambda k: (costs[k], taken[k].total(), k))
        taken[folds[group]].update(classes[group])
    return folds


def _in_strata(strata: Mapping[str, str]) -> Iterable[list[str]]:
    """Yield the groups of each stratum, both in alphabetical order."""
    for stratum in sorted(set(strata.values())):
        yield sorted(group for group in strata if strata[group] == stratum)
