"""Features of time: written note values, metre, gaps and lengths in seconds."""

from __future__ import annotations

import numpy as np

from symbolic.features.note_table import NoteTable
from symbolic.features.stats import Features, Floats, deviation, entropy, logs, mean, moments, named, shares
from symbolic.tokens.vocabulary import POSITION, TEMPO, TIME_SIGNATURE, Vocabulary

NOTE_VALUES = {"sixteenth": 0.25, "triplet": 1 / 3, "eighth": 0.5, "dotted_eighth": 0.75, "quarter": 1.0}
NOTE_VALUES |= {"dotted_quarter": 1.5, "half": 2.0, "whole": 4.0}
WINDOW = 2.0
"""Seconds in which notes are counted, to measure how even the density is."""
PULSE_RATE, PULSE_FASTEST, PULSE_SLOWEST = 32, 5, 64
"""Steps a second of the strokes' autocorrelation, and its smallest and largest lag (0.16 to 2 s)."""


def note_values(table: NoteTable) -> Features:
    """Count durations, and gaps between strokes, by the closest note value."""
    return {
        **_note_values("duration", table.lengths),
        **_note_values("gap", np.diff(table.quarters[table.first])),
    }


def _note_values(name: str, quarters: Floats) -> Features:
    values = np.log2(list(NOTE_VALUES.values()))
    nearest = np.searchsorted((values[1:] + values[:-1]) / 2, logs(quarters))
    parts = shares(np.bincount(nearest, minlength=len(values)))
    return {f"{name}_entropy": float(entropy(parts)), **named(name, NOTE_VALUES, parts)}


def timing(table: NoteTable) -> Features:
    """Describe gaps, lengths and density in seconds and articulation: length over the gap to the next stroke."""
    gaps, lengths = logs(table.gaps), logs(table.durations)
    change = np.abs(np.diff(gaps))
    after = np.append(gaps, gaps[-1:] if len(gaps) else 0.0)[table.stroke]
    articulation = np.clip(lengths - after, -4, 6)
    counts = np.bincount(((table.seconds - table.seconds[0]) / WINDOW).astype(np.int64))
    full = counts[:-1] if len(counts) > 1 else counts
    sounds_until = np.maximum.accumulate(table.seconds + table.durations)
    return {
        **moments("gap_log", gaps),
        **moments("length_log", lengths),
        **moments("articulation", articulation),
        "gap_even": mean(change < 0.2),
        "gap_change": mean(change),
        "rests": float(np.maximum(table.seconds[1:] - sounds_until[:-1], 0).sum()) / table.span,
        "sounding": float(table.durations.sum()) / max(float(sounds_until[-1] - table.seconds[0]), 1.0),
        "notes_per_second": len(table) / table.span,
        "notes_per_quarter": len(table) / max(float(np.ptp(table.quarters)), 1.0),
        "density_sd": deviation(full) / max(mean(full), 1e-9),
        **_pulse(table),
    }


def _pulse(table: NoteTable) -> Features:
    """Find the highest peak of the strokes' autocorrelation, its height and its lag."""
    # Silence longer than the slowest pulse holds no information and would take memory.
    gaps = np.minimum(table.gaps, (PULSE_SLOWEST + 1) / PULSE_RATE)
    at = np.round(np.cumsum(np.append(0.0, gaps)) * PULSE_RATE).astype(np.int64)
    # Spread each stroke over its neighbours, so that a step too early or late is still on the pulse.
    strokes = np.convolve(np.bincount(at, np.minimum(table.sizes, 4)), (0.5, 1.0, 0.5))
    strokes -= strokes.mean()
    size = 1 << (len(strokes) + PULSE_SLOWEST).bit_length()
    found = np.fft.irfft(np.abs(np.fft.rfft(strokes, size)) ** 2)
    lags = found[PULSE_FASTEST : PULSE_SLOWEST + 1] / max(found[0], 1e-9)
    best = int(np.round(lags, 9).argmax())
    return {
        "pulse_strength": float(lags[best]),
        "pulse_log": float(np.log2((best + PULSE_FASTEST) / PULSE_RATE)),
    }


def metre(table: NoteTable, voc: Vocabulary) -> Features:
    """Describe the most frequent time signature, the positions of onsets in the bar and the written tempo."""
    values = table.values[:, TIME_SIGNATURE]
    tempo = table.values[:, TEMPO]
    numerator, denominator = voc.time_signatures[np.bincount(values).argmax()]
    place = table.values[:, POSITION] / voc.bar_positions[values]
    beat = table.values[:, POSITION] * voc.time_signatures[values, 1] / (4 * voc.positions_per_quarter) % 1
    return {
        "metre_quarters": float(4 * numerator / denominator),
        "metre_compound": float(numerator % 3 == 0 and numerator > 3),
        "metre_changes": mean(np.diff(values) != 0),
        "onset_downbeat": mean(place == 0),
        "onset_middle": mean(place == 0.5),
        "onset_beat": mean(beat == 0),
        "onset_half_beat": mean(beat == 0.5),
        **moments("tempo_log", np.log2(voc.tempos[tempo])),
        "tempo_changes": mean(np.diff(tempo) != 0),
    }
