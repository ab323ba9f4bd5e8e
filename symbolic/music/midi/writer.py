"""Write music as MIDI files and symusic scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from symbolic.errors import MusicFileError
from symbolic.music.files import SCORE_SUFFIXES
from symbolic.music.midi.bends import add_bends, apart, on_layers
from symbolic.music.notes import DRUM_PROGRAM, Music
from symbolic.replacing import write_whole

if TYPE_CHECKING:
    from symusic import Score

_CHANNELS = 15
"""Channels for pitched tracks. symusic gives them out in turn, so that the next track shares the first one."""
_LONGEST_WAIT = 2**28
"""First number of ticks between two events that MIDI's four 7-bit digits cannot hold."""


def write_midi(music: Music, path: str | Path) -> None:
    """Write music as a MIDI file with one track for each track and program.

    Args:
        music: The music. MIDI has no note without length or sound: these get one tick and a velocity of 1. A note that
            ends before an earlier one of its pitch, or has other cents than those that sound, goes on another track of
            the same name. Cents become pitch bends, but on tracks that share one of MIDI's 15 pitched channels.
        path: The file to write. Its folder must exist.

    Raises:
        MusicFileError: If the path has the suffix of a score, it cannot be written, or the music is longer, or its
            resolution finer, than MIDI allows.
    """
    require_midi_name(path)
    content = midi_bytes(music, path)
    try:
        write_whole(path, content)
    except OSError as error:
        raise MusicFileError(
            path, f"it cannot be written ({error.strerror})", "Name another folder, or make this one."
        ) from error


def require_midi_name(path: str | Path) -> None:
    """Refuse a path with the suffix of a score: readers go by suffixes, so MIDI under it could not be read again.

    Raises:
        MusicFileError: If it has the suffix of MusicXML, kern or abc.
    """
    if (suffix := Path(path).suffix.lower()) in SCORE_SUFFIXES:
        raise MusicFileError(
            path, f"it would be a MIDI file, and {suffix} is a score", "Let the name end in .mid."
        )


def midi_bytes(music: Music, name: str | Path = "music") -> bytes:
    """Return a MIDI file with one track for each track and program; see `write_midi`."""
    return bytes(to_symusic(_without_nested_notes(music), name).dumps_midi())


def _without_nested_notes(music: Music) -> Music:
    """Return music whose notes of one pitch, program and track begin and end in one order.

    In MIDI the first note that sounds on a pitch is the first to end. Others would come back with each other's lengths,
    and so would two that begin together. Such notes go on another track of the same name.
    """
    notes = music.notes
    end = notes["onset"] + np.maximum(notes["duration"], 1)
    order = np.lexsort((end, notes["onset"], notes["pitch"], notes["program"], notes["track"]))
    pitches = notes[["track", "program", "pitch"]][order]
    at = np.stack([notes["onset"], end], axis=1)[order]
    together, longer = at[1:, 0] == at[:-1, 0], at[1:, 1] - at[:-1, 1]
    if not ((pitches[1:] == pitches[:-1]) & ((longer < 0) | (together & (longer > 0)))).any():
        return music
    layers, sounding = np.zeros(len(notes), dtype=np.int64), dict[tuple[int, ...], list[tuple[int, int]]]()
    for index, key, (begins, ends) in zip(order.tolist(), pitches.tolist(), at.tolist(), strict=True):
        last = sounding.setdefault(key, [])
        free = (
            layer
            for layer, (onset, until) in enumerate(last)
            if until == ends or (until < ends and onset < begins)
        )
        layer = next(free, len(last))
        last[layer : layer + 1] = [(begins, ends)]
        layers[index] = layer
    return on_layers(music, layers)


def to_symusic(music: Music, name: str | Path = "music") -> Score:
    """Convert music to a symusic score with one track for each track and program.

    Args:
        music: The music. Notes without length or sound get one tick and a velocity of 1. Notes that sound together with
            other cents go on another track.
        name: Name of the music in errors.

    Raises:
        MusicFileError: If the music is longer, or its resolution finer, than MIDI allows.
    """
    from symusic import Note, Score, Tempo, TimeSignature, Track

    if not 0 < music.resolution < 2**15:
        raise MusicFileError(name, f"MIDI cannot hold {music.resolution:,} ticks per quarter note")
    if (music.notes["onset"] + music.notes["duration"]).max(initial=0) >= _LONGEST_WAIT:
        raise MusicFileError(name, "MIDI cannot hold notes beyond 2^28 ticks", "Lower the resolution.")
    music, score = apart(music), Score(music.resolution)
    score.time_signatures.extend([TimeSignature(int(t), int(n), int(d)) for t, n, d in music.time_signatures])
    score.tempos.extend([Tempo(int(t), float(qpm)) for t, qpm in music.tempos])
    kinds, member = np.unique(music.notes[["track", "program"]], return_inverse=True)
    pitched = kinds["program"] != DRUM_PROGRAM
    for index, (number, program) in enumerate(kinds):
        notes = music.notes[member == index]
        drum = program == DRUM_PROGRAM
        track = Track(
            name=_name_of_track(music, number),
            program=0 if drum else int(program),
            is_drum=bool(drum),
        )
        track.notes = Note.from_numpy(
            notes["onset"].astype(np.int32),
            np.maximum(notes["duration"], 1).astype(np.int32),
            notes["pitch"].astype(np.int8),
            np.maximum(notes["velocity"], 1).astype(np.int8),
        )
        alone = pitched[index % _CHANNELS :: _CHANNELS].sum() == pitched[index]
        if alone and not drum and notes["cents"].any():
            add_bends(track, notes)
        score.tracks.append(track)
    return score


def _name_of_track(music: Music, number: int) -> str:
    return music.tracks[number] if number < len(music.tracks) else ""
