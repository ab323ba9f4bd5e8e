"""Write down a performance: quantised onsets, note values, staves, voices, bars and a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from symbolic.mapping.beats import Beats
from symbolic.mapping.features import TICKS, Ints, Performed, in_beats, performed
from symbolic.mapping.keys import KeySignature
from symbolic.mapping.quantisation import Quantiser
from symbolic.music.musicxml.symbols import DIVISIONS
from symbolic.music.musicxml.writer import BASS, SHEET_NOTE, TREBLE, Sheet, SheetBar
from symbolic.music.notes import Music

_EXCEPTIONS = 0.02
"""Share of notes of one voice that may sound with others."""
_LOW = 57
"""Mean pitch below which a staff has a bass clef."""
VOICES = 2
"""Most voices of a staff. Where more sound together, the note that ends first is shortened."""


@dataclass(frozen=True, eq=False)
class Notated:
    """Written places of the notes of a performance, by rising onset and pitch.

    Attributes:
        index: (N,) index of the note in the music.
        onset: (N,) onsets in `TICKS` of a beat.
        value: (N,) note values in `TICKS` of a beat.
        staff: (N,) 0 for the upper and 1 for the lower staff.
    """

    index: Ints
    onset: Ints
    value: Ints
    staff: Ints


def notate(music: Music, beats: Beats, quantiser: Quantiser) -> Notated:
    """Find the place in the beat, the note value and the staff of each note. Drums are left out.

    Args:
        music: The performance.
        beats: Its beats.
        quantiser: What decides, by a rule or as learnt.
    """
    index, notes = placed(music, beats)
    onset = quantiser.onsets(notes)
    staff = np.zeros(len(index), dtype=np.int64) if is_one_voice(notes) else quantiser.staves(notes)
    value = quantiser.values(notes, onset, staff, beats.in_bar, beats.unit)
    return Notated(index, onset, value, staff)


def is_one_voice(notes: Performed) -> bool:
    """Return whether notes follow each other singly, with few exceptions, so that one staff holds them."""
    together = np.diff(notes.chord) == 0
    still = (
        notes.end[:-2] > notes.onset[2:]
    )  # legato reaches into the next note, seldom into the one after it
    return bool(together.sum() + still.sum() <= _EXCEPTIONS * len(notes.onset))


def placed(music: Music, beats: Beats) -> tuple[Ints, Performed]:
    """Return the pitched notes of a performance among its beats and their indices in the music."""
    index = np.flatnonzero(~music.drums)
    seconds = music.seconds(music.notes["onset"])
    index = index[np.lexsort((music.notes["pitch"][index], seconds[index]))]
    chosen = music.notes[index]
    end = music.seconds(chosen["onset"] + chosen["duration"])
    pitch, velocity = chosen["pitch"].astype(np.int64), chosen["velocity"].astype(np.int64)
    return index, performed(seconds[index], end, pitch, velocity, beats.times)


def sheet(
    music: Music, beats: Beats, found: Notated, keys: Sequence[KeySignature], title: str, origin: str
) -> Sheet:
    """Put notes on the page.

    Args:
        music: The performance.
        beats: Its beats.
        found: From `notate`.
        keys: Key signatures by rising time. The first holds from the beginning, others from the nearest bar line on.
        title: Title of the piece.
        origin: How it was made.
    """
    scale = beats.unit * DIVISIONS / TICKS
    bars = _with_keys(_bars(beats, found, scale), keys, beats)
    begin, end = bars[0].start, bars[-1].start + bars[-1].length
    rows = np.zeros(len(found.index), dtype=SHEET_NOTE)
    onset = np.round(found.onset * scale).astype(np.int64)
    rows["onset"] = np.clip(onset, begin, end - round(scale))
    rows["length"] = np.minimum(np.maximum(np.round(found.value * scale), 1), end - rows["onset"])
    cents = music.notes["cents"][found.index].astype(np.int64)
    semitones = np.rint(cents / 100).astype(np.int64)  # a bend may reach beyond the next pitch
    pitch = np.clip(music.notes["pitch"][found.index] + semitones, 0, 127)
    rows["pitch"], rows["cents"] = pitch, cents - 100 * semitones
    clefs: tuple[tuple[str, int], ...] = (TREBLE, BASS)
    if len(np.unique(found.staff)) > 1:
        rows["staff"] = found.staff
    else:
        clefs = (BASS if rows["pitch"].mean() < _LOW else TREBLE,)
    kept = np.concatenate([_voiced(rows[rows["staff"] == staff]) for staff in (0, 1)])
    tempo = 60 * beats.unit / float(np.median(np.diff(beats.times)))
    return Sheet(kept, bars, tempo, title, origin, clefs)


def _bars(beats: Beats, found: Notated, scale: float) -> list[SheetBar]:
    """Return bars that hold all notes. What comes before the first downbeat is a pick-up."""
    beat = round(TICKS * scale)
    lines = np.flatnonzero(beats.down)
    usual = beats.in_bar
    first = int(found.onset.min() // TICKS) if len(found.onset) else 0
    last = int(np.ceil((found.onset + np.minimum(found.value, usual * TICKS)).max(initial=1) / TICKS))
    edges = lines.tolist() or [0]
    while edges[0] > first:
        edges.insert(0, edges[0] - min(usual, edges[0] - first))
    while edges[-1] < last:
        edges.append(edges[-1] + usual)
    within = [edge for edge, after in pairwise(edges) if after > first and edge < last]
    within.append(edges[edges.index(within[-1]) + 1])
    found_bars: list[SheetBar] = []
    for begin, until in pairwise(within):
        pickup = not found_bars and until - begin < usual
        units = (usual if pickup else until - begin) * (3 if beats.compound else 1)
        found_bars.append(SheetBar(begin * beat, (until - begin) * beat, units, beats.lower, beat))
    return found_bars


def _with_keys(bars: list[SheetBar], keys: Sequence[KeySignature], beats: Beats) -> list[SheetBar]:
    """Return the bars with the key signatures that hold in most of each."""
    if not keys:
        return bars
    changes = in_beats(np.array([one.seconds for one in keys]), beats.times) * bars[0].beat
    middles = [bar.start + bar.length / 2 for bar in bars]
    at = np.maximum(np.searchsorted(changes, middles, side="right") - 1, 0)
    return [bar._replace(fifths=keys[one].fifths) for bar, one in zip(bars, at.tolist(), strict=True)]


def _voiced(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Give the notes of a staff to voices: chords end together, and voices do not overlap."""
    rows = _single(rows)
    onsets, first = np.unique(rows["onset"], return_index=True)
    free = np.full(VOICES, -1)
    sounding: list[NDArray[np.intp]] = [np.zeros(0, dtype=np.intp) for _ in range(VOICES)]
    for onset, (begin, end) in zip(onsets.tolist(), pairwise([*first.tolist(), len(rows)]), strict=True):
        for voice, chord in enumerate(_parted(rows, np.arange(begin, end), onset, free)):
            if not len(chord):
                continue
            if free[voice] > onset:
                rows["length"][sounding[voice]] = onset - rows["onset"][sounding[voice]]
            rows["voice"][chord] = voice
            rows["length"][chord] = rows["length"][chord].max()
            free[voice] = onset + rows["length"][chord[0]]
            sounding[voice] = chord
    return rows


def _parted(
    rows: NDArray[np.void], chord: NDArray[np.intp], onset: int, free: Ints
) -> list[NDArray[np.intp]]:
    """Split the notes that begin together into those of the first and those of the second voice."""
    none = chord[:0]
    lengths = rows["length"][chord]
    if free[0] > onset >= free[1]:
        # The first voice goes on, unless all of the chord lies above what it holds.
        return [none, chord]
    if len(chord) == 1 or lengths.min() == lengths.max() or free[1] > onset:
        return [chord, none]
    middle = (lengths.min() + lengths.max()) / 2
    long = lengths > middle
    upper_is_long = rows["pitch"][chord][long].mean() > rows["pitch"][chord][~long].mean()
    return [chord[long], chord[~long]] if upper_is_long else [chord[~long], chord[long]]


def _single(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Leave one of the notes that have an onset and a pitch in common, the longest."""
    height = 100 * rows["pitch"].astype(np.int64) + rows["cents"]
    order = np.lexsort((-rows["length"], height, rows["onset"]))
    rows, height = rows[order], height[order]
    same = (np.diff(rows["onset"]) == 0) & (np.diff(height) == 0)
    return np.asarray(rows[np.concatenate([[True], ~same])] if len(rows) else rows)
