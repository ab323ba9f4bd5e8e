"""Files to music and back: the only reader and writer of music files.

MIDI goes through symusic; MusicXML, Humdrum kern and abc through music21 (`symbolic.music.scores`).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import MusicFileError
from symbolic.music.notes import DRUM_PROGRAM, NOTE, Music

if TYPE_CHECKING:
    from symusic import Score, Track

MIDI_SUFFIXES = frozenset({".mid", ".midi", ".rmi"})
SCORE_SUFFIXES = frozenset({".mxl", ".musicxml", ".xml", ".krn", ".abc"})
SUFFIXES = MIDI_SUFFIXES | SCORE_SUFFIXES
MAX_BYTES = 64 * 2**20
_BINARY: int = getattr(os, "O_BINARY", 0)  # Windows alone tells text from bytes
_TICK = itemgetter(0)
_LAST_TICK = 2**31 - 1
_LONGEST_WAIT = 2**28
"""First number of ticks between two events that MIDI's four 7-bit digits cannot hold."""
_PICKLED = np.dtype([("time", "i4"), ("duration", "i4"), ("pitch", "i1"), ("velocity", "i1")], align=True)
"""A note as symusic pickles it."""
_MAX_TRACKS = np.iinfo(NOTE["track"]).max + 1


def music_files(folder: str | Path, leave_out: str | Path | None = None) -> Iterator[str]:
    """Paths of all music files below a folder, relative to it and with slashes, in no order.

    Hidden files are not music: macOS leaves a '._song.mid' beside every song it copies. Links to folders are followed,
    but each folder is looked into once, by its own path where it lies below.

    Args:
        folder: Where to look.
        leave_out: A folder below it that is not looked into.
    """
    seen = set() if leave_out is None else {os.path.realpath(leave_out)} - {os.path.realpath(folder)}
    folders, links = [""], list[str]()
    while folders or links:
        links.sort()
        start = folders.pop() if folders else links.pop(0)
        # As strings: over a million files, `Path`s take twice as long.
        here = os.path.join(folder, start)
        if (real := os.path.realpath(here)) in seen:
            continue
        seen.add(real)
        try:
            entries = list(os.scandir(here))
        except OSError:  # one that may not be read
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            with suppress(OSError):  # of a link to itself nothing can be asked
                if entry.is_dir():
                    (links if entry.is_symlink() else folders).append(f"{start}{entry.name}/")
                elif os.path.splitext(entry.name)[1].lower() in SUFFIXES and entry.is_file():
                    yield start + entry.name


def read_music(path: str | Path, max_bytes: int = MAX_BYTES) -> Music:
    """Read one music file.

    Args:
        path: .mid, .midi, .rmi, .mxl, .musicxml, .xml, .krn, or .abc with a single tune.
        max_bytes: Larger files are refused unread.

    Raises:
        MusicFileError: If the file is absent, of another kind, too large or damaged beyond repair.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        if not os.path.exists(path):
            raise MusicFileError(path, "there is no such file or folder")
        raise MusicFileError(
            path, f"'{suffix}' is no known kind of music file", f"Known are {', '.join(sorted(SUFFIXES))}."
        )
    try:
        # By the system's own calls, for Python's file objects cost a twentieth of the parsing.
        file = os.open(path, os.O_RDONLY | _BINARY)
        try:
            size = os.fstat(file).st_size
            if size > max_bytes:
                raise MusicFileError(path, f"it holds {size:,} bytes, more than the limit of {max_bytes:,}")
            if suffix in MIDI_SUFFIXES:
                content = os.read(file, size)
                while len(content) < size and (more := os.read(file, size - len(content))):
                    content += more
                return parse_midi(content, str(path))
        finally:
            os.close(file)
    except OSError as error:
        raise MusicFileError(
            path, error.strerror or str(error), "Check the path and its permissions."
        ) from error
    from symbolic.music.scores import read_score  # music21 takes seconds to import

    return read_score(Path(path))


def parse_midi(content: bytes, name: str) -> Music:
    """Music in the bytes of a MIDI file.

    A file that is refused is read once more leniently, above all for values above 127, which the standard
    forbids and the web is full of: they are clipped. `Music.repairs` says so, and why.

    Args:
        content: The whole file.
        name: What to call it in errors.

    Raises:
        MusicFileError: If it is not MIDI, even with repair.
    """
    from symusic import Score

    content = _unwrapped(content)
    repairs: tuple[str, ...] = ()
    if content[8:10] == b"\0\2":
        repairs = (
            "type 2, whose tracks are pieces of their own: read as tracks of one, as in most such files",
        )
    try:
        score = Score.from_midi(content)
    except Exception as error:  # symusic raises bare RuntimeErrors and the like
        mended = _clip_bytes(content)
        if mended is None:
            raise MusicFileError(name, f"not a readable MIDI file ({_first_line(error)})") from error
        try:
            score = Score.from_midi(mended)
            repairs += (f"read leniently, values above 127 clipped ({_first_line(error)})",)
        except Exception as again:
            raise MusicFileError(name, f"not a readable MIDI file ({_first_line(again)})") from again
    return from_score(score, name, repairs)


def from_score(score: Score, name: str, repairs: tuple[str, ...] = ()) -> Music:
    """Music of a symusic score, in ticks.

    Args:
        score: Any; tracks keep their order and names.
        name: What to call it in errors.
        repairs: What was mended before.

    Raises:
        MusicFileError: If its times have no place on MIDI's grid, or its tracks are too many.
    """
    if score.ticks_per_quarter <= 0:
        raise MusicFileError(
            name, "its header states no ticks per quarter note (SMPTE time is not supported)"
        )

    if len(score.tracks) > _MAX_TRACKS:
        raise MusicFileError(name, f"it holds {len(score.tracks):,} tracks, more than {_MAX_TRACKS:,}")
    tracks = list(score.tracks)
    found = _notes_of(tracks)
    notes = np.empty(len(found), dtype=NOTE)
    onset, duration, program, number = (notes[name] for name in ("onset", "duration", "program", "track"))
    onset[:], duration[:] = found["time"], found["duration"]
    notes["pitch"], notes["velocity"] = found["pitch"], found["velocity"]
    start = 0
    for index, track in enumerate(tracks):
        part = slice(start, start := start + len(track.notes))
        program[part] = DRUM_PROGRAM if track.is_drum else track.program
        number[part] = index
    if np.minimum.reduce(onset, initial=0) < 0 or np.maximum.reduce(onset + duration, initial=0) > _LAST_TICK:
        raise MusicFileError(name, "its notes lie outside the 2^31 ticks of MIDI time")
    time_signatures = sorted([(t.time, t.numerator, t.denominator) for t in score.time_signatures], key=_TICK)
    tempos = sorted([(t.time, t.qpm) for t in score.tempos], key=_TICK)
    return Music(
        notes,
        score.ticks_per_quarter,
        np.array(time_signatures or [(0, 4, 4)]),
        np.array(tempos or [(0.0, 120.0)]),
        tuple([track.name for track in tracks]),
        repairs,
    )


def write_midi(music: Music, path: str | Path) -> None:
    """Write music as a MIDI file, one track for each track and program.

    Args:
        music: Any music; notes of no length get one tick, and silent ones a velocity of 1, since MIDI has
            neither.
        path: Where to; parent folders must exist.

    Raises:
        MusicFileError: If the music is longer or finer than MIDI can say.
    """
    Path(path).write_bytes(to_score(music, path).dumps_midi())


def to_score(music: Music, name: str | Path) -> Score:
    """The music as a symusic score, one track for each track and program, as `write_midi` writes it.

    Args:
        music: Any music.
        name: What to call it in errors.

    Raises:
        MusicFileError: If the music is longer or finer than MIDI can say.
    """
    from symusic import Note, Score, Tempo, TimeSignature, Track

    if not 0 < music.resolution < 2**15:
        raise MusicFileError(name, f"MIDI cannot hold {music.resolution:,} ticks per quarter note")
    if (music.notes["onset"] + music.notes["duration"]).max(initial=0) >= _LONGEST_WAIT:
        raise MusicFileError(name, "MIDI cannot hold notes beyond 2^28 ticks", "Lower the resolution.")
    score = Score(music.resolution)
    score.time_signatures.extend([TimeSignature(int(t), int(n), int(d)) for t, n, d in music.time_signatures])
    score.tempos.extend([Tempo(int(t), float(qpm)) for t, qpm in music.tempos])
    kinds, member = np.unique(music.notes[["track", "program"]], return_inverse=True)
    for index, (number, program) in enumerate(kinds):
        notes = music.notes[member == index]
        drum = program == DRUM_PROGRAM
        track = Track(
            name=music.tracks[number] if number < len(music.tracks) else f"track {number}",
            program=0 if drum else int(program),
            is_drum=bool(drum),
        )
        track.notes = Note.from_numpy(
            notes["onset"].astype(np.int32),
            np.maximum(notes["duration"], 1).astype(np.int32),
            notes["pitch"].astype(np.int8),
            np.maximum(notes["velocity"], 1).astype(np.int8),
        )
        score.tracks.append(track)
    return score


def _notes_of(tracks: Sequence[Track]) -> NDArray[np.void]:
    """(N,) of dtype `_PICKLED`, the notes of all tracks one after another.

    What symusic pickles is its notes as they lie in memory; `numpy()`, which deals them out by column, takes
    several times as long.
    """
    if _pickles_memory():
        states = [memoryview(track.notes.__getstate__())[4:] for track in tracks]
        return np.frombuffer(b"".join(states), dtype=_PICKLED)
    columns = [track.notes.numpy() for track in tracks]
    found = np.empty(sum(len(track.notes) for track in tracks), dtype=_PICKLED)
    for name in _PICKLED.names or ():
        found[name] = np.concatenate([np.empty(0, np.int8), *(column[name] for column in columns)])
    return found


@cache
def _pickles_memory() -> bool:
    """Does the installed symusic pickle notes as a count and then `_PICKLED`? Only a look can tell."""
    from symusic import Note

    sample = {name: np.array([1, 2], dtype=_PICKLED[name]) for name in _PICKLED.names or ()}
    sample["time"] += 2**16
    state = Note.from_numpy(**sample).__getstate__()
    if len(state) != 4 + 2 * _PICKLED.itemsize:
        return False
    found = np.frombuffer(state, dtype=_PICKLED, offset=4)
    return all((found[name] == column).all() for name, column in sample.items())


def _clip_bytes(content: bytes) -> bytes | None:
    """The file with data bytes above 127 clipped, or None where it cannot be walked at all."""
    import mido

    try:
        mended = io.BytesIO()
        mido.MidiFile(file=io.BytesIO(content), clip=True).save(file=mended)
    except Exception:  # mido raises whatever it stumbles over: EOFError, KeyError, IndexError, ...
        return None
    return mended.getvalue()


def _unwrapped(content: bytes) -> bytes:
    """The MIDI file in a RIFF wrapper (RMID, as Windows programs write); anything else as it is.

    Source: MIDI Manufacturers Association, Recommended Practice RP-029.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"RMID":
        return content
    start = 12
    while start + 8 <= len(content):
        size = int.from_bytes(content[start + 4 : start + 8], "little")
        if content[start : start + 4] == b"data":
            return content[start + 8 : start + 8 + size]
        start += 8 + size + size % 2  # chunks are padded to even lengths
    return content


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
