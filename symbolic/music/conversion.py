"""Turn the objects of other libraries into `Music` and `Music` into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import MusicFileError
from symbolic.music.files import parse_music, read_music
from symbolic.music.midi.bends import bent_cents
from symbolic.music.midi.lyrics import singers
from symbolic.music.midi.reader import from_symusic, parse_midi
from symbolic.music.midi.writer import to_symusic
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array, problem_of

if TYPE_CHECKING:
    from mido import MidiFile
    from music21.stream import Stream
    from pretty_midi import Instrument, PrettyMIDI
    from symusic import Score

    MusicLike: TypeAlias = (
        str | PathLike[str] | bytes | BinaryIO | Music | Score | PrettyMIDI | MidiFile | Stream
    )
    """Everything that `as_music` accepts."""


def as_music(source: MusicLike) -> Music:
    """Return music from a path, from the content of a file, or from an object of a known library.

    Args:
        source: The path of a music file, its bytes, or a binary file that is open; or a `Music`, `symusic.Score`,
            `pretty_midi.PrettyMIDI`, `mido.MidiFile` or `music21.stream.Stream`: a score, a part or a stream of notes.

    Raises:
        MusicFileError: If the file or the object holds no readable music.
        TypeError: If the object is of another kind.
    """
    if isinstance(source, Music):
        if problem := problem_of(source):
            raise MusicFileError(source.path or "this Music", problem)
        return source
    if isinstance(source, str | PathLike):
        return read_music(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return parse_music(bytes(source))
    if hasattr(source, "read"):
        content = source.read()
        return parse_music(content.encode() if isinstance(content, str) else content, _name_of(source))
    given: Any = source  # of a library that may be absent
    for base in type(given).__mro__:  # found by name, so that no library is imported for the question
        match base.__module__.partition(".")[0], base.__name__:
            case "symusic", "ScoreTick":
                return from_symusic(given)
            case "symusic", "ScoreQuarter" | "ScoreSecond":
                return from_symusic(given.to("tick"))
            case "pretty_midi", "PrettyMIDI":
                return from_pretty_midi(given)
            case "mido", "MidiFile":
                given.save(file=(buffer := BytesIO()))
                return parse_midi(buffer.getvalue(), "mido.MidiFile")
            case "music21", "Stream":
                from symbolic.music.music21_scores import from_music21

                return from_music21(given)
    raise TypeError(
        f"Music cannot be read from a {type(source).__module__}.{type(source).__qualname__}. Pass the path of a "
        "file, its bytes, a Music, a symusic.Score, a pretty_midi.PrettyMIDI, a mido.MidiFile or a music21 stream."
    )


def is_many(music: object) -> bool:
    """Return whether this is a list of pieces, an iterator over them or a column of a table, and not one piece."""
    column = hasattr(music, "tolist") and hasattr(music, "dtype")
    return (
        isinstance(music, list | tuple)
        or column
        or (isinstance(music, Iterator) and not hasattr(music, "read"))
    )


def _name_of(file: object) -> str:
    name = getattr(file, "name", "")
    return name if isinstance(name, str) and name else "this file"


def from_pretty_midi(midi: PrettyMIDI) -> Music:
    """Convert a `pretty_midi.PrettyMIDI` to music with one track for each instrument.

    The notes keep their order: instrument by instrument as in `midi.instruments`.

    Raises:
        MusicFileError: If a pitch, a velocity or a program is outside MIDI's range.
    """
    tick = midi.time_to_tick
    found = [
        (
            tick(note.start),
            tick(note.end) - tick(note.start),
            note.pitch,
            note.velocity,
            DRUM_PROGRAM if instrument.is_drum else instrument.program,
            track,
        )
        for track, instrument in enumerate(midi.instruments)
        for note in instrument.notes
    ]
    onset, duration, pitch, velocity, program, owner = np.array(found, dtype=np.int64).reshape(-1, 6).T
    cents = np.concatenate([np.zeros(0, dtype=np.int64), *(_cents(one, tick) for one in midi.instruments)])
    try:
        notes = note_array(onset, duration, pitch, velocity, program, owner, cents)
    except ValueError as error:
        raise MusicFileError("pretty_midi.PrettyMIDI", str(error)) from error
    signatures = [(tick(s.time), s.numerator, s.denominator) for s in midi.time_signature_changes]
    tempos = [(tick(time), tempo) for time, tempo in zip(*midi.get_tempo_changes(), strict=True)]
    names = [instrument.name for instrument in midi.instruments]
    words = np.array([tick(lyric.time) for lyric in midi.lyrics], dtype=np.int64)
    played = [(name, notes["onset"][owner == track]) for track, name in enumerate(names)]
    return Music(
        notes,
        midi.resolution,
        np.array(sorted(signatures) or [(0, 4, 4)], dtype=np.int64),
        np.array(tempos, dtype=np.float64),
        tuple(names),
        sung=singers([("", words)], played, midi.resolution) if len(words) else (),
    )


def _cents(instrument: Instrument, tick: Callable[[float], int]) -> NDArray[np.int64]:
    """Return (N,) cents by which the notes of an instrument are bent."""
    from symusic import ControlChange, PitchBend, Track

    onset, end = (np.array([tick(getattr(note, name)) for note in instrument.notes], dtype=np.int64)
                  for name in ("start", "end"))  # fmt: skip
    if instrument.is_drum or not instrument.pitch_bends:
        return np.zeros(len(onset), dtype=np.int64)
    track = Track()
    track.pitch_bends.extend([PitchBend(tick(one.time), one.pitch) for one in instrument.pitch_bends])
    track.controls.extend(
        [ControlChange(tick(one.time), one.number, one.value) for one in instrument.control_changes]
    )
    return bent_cents(track, onset, end - onset)


def to_pretty_midi(music: Music) -> PrettyMIDI:
    """Convert music to a `pretty_midi.PrettyMIDI` with one instrument for each track and program.

    Tempos are rounded to whole microseconds per quarter note as in MIDI.

    Raises:
        MusicFileError: If the music is longer, or its resolution finer, than MIDI or pretty_midi allow.
    """
    from mido import MetaMessage, MidiFile, MidiTrack
    from pretty_midi import ControlChange, Instrument, Note, PitchBend, PrettyMIDI, TimeSignature

    score = to_symusic(music)
    ticks, qpm = music.tempo_map.T
    microseconds = np.clip(np.rint(60e6 / qpm), 1, 2**24 - 1).astype(np.int64)
    seconds = replace(music, tempos=np.column_stack([ticks, 60e6 / microseconds])).seconds
    # pretty_midi takes several tempos only from a file. Notes would not survive a file: some overlap.
    waits = np.diff(ticks.astype(np.int64), prepend=0).tolist()
    changes = zip(waits, microseconds.tolist(), strict=True)
    track = MidiTrack(MetaMessage("set_tempo", tempo=tempo, time=wait) for wait, tempo in changes)
    try:
        midi = PrettyMIDI(mido_object=MidiFile(ticks_per_beat=music.resolution, tracks=[track]))
    except ValueError as error:
        raise MusicFileError(
            "music", f"pretty_midi cannot hold it ({error})", "Lower the resolution."
        ) from error
    for (_, numerator, denominator), start in zip(
        music.time_signatures.tolist(), seconds(music.time_signatures[:, 0]).tolist(), strict=True
    ):
        midi.time_signature_changes.append(TimeSignature(numerator, denominator, start))
    for part in score.tracks:
        instrument = Instrument(part.program, part.is_drum, part.name)
        notes = part.notes.numpy()
        starts, ends = seconds(notes["time"]), seconds(notes["time"] + notes["duration"])
        columns = (column.tolist() for column in (notes["velocity"], notes["pitch"], starts, ends))
        instrument.notes.extend(Note(*note) for note in zip(*columns, strict=True))
        for kind, events, to in (
            (PitchBend, part.pitch_bends.numpy(), instrument.pitch_bends),
            (ControlChange, part.controls.numpy(), instrument.control_changes),
        ):
            times = seconds(events.pop("time")).tolist()
            to.extend(
                kind(*one)
                for one in zip(*(column.tolist() for column in events.values()), times, strict=True)
            )
        midi.instruments.append(instrument)
    return midi
