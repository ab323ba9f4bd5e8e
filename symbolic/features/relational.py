"""Features of relations: how often each interval, step, degree and time occurs, and each velocity and length."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Features, Ints, named, shares
from symbolic.relations import RELATIONS, relation_ids
from symbolic.tokens.vocabulary import DURATION, RESERVED, VELOCITY, Vocabulary

LENGTHS = tuple(2**octave for octave in range(9))
"""Shortest lengths in positions of the bins of note lengths."""


def histograms(tokens: NDArray[np.integer], vocabulary: Vocabulary) -> Features:
    """Return square roots of the share of notes that have each value of each relation, by both names.

    Velocities and lengths are counted alike. The roots let rare values count, and make distances those of Hellinger.
    Drums have no relations. Hidden fields do not count.

    Args:
        tokens: (N, 8) ids of one piece, in canonical order.
        vocabulary: The vocabulary of the ids.
    """
    values = tokens.astype(np.int64) - RESERVED
    found: Features = {}
    for one, ids in zip(RELATIONS.values(), relation_ids(tokens, None, vocabulary).T, strict=True):
        found |= _histogram(one.name, one.values, (ids - 1)[ids > 0])
    velocities, durations = (values[values[:, field] >= 0, field] for field in (VELOCITY, DURATION))
    octaves = np.searchsorted(LENGTHS, vocabulary.durations[durations], side="right") - 1
    found |= _histogram("velocity", range(vocabulary.velocity_bins), velocities)
    return found | _histogram("length", LENGTHS, octaves)


def _histogram(name: str, kinds: Iterable[object], places: Ints) -> Features:
    kinds = list(kinds)
    return named(name, kinds, np.sqrt(shares(np.bincount(places, minlength=len(kinds)))))
