"""Relate an onset group to the one before: the time between them."""

import numpy as np

from symbolic.relations.arrays import Array, Table
from symbolic.relations.base import known, relation
from symbolic.relations.notes import Notes

EDGES = np.array([3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128])
"""Positions at which the next bin begins; a quarter has 16 positions by default."""
_BINS = Table(2 + np.searchsorted(EDGES, np.arange(EDGES[-1] + 1), side="right"))
"""The id of each time up to the last edge."""


@relation("inter_onset", "positions since the onset before, in logarithmic bins", ("first", 2, *EDGES))
def inter_onset(notes: Notes) -> Array:
    """Return (B, L): 1 where no group comes before, else 2 + the bin of the time since it."""
    groups = notes.groups
    ids = _BINS[groups.interval.clip(0, EDGES[-1])]
    return known(groups.members, notes.ops.where(~groups.first, ids, 1))
