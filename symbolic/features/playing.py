"""Features of texture, dynamics and instruments."""

from __future__ import annotations

import numpy as np

from symbolic.features.note_table import NoteTable
from symbolic.features.stats import (
    Features,
    blocks,
    correlation,
    deviation,
    entropy,
    logs,
    mean,
    moments,
    named,
    shares,
)
from symbolic.tokens.vocabulary import DRUM_PITCH, PROGRAM, VELOCITY

DRUM_PARTS = {
    "bass": (35, 36),
    "snare": (37, 38, 39, 40),
    "hat": (42, 44, 46),
    "tom": (41, 43, 45, 47, 48, 50),
}
DRUM_PARTS |= {"cymbal": (49, 51, 52, 53, 55, 57, 59)}
"""Keys of General MIDI's percussion."""
LARGEST = 4
"""Size of a stroke above which sizes are not distinguished."""
PHRASE = 16
"""Strokes over which loudness is averaged."""


def texture(table: NoteTable) -> Features:
    """Describe the notes of strokes, and the halves below and above the mean pitch, which are roughly the hands."""
    pitch, sizes = table.pitch, table.sizes
    chords = sizes > 1
    spans = (pitch[table.top] - pitch[table.bottom])[chords]
    height = pitch[table.by_height]
    last = (table.first + sizes - 1)[chords]
    inner = np.diff(height)[np.diff(table.stroke[table.by_height]) == 0]
    low = pitch < mean(pitch)
    lows, highs = table.where(low), table.where(~low)
    struck_low = np.bincount(table.stroke, low, minlength=len(sizes))
    kinds = np.bincount(np.minimum(sizes, LARGEST), minlength=LARGEST + 1)[1:]
    return {
        **moments("stroke_size", sizes),
        **named("stroke_of", range(1, LARGEST + 1), shares(kinds)),
        **moments("stroke_span", spans),
        "stroke_top_gap": mean(height[last] - height[last - 1]),
        "stroke_octaves": mean(inner == 12),
        "low_share": mean(low),
        "low_with_high": mean((struck_low > 0) & (struck_low < sizes)),
        "low_size": mean(lows.sizes),
        "high_size": mean(highs.sizes),
        "low_gap_sd": deviation(logs(lows.gaps)),
        "high_gap_sd": deviation(logs(highs.gaps)),
        "low_turns": mean(np.diff(lows.pitch)[1:] * np.diff(lows.pitch)[:-1] < 0),
        "low_length": mean(logs(lows.durations)) - mean(logs(highs.durations)),
    }


def dynamics(table: NoteTable) -> Features:
    """Describe loudness, its changes and the louder notes in a stroke. All are constant if velocity is hidden."""
    velocity = table.velocity
    low, high = np.quantile(velocity, (0.05, 0.95))
    loudness = np.add.reduceat(velocity, table.first) / table.sizes
    chords = table.sizes > 1
    spread = np.sqrt(np.maximum(np.add.reduceat(velocity**2, table.first) / table.sizes - loudness**2, 0))
    phrases = blocks(loudness, PHRASE)
    return {
        **moments("velocity", velocity),
        "velocity_low": float(low),
        "velocity_high": float(high),
        "velocity_entropy": float(entropy(shares(np.bincount(table.values[:, VELOCITY])))),
        "velocity_change": mean(np.abs(np.diff(velocity))),
        "velocity_top": mean((velocity[table.top] - loudness)[chords]),
        "velocity_bottom": mean((velocity[table.bottom] - loudness)[chords]),
        "velocity_spread": mean(spread[chords]),
        "velocity_with_pitch": correlation(velocity, table.pitch),
        "velocity_with_size": correlation(loudness, np.minimum(table.sizes, LARGEST)),
        "velocity_with_length": correlation(velocity, logs(table.durations)),
        "velocity_with_rise": correlation(np.diff(velocity[table.top]), np.diff(table.pitch[table.top])),
        "velocity_with_gap": correlation(loudness[1:], logs(table.gaps)),
        "velocity_of_phrases_sd": deviation(phrases.mean(axis=1)),
        "velocity_in_phrases_sd": mean(phrases.std(axis=1)),
    }


def instruments(table: NoteTable) -> Features:
    """Describe the number of programs, and how much is drums and which."""
    keys = table.pitch[table.pitch >= DRUM_PITCH] - DRUM_PITCH
    return {
        "programs": float(len(np.unique(table.values[:, PROGRAM]))),
        "drums": len(keys) / len(table),
        **named("drum", DRUM_PARTS, (mean(np.isin(keys, part)) for part in DRUM_PARTS.values())),
    }
