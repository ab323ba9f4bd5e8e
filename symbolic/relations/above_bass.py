"""Relate a note to the lowest note of its onset group."""

from symbolic.relations.arrays import Array
from symbolic.relations.base import known, relation
from symbolic.relations.notes import Notes

WIDEST = 38
"""Semitones; wider intervals count as this."""


@relation("above_bass", "semitones above the lowest note that begins with it", range(WIDEST + 1))
def above_bass(notes: Notes) -> Array:
    """Return (B, L): 1 + semitones above the lowest note of the group."""
    groups = notes.groups
    return known(groups.members, 1 + (notes.pitch - groups.bottom).clip(0, WIDEST))


@relation("above_bass_class", "the same modulo 12; the lowest note apart", ("lowest", *range(12)))
def above_bass_class(notes: Notes) -> Array:
    """Return (B, L): 1 for the lowest pitch itself, else 2 + semitones above it modulo 12."""
    groups = notes.groups
    interval = notes.pitch - groups.bottom
    ids = notes.ops.where(interval != 0, 2 + interval % 12, 1)
    return known(groups.members, ids)
