"""A piece with a passage written anew, as notes and as a file in which all else is as it was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from symbolic.commas import HIDDEN_COMMA, OFTEN, comma_cents, microtonal_share, usual_cents
from symbolic.errors import MusicFileError
from symbolic.generate.canvas import Canvas
from symbolic.generate.passage import Passage
from symbolic.music.files import MUSICXML_SUFFIXES
from symbolic.music.midi.edit import MidiEdit
from symbolic.music.midi.reader import parse_midi
from symbolic.music.midi.writer import midi_bytes, require_midi_name
from symbolic.music.musicxml.edit import ScoreEdit
from symbolic.music.musicxml.reader import parse_musicxml
from symbolic.music.notes import DRUM_PROGRAM, Music
from symbolic.replacing import write_whole
from symbolic.tokens.grid import to_ticks
from symbolic.tokens.tokenizer import Tokens
from symbolic.tokens.vocabulary import DRUM_PITCH, DURATION, PITCH, POSITION, VELOCITY, Vocabulary


@dataclass(frozen=True, eq=False)
class Variant:
    """One way to write a passage.

    Attributes:
        source: The piece as it was.
        passage: What was written.
        replaced: (N,) bool, the notes of the piece that are gone.
        notes: (M,) array of dtype `NOTE`, the notes that stand in their place.
        like: (M,) the note of the piece whose track and channel each of them has.
        sureness: (M,) mean log probability of a note's drawn values by the model.
        edges: (B + 1,) ticks at which the bars of the passage begin, and that at which the last one ends.
    """

    source: Music
    passage: Passage
    replaced: NDArray[np.bool_]
    notes: NDArray[np.void]
    like: NDArray[np.int64]
    sureness: NDArray[np.float64]
    edges: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"Variant({self.summary})"

    @property
    def summary(self) -> str:
        """The number of written notes and their place, in words."""
        count = len(self.notes)
        return f"{count:,} note{'s' * (count != 1)} written in {self.passage.place}"

    @property
    def music(self) -> Music:
        """The whole piece. Notes that stay come first, in their order, and then the written ones."""
        return replace(
            self.source, notes=np.concatenate([self.source.notes[~self.replaced], self.notes]), path=""
        )

    @property
    def written(self) -> NDArray[np.bool_]:
        """Bool for each note of `music`, whether it was written."""
        stay = int((~self.replaced).sum())
        return np.arange(stay + len(self.notes)) >= stay

    def to_midi(self) -> bytes:
        """Return a MIDI file: that of the piece with the notes exchanged, and all its other events as they were.

        Music from elsewhere, or a file in which the notes cannot be exchanged one by one, is written from its notes. So
        is microtonal music, because the bends of a file are those of the notes that it had.

        Raises:
            MusicFileError: If MIDI cannot hold the music.
        """
        music = self.music
        edit = MidiEdit(self.source)
        edit.exchange(self.replaced, self.notes, self.like)
        content = edit.to_bytes()
        microtonal = microtonal_share([self.source, music]) >= OFTEN
        return content if not microtonal and _holds(content, music) else midi_bytes(music)

    def to_musicxml(self, zipped: bool = False) -> bytes:
        """Return the MusicXML file of the piece with the notes exchanged, and all else in it as it was.

        Args:
            zipped: Whether as an .mxl archive.

        Raises:
            MusicFileError: If the piece was not read from MusicXML, or its score has no place for the notes.
        """
        source = self.source.path
        if not _is_musicxml(source):
            raise MusicFileError(
                source or "music", "only scores in MusicXML come back as MusicXML", "Write MIDI."
            )
        try:
            edit = ScoreEdit(Path(source).read_bytes(), source)
        except OSError as error:
            raise MusicFileError(source, error.strerror or str(error)) from error
        if not np.array_equal(edit.music.notes, self.source.notes):
            raise MusicFileError(source, "it does not hold these notes any more", "Read it again.")
        before = self.source.notes[self.like]
        changed = {name for name in self.notes.dtype.names or () if (self.notes[name] != before[name]).any()}
        of_drums = (self.notes["program"] == DRUM_PROGRAM) & (self.notes["pitch"] != before["pitch"])
        if self.passage.anew or not changed <= {"pitch", "cents", "velocity"} or of_drums.any():
            edit.exchange(self.replaced, self.notes, self.like, self.edges.tolist())
        else:
            for fields, change in ((["pitch", "cents"], edit.set_pitch), (["velocity"], edit.set_velocity)):
                for place in np.flatnonzero(self.notes[fields] != before[fields]).tolist():
                    change(int(self.like[place]), *self.notes[fields][place].tolist())
        content = edit.to_bytes(zipped)
        found, due = (
            _listed(notes, True) for notes in (parse_musicxml(content, source).notes, self.music.notes)
        )
        if not np.array_equal(found, due):
            raise MusicFileError(source, "its score cannot hold the written notes", "Write MIDI.")
        return content

    def write(self, path: str | Path) -> None:
        """Write a MusicXML file where the path has such a suffix, else a MIDI file. See `to_musicxml` and `to_midi`.

        Raises:
            MusicFileError: If it has the suffix of kern or abc, or cannot be written.
        """
        if _is_musicxml(path):
            content = self.to_musicxml(Path(path).suffix.lower() == ".mxl")
        else:
            require_midi_name(path)
            content = self.to_midi()
        try:
            write_whole(path, content)
        except OSError as error:
            raise MusicFileError(
                path, f"it cannot be written ({error.strerror})", "Name another folder, or make this one."
            ) from error


def variant_of(
    canvas: Canvas, music: Music, tokens: Tokens, passage: Passage, vocabulary: Vocabulary
) -> Variant:
    """Return the notes that a canvas holds where it was drawn.

    Args:
        canvas: Without hidden fields.
        music: The piece.
        tokens: Its tokens.
        passage: What was written.
        vocabulary: Meaning of the values.
    """
    rows = np.flatnonzero(canvas.drawn.any(axis=1) & ~canvas.dropped)
    values, like = canvas.values[rows], tokens.note_index[canvas.source[rows]].astype(np.int64)
    notes = music.notes[like].copy()
    for field in passage.fields:
        drawn = values[:, field]
        if field == POSITION:
            notes["onset"] = to_ticks(canvas.start[rows] + drawn, music, vocabulary)
        elif field == PITCH:
            notes["pitch"] = np.where(drawn < DRUM_PITCH, drawn, drawn - DRUM_PITCH)
            ids = canvas.commas[rows]
            usual = np.where(drawn < DRUM_PITCH, usual_cents(music)[notes["pitch"] % 12], 0)
            notes["cents"] = np.where(ids == HIDDEN_COMMA, usual, comma_cents(ids))
        elif field == DURATION:
            notes["duration"] = np.maximum(to_ticks(vocabulary.durations[drawn], music, vocabulary), 1)
        elif field == VELOCITY:
            width = 128 // vocabulary.velocity_bins
            notes["velocity"] = np.maximum(drawn * width + width // 2, 1)
    replaced = np.zeros(len(music), dtype=bool)
    replaced[tokens.note_index[passage.asked]] = True
    edges = to_ticks(np.append(passage.start, passage.end), music, vocabulary)
    if DURATION in passage.fields or POSITION in passage.fields:
        _end_in_time(notes, music.notes[~replaced], int(edges[-1]))
    sureness = canvas.sureness[rows].sum(axis=1) / canvas.drawn[rows].sum(axis=1)
    return Variant(music, passage, replaced, notes, like, sureness, edges)


def _end_in_time(notes: NDArray[np.void], others: NDArray[np.void], end: int) -> None:
    """Shorten notes in place, so that none sounds beyond a time or into the next of its pitch and track.

    The grid of tokens is coarser than ticks: a note that is kept may begin a little before its position.
    """
    both = np.concatenate([notes, others])
    order = np.lexsort((both["onset"], both["pitch"], both["track"]))
    ordered = both[order]
    same = (ordered["track"][1:] == ordered["track"][:-1]) & (ordered["pitch"][1:] == ordered["pitch"][:-1])
    following = np.full(len(both), end, dtype=np.int64)
    later = same & (ordered["onset"][1:] > ordered["onset"][:-1])
    following[order[:-1][later]] = ordered["onset"][1:][later]
    left = np.minimum(following[: len(notes)], end) - notes["onset"]
    notes["duration"] = np.maximum(np.minimum(notes["duration"], left), 1)


def _holds(content: bytes, music: Music) -> bool:
    """Return whether a MIDI file holds exactly the notes of some music, in tracks that may be numbered otherwise."""
    try:
        found = parse_midi(content, "music").notes
    except MusicFileError:
        return False
    return np.array_equal(_listed(found), _listed(music.notes))


def _is_musicxml(path: str | Path) -> bool:
    return Path(path).suffix.lower() in MUSICXML_SUFFIXES


def _listed(notes: NDArray[np.void], with_cents: bool = False) -> NDArray[np.int64]:
    """Return (N, 5) the notes without their tracks in one order, their pitches in cents if asked."""
    names = ("onset", "pitch", "program", "duration", "velocity")
    columns = np.stack([notes[name].astype(np.int64) for name in names], axis=1)
    if with_cents:
        columns[:, 1] = 100 * columns[:, 1] + notes["cents"]
    return columns[np.lexsort(columns.T[::-1])]
