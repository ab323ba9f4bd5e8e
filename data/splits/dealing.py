"""Dealing groups of pieces onto sides and into folds, by a fixed seed and alike in every stratum."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from data.splits import FOLDS, SPLITS, connected

SEED = 2021


def plain_title(title: str) -> str:
    """A title without case, punctuation, article and remarks in brackets."""
    words = re.sub(r"\(.*?\)|[^\w ]", "", title).casefold().split()
    return " ".join(words[1:] if words[:1] in (["the"], ["a"]) else words)


def grouped(
    prints: Mapping[str, int], songs: Mapping[str, str], same: Iterable[tuple[str, str]] = ()
) -> dict[str, str]:
    """The group of each piece, called after its first piece.

    Args:
        prints: Note fingerprint of each piece; copies are one group.
        songs: Song of each piece that has one; pieces of a song are one group.
        same: Pairs of pieces that are known to be one song.
    """
    keys = list(prints)
    place = {key: index for index, key in enumerate(keys)}
    marks = [(songs.get(key, ""), prints[key]) for key in keys]
    # A pair is a mark of its own, of a song that both share with it.
    links = [
        mark
        for i, (one, other) in enumerate(same)
        for mark in ((f"pair {i}", prints[one]), (f"pair {i}", prints[other]))
    ]
    roots = connected([*marks, *links])
    return {key: keys[roots[place[key]]] for key in keys}


def dealt(strata: Mapping[str, str], sizes: Mapping[str, int]) -> dict[str, str]:
    """A side for each group: of the pieces in each stratum, a tenth to valid, a tenth to test.

    Args:
        strata: Stratum of each group, such as its genre.
        sizes: How many pieces each group has.
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
    """A fold for each group, so that folds have about as many pieces of each class.

    Groups are taken in random order, the large before the small, each by the fold where it adds least to the sum
    of squared shares of the classes.

    Args:
        classes: How many pieces of each class each group has.
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
    """The groups of each stratum, both in alphabetical order."""
    for stratum in sorted(set(strata.values())):
        yield sorted(group for group in strata if strata[group] == stratum)
