"""Beats of a performance: read from a file, taken from the bars of a MIDI file, or found by a tracker."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError, MusicFileError
from symbolic.features.stats import Floats
from symbolic.mapping.bars import beat_table, find_bars
from symbolic.mapping.chords import chords_of
from symbolic.mapping.grid import WEIGHTS, Grid, grid_features, rules
from symbolic.mapping.tracking import USUAL, RuleTracking, Tracker
from symbolic.music.bars import bar_lines, beats
from symbolic.music.notes import Music

_METRE = re.compile(r"(\d{1,2})/(1|2|4|8|16|32)")
_PARTS = ((4, 3), (6, 8), (12,))
"""Parts of a quarter note on which most notes of written music lie, the usual ones first."""
_KEPT, _UNMOVED, _LEAST = 0.5, 0.003, 8
"""How closely onsets keep to the parts of the file's beats, from 0 for anywhere to 1; how many quarter notes off them
they are still taken as on them; and the fewest onsets that tell anything."""
RULES: Tracker = rules


@dataclass(frozen=True, eq=False)
class Beats:
    """Beats of a performance.

    Attributes:
        times: (B,) rising times in seconds, two or more.
        down: (B,) bool. True where a beat begins a bar.
        lower: Lower number of the time signature.
        compound: Whether a beat has three units, as in 6/8.
    """

    times: Floats
    down: NDArray[np.bool_]
    lower: int = 4
    compound: bool = False

    @property
    def unit(self) -> float:
        """Quarter notes of a beat."""
        return (3 if self.compound else 1) * 4 / self.lower

    @property
    def in_bar(self) -> int:
        """Beats of most bars."""
        lengths = np.diff(np.flatnonzero(self.down))
        return int(np.bincount(lengths).argmax()) if len(lengths) else 4


def parse_metre(text: str) -> tuple[int, int]:
    """Return beats of a bar and lower number of a time signature such as "3/4". 6/8 has two beats.

    Raises:
        ConfigError: If it is no time signature.
    """
    found = _METRE.fullmatch(text.strip())
    if not found or not int(found[1]):
        raise ConfigError(f"'{text}' is no time signature such as 3/4 or 6/8.")
    upper, lower = int(found[1]), int(found[2])
    return (upper // 3 if is_compound(upper, lower) else upper), lower


def _quarters(metre: str) -> float:
    """Return the quarter notes of a beat of a time signature."""
    _, lower = parse_metre(metre)
    return (3 if is_compound(int(metre.partition("/")[0]), lower) else 1) * 4 / lower


def is_compound(upper: int, lower: int) -> bool:
    """Return whether beats of a time signature have three units, as in 6/8 and 12/16."""
    return lower >= 8 and upper > 3 and upper % 3 == 0


def read_beats(path: str | Path, music: Music, metre: str = "", tracker: Tracker = RULES) -> Beats:
    """Read a file with one beat a line: seconds first and a label last.

    A downbeat is labelled "db" or "downbeat" or is beat "1" of its bar. A label such as "db,3/4" sets the metre. These
    are the formats of (n)ASAP, of madmom and beat_this, and of labels that Audacity writes.

    Args:
        path: The file.
        music: The performance, by which bars are found where the file does not mark them.
        metre: Time signature such as "3/4". "": that of the file, or the one found.
        tracker: What finds bars.

    Raises:
        MusicFileError: If it cannot be read, or has fewer than two beats.
        ConfigError: If the metre is none.
    """
    times, marks, stated = [], [], ""
    try:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            fields = line.replace("\t", " ").split()
            if not fields:
                continue
            label, _, rest = (fields[-1] if len(fields) > 1 else "").partition(",")
            found = _METRE.search(rest)
            stated = stated or (found[0] if found else "")
            if label or len(fields) == 1:
                times.append(float(fields[0].rstrip(",")))
                marks.append(label.lower() in ("db", "downbeat", "1", "1.0"))
    except (OSError, ValueError) as error:
        raise MusicFileError(
            path,
            f"its beats cannot be read ({error.strerror if isinstance(error, OSError) else error})",
            "Write the seconds of a beat in each line.",
        ) from error
    order = np.argsort(times, kind="stable")
    at, marked = np.array(times, dtype=np.float64)[order], np.array(marks, dtype=np.bool_)[order]
    fresh = np.diff(at, prepend=-np.inf) > 0
    at, marked = at[fresh], marked[fresh]
    if len(at) < 2 or not np.isfinite(at).all():
        raise MusicFileError(
            path, "it holds fewer than two beats", "Write the seconds of a beat in each line."
        )
    chords, metre = chords_of(music), metre or stated
    down = marked if marked.any() else tracker(chords).bars(at, _in_bar(metre))
    return _with_metre(at, down, chords.time, metre)


def beats_of_file(music: Music) -> Beats:
    """Return the beats that a MIDI file states by its tempos and time signatures, as a sequencer writes them."""
    end = int((music.notes["onset"] + music.notes["duration"]).max(initial=0)) + music.resolution
    lines = bar_lines(music, end)
    upper, lower = (
        int(one) for one in (music.time_signatures[0, 1:] if len(music.time_signatures) else (4, 4))
    )
    step = music.resolution * 4 / lower * (3 if is_compound(upper, lower) else 1)
    ticks = np.unique(
        np.concatenate(
            [
                np.arange(begin, until, step)
                for begin, until in zip(lines, [*lines[1:], end + step], strict=True)
            ]
        )
    )
    down = beats(music, ticks)[1] == 1
    return Beats(music.seconds(ticks), down, lower, is_compound(upper, lower))


def stated_beats(music: Music, metre: str = "") -> Beats | None:
    """Return the beats of a MIDI file's tempo if its notes keep them. None if they do not, as in free playing.

    Performances are often saved at a tempo that means nothing: their onsets lie anywhere in its beats. Others keep the
    tempo and begin at any time. Their beats are moved onto the notes, and bars are found.

    Args:
        music: The music.
        metre: Time signature such as "3/4". "": that of the file, unless it is 1/4 or beats are moved, else the one
            found.

    Raises:
        ConfigError: If the metre is none.
    """
    unit = _quarters(metre) if metre else 1.0
    stated = {f"{upper}/{lower}" for _, upper, lower in music.time_signatures.tolist()}
    quarter = music.notes["onset"][~music.drums] / music.resolution
    distinct = np.unique(np.round(quarter, 3))
    if len(distinct) < _LEAST:
        return None
    parts, turn = _parts(distinct)
    if abs(turn) < _KEPT:
        return None
    phase = float(np.angle(turn)) / (2 * np.pi * parts)
    bars = (music.time_signatures[:, 1] > 1).any() or not len(music.time_signatures)
    if abs(phase) < _UNMOVED and bars and (not metre or stated == {metre.strip()}):
        return beats_of_file(music)
    if parts in (3, 6) and unit % 1.5 == 0:
        unit = 1.0  # thirds of the file's quarter note: the file writes a beat of three units so
    finer = 1 if unit * parts % 1 == 0 else 2
    place, down = _on_steps(music, phase, parts * finer, round(unit * parts * finer), _in_bar(metre))
    times = music.seconds((place * music.resolution).clip(min=0))
    fresh = np.diff(times, prepend=-1) > 0
    return _with_metre(times[fresh], down[fresh], chords_of(music).time, metre)


def _parts(quarter: Floats) -> tuple[int, complex]:
    """Return the parts of a quarter note that onsets keep to, and the mean of their turns: its length says how closely.

    Args:
        quarter: (C,) onsets in quarter notes.
    """
    for choices in _PARTS:
        turns = {parts: complex(np.exp(2j * np.pi * parts * quarter).mean()) for parts in choices}
        parts = max(turns, key=lambda one: abs(turns[one]))
        if abs(turns[parts]) >= _KEPT:
            break
    return parts, turns[parts]


def _on_steps(
    music: Music, phase: float, parts: int, steps: int, in_bar: Sequence[int]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return (B,) the most likely beats in quarter notes, and which begin a bar.

    Args:
        music: The music.
        phase: Place of its notes on the parts of a quarter note.
        parts: Parts of a quarter note on which notes lie.
        steps: Parts of a beat.
        in_bar: Numbers of beats that a bar may have. (): those that are known.
    """
    even = Music(music.notes, music.resolution, tempos=np.array([[0, 60 / USUAL]]), tracks=music.tracks)
    chords = chords_of(even)
    accents = RuleTracking(chords).accents
    begin, last = chords.time[0] / USUAL, chords.time[-1] / USUAL
    _, firsts, numbers = grid_features(chords, accents, Grid(phase * USUAL, USUAL / parts), (steps,))
    found = []
    for first, likely in zip(firsts, numbers @ WEIGHTS, strict=True):
        start, unit = phase + first / parts, steps / parts
        place = start + unit * np.arange(np.floor((begin - start) / unit), np.ceil((last - start) / unit) + 2)
        down, gain = find_bars(beat_table(chords, accents, place * USUAL), in_bar)
        found.append((float(likely) + gain, place, down))
    return max(found, key=lambda one: one[0])[1:]


def find_beats(music: Music, metre: str = "", tracker: Tracker = RULES) -> Beats:
    """Find beats and bars of a performance.

    Args:
        music: The performance.
        metre: Time signature such as "3/4". "": the one found.
        tracker: What finds them, by rules or as learnt.

    Raises:
        ConfigError: If the metre is none.
    """
    chords = chords_of(music)
    tracking = tracker(chords)
    times = tracking.beats()
    return _with_metre(times, tracking.bars(times, _in_bar(metre)), chords.time, metre)


def _in_bar(metre: str) -> tuple[int, ...]:
    """Return the number of beats that a bar may have: one if there is a metre, () for those that are known."""
    return (parse_metre(metre)[0],) if metre else ()


def _with_metre(times: Floats, down: NDArray[np.bool_], onset: Floats, metre: str) -> Beats:
    """Complete beats by the units of a metre, or by those that the onsets show."""
    if metre:
        _, lower = parse_metre(metre)
        return Beats(times, down, lower, is_compound(int(metre.partition("/")[0]), lower))
    compound = _is_ternary(onset, times)
    return Beats(times, down, 8 if compound else 4, compound)


def _is_ternary(onset: Floats, times: Floats) -> bool:
    """Return whether onsets between beats stand on thirds rather than on halves and quarters."""
    at = np.clip(np.searchsorted(times, onset, side="right") - 1, 0, len(times) - 2)
    place = (onset - times[at]) / (times[at + 1] - times[at])
    between = place[(place > 0.15) & (place < 0.85)]
    thirds = np.abs(between[:, None] - np.array([1, 2]) / 3).min(axis=1, initial=1) < 1 / 16
    quarters = np.abs(between[:, None] - np.array([1, 2, 3]) / 4).min(axis=1, initial=1) < 1 / 24
    return bool(thirds.sum() > 1.5 * quarters.sum())
