"""POP909: piano arrangements of Chinese pop songs. Each note is melody, bridge or accompaniment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece, Reading
from data.corpora.velocity import VELOCITIES, velocity_labels
from symbolic.errors import MusicFileError
from symbolic.music.notes import Music
from symbolic.music.piano import as_one_piano, track_labels
from symbolic.predict.tonality import TONAL_CLASSES, chord_mode, tonal_labels

TRACKS = ("MELODY", "BRIDGE", "PIANO")
RESOLUTION = 960
"""Ticks per quarter note after the warp. The files have 480, so rounding costs nothing."""
LONGEST_BAR = 8
"""Largest number of beats in a bar. Longer bars are taken as missed downbeats of the beat file."""
_SLACK = 1 / 32
"""Quarter notes by which a note may precede the first beat without opening a new bar."""
_EARLY = 0.03
"""Seconds by which a note may precede its chord."""
_STEADY = 0.01
"""Smallest relative change of tempo that is kept. Smaller ones are noise of the beat times."""
_AS_FILED = "-as-filed"
"""End of the key of a song that keeps the timing of its MIDI file, where the song comes twice."""


class Pop909Corpus(ArchivedCorpus):
    """909 songs with the note labels "melody", "velocity" and "chord". The published split has the 865 in 4/4.

    Two thirds of the files have a false time signature and their ticks follow no beat. The beat files have the true
    beats and bars. All three tracks become one piano, so that only the music distinguishes the melody.

    The label "chord" is the interval of a note above the root of the major or minor chord at its onset. The authors of
    the corpus found the chords with an algorithm that reads the same notes.

    Args:
        root: The folder that holds the corpus.
        beats: Whether to move notes onto the beats and bars of the beat files. Without, notes keep the timing of the
            MIDI files, as others may prepare them.
        twice: Whether each song comes a second time with the timing of its file in the same group and side.
    """

    name = "pop909"
    title = "POP909"
    licence = "MIT"
    citation = (
        "Wang, Z., Chen, K., Jiang, J., Zhang, Y., Xu, M., Dai, S., Bin, G. and Xia, G. (2020). POP909: A "
        "pop-song dataset for music arrangement generation. ISMIR 2020, arXiv 2008.07142"
    )
    homepage = "https://github.com/music-x-lab/POP909-Dataset"
    version = 2
    note_classes = MappingProxyType(
        {
            "melody": ("melody", "bridge", "accompaniment"),
            "velocity": VELOCITIES,
            "chord": TONAL_CLASSES,
        }
    )
    spdx = "MIT"
    size = 909
    split = "MIDI-BERT's"
    marker = "001/001.mid"
    archives = MappingProxyType(
        {"pop909.tar.xz": "713939048dfe7b2567c79860cb1088d6b7741b5d0adad39ba36e08cb16a5a9e9"}
    )

    def __init__(self, root: str | Path | None = None, beats: bool = True, twice: bool = False) -> None:
        super().__init__(root)
        self.beats, self.twice = beats, twice

    def options(self) -> dict[str, Any]:
        """Return the options that differ from their defaults, so that earlier shards stay valid."""
        return ({} if self.beats else {"beats": False}) | ({"twice": True} if self.twice else {})

    def files(self) -> dict[str, str]:
        """List the files of the songs by key without their alternative versions."""
        keys = sorted(path.name for path in self.folder.glob("[0-9][0-9][0-9]"))
        return {key: f"{key}/{key}.mid" for key in keys}

    def pieces(self) -> list[Piece]:
        """List the songs and with `twice` the same songs with the timing of their files after them."""
        songs = self.tabled(self.files())
        if not self.twice:
            return songs
        songs = [replace(song, group=song.group or song.key) for song in songs]
        return songs + [replace(song, key=song.key + _AS_FILED) for song in songs]

    def sources(self, piece: Piece) -> tuple[str, ...]:
        """List the MIDI file and the files of its beats and chords."""
        return piece.file, _beat_file(piece), _chord_file(piece)

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """Move the notes onto the beats, merge them into one piano and label them."""
        labels = {
            "melody": track_labels(music, TRACKS),
            "velocity": velocity_labels(music),
            "chord": chord_labels(music, *read_chords(self.folder / _chord_file(piece))),
        }
        if not self.beats or piece.key.endswith(_AS_FILED):
            return Reading(as_one_piano(music), labels)
        beats, downbeats = read_beats(self.folder / _beat_file(piece))
        return Reading(warp(as_one_piano(music), beats, downbeats), labels)


def _beat_file(piece: Piece) -> str:
    return f"{PurePosixPath(piece.file).parent}/beat_midi.txt"


def _chord_file(piece: Piece) -> str:
    return f"{PurePosixPath(piece.file).parent}/chord_midi.txt"


def read_beats(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read a beat file: times of beats in seconds, (B,), and indices of the downbeats, (D,).

    Its columns are time in seconds, a flag for every other beat and a flag for the first beat of a bar.

    Raises:
        MusicFileError: If it is absent or damaged.
    """
    remedy = "Get the song's folder anew from the corpus' homepage."
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        table = np.array([line.split() for line in lines if line.strip()], dtype=np.float64)
    except (OSError, ValueError) as error:
        raise MusicFileError(path, f"its beats cannot be read ({error})", remedy) from error
    if table.ndim != 2 or len(table) < 2 or table.shape[1] != 3 or not (np.diff(table[:, 0]) > 0).all():
        raise MusicFileError(path, "it must have three columns, and times that rise", remedy)
    downbeats = np.flatnonzero(table[:, 2] == 1)
    if len(downbeats) == 0:
        raise MusicFileError(path, "it marks no downbeat", remedy)
    return table[:, 0], downbeats


def read_chords(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read a chord file. Its columns are start and end in seconds and a symbol in Harte's syntax.

    Returns:
        Starts and ends, (C, 2) in seconds, rising. Roots plus twelve times the modes, (C,) and -1 for chords that are
        neither major nor minor.

    Raises:
        MusicFileError: If it is absent or damaged.
    """
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        times = np.array([line[:2] for line in lines], dtype=np.float64).reshape(-1, 2)
        modes = [chord_mode(line[2]) for line in lines]
        if not (np.diff(times, axis=0)[:, 0] >= 0).all():
            raise ValueError("its times do not rise")
    except (OSError, ValueError, IndexError) as error:
        remedy = "Get the song's folder anew from the corpus' homepage."
        raise MusicFileError(path, f"its chords cannot be read ({error})", remedy) from error
    return times, np.array([-1 if mode is None else mode for mode in modes], dtype=np.int64)


def chord_labels(music: Music, times: NDArray[np.float64], modes: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return (N,) int8 indices into `TONAL_CLASSES` by the chord at each onset or -1 without a chord.

    Args:
        music: As its file has it.
        times: (C, 2) starts and ends in seconds.
        modes: (C,) from `read_chords`.
    """
    if len(times) == 0:
        return np.full(len(music), -1, dtype=np.int8)
    # A note played slightly before the change belongs to the new chord.
    onset = music.seconds(music.notes["onset"]) + _EARLY
    chord = np.maximum(np.searchsorted(times[:, 0], onset, side="right") - 1, 0)
    within = (onset >= times[chord, 0]) & (onset < times[chord, 1] + _EARLY)
    return tonal_labels(music.notes["pitch"], np.where(within, modes[chord], -1))


def warp(music: Music, beats: NDArray[np.float64], downbeats: NDArray[np.int64]) -> Music:
    """Move music onto a grid of beats. Each beat is a quarter note and bars begin on the downbeats.

    Times between beats are interpolated. Before the first and after the last beat the length of the nearest beat
    continues. Notes before the first downbeat are a pick-up at the end of a full bar.

    Args:
        music: Any music. Its time signatures are ignored. Its tempos serve only to compute seconds.
        beats: (B,) rising times in seconds, B >= 2.
        downbeats: (D,) indices into beats, D >= 1.
    """
    notes = music.notes.copy()
    onset = _quarters(music.seconds(notes["onset"]), beats)
    end = _quarters(music.seconds(notes["onset"] + notes["duration"]), beats)
    bars = np.diff(downbeats)
    usable = bars[bars <= LONGEST_BAR]
    usual = int(np.bincount(usable).argmax()) if len(usable) else 4
    early = np.ceil(max(0.0, -onset.min(initial=0.0) - _SLACK))
    pickup = int(downbeats[0] + early)
    shift = -(-pickup // usual) * usual - int(downbeats[0])
    notes["onset"] = np.maximum(np.rint((onset + shift) * RESOLUTION), 0).astype(np.int64)
    notes["duration"] = np.maximum(np.rint((end - onset) * RESOLUTION), 1).astype(np.int64)
    return replace(
        music,
        notes=notes,
        resolution=RESOLUTION,
        time_signatures=_time_signatures(downbeats + shift, usual),
        tempos=_tempos(beats, shift),
    )


def _quarters(seconds: NDArray[np.float64], beats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert seconds to quarter notes from the first beat on, extrapolated at both ends."""
    before = np.minimum(seconds - beats[0], 0) / (beats[1] - beats[0])
    after = np.maximum(seconds - beats[-1], 0) / (beats[-1] - beats[-2])
    return np.asarray(np.interp(seconds, beats, np.arange(len(beats))) + before + after)


def _time_signatures(downbeats: NDArray[np.int64], usual: int) -> NDArray[np.int64]:
    """Return time signatures of bars that begin at these quarters. Pick-up and last bar have the usual length."""
    events = [(0, usual)]
    for start, length in zip(downbeats[:-1].tolist(), np.diff(downbeats).tolist(), strict=True):
        whole = length - length % usual if length > LONGEST_BAR else 0
        events += [(start, usual)] if whole else []
        events += [(start + whole, length - whole)] if length > whole else []
    events.append((int(downbeats[-1]), usual))
    table = np.array([(quarter * RESOLUTION, beats, 4) for quarter, beats in events], dtype=np.int64)
    return np.asarray(table[np.diff(table[:, 1], prepend=0) != 0])


def _tempos(beats: NDArray[np.float64], shift: int) -> NDArray[np.float64]:
    """Return tempos from the times between beats. A change must exceed the noise."""
    qpm = 60 / np.diff(beats)
    events = [(0.0, float(qpm[0]))]
    for index, tempo in enumerate(qpm.tolist()):
        if abs(tempo - events[-1][1]) > _STEADY * events[-1][1]:
            events.append((float(index + shift) * RESOLUTION, tempo))
    return np.array(events, dtype=np.float64)
