"""Features of pitch: register, key, lines and harmony. Only pitched notes count."""

from __future__ import annotations

import numpy as np

from symbolic.features.note_table import NoteTable
from symbolic.features.stats import (
    Features,
    Floats,
    Ints,
    blocks,
    deviation,
    entropy,
    mean,
    moments,
    named,
    shares,
)
from symbolic.music.profiles import centred, centred_keys

STEPS = {"repeated": 0, "semitone": 1, "tone": 2, "third": 3, "fourth": 5, "fifth": 6, "sixth_seventh": 8}
STEPS |= {"octave": 12, "wider": 13}
"""Kinds of melodic intervals, with the smallest of each in semitones."""
HARMONY_BLOCK = 16
"""Strokes in which local key and harmony are measured, a few bars of most music."""
PHRASE = 64
"""Moves of a line within which repetition is counted."""
LONGEST = 2.0
"""Longest duration in seconds that counts for the key, since pedal makes notes longer than they sound."""


def key_fit(weights: Floats) -> Floats:
    """Correlate pitch-class weights (..., 12) with the major and minor keys on each tonic as (..., 2, 12)."""
    return np.asarray(np.einsum("...c,mtc->...mt", centred(weights), centred_keys()))


def register(table: NoteTable) -> Features:
    """Describe height and range. Only the mean, the low and the high pitch depend on the key."""
    pitch = table.pitch
    low, high = np.quantile(pitch, (0.05, 0.95)) if len(pitch) else (0.0, 0.0)
    return {
        **moments("pitch", pitch),
        "pitch_low": float(low),
        "pitch_high": float(high),
        "top_above_mean": mean(pitch[table.top]) - mean(pitch),
        "bottom_below_mean": mean(pitch) - mean(pitch[table.bottom]),
        "top_sd": deviation(pitch[table.top]),
        "bottom_sd": deviation(pitch[table.bottom]),
    }


def key(table: NoteTable) -> Features:
    """Measure how clear the key and mode are and the shares of scale degrees above the tonic."""
    classes = table.pitch % 12
    weights = np.bincount(classes, np.minimum(table.durations, LONGEST), minlength=12).astype(np.float64)
    fit = key_fit(weights)
    by_tonic = fit.max(axis=0)
    tonic = int(by_tonic.argmax())
    local = blocks(table.struck, HARMONY_BLOCK).sum(axis=1)
    local_fit = key_fit(local)
    likely = np.round(local_fit.max(axis=1), 9)
    best = likely == likely.max(
        axis=-1, keepdims=True
    )  # all of tied keys, else transposition would choose one
    return {
        "key_fit": float(by_tonic.max()),
        "key_lead": float(np.ptp(np.partition(by_tonic, 10)[10:])),
        "key_major": float(fit[0].max() - fit[1].max()),
        "key_major_local": mean(local_fit[:, 0].max(axis=-1) - local_fit[:, 1].max(axis=-1)),
        "key_changes": mean(~(best[1:] & best[:-1]).any(axis=-1)),
        "pitch_class_entropy": float(entropy(shares(np.bincount(classes, minlength=12)))),
        "pitch_class_entropy_local": mean(entropy(shares(local))),
        **named("degree", range(12), np.roll(shares(weights), -tonic)),
    }


def lines(table: NoteTable) -> Features:
    """Describe the moves along the lowest notes of strokes and from each note to the next."""
    return {
        **_line("bottom", table.pitch[table.bottom]),
        **_line("next", table.pitch),
    }


def _line(name: str, pitch: Ints) -> Features:
    moves = np.diff(pitch)
    kinds = np.searchsorted(list(STEPS.values()), np.abs(moves), side="right") - 1
    return {
        f"{name}_up": mean(moves > 0),
        f"{name}_turns": mean(moves[1:] * moves[:-1] < 0),
        f"{name}_repeats": _repeats(moves),
        f"{name}_entropy": float(entropy(shares(np.bincount(np.clip(moves, -13, 13) + 13)))),
        **named(name, STEPS, shares(np.bincount(kinds, minlength=len(STEPS)))),
    }


def _repeats(moves: Ints) -> float:
    """Return the share of pairs of successive moves that repeat an earlier pair of the same phrase."""
    pairs = moves[1:] * 256 + moves[:-1]
    if len(pairs) == 0:
        return 0.0
    phrases = np.sort(blocks(pairs, PHRASE), axis=1)
    return float((np.diff(phrases, axis=1) == 0).sum() / phrases.size)


def harmony(table: NoteTable) -> Features:
    """Describe the intervals over the bass of a stroke and the similarity of successive stretches."""
    pitch = table.pitch
    above_bass = np.ones(len(table), dtype=bool)
    above_bass[table.bottom] = False
    over_bass = (pitch - pitch[table.bottom][table.stroke])[above_bass] % 12
    chroma = blocks(table.struck, HARMONY_BLOCK // 2).sum(axis=1)
    chroma = chroma / np.maximum(np.linalg.norm(chroma, axis=1, keepdims=True), 1e-9)
    return {
        **named("over_bass", range(12), shares(np.bincount(over_bass, minlength=12))),
        "harmony_stays": mean((chroma[1:] * chroma[:-1]).sum(axis=1)),
        "harmony_returns": mean((chroma[4:] * chroma[:-4]).sum(axis=1)),
    }
