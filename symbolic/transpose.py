"""Transposition in row space: a shift of the pitch ids. Drums stay, and no pitch leaves 0..127."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.vocabulary import DRUM_PITCH, PITCH, RESERVED

_LOWEST, _HIGHEST = RESERVED, RESERVED + DRUM_PITCH - 1


def _pitched(rows: NDArray[np.integer]) -> NDArray[np.bool_]:
    """(..., ) true where the pitch id is a pitch: neither a drum key nor reserved."""
    pitch = rows[..., PITCH]
    return np.asarray((pitch >= _LOWEST) & (pitch <= _HIGHEST))


def transposition_range(rows: NDArray[np.integer], limit: int = 11) -> tuple[int, int]:
    """The widest shift, down and up, that keeps every pitch of a window in range.

    Args:
        rows: (N, 8) ids.
        limit: Never further than this many semitones either way (METHODS: ±11).

    Returns:
        Lowest and highest shift in semitones, `low <= 0 <= high`; (0, 0) where nothing is pitched.
    """
    pitches = rows[..., PITCH][_pitched(rows)]
    if len(pitches) == 0:
        return 0, 0
    return max(-limit, _LOWEST - int(pitches.min())), min(limit, _HIGHEST - int(pitches.max()))


def transpose(rows: NDArray[np.integer], semitones: int) -> NDArray[np.integer]:
    """A copy of rows, every pitched note moved.

    Args:
        rows: (N, 8) ids; padded, masked and drum rows are left as they are.
        semitones: Shift, positive upwards.

    Raises:
        ValueError: If a pitch would leave 0..127; see `transposition_range`.
    """
    pitched = _pitched(rows)
    low, high = transposition_range(rows, limit=127)
    if pitched.any() and not low <= semitones <= high:
        raise ValueError(f"a shift of {semitones} semitones leaves 0..127; these rows allow {low}..{high}")
    moved = rows.copy()
    moved[..., PITCH][pitched] += np.asarray(semitones).astype(rows.dtype)
    return moved
