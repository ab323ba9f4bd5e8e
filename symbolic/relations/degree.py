"""Relate a note to the tonic of its window."""

from symbolic.relations.arrays import Array
from symbolic.relations.base import known, relation
from symbolic.relations.notes import Notes

_VALUES = ("unknown", *(f"{mode}_{above}" for mode in ("major", "minor") for above in range(12)))


@relation("degree", "semitones above the window's tonic, by mode", _VALUES)
def degree(notes: Notes) -> Array:
    """Return (B, L): 2 + semitones above the tonic + 12 in minor; 1 where no tonic is known."""
    tonic = notes.tonic
    above = 2 + (notes.pitch - tonic) % 12 + 12 * (tonic // 12)
    return known(notes.pitched, notes.ops.where(tonic >= 0, above, 1))
