"""Transpose tokens by shifting pitch ids. Drums stay and every pitch stays in 0..127."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from operator import index
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from symbolic.tokens.tokenizer import Id, Tokens, rebase_bars
from symbolic.tokens.vocabulary import DRUM_PITCH, PITCH, RESERVED

MOST_KEYS = 12
_OUTSIDE = np.iinfo(np.uint16).max
"""Marks the pitch ids that a shift would move out of range."""


def _pitch_values(ids: NDArray[np.integer]) -> NDArray[np.uint16]:
    """Return the values (...,) of the pitch field. From DRUM_PITCH on they are drum keys or reserved ids."""
    values = ids[..., PITCH].astype(np.uint16)
    values -= RESERVED
    return values


def transposition_range(tokens: Tokens | NDArray[np.integer], limit: int = 11) -> tuple[int, int]:
    """Return the widest shifts, down and up, that keep every pitch in range.

    Args:
        tokens: `Tokens` or (N, 8) ids.
        limit: Largest shift in semitones either way.

    Returns:
        Lowest and highest shift in semitones, `low <= 0 <= high`. Both are 0 if there are no pitched notes.
    """
    values = _pitch_values(tokens.ids if isinstance(tokens, Tokens) else tokens)
    low, high = _limits(values[values < DRUM_PITCH])
    return max(-limit, low), min(limit, high)


@overload
def transpose(tokens: Tokens, semitones: int) -> Tokens: ...
@overload
def transpose(tokens: NDArray[Id], semitones: int) -> NDArray[Id]: ...


def transpose(tokens: Tokens | NDArray[Id], semitones: int) -> Tokens | NDArray[Id]:
    """Return a copy of tokens with every pitched note moved. Drums stay.

    Args:
        tokens: `Tokens` or (..., 8) ids. Padded and masked ids are left unchanged.
        semitones: The shift, a whole number, positive upwards.

    Returns:
        The same kind as was given.

    Raises:
        TypeError: If the shift is no whole number.
        ValueError: If a pitch would leave 0..127. See `transposition_range`.
    """
    if isinstance(tokens, Tokens):
        return replace(tokens, ids=transpose(tokens.ids, semitones))
    pitch = _moved_ids(index(semitones)).take(tokens[..., PITCH])
    if np.maximum.reduce(pitch, axis=None, initial=0) == _OUTSIDE:
        low, high = transposition_range(tokens, limit=127)
        raise ValueError(f"a shift of {semitones} semitones leaves 0..127; these tokens allow {low}..{high}")
    moved = tokens.copy()
    moved[..., PITCH] = pitch
    return moved


def in_keys(tokens: NDArray[Id], keys: int) -> list[NDArray[Id]]:
    """Return copies of a piece in several keys, evenly spaced over the octave.

    Args:
        tokens: (N, 8) ids.
        keys: How many. With 1 the piece is as it stands; with 6 it moves by -4, -2, 0, 2, 4 and 6 semitones. A copy
            that would leave 0..127 moves less.
    """
    low, high = transposition_range(tokens)
    shifts = ((round(12 * key / keys) + 5) % 12 - 5 for key in range(keys))
    return [transpose(tokens, min(max(shift, low), high)) for shift in shifts]


def window_of(tokens: NDArray[Id], most: int, draw: Callable[[int, int], Any]) -> NDArray[Id]:
    """Return a stretch of a piece as a window whose bars count from its start, transposed at random.

    Args:
        tokens: (L, 8) ids of the stretch.
        most: Largest shift in semitones either way. 0: none.
        draw: Draws an integer from the first argument up to the second, which is left out.
    """
    window = rebase_bars(tokens)
    if not most:
        return window
    low, high = transposition_range(window, most)
    return transpose(window, int(draw(low, high + 1)))


@lru_cache
def _moved_ids(semitones: int) -> NDArray[np.uint16]:
    """Return (260,) the new id of each pitch id. A table halves the time that masks for drums and padding take."""
    ids = np.arange(RESERVED + 2 * DRUM_PITCH)
    pitches = np.arange(DRUM_PITCH) + semitones
    inside = (pitches >= 0) & (pitches < DRUM_PITCH)
    ids[RESERVED : RESERVED + DRUM_PITCH] = np.where(inside, pitches + RESERVED, _OUTSIDE)
    return ids.astype(np.uint16)


def _limits(pitches: NDArray[np.uint16]) -> tuple[int, int]:
    """Return the lowest and highest shift that keep these pitches in 0..127 or (0, 0) if there are none."""
    if len(pitches) == 0:
        return 0, 0
    return -int(np.minimum.reduce(pitches)), DRUM_PITCH - 1 - int(np.maximum.reduce(pitches))
