"""Read MIDI files and symusic scores into `Music`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError, MusicFileError
from symbolic.music.midi.bends import bent_cents
from symbolic.music.midi.check import is_whole, items
from symbolic.music.midi.container import unwrapped
from symbolic.music.midi.lyrics import sung_tracks
from symbolic.music.midi.percussion import moves_drums
from symbolic.music.midi.repair import KEEP, PEDAL, read_repaired
from symbolic.music.notes import DRUM_PROGRAM, NOTE, Music

if TYPE_CHECKING:
    from symusic import Score, Track
    from symusic.core import NoteTickList

_TICK = itemgetter(0)
_MANY = 16
"""Tempos from which on columns of numpy are faster."""
_LAST_TICK = 2**31 - 1
_PICKLED = np.dtype([("time", "i4"), ("duration", "i4"), ("sound", "<u2")], align=True)
"""A note as symusic pickles it. The first byte of its sound is the pitch, the second the velocity."""
assert NOTE.fields is not None  # it has names
_LAYOUT: Any = {
    "names": ["sound"],
    "formats": ["<i8"],
    "offsets": [NOTE.fields["pitch"][1]],
    "itemsize": NOTE.itemsize,
}
_SOUND = np.dtype(_LAYOUT)
"""All of a `NOTE` that follows its duration, as one number: one column is faster than four."""
_PROGRAM, _TRACK = (8 * (NOTE.fields[name][1] - NOTE.fields["pitch"][1]) for name in ("program", "track"))
"""Bits of `_SOUND` below these fields."""
_MAX_TRACKS = np.iinfo(NOTE["track"]).max + 1
_MAX_TIME_SIGNATURES = 100_000


def parse_midi(content: bytes, name: str, pedal: str = KEEP, path: str = "") -> Music:
    """Read music from the bytes of a MIDI file.

    symusic parses it. Where that gives less than the file holds, its events are repaired first: values above 127 are
    clipped, notes without an end get one, programs and names are found where they are. `Music.repairs` states it.
    Drums that messages of GS, XG or GM2 put on other channels than 10 are drums.

    Args:
        content: The whole file.
        name: Name of the file in errors.
        pedal: "keep" keeps the written lengths of notes. "extend" lengthens them to the release of the sustain pedal
            or to the next strike of their pitch.
        path: The file, for `Music.path`.

    Raises:
        MusicFileError: If it is not MIDI, even after repair.
        ConfigError: If `pedal` is neither.
    """
    from symusic import Score

    if pedal not in PEDAL:
        raise ConfigError(f"pedal is {pedal!r}; it must be one of {', '.join(PEDAL)}.")
    content, repairs = unwrapped(content, name)
    if content[8:10] == b"\0\2":
        repairs += (
            "type 2, whose tracks are pieces of their own: read as tracks of one, as in most such files",
        )
    reason = ""
    try:
        score = Score.from_midi(content)
        if pedal == KEEP and is_whole(content, score) and not moves_drums(content, score, name):
            return from_symusic(score, name, repairs, path)
    except Exception as error:  # symusic raises bare RuntimeErrors and the like
        reason = _first_line(error)
    file = read_repaired(content, name, pedal)
    repairs += tuple(file.repairs)
    if reason and not file.repairs:
        repairs += (f"read leniently ({reason})",)
    try:
        score = Score.from_midi(file.to_bytes())
    except Exception as error:
        raise MusicFileError(name, f"not a readable MIDI file ({_first_line(error)})") from error
    return from_symusic(score, name, repairs, path)


def from_symusic(
    score: Score, name: str = "symusic.Score", repairs: tuple[str, ...] = (), path: str = ""
) -> Music:
    """Convert a symusic score to music.

    Args:
        score: A score in ticks. Its tracks keep their order and names.
        name: Name of the score in errors.
        repairs: Repairs made before.
        path: The file that it was read from, if it was.

    Raises:
        MusicFileError: If its times lie outside MIDI's range, or it has too many tracks or time signatures.
    """
    if score.ticks_per_quarter <= 0:
        raise MusicFileError(name, "its header states no ticks per quarter note")

    for what, count, limit in (
        ("tracks", len(score.tracks), _MAX_TRACKS),
        ("time signatures", len(score.time_signatures), _MAX_TIME_SIGNATURES),
    ):
        if count > limit:
            raise MusicFileError(name, f"it holds {count:,} {what}, more than {limit:,}")
    tracks = items(score.tracks)
    notes = _notes_of(tracks)
    onset, duration = notes["onset"], notes["duration"]
    # A time is negative, or may be beyond the last tick, if one of the highest bits is set.
    highest = np.bitwise_or.reduce(onset) | np.bitwise_or.reduce(duration)
    if (
        not 0 <= highest <= _LAST_TICK // 2
        and not 0 <= np.bitwise_or.reduce(onset + duration | onset) <= _LAST_TICK
    ):
        raise MusicFileError(name, "its notes lie outside the 2^31 ticks of MIDI time")
    time_signatures = sorted(
        [(t.time, t.numerator, t.denominator) for t in items(score.time_signatures)], key=_TICK
    )
    beating = [one for one in time_signatures if one[1] > 0 and one[2] > 0]
    tempos = _tempos_of(score)
    moving = tempos[tempos[:, 1] < np.inf]
    for what, count in (
        ("time signatures of no beats or an impossible unit", len(time_signatures) - len(beating)),
        ("tempos of no duration", len(tempos) - len(moving)),
    ):
        if count:
            repairs += (f"{what} passed over: {count}",)
    return Music(
        notes,
        score.ticks_per_quarter,
        np.array(beating or [(0, 4, 4)]),
        moving if len(moving) else np.array([(0.0, 120.0)]),
        tuple([track.name for track in tracks]),
        repairs,
        path,
        sung_tracks(tracks, score.ticks_per_quarter),
    )


def _tempos_of(score: Score) -> NDArray[np.float64]:
    """Return (T, 2) ticks and quarter notes per minute."""
    if len(score.tempos) < _MANY:
        return np.array(sorted([(t.time, t.qpm) for t in items(score.tempos)], key=_TICK) or [(0.0, 120.0)])
    columns = score.tempos.numpy()
    with np.errstate(divide="ignore"):  # a tempo of no duration is infinite
        found = np.column_stack([columns["time"], 6e7 / columns["mspq"]])
    return found[found[:, 0].argsort(kind="stable")]


def _notes_of(tracks: Sequence[Track]) -> NDArray[np.void]:
    """Return the notes of all tracks, one track after another, as (N,) of dtype `NOTE`."""
    lists = [track.notes for track in tracks]
    found = _pickled(lists)
    notes = np.empty(len(found), dtype=NOTE)
    notes["onset"], notes["duration"] = found["time"], found["duration"]
    sound, start = notes.view(_SOUND)["sound"], 0
    sound[:] = found["sound"]
    for index, (track, own) in enumerate(zip(tracks, lists, strict=True)):
        program = DRUM_PROGRAM if track.is_drum else track.program
        stop = start + len(own)
        sound[start:stop] |= program << _PROGRAM | index << _TRACK
        if len(track.pitch_bends) and program != DRUM_PROGRAM:
            notes["cents"][start:stop] = bent_cents(
                track, found["time"][start:stop], found["duration"][start:stop]
            )
        start = stop
    return notes


def _pickled(lists: Sequence[NoteTickList]) -> NDArray[np.void]:
    """Return the notes of all lists as (N,) of dtype `_PICKLED`.

    symusic pickles its notes as they lie in memory. Its `numpy()` makes one array per column and takes several
    times as long.
    """
    if _pickles_memory():
        return np.frombuffer(
            b"".join([memoryview(notes.__getstate__())[4:] for notes in lists]), dtype=_PICKLED
        )
    found = np.empty(sum(len(notes) for notes in lists), dtype=_PICKLED)
    columns = {
        name: np.concatenate([np.empty(0, np.int32), *(notes.numpy()[name] for notes in lists)])
        for name in ("time", "duration", "pitch", "velocity")
    }
    found["time"], found["duration"] = columns["time"], columns["duration"]
    found["sound"] = columns["pitch"] | columns["velocity"] << 8
    return found


@cache
def _pickles_memory() -> bool:
    """Test whether the installed symusic pickles notes as a count and then `_PICKLED`."""
    from symusic import Note

    time, small = np.array([2**16 + 1, 2], dtype=np.int32), np.array([3, 4], dtype=np.int8)
    state = Note.from_numpy(time, time + 1, small, small + 1).__getstate__()
    if len(state) != 4 + 2 * _PICKLED.itemsize:
        return False
    expected = np.array([(2**16 + 1, 2**16 + 2, 3 | 4 << 8), (2, 3, 4 | 5 << 8)], dtype=_PICKLED)
    return bool((np.frombuffer(state, dtype=_PICKLED, offset=4) == expected).all())


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
