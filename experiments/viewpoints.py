"""Predict notes by n-grams in the manner of IDyOM: several viewpoints, a memory of other pieces and one of this piece.

Contexts of all orders are interpolated by Witten and Bell's estimate, as method C of PPM does. The distributions of all
viewpoints and memories are averaged, and those that are sure of themselves weigh more. Sources: Conklin and Witten
(1995); Pearce (2005), "The construction and evaluation of statistical models of melodic structure".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.tokens.grid import bar_starts
from symbolic.tokens.vocabulary import BAR, DURATION, PITCH, POSITION, RESERVED, TIME_SIGNATURE, Vocabulary

Floats = NDArray[np.float64]
ORDER = 3
"""Longest context in notes. On chorales 2 and 5 were no better, nor were products of distributions."""
_PITCHES, _DURATIONS, _STEPS = 128, 128, 1024
"""Values of a pitch, of a duration and of the time from one onset to the next, in positions."""
Symbol = int | tuple[int, ...]


class Events(NamedTuple):
    """The notes of a piece in canonical order as lists of the same length.

    Attributes:
        onset: Positions from the onset of the note before. The first note has its place in the bar.
        pitch: MIDI pitches.
        duration: Values of durations.
        place: Places in the bar of the note before. -1 for the first note.
    """

    onset: list[int]
    pitch: list[int]
    duration: list[int]
    place: list[int]


def events(tokens: NDArray[np.integer]) -> Events:
    """Return the notes of (N, 8) ids of a piece without drums."""
    values = tokens.astype(np.int64) - RESERVED
    place = values[:, POSITION]
    starts = bar_starts(values[:, BAR], values[:, TIME_SIGNATURE], Vocabulary())[0]
    onset = np.diff(starts + place, prepend=starts[:1]).clip(0, _STEPS - 1)
    before = np.concatenate([[-1], place[:-1]])
    return Events(*(one.tolist() for one in (onset, values[:, PITCH], values[:, DURATION], before)))


class Counts:
    """Count which symbol follows a context, for contexts of every length up to an order."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Symbol, ...], dict[int, int]] = {}

    def add(self, context: tuple[Symbol, ...], symbol: int) -> None:
        """Count a symbol after a context whose latest entry comes first."""
        for length in range(len(context) + 1):
            found = self._counts.setdefault(context[:length], {})
            found[symbol] = found.get(symbol, 0) + 1

    def distribution(self, context: tuple[Symbol, ...], size: int) -> Floats:
        """Return (size,) probabilities of the symbols 0..size-1 after a context."""
        found = np.full(size, 1 / size)
        for length in range(len(context) + 1):
            counts = self._counts.get(context[:length])
            if counts is None:
                break
            total, kinds = sum(counts.values()), len(counts)
            found *= kinds / (total + kinds)
            found[list(counts)] += np.fromiter(counts.values(), float, kinds) / (total + kinds)
        return found


class Viewpoint(NamedTuple):
    """One way to see a field.

    Attributes:
        field: The field of `Events` that it predicts.
        size: Number of values of the symbol.
        history: From events and a place to the symbol of the note there in contexts.
        symbol: From events and a place to the symbol that is predicted.
        values: From events, a place and probabilities of symbols to those of the field's values.
        given: From events and a place to what is known beside the notes before.
    """

    field: str
    size: int
    history: Callable[[Events, int], Symbol]
    symbol: Callable[[Events, int], int]
    values: Callable[[Events, int, Floats], Floats] = lambda _, __, found: found
    given: Callable[[Events, int], tuple[Symbol, ...]] = lambda _, __: ()

    def context(self, notes: Events, at: int) -> tuple[Symbol, ...]:
        """Return what is known of a note: first what is given, then the notes before, the latest first."""
        before = range(at - 1, max(at - 1 - ORDER, -1), -1)
        return (*self.given(notes, at), *(self.history(notes, one) for one in before))


def _interval(notes: Events, at: int) -> int:
    """Interval from the note before, from 0. The first note has its pitch above middle C."""
    return notes.pitch[at] - (notes.pitch[at - 1] if at else 60) + _PITCHES


def _pitches(notes: Events, at: int, found: Floats) -> Floats:
    """Probabilities of pitches from those of intervals."""
    lowest = _PITCHES - (notes.pitch[at - 1] if at else 60)
    pitches = found[lowest : lowest + _PITCHES]
    shares: Floats = pitches / pitches.sum()
    return shares


def _time(notes: Events, at: int) -> Symbol:
    return notes.onset[at], notes.duration[at]


def _place(notes: Events, at: int) -> tuple[Symbol, ...]:
    return (notes.place[at],)


VIEWPOINTS = (
    Viewpoint("onset", _STEPS, _time, lambda notes, at: notes.onset[at]),
    Viewpoint("onset", _STEPS, _time, lambda notes, at: notes.onset[at], given=_place),
    Viewpoint("pitch", _PITCHES, lambda notes, at: notes.pitch[at], lambda notes, at: notes.pitch[at]),
    Viewpoint("pitch", 2 * _PITCHES, _interval, _interval, _pitches),
    Viewpoint("pitch", 2 * _PITCHES, lambda n, at: (_interval(n, at), n.onset[at]), _interval, _pitches),
    Viewpoint("duration", _DURATIONS, _time, lambda notes, at: notes.duration[at]),
    Viewpoint("duration", _DURATIONS, _time, lambda notes, at: notes.duration[at], given=_place),
)


class ViewpointModel:
    """Viewpoints that have learnt from pieces.

    Args:
        pieces: The pieces. With none, all is learnt from the piece that is measured.
        short_term: Learn from the piece that is measured too, note by note.
    """

    def __init__(self, pieces: Iterable[Events] = (), short_term: bool = True) -> None:
        self._long, self._short_term = [Counts() for _ in VIEWPOINTS], short_term
        self._learnt = False
        for piece in pieces:
            self._learnt = True
            for at in range(len(piece.pitch)):
                _learn(self._long, piece, at)

    def bits(self, notes: Events) -> Mapping[str, Floats]:
        """Return (N,) information content of each note by field."""
        short = [Counts() for _ in VIEWPOINTS]
        memories = [*([self._long] if self._learnt else []), *([short] if self._short_term else [])]
        found: dict[str, list[float]] = {one.field: [] for one in VIEWPOINTS}
        for at in range(len(notes.pitch)):
            for field, bits in found.items():
                asked = [
                    one.values(notes, at, memory[number].distribution(one.context(notes, at), one.size))
                    for number, one in enumerate(VIEWPOINTS)
                    if one.field == field
                    for memory in memories
                ]
                bits.append(-float(np.log2(joined(asked)[getattr(notes, field)[at]])))
            _learn(short, notes, at)
        return {field: np.array(bits) for field, bits in found.items()}


def _learn(memory: Sequence[Counts], notes: Events, at: int) -> None:
    for counts, one in zip(memory, VIEWPOINTS, strict=True):
        counts.add(one.context(notes, at), one.symbol(notes, at))


def joined(distributions: Sequence[Floats]) -> Floats:
    """Return the mean of (V,) distributions. The weight of each is the highest entropy over its own."""
    stacked = np.stack(distributions)
    entropy = -(stacked * np.log(stacked.clip(min=1e-12))).sum(axis=1)
    weights = 1 / np.maximum(entropy, 1e-3)
    found: Floats = (weights / weights.sum()) @ stacked
    return found
