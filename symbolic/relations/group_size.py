"""Relate a note to how many begin with it."""

from symbolic.relations.arrays import Array
from symbolic.relations.base import known, relation
from symbolic.relations.notes import Notes

MOST = 9
"""Notes; larger groups count as this."""


@relation("group_size", "notes that begin with it, itself included", range(1, MOST + 1))
def group_size(notes: Notes) -> Array:
    """Return (B, L): notes of the group, at most `MOST`."""
    groups = notes.groups
    return known(groups.members, groups.size.clip(max=MOST))
