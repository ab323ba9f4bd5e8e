"""Find the values that may be written into a token: those that neither its field nor other notes rule out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from symbolic.generate.canvas import Canvas
from symbolic.generate.constraints import Constraints
from symbolic.generate.passage import Ints, Passage
from symbolic.music.notes import DRUM_PROGRAM
from symbolic.tokens.vocabulary import (
    BAR,
    DRUM_PITCH,
    DURATION,
    PITCH,
    POSITION,
    PROGRAM,
    VELOCITY,
    Vocabulary,
)

Flags = NDArray[np.bool_]
_ENOUGH = 8
"""Notes from which a range of velocities is known."""


class Rules:
    """The values that are allowed in a passage.

    Args:
        passage: What is to be written.
        constraints: What users ask for.
        vocabulary: Meaning of the values.
        positions: (B, P) bool from `open_positions`.
        voices: From `most_voices`.
        registers: From `registers`.
    """

    def __init__(
        self,
        passage: Passage,
        constraints: Constraints,
        vocabulary: Vocabulary,
        positions: Flags,
        voices: Mapping[int, int],
        registers: Mapping[int, NDArray[np.float64]],
    ) -> None:
        self._passage, self._constraints, self._voc = passage, constraints, vocabulary
        self._positions, self._voices, self._registers = positions, voices, registers

    def of_field(self, canvas: Canvas, rows: Ints, field: int) -> Flags:
        """Return (M, V) bool: values that are allowed in a field of tokens, whatever the other notes are."""
        allowed = np.ones((len(rows), self._voc.values[field]), dtype=bool)
        if field == POSITION:
            allowed &= self._positions[canvas.values[rows, BAR] - self._passage.first]
        elif field == PITCH:
            drums = (canvas.values[rows, PROGRAM] == DRUM_PROGRAM)[:, None]
            pitched = np.append(self._constraints.pitches, np.zeros(DRUM_PITCH, dtype=bool))
            allowed &= np.where(drums, np.arange(2 * DRUM_PITCH) >= DRUM_PITCH, pitched)
        elif field == VELOCITY:
            value, (low, high) = np.arange(allowed.shape[1]), _loudness(canvas, rows)
            allowed &= (low[:, None] <= value) & (value <= high[:, None])
        return allowed

    def leaning(self, canvas: Canvas, rows: Ints, field: int) -> NDArray[np.float64]:
        """Return (M, V) what to add to the model's logits of tokens: pitches lean to the register of their track."""
        found = np.zeros((len(rows), self._voc.values[field]))
        if field == PITCH:
            for place, track in enumerate(canvas.track[rows].tolist()):
                found[place, :DRUM_PITCH] = self._registers.get(track, 0.0)
        return found

    def among_notes(self, canvas: Canvas, row: int, field: int, near: Ints) -> Flags:
        """Return (V,) bool: values of a token that agree with the visible notes of its track.

        Notes of one pitch do not overlap, and no more notes sound together than are asked for. A note does not double
        one of another track with its program, since tokens do not tell such tracks apart.

        Args:
            canvas: The tokens.
            row: The token.
            field: The field to be drawn.
            near: (K,) tokens that may sound at its time.
        """
        values, hidden, onset = canvas.values, canvas.hidden, canvas.onset
        begins = onset[row]
        near = near[~hidden[near, POSITION] & ~canvas.dropped[near] & (near != row)]
        others = near[canvas.track[near] == canvas.track[row]]
        same = others[(values[others, PITCH] == values[row, PITCH]) & ~hidden[others, PITCH]]
        allowed = np.ones(self._voc.values[field], dtype=bool)
        most = self._voices.get(int(canvas.track[row]))
        if field == POSITION:
            place = canvas.start[row] + np.arange(len(allowed))
            if not hidden[row, PITCH]:
                length = self._length(canvas, np.array([row]))[0]
                ends = onset[same] + self._length(canvas, same)
                allowed &= ~((place < ends[:, None]) & (place + length > onset[same][:, None])).any(axis=0)
                alike = (values[near][:, [PROGRAM, PITCH]] == values[row, [PROGRAM, PITCH]]).all(axis=1)
                allowed &= ~np.isin(place, onset[near[alike & ~hidden[near, PITCH]]])
            if most is not None:
                allowed &= self._sounding(canvas, others, place) < most
        elif field == PITCH:
            ends = onset[others] + self._length(canvas, others)
            length = self._length(canvas, np.array([row]))[0]
            sounding = others[(onset[others] < begins + length) & (begins < ends) & ~hidden[others, PITCH]]
            alike = (values[near, PROGRAM] == values[row, PROGRAM]) & (onset[near] == begins)
            doubled = near[alike & ~hidden[near, PITCH]]
            allowed[values[np.append(sounding, doubled), PITCH]] = False
        elif field == DURATION:
            limit = self._passage.end
            following = onset[same][onset[same] > begins] if not hidden[row, PITCH] else same[:0]
            limit = min(limit, int(following.min(initial=limit)))
            if most is not None:
                later = np.unique(onset[others][onset[others] > begins])
                full = later[self._sounding(canvas, others, later) >= most]
                limit = min(limit, int(full.min(initial=limit)), self._bar_to_come(canvas, row, limit))
            allowed &= self._voc.durations <= max(limit - begins, 1)
        return allowed

    def _bar_to_come(self, canvas: Canvas, row: int, limit: int) -> int:
        """Return where the next bar begins in which notes of a token's track have no place yet, or else a limit."""
        waiting = canvas.hidden[:, POSITION] & ~canvas.dropped & (canvas.track == canvas.track[row])
        return int(canvas.start[waiting & (canvas.start > canvas.onset[row])].min(initial=limit))

    def _sounding(self, canvas: Canvas, rows: Ints, place: Ints) -> Ints:
        """Return (P,) how many of some tokens sound at each of (P,) rising grid positions."""
        onset = canvas.onset[rows]
        begun = np.searchsorted(np.sort(onset), place, side="right")
        ended = np.searchsorted(np.sort(onset + self._length(canvas, rows)), place, side="right")
        return begun - ended

    def _length(self, canvas: Canvas, rows: Ints) -> Ints:
        """Return the lengths of tokens in positions. One position where the duration is hidden."""
        drawn = np.where(canvas.hidden[rows, DURATION], 1, self._voc.durations[canvas.values[rows, DURATION]])
        return np.where(canvas.drawn[rows, DURATION], drawn, canvas.lasting[rows])


def _loudness(canvas: Canvas, rows: Ints) -> tuple[Ints, Ints]:
    """Return (M,) lowest and (M,) highest velocity values of tokens: those of their track where it is not written.

    Music without dynamics stays so. Where a track has few other notes, those of all tracks count, or else all values.
    """
    kept = ~canvas.drawn[:, VELOCITY]
    low, high = np.zeros(len(rows), dtype=np.int64), np.full(len(rows), np.iinfo(np.int64).max)
    for track in np.unique(canvas.track[rows]):
        own = kept & (canvas.track == track)
        found = canvas.values[own if own.sum() >= _ENOUGH else kept, VELOCITY]
        if len(found) >= _ENOUGH:
            of_track = canvas.track[rows] == track
            low[of_track], high[of_track] = found.min(), found.max()
    return low, high
