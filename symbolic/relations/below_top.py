"""Relate a note to the highest note of its onset group."""

from symbolic.relations.arrays import Array
from symbolic.relations.base import known, relation
from symbolic.relations.notes import Notes

WIDEST = 25
"""Semitones; wider intervals count as this."""


@relation("below_top", "semitones below the highest note that begins with it", range(WIDEST + 1))
def below_top(notes: Notes) -> Array:
    """Return (B, L): 1 + semitones below the highest note of the group."""
    groups = notes.groups
    return known(groups.members, 1 + (groups.top - notes.pitch).clip(0, WIDEST))
