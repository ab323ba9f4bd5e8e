"""Transposition in token space: a shift of the pitch ids. Drums stay, and no pitch leaves 0..127."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from symbolic.tokens.vocabulary import DRUM_PITCH, PITCH, RESERVED

_OUTSIDE = np.iinfo(np.uint16).max
"""In the place of a pitch id that a shift would leave without a pitch."""


def _pitch_values(tokens: NDArray[np.integer]) -> NDArray[np.uint16]:
    """(..., ) values of the pitch field; from DRUM_PITCH on they are drum keys or, wrapped, reserved ids."""
    values = tokens[..., PITCH].astype(np.uint16)
    values -= RESERVED
    return values


def transposition_range(tokens: NDArray[np.integer], limit: int = 11) -> tuple[int, int]:
    """The widest shift, down and up, that keeps every pitch of a window in range.

    Args:
        tokens: (N, 8) ids.
        limit: Never further than this many semitones either way (METHODS: ±11).

    Returns:
        Lowest and highest shift in semitones, `low <= 0 <= high`; (0, 0) where nothing is pitched.
    """
    values = _pitch_values(tokens)
    low, high = _limits(values[values < DRUM_PITCH])
    return max(-limit, low), min(limit, high)


def transpose(tokens: NDArray[np.integer], semitones: int) -> NDArray[np.integer]:
    """A copy of tokens, every pitched note moved.

    Args:
        tokens: (N, 8) ids; padded, masked and drum tokens are left as they are.
        semitones: Shift, positive upwards.

    Raises:
        ValueError: If a pitch would leave 0..127; see `transposition_range`.
    """
    pitch = _moved_ids(int(semitones)).take(tokens[..., PITCH])
    if np.maximum.reduce(pitch, axis=None, initial=0) == _OUTSIDE:
        low, high = transposition_range(tokens, limit=127)
        raise ValueError(f"a shift of {semitones} semitones leaves 0..127; these tokens allow {low}..{high}")
    moved = tokens.copy()
    moved[..., PITCH] = pitch
    return moved


@lru_cache
def _moved_ids(semitones: int) -> NDArray[np.uint16]:
    """(260,) what becomes of each pitch id: looking it up costs half of telling drums and padding apart."""
    ids = np.arange(RESERVED + 2 * DRUM_PITCH)
    pitches = np.arange(DRUM_PITCH) + semitones
    inside = (pitches >= 0) & (pitches < DRUM_PITCH)
    ids[RESERVED : RESERVED + DRUM_PITCH] = np.where(inside, pitches + RESERVED, _OUTSIDE)
    return ids.astype(np.uint16)


def _limits(pitches: NDArray[np.uint16]) -> tuple[int, int]:
    """Lowest and highest shift that keeps these pitches in 0..127; (0, 0) where there are none."""
    if len(pitches) == 0:
        return 0, 0
    return -int(np.minimum.reduce(pitches)), DRUM_PITCH - 1 - int(np.maximum.reduce(pitches))
