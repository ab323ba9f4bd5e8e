"""Relate a note to the octave: its pitch class."""

from symbolic.relations.arrays import Array
from symbolic.relations.base import known, relation
from symbolic.relations.notes import Notes

PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


@relation("pitch_class", "pitch class", PITCH_CLASSES)
def pitch_class(notes: Notes) -> Array:
    """Return (B, L): 1 + pitch modulo 12."""
    return known(notes.pitched, 1 + notes.pitch % 12)
