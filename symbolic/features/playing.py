"""Features of texture, dynamics and instruments."""

from __future__ import annotations

import numpy as np

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
from symbolic.features.view import View
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
"""Strokes of more notes are counted with those of so many."""
PHRASE = 16
"""Strokes whose loudness is averaged."""


def texture(view: View) -> Features:
    """Notes in a stroke and how they are spread; the halves below and above the mean pitch, roughly the hands."""
    pitch, sizes = view.pitch, view.sizes
    chords = sizes > 1
    spans = (pitch[view.top] - pitch[view.bottom])[chords]
    height = pitch[view.by_height]
    last = (view.first + sizes - 1)[chords]
    inner = np.diff(height)[np.diff(view.stroke[view.by_height]) == 0]
    low = pitch < mean(pitch)
    lows, highs = view.where(low), view.where(~low)
    struck_low = np.bincount(view.stroke, low, minlength=len(sizes))
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


def dynamics(view: View) -> Features:
    """Loudness, its changes, and who in a stroke is louder; constant where velocity is hidden."""
    velocity = view.velocity
    low, high = np.quantile(velocity, (0.05, 0.95))
    loudness = np.add.reduceat(velocity, view.first) / view.sizes
    chords = view.sizes > 1
    spread = np.sqrt(np.maximum(np.add.reduceat(velocity**2, view.first) / view.sizes - loudness**2, 0))
    phrases = blocks(loudness, PHRASE)
    return {
        **moments("velocity", velocity),
        "velocity_low": float(low),
        "velocity_high": float(high),
        "velocity_entropy": float(entropy(shares(np.bincount(view.values[:, VELOCITY])))),
        "velocity_change": mean(np.abs(np.diff(velocity))),
        "velocity_top": mean((velocity[view.top] - loudness)[chords]),
        "velocity_bottom": mean((velocity[view.bottom] - loudness)[chords]),
        "velocity_spread": mean(spread[chords]),
        "velocity_with_pitch": correlation(velocity, view.pitch),
        "velocity_with_size": correlation(loudness, np.minimum(view.sizes, LARGEST)),
        "velocity_with_length": correlation(velocity, logs(view.durations)),
        "velocity_with_rise": correlation(np.diff(velocity[view.top]), np.diff(view.pitch[view.top])),
        "velocity_with_gap": correlation(loudness[1:], logs(view.gaps)),
        "velocity_of_phrases_sd": deviation(phrases.mean(axis=1)),
        "velocity_in_phrases_sd": mean(phrases.std(axis=1)),
    }


def instruments(view: View) -> Features:
    """How much of it is drums and which, and how many programs."""
    keys = view.pitch[view.pitch >= DRUM_PITCH] - DRUM_PITCH
    return {
        "programs": float(len(np.unique(view.values[:, PROGRAM]))),
        "drums": len(keys) / len(view),
        **named("drum", DRUM_PARTS, (mean(np.isin(keys, part)) for part in DRUM_PARTS.values())),
    }
