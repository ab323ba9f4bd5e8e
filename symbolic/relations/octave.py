"""Relate a note to the keyboard: its octave."""

from symbolic.relations.arrays import Array
from symbolic.relations.base import known, relation
from symbolic.relations.notes import Notes


@relation("octave", "octave of the pitch", range(11))
def octave(notes: Notes) -> Array:
    """Return (B, L): 1 + pitch // 12."""
    return known(notes.pitched, 1 + notes.pitch // 12)
