"""Hand-made features of a piece and of its notes: what a score tells without any learning.

They feed the floors. A pretrained model that does not clear them has not earned its name.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.metre import bar_starts
from symbolic.vocabulary import (
    BAR,
    DRUM_PITCH,
    DURATION,
    PITCH,
    POSITION,
    PROGRAM,
    RESERVED,
    TEMPO,
    TIME_SIGNATURE,
    VELOCITY,
    Vocabulary,
)

Floats = NDArray[np.float64]

INTERVALS = {
    "repeated": (0, 0),
    "steps": (1, 2),
    "thirds": (3, 4),
    "fourths_fifths": (5, 7),
    "leaps": (8, 127),
}
NOTE_VALUES = {"sixteenth": 0.25, "triplet": 1 / 3, "eighth": 0.5, "dotted_eighth": 0.75, "quarter": 1.0}
NOTE_VALUES |= {"dotted_quarter": 1.5, "half": 2.0, "dotted_half": 3.0, "whole": 4.0}
BAR_PARTS = 12
"""Parts of a bar in the histogram of onsets: divides bars in two, three, four and six."""


class Chords(NamedTuple):
    """How each note stands among those that begin with it, all (N,) int64.

    Attributes:
        onset: Number of its onset in the piece, by time.
        size: How many notes begin there.
        rank: How many of them are higher; 0 is the top. Drums rank below all pitches.
    """

    onset: NDArray[np.int64]
    size: NDArray[np.int64]
    rank: NDArray[np.int64]


def chords(rows: NDArray[np.integer]) -> Chords:
    """Notes grouped by onset.

    Args:
        rows: (N, 8) ids of one piece or window, N > 0.
    """
    return _chords(_values_of(rows))


def _chords(values: NDArray[np.int64]) -> Chords:
    _, onset, sizes = np.unique(
        (values[:, BAR] << 16) + values[:, POSITION], return_inverse=True, return_counts=True
    )
    pitch = values[:, PITCH]
    depth = onset * 512 + np.where(pitch < DRUM_PITCH, DRUM_PITCH - pitch, 256)  # by onset, highest first
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.searchsorted(np.sort(depth), depth) - first[onset]
    return Chords(onset, sizes[onset], rank)


def under_another(rows: NDArray[np.integer], vocabulary: Vocabulary | None = None) -> NDArray[np.bool_]:
    """(N,) true where a higher note sounds when a note begins, be it struck then or before.

    Args:
        rows: (N, 8) ids of one piece or window. Drums count as lower than all pitches.
        vocabulary: What the ids mean.
    """
    voc = vocabulary or Vocabulary()
    values = _values_of(rows)
    starts, _ = bar_starts(values[:, BAR], values[:, TIME_SIGNATURE], voc)
    onset = starts + values[:, POSITION]
    end = onset + voc.durations[values[:, DURATION]]
    pitch = np.where(values[:, PITCH] < DRUM_PITCH, values[:, PITCH], -1)
    under = np.zeros(len(rows), dtype=bool)
    for level in np.unique(pitch):
        higher, here = pitch > level, pitch == level
        begun = np.searchsorted(np.sort(onset[higher]), onset[here], side="right")
        ended = np.searchsorted(np.sort(end[higher]), onset[here], side="right")
        under[here] = begun > ended
    return under


def piece_features(rows: NDArray[np.integer], vocabulary: Vocabulary | None = None) -> dict[str, float]:
    """Eighty-four features of a piece, by name; none depends on its length or, but for register, its key.

    Args:
        rows: (N, 8) ids of one piece, in canonical order.
        vocabulary: What the ids mean.
    """
    voc = vocabulary or Vocabulary()
    values = _values_of(rows)
    starts, _ = bar_starts(values[:, BAR], values[:, TIME_SIGNATURE], voc)
    onset = (starts + values[:, POSITION]) / voc.positions_per_quarter
    pitched = values[:, PITCH] < DRUM_PITCH
    return {
        **_pitch(values[pitched, PITCH]),
        **_line(values[pitched]),
        **_times("duration", voc.durations[values[:, DURATION]] / voc.positions_per_quarter),
        **_times("gap", np.diff(np.unique(onset))),
        **_metre(values, voc),
        **_texture(values, onset),
        **_performance(values, voc),
    }


def feature_names() -> list[str]:
    """Names of the columns of `feature_matrix`."""
    return list(piece_features(_ONE_NOTE))


def feature_matrix(pieces: list[NDArray[np.integer]], vocabulary: Vocabulary | None = None) -> Floats:
    """(P, F) features of several pieces, each (N, 8) ids."""
    table = [list(piece_features(rows, vocabulary).values()) for rows in pieces]
    return np.array(table, dtype=np.float64).reshape(len(pieces), -1)


def _values_of(rows: NDArray[np.integer]) -> NDArray[np.int64]:
    """Ids to values; a hidden field becomes a constant."""
    return np.maximum(rows.astype(np.int64) - RESERVED, 0)


def _pitch(pitch: NDArray[np.int64]) -> dict[str, float]:
    """Register, and the pitch classes counted from the commonest one."""
    classes = np.bincount(pitch % 12, minlength=12) / max(len(pitch), 1)
    from_commonest = np.roll(classes, -int(classes.argmax()))
    return {
        **_moments("pitch", pitch),
        "pitch_low": float(pitch.min(initial=127)),
        "pitch_high": float(pitch.max(initial=0)),
        "pitch_class_entropy": _entropy(classes),
        **{f"pitch_class_{i}": float(share) for i, share in enumerate(from_commonest)},
    }


def _line(values: NDArray[np.int64]) -> dict[str, float]:
    """Melodic intervals of the top line."""
    top = values[_chords(values).rank == 0] if len(values) else values
    _, first = np.unique(top[:, [BAR, POSITION]], axis=0, return_index=True)
    moves = np.diff(top[first, PITCH])
    sizes = np.abs(moves)
    shares = {name: _share((sizes >= low) & (sizes <= high)) for name, (low, high) in INTERVALS.items()}
    return {
        **_moments("interval", sizes),
        "interval_up": _share(moves > 0),
        "interval_turns": _share(moves[1:] * moves[:-1] < 0),
        **{f"interval_{name}": share for name, share in shares.items()},
    }


def _times(name: str, quarters: Floats) -> dict[str, float]:
    """Spread of times in quarter notes, and which note values they are closest to."""
    values = np.array(list(NOTE_VALUES.values()))
    logs = np.log2(np.maximum(quarters, 1 / 64))
    nearest = np.abs(logs[:, None] - np.log2(values)).argmin(axis=1)
    shares = np.bincount(nearest, minlength=len(values)) / max(len(quarters), 1)
    return {
        **_moments(f"{name}_log", logs),
        f"{name}_entropy": _entropy(shares),
        **{f"{name}_{value}": float(share) for value, share in zip(NOTE_VALUES, shares, strict=True)},
    }


def _metre(values: NDArray[np.int64], voc: Vocabulary) -> dict[str, float]:
    """The commonest metre, and where in the bar notes begin."""
    metre = values[:, TIME_SIGNATURE]
    numerator, denominator = voc.metres[np.bincount(metre).argmax()]
    place = values[:, POSITION] / voc.bar_positions[metre]
    histogram = np.bincount((place * BAR_PARTS).astype(np.int64), minlength=BAR_PARTS) / len(values)
    return {
        "metre_quarters": float(4 * numerator / denominator),
        "metre_numerator": float(numerator),
        "metre_compound": float(numerator % 3 == 0 and numerator > 3),
        "metre_changes": _share(np.diff(metre) != 0),
        "onset_downbeat": _share(place == 0),
        **{f"onset_part_{i}": float(share) for i, share in enumerate(histogram)},
    }


def _texture(values: NDArray[np.int64], onset: Floats) -> dict[str, float]:
    """How many notes sound together, how wide apart, how densely."""
    index, size, _ = _chords(values)
    pitch = np.minimum(values[:, PITCH], DRUM_PITCH)
    span = np.zeros(index.max() + 1)
    low, high = np.full(len(span), 999), np.full(len(span), -1)
    np.minimum.at(low, index, pitch)
    np.maximum.at(high, index, pitch)
    sizes = np.bincount(index)
    length = max(float(np.ptp(onset)), 1.0)
    return {
        **_moments("chord_size", sizes),
        "chord_single": _share(sizes == 1),
        "chord_triad": _share(sizes >= 3),
        **_moments("chord_span", (high - low)[sizes > 1]),
        "notes_in_chords": _share(size > 1),
        "notes_per_quarter": len(values) / length,
        "onsets_per_quarter": len(sizes) / length,
        "drums": _share(values[:, PITCH] >= DRUM_PITCH),
        "programs": float(len(np.unique(values[:, PROGRAM]))),
    }


def _performance(values: NDArray[np.int64], voc: Vocabulary) -> dict[str, float]:
    """Dynamics and tempo."""
    velocity, tempo = values[:, VELOCITY], values[:, TEMPO]
    return {
        **_moments("velocity", velocity),
        "velocity_change": float(np.abs(np.diff(velocity)).mean()) if len(velocity) > 1 else 0.0,
        **_moments("tempo_log", np.log2(voc.tempos[tempo])),
        "tempo_changes": _share(np.diff(tempo) != 0),
    }


def _moments(name: str, values: NDArray) -> dict[str, float]:
    if len(values) == 0:
        return {f"{name}_mean": 0.0, f"{name}_sd": 0.0}
    return {f"{name}_mean": float(values.mean()), f"{name}_sd": float(values.std())}


def _share(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean()) if len(hits) else 0.0


def _entropy(shares: Floats) -> float:
    """In bits."""
    present = shares[shares > 0]
    return float(-(present * np.log2(present)).sum())


_ONE_NOTE = np.full((1, 8), RESERVED, dtype=np.int64)
