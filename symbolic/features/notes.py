"""Hand-made features of notes: each note compared with those around it in time, pitch, velocity and length."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from symbolic.features.neighbours import Neighbours, mean_of, most_of, sums_of
from symbolic.features.note_table import NoteTable
from symbolic.features.stats import SHORTEST, Floats, Ints, logs
from symbolic.tokens.vocabulary import (
    DRUM_PITCH,
    PITCH,
    POSITION,
    RESERVED,
    TEMPO,
    TIME_SIGNATURE,
    Vocabulary,
)

Columns = dict[str, NDArray[np.generic]]
"""(N,) values of each feature."""

FAR = 60.0
"""Semitones, used where there is no neighbour."""
NEVER = 30.0
"""Seconds, used where there is no note before or after."""
STRETCHES = {
    "around": (-0.5, 0.5),
    "past": (-2, 0),
    "next": (0, 2),
    "long_past": (-8, 0),
    "long_next": (0, 8),
}
"""Seconds around a note's onset. The note's own stroke is left out."""
STEPS = (-4, -3, -2, -1, 1, 2, 3, 4)
"""Strokes before and after, whose outer notes are compared with the note."""
NEAR = 5
"""Semitones within which a neighbour may belong to the same voice."""
LASTING = 8.0
"""Seconds before and after over which class probabilities are averaged."""
BLOCK = 4096
"""Notes processed at once, which bounds memory on long pieces."""


def note_features(tokens: NDArray[np.integer], probabilities: Floats | None = None) -> Columns:
    """Compute the features of every note of a piece by name. Only `pitch` depends on the key.

    Args:
        tokens: (N, 8) ids of one piece, in canonical order, N > 0, without drums.
        probabilities: (N, C) class probabilities of each note, predicted by another model. They add further
            features.
    """
    parts = [part for _, part in _blocks(tokens, probabilities)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@cache
def note_names(classes: int = 0) -> tuple[str, ...]:
    """Return the names of the columns of `note_matrix` for a number of classes."""
    probabilities = np.zeros((1, classes)) if classes else None
    return tuple(note_features(np.full((1, 8), RESERVED, dtype=np.int64), probabilities))


def note_matrix(
    tokens: NDArray[np.integer],
    probabilities: Floats | None = None,
    features: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Compute `note_features` as a matrix for every note of a piece.

    Args:
        tokens: (N, 8) ids of one piece in canonical order. Drums are allowed.
        probabilities: (N, C) class probabilities of each note or None.
        features: The matrix without probabilities, if it is known. Only the further features are computed then.

    Returns:
        (N, F) float32. Lines of drums are 0.
    """
    pitched = np.flatnonzero(tokens[:, PITCH] < DRUM_PITCH + RESERVED)
    names = note_names(0 if probabilities is None else probabilities.shape[1])
    place = {name: number for number, name in enumerate(names)}
    table = np.zeros((len(tokens), len(names)), dtype=np.float32)
    if features is not None:
        table[:, [place[name] for name in note_names()]] = features
    shares = None if probabilities is None else probabilities[pitched]
    for notes, columns in _blocks(tokens[pitched], shares, features is None):
        for name, column in columns.items():
            table[pitched[notes], place[name]] = column
    return table


def _blocks(
    tokens: NDArray[np.integer], probabilities: Floats | None, plain: bool = True
) -> Iterator[tuple[Ints, Columns]]:
    """Yield the indices of `BLOCK` notes and their features, block by block.

    Args:
        tokens: (N, 8) ids without drums.
        probabilities: (N, C) class probabilities or None.
        plain: Compute the features that need no probabilities.
    """
    if not len(tokens):
        return
    voc = Vocabulary()
    piece = NoteTable.of(tokens, voc)
    whole = _in_piece(piece, voc) if plain else {}
    whole |= {} if probabilities is None else _class_contrast(piece, probabilities)
    for start in range(0, len(piece), BLOCK):
        notes = np.arange(start, min(start + BLOCK, len(piece)))
        yield (
            notes,
            {name: column[notes] for name, column in whole.items()}
            | _around(piece, notes, probabilities, plain),
        )


def _around(piece: NoteTable, notes: Ints, probabilities: Floats | None, plain: bool) -> Columns:
    """Compute the features that compare notes with others."""
    around = Neighbours.of(piece, notes)
    context = {} if probabilities is None else _class_context(around, probabilities)
    if not plain:
        return context
    return {
        **context,
        **_stroke(around),
        **_sounding(around),
        **_stretches(around),
        **_line(around, forward=True),
        **_line(around, forward=False),
        **_outer(around),
    }


def _in_piece(table: NoteTable, voc: Vocabulary) -> Columns:
    """Describe each note and its position in the bar and the piece."""
    values = table.values
    position = values[:, POSITION] / voc.positions_per_quarter
    return {
        "pitch": table.pitch,
        "velocity": table.velocity,
        "length": logs(table.lengths),
        "position": position,
        "phase": position % 1,
        "metre": values[:, TIME_SIGNATURE],
        "tempo": values[:, TEMPO],
        "progress": table.seconds / max(float(table.seconds[-1]), 1.0),
        "pitch_rank": _rank(table.pitch),
        "velocity_rank": _rank(table.velocity),
        "length_rank": _rank(table.lengths),
    }


def _stroke(around: Neighbours) -> Columns:
    """Compare each note with those of its stroke."""
    chord, interval = around.together, around.interval
    unison = chord & (interval == 0)
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
        "unison": unison.sum(axis=1),
        "unison_louder": mean_of(unison, around.louder),
        "unison_longer": mean_of(unison, around.longer),
    }


def _sounding(around: Neighbours) -> Columns:
    """Compare each note with those that sound when it begins, and those that begin while it sounds."""
    sounding, after, interval = around.sounding, around.during, around.interval
    return {
        "sounding": sounding.sum(axis=1),
        **_heights("sounding", sounding, interval),
        "sounding_top": most_of(sounding, interval, 0),
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
    """Compare each note with the stretches of time around it."""
    found: Columns = {}
    interval, louder = around.interval, around.louder
    here = np.stack([around.within(*stretch) for stretch in STRETCHES.values()], axis=1)
    near = here & (np.abs(interval) <= NEAR)[:, None]
    values = (interval > 0, interval == 0, interval, louder, louder**2, around.longer)
    sizes, sums = sums_of(here, values)
    close, theirs = sums_of(near, (louder, around.longer))
    top = np.where(here, interval[:, None], -np.inf).max(axis=2)
    bottom = np.where(here, interval[:, None], np.inf).min(axis=2)
    for place, name in enumerate(STRETCHES):
        notes, nearby = sizes[:, place], close[:, place]
        higher, repeats, up, loud, power, long = sums[:, place].T
        known, some, few = notes > 0, np.maximum(notes, 1), np.maximum(nearby, 1)
        found |= {
            f"{name}_notes": notes,
            f"{name}_interval": up / some,
            f"{name}_top": np.where(known, top[:, place], -FAR),
            f"{name}_bottom": np.where(known, bottom[:, place], FAR),
            f"{name}_higher": higher / some,
            f"{name}_near": nearby / some,
            f"{name}_repeats": repeats,
            f"{name}_louder": loud / some,
            f"{name}_dynamics": np.sqrt(power / some),
            f"{name}_longer": long / some,
            f"{name}_near_louder": theirs[:, place, 0] / few,
            f"{name}_near_longer": theirs[:, place, 1] / few,
        }
    return found


def _line(around: Neighbours, forward: bool) -> Columns:
    """Describe the note that continues a note best, or that leads to it."""
    best, cost, known = around.successor if forward else around.predecessor
    token, seconds = np.arange(len(best)), around.table.seconds
    which = around.place(best)
    name = "successor" if forward else "predecessor"

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
        f"{name}_rank": np.where(known, around.table.rank[which], -1),
    }


def _outer(around: Neighbours) -> Columns:
    """Compare each note with the outer notes of the strokes before and after."""
    found: Columns = {}
    table, notes, length = around.table, around.notes, around.octaves
    for step in STEPS:
        stroke = table.stroke[notes] + step
        known = (stroke >= 0) & (stroke < len(table.first))
        stroke = stroke.clip(0, len(table.first) - 1)
        top, bottom = table.top[stroke], table.bottom[stroke]
        name = f"stroke{step:+d}"
        found |= {
            f"{name}_time": np.where(
                known, table.times[stroke] - table.seconds[notes], np.sign(step) * NEVER
            ),
            f"{name}_size": np.where(known, table.sizes[stroke], 0),
            f"{name}_top": np.where(known, table.pitch[top] - table.pitch[notes], FAR),
            f"{name}_bottom": np.where(known, table.pitch[bottom] - table.pitch[notes], FAR),
            f"{name}_louder": np.where(known, table.velocity[top] - table.velocity[notes], 0),
            f"{name}_longer": np.where(known, length[top] - length[notes], 0),
        }
    return found


def _class_context(around: Neighbours, probabilities: Floats) -> Columns:
    """Summarise the class probabilities of notes and their neighbours."""
    near = np.abs(around.interval) <= NEAR
    places = {
        "chord": around.together,
        **{name: around.within(*STRETCHES[name]) for name in ("around", "past", "next")},
    }
    lasting = around.within(-LASTING, LASTING)
    masks = {place: (here, here & near) for place, here in {**places, "lasting": lasting}.items()}
    counts = {place: [mask.sum(axis=1) for mask in both] for place, both in masks.items()}
    token = np.arange(len(around.notes))
    lines = {"successor": around.successor, "predecessor": around.predecessor}
    found: Columns = {}
    for number, share in enumerate(probabilities.T.astype(np.float32)):
        name, theirs = f"class{number}", around.theirs(share)
        found[name] = share[around.notes]
        for place in places:
            (here, beside), (all_here, all_near) = masks[place], counts[place]
            best = np.where(here, theirs, -1).argmax(axis=1)
            some = all_here > 0
            found |= {
                f"{name}_{place}_most": np.where(some, theirs[token, best], 0),
                f"{name}_{place}_mean": mean_of(here, theirs, all_here),
                f"{name}_{place}_near": mean_of(beside, theirs, all_near),
                f"{name}_{place}_interval": np.where(some, around.interval[token, best], FAR),
            }
        (here, beside), (all_here, all_near) = masks["lasting"], counts["lasting"]
        found |= {
            f"{name}_lasting": mean_of(here, theirs, all_here),
            f"{name}_lasting_near": mean_of(beside, theirs, all_near),
        }
        for role, (best, _, known) in lines.items():
            found[f"{name}_{role}"] = np.where(known, theirs[token, best], 0)
    return found


def _class_contrast(piece: NoteTable, probabilities: Floats) -> Columns:
    """Compare each note with the piece's notes of each class, weighted by probability."""
    found: Columns = {}
    for number, share in enumerate(probabilities.T):
        name, weight = f"class{number}", share / max(float(share.sum()), SHORTEST)
        found[f"{name}_share"] = np.full(len(piece), share.mean())
        for field, values in (
            ("pitch", piece.pitch),
            ("velocity", piece.velocity),
            ("length", logs(piece.lengths)),
        ):
            difference = values - (weight * values).sum()
            found[f"{name}_{field}"] = difference
            found[f"{name}_{field}_far"] = difference / (np.sqrt((weight * difference**2).sum()) + 1)
    return found


def _rank(values: NDArray[np.generic]) -> Floats:
    """Return (N,) the share of a piece's notes with a smaller value. Equal values count half."""
    ordered = np.sort(values)
    less, up_to = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return (less + up_to) / (2 * len(values))
