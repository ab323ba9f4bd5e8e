"""Hand-made features of notes: how each stands among those around it, by time, pitch, velocity and length."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from symbolic.features.neighbours import Neighbours, mean_of, most_of
from symbolic.features.stats import SHORTEST, Floats, Ints, logs
from symbolic.features.view import View
from symbolic.tokens.vocabulary import (
    DRUM_PITCH,
    PITCH,
    POSITION,
    RESERVED,
    TEMPO,
    TIME_SIGNATURE,
    Vocabulary,
)

Rows = NDArray[np.integer]
Columns = dict[str, NDArray[np.generic]]
"""(N,) each."""

FAR = 60.0
"""Semitones, where there is no neighbour to be that far off."""
NEVER = 30.0
"""Seconds, where nothing comes before or after."""
STRETCHES = {
    "beside": (-0.5, 0.5),
    "past": (-2, 0),
    "next": (0, 2),
    "long_past": (-8, 0),
    "long_next": (0, 8),
}
"""Seconds around a note's onset, as far as `REACH` notes go; its own stroke is another matter."""
STEPS = (-4, -3, -2, -1, 1, 2, 3, 4)
"""Strokes before and after a note's own whose outer notes it is held against."""
NEAR = 5
"""Semitones within which a neighbour may belong to the same voice."""
LASTING = 8.0
"""Seconds before and after in which what notes are held for is averaged."""
BLOCK = 4096
"""Notes that are worked on at once: beside the result, memory does not grow with the piece."""


def note_features(tokens: Rows, shares: Floats | None = None) -> Columns:
    """Features of every note of a piece, by name; transposition moves `pitch` and nothing else.

    Args:
        tokens: (N, 8) ids of one piece, in canonical order, N > 0, without drums.
        shares: (N, C) what somebody holds each note for, if that is to be heard too.
    """
    parts = [part for _, part in _blocks(tokens, shares)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@cache
def note_names(classes: int = 0) -> tuple[str, ...]:
    """Names of the columns of `note_matrix`, with what is heard of so many classes."""
    shares = np.zeros((1, classes)) if classes else None
    return tuple(note_features(np.full((1, 8), RESERVED, dtype=np.int64), shares))


def note_matrix(tokens: Rows, shares: Floats | None = None) -> NDArray[np.float32]:
    """(N, F) of `note_features` for every note of a piece, drums included, of which all is 0."""
    pitched = np.flatnonzero(tokens[:, PITCH] < DRUM_PITCH + RESERVED)
    table = np.zeros(
        (len(tokens), len(note_names(0 if shares is None else shares.shape[1]))), dtype=np.float32
    )
    for notes, columns in _blocks(tokens[pitched], None if shares is None else shares[pitched]):
        for number, column in enumerate(columns.values()):
            table[pitched[notes], number] = column
    return table


def _blocks(tokens: Rows, shares: Floats | None) -> Iterator[tuple[Ints, Columns]]:
    """Which notes, and their features, `BLOCK` by `BLOCK`."""
    if not len(tokens):
        return
    voc = Vocabulary()
    view = View.of(tokens, voc)
    whole = _in_piece(view, voc) | ({} if shares is None else _of_class(view, shares))
    for start in range(0, len(view), BLOCK):
        notes = np.arange(start, min(start + BLOCK, len(view)))
        yield notes, {name: column[notes] for name, column in whole.items()} | _around(view, notes, shares)


def _around(view: View, notes: Ints, shares: Floats | None) -> Columns:
    """Of some notes, what tells how they stand to others."""
    around = Neighbours.of(view, notes)
    return {
        **({} if shares is None else _held_for(around, shares)),
        **_stroke(around),
        **_sounding(around),
        **_stretches(around),
        **_line(around, forward=True),
        **_line(around, forward=False),
        **_outer(around),
    }


def _in_piece(view: View, voc: Vocabulary) -> Columns:
    """What a note is, and where in bar and piece."""
    values = view.values
    position = values[:, POSITION] / voc.positions_per_quarter
    return {
        "pitch": view.pitch,
        "velocity": view.velocity,
        "length": logs(view.lengths),
        "position": position,
        "phase": position % 1,
        "metre": values[:, TIME_SIGNATURE],
        "tempo": values[:, TEMPO],
        "progress": view.seconds / max(float(view.seconds[-1]), 1.0),
        "pitch_rank": _rank(view.pitch),
        "velocity_rank": _rank(view.velocity),
        "length_rank": _rank(view.lengths),
    }


def _stroke(around: Neighbours) -> Columns:
    """How a note stands among those struck with it."""
    chord, interval = around.together, around.interval
    twin = chord & (interval == 0)
    return {
        "chord_others": chord.sum(axis=1),
        **_heights("chord", chord, interval),
        "chord_top": most_of(chord, interval, 0),
        "chord_bottom": most_of(chord, interval, 0, np.min),
        "chord_louder": mean_of(chord, around.louder),
        "chord_loudest": most_of(chord, around.louder, -FAR),
        "chord_longer": mean_of(chord, around.longer),
        "chord_longest": most_of(chord, around.longer, -10),
        "octave": (chord & (np.abs(interval) == 12)).any(axis=1),
        "twin": twin.sum(axis=1),
        "twin_louder": mean_of(twin, around.louder),
        "twin_longer": mean_of(twin, around.longer),
    }


def _sounding(around: Neighbours) -> Columns:
    """What is heard when a note begins, and what begins while it is heard."""
    heard, after, interval = around.sounding, around.during, around.interval
    return {
        "heard": heard.sum(axis=1),
        **_heights("heard", heard, interval),
        "heard_top": most_of(heard, interval, 0),
        "during": after.sum(axis=1),
        **_heights("during", after, interval),
        "during_top": most_of(after, interval, -FAR),
        "during_near": (after & (np.abs(interval) < NEAR)).sum(axis=1),
    }


def _heights(name: str, chosen: NDArray[np.bool_], interval: Floats) -> Columns:
    above, below = chosen & (interval > 0), chosen & (interval < 0)
    return {
        f"{name}_above": above.sum(axis=1),
        f"{name}_below": below.sum(axis=1),
        f"{name}_up": most_of(above, interval, FAR, np.min),
        f"{name}_down": -most_of(below, interval, -FAR),
    }


def _stretches(around: Neighbours) -> Columns:
    """What a stretch of time around a note is like beside it."""
    found: Columns = {}
    interval, louder = around.interval, around.louder
    for name, (first, last) in STRETCHES.items():
        here = around.within(first, last)
        near = here & (np.abs(interval) <= NEAR)
        found |= {
            f"{name}_notes": here.sum(axis=1),
            f"{name}_interval": mean_of(here, interval),
            f"{name}_top": most_of(here, interval, -FAR),
            f"{name}_bottom": most_of(here, interval, FAR, np.min),
            f"{name}_higher": mean_of(here, (interval > 0).astype(np.float32)),
            f"{name}_near": mean_of(here, near.astype(np.float32)),
            f"{name}_repeats": (here & (interval == 0)).sum(axis=1),
            f"{name}_louder": mean_of(here, louder),
            f"{name}_dynamics": np.sqrt(mean_of(here, louder**2)),
            f"{name}_longer": mean_of(here, around.longer),
            f"{name}_near_louder": mean_of(near, louder),
            f"{name}_near_longer": mean_of(near, around.longer),
        }
    return found


def _line(around: Neighbours, forward: bool) -> Columns:
    """The note that goes on best from a note, or that leads to it."""
    best, cost, known = around.successor(forward)
    token, seconds = np.arange(len(best)), around.view.seconds
    which = around.index[token, best]
    name = "follower" if forward else "leader"

    def of(values: Floats, missing: float) -> Floats:
        return np.where(known, values[token, best], missing)

    before, after = (around.notes, which) if forward else (which, around.notes)
    gap = seconds[after] - around.ends[before]
    return {
        f"{name}_cost": np.where(known, cost, NEVER),
        f"{name}_time": of(around.time, NEVER if forward else -NEVER),
        f"{name}_gap": np.where(known, gap, NEVER),
        f"{name}_interval": of(around.interval, FAR),
        f"{name}_louder": of(around.louder, 0),
        f"{name}_longer": of(around.longer, 0),
        f"{name}_rank": np.where(known, around.view.rank[which], -1),
    }


def _outer(around: Neighbours) -> Columns:
    """The outer notes of the strokes before and after."""
    found: Columns = {}
    view, notes, length = around.view, around.notes, around.octaves
    for step in STEPS:
        stroke = view.stroke[notes] + step
        known = (stroke >= 0) & (stroke < len(view.first))
        stroke = stroke.clip(0, len(view.first) - 1)
        top, bottom = view.top[stroke], view.bottom[stroke]
        name = f"stroke{step:+d}"
        found |= {
            f"{name}_time": np.where(known, view.times[stroke] - view.seconds[notes], np.sign(step) * NEVER),
            f"{name}_size": np.where(known, view.sizes[stroke], 0),
            f"{name}_top": np.where(known, view.pitch[top] - view.pitch[notes], FAR),
            f"{name}_bottom": np.where(known, view.pitch[bottom] - view.pitch[notes], FAR),
            f"{name}_louder": np.where(known, view.velocity[top] - view.velocity[notes], 0),
            f"{name}_longer": np.where(known, length[top] - length[notes], 0),
        }
    return found


def _held_for(around: Neighbours, shares: Floats) -> Columns:
    """What notes and their neighbours are held for, class by class."""
    near = np.abs(around.interval) <= NEAR
    places = {
        "chord": around.together,
        **{name: around.within(*STRETCHES[name]) for name in ("beside", "past", "next")},
    }
    lasting = around.within(-LASTING, LASTING)
    lines = {"follower": around.successor(forward=True), "leader": around.successor(forward=False)}
    found: Columns = {}
    for number, share in enumerate(shares.T.astype(np.float32)):
        name, theirs = f"class{number}", share[around.index]
        found[name] = share[around.notes]
        for place, here in places.items():
            likeliest = np.where(here, theirs, -1).argmax(axis=1)
            step = around.interval[np.arange(len(likeliest)), likeliest]
            found |= {
                f"{name}_{place}_most": most_of(here, theirs, 0),
                f"{name}_{place}_mean": mean_of(here, theirs),
                f"{name}_{place}_near": mean_of(here & near, theirs),
                f"{name}_{place}_interval": np.where(here.any(axis=1), step, FAR),
            }
        found |= {
            f"{name}_lasting": mean_of(lasting, theirs),
            f"{name}_lasting_near": mean_of(lasting & near, theirs),
        }
        for role, (best, _, known) in lines.items():
            found[f"{name}_{role}"] = np.where(known, theirs[np.arange(len(best)), best], 0)
    return found


def _of_class(view: View, shares: Floats) -> Columns:
    """How a note stands beside all notes of the piece that are held for each class."""
    found: Columns = {}
    for number, share in enumerate(shares.T):
        name, weight = f"class{number}", share / max(float(share.sum()), SHORTEST)
        found[f"{name}_share"] = np.full(len(view), share.mean())
        for field, values in (
            ("pitch", view.pitch),
            ("velocity", view.velocity),
            ("length", logs(view.lengths)),
        ):
            beside = values - (weight * values).sum()
            found[f"{name}_{field}"] = beside
            found[f"{name}_{field}_far"] = beside / (np.sqrt((weight * beside**2).sum()) + 1)
    return found


def _rank(values: NDArray[np.generic]) -> Floats:
    """(N,) what share of a piece's notes has less, those with as much counted half."""
    ordered = np.sort(values)
    less, up_to = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return (less + up_to) / (2 * len(values))
