"""Features of time: note values and metre as written, gaps and lengths in seconds as heard."""

from __future__ import annotations

import numpy as np

from symbolic.features.stats import Features, Floats, deviation, entropy, logs, mean, moments, named, shares
from symbolic.features.view import View
from symbolic.tokens.vocabulary import POSITION, TEMPO, TIME_SIGNATURE, Vocabulary

NOTE_VALUES = {"sixteenth": 0.25, "triplet": 1 / 3, "eighth": 0.5, "dotted_eighth": 0.75, "quarter": 1.0}
NOTE_VALUES |= {"dotted_quarter": 1.5, "half": 2.0, "whole": 4.0}
WINDOW = 2.0
"""Seconds in which notes are counted for the evenness of density."""
PULSE_RATE, PULSE_FASTEST, PULSE_SLOWEST = 32, 5, 64
"""Steps a second of the autocorrelation of strokes, and the lags among which a pulse is sought: 0.16 to 2 s."""


def note_values(view: View) -> Features:
    """Durations and gaps between strokes by the closest note value."""
    return {
        **_note_values("duration", view.lengths),
        **_note_values("gap", np.diff(view.quarters[view.first])),
    }


def _note_values(name: str, quarters: Floats) -> Features:
    values = np.log2(list(NOTE_VALUES.values()))
    nearest = np.searchsorted((values[1:] + values[:-1]) / 2, logs(quarters))
    parts = shares(np.bincount(nearest, minlength=len(values)))
    return {f"{name}_entropy": float(entropy(parts)), **named(name, NOTE_VALUES, parts)}


def timing(view: View) -> Features:
    """Gaps, lengths and density in seconds; articulation, which is length over the gap to the next stroke."""
    gaps, lengths = logs(view.gaps), logs(view.durations)
    change = np.abs(np.diff(gaps))
    after = np.append(gaps, gaps[-1:] if len(gaps) else 0.0)[view.stroke]
    articulation = np.clip(lengths - after, -4, 6)
    counts = np.bincount(((view.seconds - view.seconds[0]) / WINDOW).astype(np.int64))
    full = counts[:-1] if len(counts) > 1 else counts
    heard_until = np.maximum.accumulate(view.seconds + view.durations)
    return {
        **moments("gap_log", gaps),
        **moments("length_log", lengths),
        **moments("articulation", articulation),
        "gap_even": mean(change < 0.2),
        "gap_change": mean(change),
        "rests": float(np.maximum(view.seconds[1:] - heard_until[:-1], 0).sum()) / view.span,
        "sounding": float(view.durations.sum()) / max(float(heard_until[-1] - view.seconds[0]), 1.0),
        "notes_per_second": len(view) / view.span,
        "notes_per_quarter": len(view) / max(float(np.ptp(view.quarters)), 1.0),
        "density_sd": deviation(full) / max(mean(full), 1e-9),
        **_pulse(view),
    }


def _pulse(view: View) -> Features:
    """The highest peak of the autocorrelation of strokes: how high it is, and at which lag."""
    # Silence longer than the slowest pulse says nothing, and would take memory.
    gaps = np.minimum(view.gaps, (PULSE_SLOWEST + 1) / PULSE_RATE)
    at = np.round(np.cumsum(np.append(0.0, gaps)) * PULSE_RATE).astype(np.int64)
    # Each stroke is spread over its neighbours: a step too early or late is still on the pulse.
    strokes = np.convolve(np.bincount(at, np.minimum(view.sizes, 4)), (0.5, 1.0, 0.5))
    strokes -= strokes.mean()
    size = 1 << (len(strokes) + PULSE_SLOWEST).bit_length()
    found = np.fft.irfft(np.abs(np.fft.rfft(strokes, size)) ** 2)
    lags = found[PULSE_FASTEST : PULSE_SLOWEST + 1] / max(found[0], 1e-9)
    best = int(np.round(lags, 9).argmax())
    return {
        "pulse_strength": float(lags[best]),
        "pulse_log": float(np.log2((best + PULSE_FASTEST) / PULSE_RATE)),
    }


def metre(view: View, voc: Vocabulary) -> Features:
    """The commonest metre, where in the bar notes begin, and the written tempo."""
    values = view.values[:, TIME_SIGNATURE]
    tempo = view.values[:, TEMPO]
    numerator, denominator = voc.time_signatures[np.bincount(values).argmax()]
    place = view.values[:, POSITION] / voc.bar_positions[values]
    beat = view.values[:, POSITION] * voc.time_signatures[values, 1] / (4 * voc.positions_per_quarter) % 1
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
