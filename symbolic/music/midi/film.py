"""Give ticks per quarter note to MIDI files whose times are parts of the frames of a film (SMPTE)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

FRAMES = 0x8000
"""From here on, a header's 16 bits of time state frames a second."""
TEMPO = 0x51
_RATES = {24: Fraction(24), 25: Fraction(25), 29: Fraction(30_000, 1001), 30: Fraction(30)}
"""Frames a second by the number that stands for them: 29 is "30 drop frame"."""


def quarters_of(division: int) -> tuple[int, int] | None:
    """Return the ticks of a quarter note of about half a second, and its exact length in microseconds.

    Args:
        division: The header's 16 bits of time, from `FRAMES` on.

    Returns:
        None if it states no such number of frames, or frames without ticks.
    """
    rate, ticks = _RATES.get(256 - (division >> 8)), division & 0xFF
    if rate is None or not ticks:
        return None
    quarter = round(rate * ticks / 2)
    return quarter, round(quarter * 1_000_000 / (rate * ticks))


def set_to(tempo: int, tracks: Sequence[list[tuple[int, bytes]]]) -> None:
    """Let one tempo hold in all tracks from the start, instead of theirs, which mean nothing in time of frames.

    Args:
        tempo: Microseconds per quarter note.
        tracks: Events of each track: time in ticks and bytes. They are changed.
    """
    for events in tracks:
        events[:] = [(tick, event) for tick, event in events if event[:2] != bytes([0xFF, TEMPO])]
    if tracks:
        tracks[0].insert(0, (0, bytes([0xFF, TEMPO, 3]) + tempo.to_bytes(3)))
