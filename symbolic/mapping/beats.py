"""Beats of a performance: read from a file, taken from the bars of a MIDI file, or found by a tracker."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError, MusicFileError
from symbolic.features.stats import Floats
from symbolic.mapping.chords import chords_of
from symbolic.mapping.features import BEAT_SECONDS
from symbolic.mapping.grid import rules
from symbolic.mapping.tracking import RuleTracking, Tracker, Tracking
from symbolic.music.bars import bar_lines, beats
from symbolic.music.notes import Music

_METRE = re.compile(r"(\d{1,2})/(1|2|4|8|16|32)")
_PARTS = (4, 3)
"""Parts of a quarter note on which most notes of written music lie."""
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
    times, down, stated = [], [], ""
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
                down.append(label.lower() in ("db", "downbeat", "1", "1.0"))
    except (OSError, ValueError) as error:
        raise MusicFileError(
            path,
            f"its beats cannot be read ({error.strerror if isinstance(error, OSError) else error})",
            "Write the seconds of a beat in each line.",
        ) from error
    order = np.argsort(times, kind="stable")
    at, marked = np.array(times, dtype=np.float64)[order], np.array(down, dtype=np.bool_)[order]
    fresh = np.diff(at, prepend=-np.inf) > 0
    at, marked = at[fresh], marked[fresh]
    if len(at) < 2 or not np.isfinite(at).all():
        raise MusicFileError(
            path, "it holds fewer than two beats", "Write the seconds of a beat in each line."
        )
    chords = chords_of(music)
    return _with_bars(at, marked if marked.any() else None, chords.time, metre or stated, tracker(chords))


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


def stated_beats(music: Music, metre: str = "", tracker: Tracker = RULES) -> Beats | None:
    """Return the beats of a MIDI file's tempo if its notes keep them. None if they do not, as in free playing.

    Performances are often saved at a tempo that means nothing: their onsets lie anywhere in its beats. Others keep the
    tempo and begin at any time. Their beats are moved onto the notes, and bars are found.

    Args:
        music: The music.
        metre: Time signature such as "3/4". "": that of the file, unless it is 1/4 or beats are moved, else the one
            found.
        tracker: What finds bars.

    Raises:
        ConfigError: If the metre is none.
    """
    unit = _quarters(metre) if metre else 1.0
    stated = {f"{upper}/{lower}" for _, upper, lower in music.time_signatures.tolist()}
    beat = music.notes["onset"][~music.drums] / music.resolution
    distinct = np.unique(np.round(beat, 3))
    if len(distinct) < _LEAST:
        return None
    turns = {parts: complex(np.exp(2j * np.pi * parts * distinct).mean()) for parts in _PARTS}
    parts = max(turns, key=lambda one: abs(turns[one]))
    if abs(turns[parts]) < _KEPT:
        return None
    phase = float(np.angle(turns[parts])) / (2 * np.pi * parts)
    bars = (music.time_signatures[:, 1] > 1).any() or not len(music.time_signatures)
    if abs(phase) < _UNMOVED and bars and (not metre or stated == {metre.strip()}):
        return beats_of_file(music)
    chords = chords_of(music)
    if parts == 3 and unit % 1.5 == 0:
        unit = 1.0  # thirds of the file's quarter note: the file writes a beat of three units so
    whole = np.arange(np.floor(beat.min()) - np.ceil(unit), np.ceil(beat.max()) + 2, unit)
    moved = [
        music.seconds((whole + phase + step) * music.resolution).clip(min=0)
        for step in np.arange(0, unit, 1 / parts)
    ]
    moved = [times[np.diff(times, prepend=-1) > 0] for times in moved]
    accent = RuleTracking(chords).accents
    near = [_is_near(chords.time, times) for times in moved]
    if unit != 1:  # accents are relative: without this, a grid of one loud note may win
        most = max(map(np.count_nonzero, near))
        moved = [times for times, on in zip(moved, near, strict=True) if 2 * np.count_nonzero(on) >= most]
    loudest = max(moved, key=lambda times: accent[_is_near(chords.time, times)].sum())
    return _with_bars(loudest, None, chords.time, metre, tracker(chords))


def _is_near(onset: Floats, times: Floats) -> NDArray[np.bool_]:
    at = np.clip(np.searchsorted(times, onset), 1, len(times) - 1)
    return np.minimum(np.abs(onset - times[at]), np.abs(onset - times[at - 1])) <= BEAT_SECONDS / 2


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
    return _with_bars(tracking.beats(), None, chords.time, metre, tracking)


def _with_bars(
    times: Floats, down: NDArray[np.bool_] | None, onset: Floats, metre: str, tracking: Tracking
) -> Beats:
    """Complete beats by a metre and by downbeats, as far as they are not given."""
    if metre:
        in_bar, lower = parse_metre(metre)
        compound = is_compound(int(metre.partition("/")[0]), lower)
    else:
        in_bar, lower, compound = 0, 4, _is_ternary(onset, times)
        lower = 8 if compound else 4
    if down is None:
        down = tracking.bars(times, (in_bar,) if in_bar else ())
    return Beats(times, down, lower, compound)


def _is_ternary(onset: Floats, times: Floats) -> bool:
    """Return whether onsets between beats stand on thirds rather than on halves and quarters."""
    at = np.clip(np.searchsorted(times, onset, side="right") - 1, 0, len(times) - 2)
    place = (onset - times[at]) / (times[at + 1] - times[at])
    between = place[(place > 0.15) & (place < 0.85)]
    thirds = np.abs(between[:, None] - np.array([1, 2]) / 3).min(axis=1, initial=1) < 1 / 16
    quarters = np.abs(between[:, None] - np.array([1, 2, 3]) / 4).min(axis=1, initial=1) < 1 / 24
    return bool(thirds.sum() > 1.5 * quarters.sum())
