"""Music as arrays of notes, between files and tokens."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pretty_midi import PrettyMIDI
    from symusic import Score

NOTE = np.dtype(
    [
        ("onset", "<i8"),
        ("duration", "<i8"),
        ("pitch", "u1"),
        ("velocity", "u1"),
        ("program", "u1"),
        ("track", "<u2"),
        ("cents", "<i2"),
    ],
    align=True,
)
"""A note: onset and duration in ticks, MIDI pitch and velocity, MIDI program (128 = drums), track index, and cents.

Cents are what a note lies above its MIDI pitch: in MIDI the median of its pitch bends, in scores its quarter tones.
Fields are aligned, since numpy is faster on them. The byte between them has no meaning.
"""

DRUM_PROGRAM = 128
_HIGHEST = {"pitch": 127, "velocity": 127, "program": DRUM_PROGRAM}


def _default_time_signatures() -> NDArray[np.int64]:
    return np.array([[0, 4, 4]], dtype=np.int64)


def _default_tempos() -> NDArray[np.float64]:
    return np.array([[0.0, 120.0]])


@dataclass(frozen=True, eq=False, repr=False)
class Music:
    """The notes of a piece with its time signatures and tempos. Times are in ticks.

    Attributes:
        notes: (N,) array of dtype `NOTE` in any order.
        resolution: Ticks per quarter note.
        time_signatures: (M, 3) int64 of tick, numerator and denominator, by rising tick. Each one begins a bar.
        tempos: (T, 2) float64 of tick and quarter notes per minute by rising tick. As in MIDI, 4/4 and 120 hold
            before the first ones.
        tracks: Track names. `notes["track"]` is an index into them.
        repairs: Repairs made when the file was read as sentences. Empty for a sound file.
        path: The file that it was read from. "" for music made in memory. Predictions are written by editing this file.
        sung: Tracks that have lyrics.
    """

    notes: NDArray[np.void]
    resolution: int
    time_signatures: NDArray[np.int64] = field(default_factory=_default_time_signatures)
    tempos: NDArray[np.float64] = field(default_factory=_default_tempos)
    tracks: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    path: str = ""
    sung: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.notes)

    def __repr__(self) -> str:
        signatures = list(dict.fromkeys(f"{n}/{d}" for _, n, d in self.time_signatures.tolist())) or ["4/4"]
        tempos = self.tempo_map[:, 1]
        low, high = round(tempos.min()), round(tempos.max())
        seconds = int(self.seconds(self.notes["onset"] + self.notes["duration"]).max(initial=0))
        return (
            f"Music({len(self):,} notes, {len(np.unique(self.notes['track']))} tracks, "
            f"{', '.join(signatures[:3])}{'…' * (len(signatures) > 3)}, "
            f"{low}{f'–{high}' * (high > low)} bpm, {seconds // 60}:{seconds % 60:02})"
        )

    @property
    def drums(self) -> NDArray[np.bool_]:
        """(N,) bool. True for notes of the drum kit."""
        return np.asarray(self.notes["program"] == DRUM_PROGRAM)

    @property
    def tempo_map(self) -> NDArray[np.float64]:
        """(T, 2) `tempos` from tick 0 on. If no tempo begins there, 120 is put first."""
        if len(self.tempos) and self.tempos[0, 0] <= 0:
            return self.tempos
        return np.vstack([_default_tempos(), self.tempos])

    def seconds(self, ticks: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.float64]:
        """Convert times from ticks to seconds, through the tempo map.

        Args:
            ticks: Times in ticks, of any shape. Before tick 0 the first tempo holds.

        Returns:
            Times in seconds, of the same shape.
        """
        starts, tempos = self.tempo_map.T
        per_tick = 60.0 / (tempos * self.resolution)
        reached = np.concatenate([[0.0], np.cumsum(np.diff(starts) * per_tick[:-1])])
        at = np.maximum(np.searchsorted(starts, ticks, side="right") - 1, 0)
        return np.asarray(reached[at] + (ticks - starts[at]) * per_tick[at])

    def with_notes(self, notes: NDArray[np.void]) -> Music:
        """Return a copy with other notes and the same time signatures, tempos and tracks."""
        return replace(self, notes=notes)

    def write(self, path: str | Path) -> None:
        """Write a MIDI file. See `symbolic.write_midi`."""
        from symbolic.music.midi.writer import write_midi

        write_midi(self, path)

    def to_symusic(self) -> Score:
        """Convert to a `symusic.Score` with one track for each track and program.

        Raises:
            MusicFileError: If the music is longer, or its resolution finer, than MIDI allows.
        """
        from symbolic.music.midi.writer import to_symusic

        return to_symusic(self)

    def to_pretty_midi(self) -> PrettyMIDI:
        """Convert to a `pretty_midi.PrettyMIDI` with one instrument for each track and program.

        Raises:
            MusicFileError: If the music is longer, or its resolution finer, than MIDI allows.
        """
        from symbolic.music.conversion import to_pretty_midi

        return to_pretty_midi(self)


def note_array(
    onset: object,
    duration: object,
    pitch: object,
    velocity: object = 64,
    program: object = 0,
    track: object = 0,
    cents: object = 0,
) -> NDArray[np.void]:
    """Build a (N,) array of dtype `NOTE` from columns. Scalars are repeated.

    Raises:
        ValueError: If columns differ in length, or a value lies outside MIDI's range.
    """
    columns = [np.asarray(c) for c in (onset, duration, pitch, velocity, program, track, cents)]
    shaped = np.broadcast_arrays(*[np.atleast_1d(c) for c in columns])
    notes = np.empty(len(shaped[0]), dtype=NOTE)
    for name, column in zip(NOTE.names or (), shaped, strict=True):
        if problem := _outside(name, column):
            raise ValueError(problem)
        notes[name] = column
    return notes


def without_notes(music: Music) -> str:
    """Return in words that music holds no notes, with all that its reader left out."""
    left_out = "; ".join(repair for repair in music.repairs if "left out" in repair)
    return f"it holds no notes ({left_out})" if left_out else "it holds no notes"


def problem_of(music: Music) -> str:
    """Return why music that was made or changed by hand cannot be, or "" if it can."""
    if music.notes.dtype != NOTE:
        return f"its notes are an array of dtype {music.notes.dtype}, not NOTE: make them by note_array"
    if music.resolution <= 0:
        return f"its resolution is {music.resolution} ticks per quarter note"
    return next(filter(None, (_outside(name, music.notes[name]) for name in NOTE.names or ())), "")


def _outside(name: str, column: NDArray[Any]) -> str:
    """Return in words that a column has values that its field of `NOTE` cannot have; "" if it has none."""
    highest = _HIGHEST.get(name, np.iinfo(NOTE[name]).max)
    lowest = -highest if name == "cents" else 0
    if not column.size or lowest <= column.min() <= column.max() <= highest:
        return ""
    return f"{name} holds {column.min()}..{column.max()}, outside {lowest}..{highest}"
