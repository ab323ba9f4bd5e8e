"""Relate an onset group to the one before: the steps of its lowest and its highest line."""

from symbolic.relations.arrays import Array
from symbolic.relations.base import known, relation
from symbolic.relations.notes import Notes

WIDEST = 12
"""Semitones; wider steps count as this."""
_VALUES = ("first", *range(-WIDEST, WIDEST + 1))


def _ids(notes: Notes, step: Array) -> Array:
    """Return (B, L): 1 where no group comes before, else 2 + the clipped step from `-WIDEST` up."""
    groups = notes.groups
    ids = notes.ops.where(~groups.first, 2 + WIDEST + step.clip(-WIDEST, WIDEST), 1)
    return known(groups.members, ids)


@relation("bass_step", "semitones from the lowest note of the onset before", _VALUES)
def bass_step(notes: Notes) -> Array:
    """Return (B, L) ids of the step of the lowest line."""
    return _ids(notes, notes.groups.bottom_step)


@relation("top_step", "semitones from the highest note of the onset before", _VALUES)
def top_step(notes: Notes) -> Array:
    """Return (B, L) ids of the step of the highest line."""
    return _ids(notes, notes.groups.top_step)
