"""Relate an onset group to the one before: the time between them."""

import numpy as np

from symbolic.relations.arrays import Array
from symbolic.relations.base import known, relation
from symbolic.relations.notes import Notes

EDGES = np.array([3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128])
"""Positions at which the next bin begins; a quarter has 16 positions by default."""


@relation("inter_onset", len(EDGES) + 3, "time since the onset before, in logarithmic bins")
def inter_onset(notes: Notes) -> Array:
    """Return (B, L): 1 where no group comes before, else 2 + the bin of the time since it."""
    groups = notes.groups
    ids = 2 + notes.ops.bins(EDGES, groups.interval)
    return known(notes, groups.members, notes.ops.where(groups.first, 0 * ids + 1, ids))
