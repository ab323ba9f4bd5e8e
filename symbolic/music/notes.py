"""Music as arrays: the form between files and tokens."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

NOTE = np.dtype(
    [
        ("onset", "<i8"),
        ("duration", "<i8"),
        ("pitch", "u1"),
        ("velocity", "u1"),
        ("program", "u1"),
        ("track", "<u2"),
    ],
    align=True,
)
"""One note: onset and duration in ticks, MIDI pitch and velocity, MIDI program (128 = drums), track index.

Aligned, for numpy reads and writes fields faster so; the bytes between them mean nothing.
"""

DRUM_PROGRAM = 128
_HIGHEST = {"pitch": 127, "velocity": 127, "program": DRUM_PROGRAM}


def _default_time_signatures() -> NDArray[np.int64]:
    return np.array([[0, 4, 4]], dtype=np.int64)


def _default_tempos() -> NDArray[np.float64]:
    return np.array([[0.0, 120.0]])


@dataclass(frozen=True, eq=False)
class Music:
    """The notes of one piece with its metre and tempo, times in ticks.

    Attributes:
        notes: (N,) array of dtype `NOTE`, in any order.
        resolution: Ticks per quarter note.
        time_signatures: (M, 3) int64 rows of tick, numerator, denominator, by rising tick; each begins a bar.
        tempos: (T, 2) float64 rows of tick, quarter notes per minute, by rising tick. Before the first metre and
            tempo, 4/4 and 120 hold, as in MIDI.
        tracks: Track names; `notes["track"]` points into them.
        repairs: What had to be mended to read the file, in words; empty for a sound file.
    """

    notes: NDArray[np.void]
    resolution: int
    time_signatures: NDArray[np.int64] = field(default_factory=_default_time_signatures)
    tempos: NDArray[np.float64] = field(default_factory=_default_tempos)
    tracks: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.notes)

    @property
    def drums(self) -> NDArray[np.bool_]:
        """(N,) true where a note is played by the drum kit."""
        return np.asarray(self.notes["program"] == DRUM_PROGRAM)

    @property
    def tempo_map(self) -> NDArray[np.float64]:
        """(T, 2) `tempos` from tick 0 on: where none stands there, 120 comes first."""
        if len(self.tempos) and self.tempos[0, 0] <= 0:
            return self.tempos
        return np.vstack([_default_tempos(), self.tempos])

    def seconds(self, ticks: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.float64]:
        """Times in seconds of times in ticks, through the tempo map.

        Args:
            ticks: Any shape.
        """
        starts, tempos = self.tempo_map.T
        per_tick = 60.0 / (tempos * self.resolution)
        reached = np.concatenate([[0.0], np.cumsum(np.diff(starts) * per_tick[:-1])])
        at = np.searchsorted(starts, ticks, side="right") - 1
        return np.asarray(reached[at] + (ticks - starts[at]) * per_tick[at])

    def with_notes(self, notes: NDArray[np.void]) -> Music:
        """The same metre, tempo and tracks under other notes."""
        return replace(self, notes=notes)


def note_array(
    onset: object,
    duration: object,
    pitch: object,
    velocity: object = 64,
    program: object = 0,
    track: object = 0,
) -> NDArray[np.void]:
    """A (N,) `NOTE` array from columns; scalars are repeated.

    Raises:
        ValueError: If the columns differ in length, or a value is negative or above what MIDI allows.
    """
    columns = [np.asarray(c) for c in (onset, duration, pitch, velocity, program, track)]
    shaped = np.broadcast_arrays(*[np.atleast_1d(c) for c in columns])
    notes = np.empty(len(shaped[0]), dtype=NOTE)
    for name, column in zip(NOTE.names or (), shaped, strict=True):
        highest = _HIGHEST.get(name, np.iinfo(NOTE[name]).max)
        if column.size and (column.min() < 0 or column.max() > highest):
            raise ValueError(f"{name} holds {column.min()}..{column.max()}, outside 0..{highest}")
        notes[name] = column
    return notes
