"""The melody of many kinds of music: one source a kind, to train a melody model on and to test it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.corpora import open_corpus
from data.corpora.base import Corpus, LeftOut, Piece, Reading
from data.corpora.polish_scores import part_names
from data.corpora.textures import AMONG, BELOW, INSIDE, Texture, textured
from data.splits import hashed_split
from symbolic.music.notes import Music
from symbolic.music.piano import as_one_piano

LABEL = "melody"
Labeller = Callable[[Music, Reading], Reading]
"""From the music of a file and the reading of its corpus to music with the note label `LABEL`, -1 where unknown."""
_UNKNOWN = -1


@dataclass(frozen=True)
class MelodySource:
    """Music of one kind whose melody is known.

    Attributes:
        name: On the command line and in records.
        title: For people.
        corpus: Name of the corpus reader.
        label: Gives music and melody. Raises `LeftOut` for pieces of other kinds.
        options: Further arguments of the reader.
        side: The side that is tested. "": all pieces.
        prefix: Keys of its pieces begin so.
        parts: Whether a score with parts of these names can be of this kind. None: no score is left unread.
        tracks: Whether a model sees the tracks of the file. Otherwise all parts become one piano.
    """

    name: str
    title: str
    corpus: str
    label: Labeller
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    side: str = "test"
    prefix: str = ""
    tracks: bool = False
    parts: Callable[[Sequence[str]], bool] | None = None

    def open(self, root: str | Path | None = None) -> Corpus:
        """Open the corpus.

        Raises:
            CorpusError: If it is not under root.
        """
        return open_corpus(self.corpus, root, **self.options)

    def pieces(self, corpus: Corpus, side: str | None = None) -> list[Piece]:
        """List the pieces of a side, by default the tested one. A hash of the group deals those without a side."""
        wanted = self.side if side is None else side
        found = [piece for piece in corpus.pieces() if piece.key.startswith(self.prefix)]
        return [piece for piece in found if not wanted or _side(corpus, piece) == wanted]

    def read(self, corpus: Corpus, piece: Piece) -> tuple[Music, Reading]:
        """Return the music of a piece's file, and the piece with the label "melody".

        Raises:
            LeftOut: If the piece is of another kind.
            MusicFileError: If its files cannot be read.
        """
        if self.parts and not self.parts(part_names(corpus.path(piece.file))):
            raise LeftOut("other parts: the names in the file tell")
        music = corpus.read(piece)
        found = self.label(music, corpus.interpret(piece, music))
        if not (found.note_labels[LABEL] == 0).any():
            raise LeftOut("no melody: no note is labelled as melody")
        return music, found if self.tracks else replace(found, music=as_one_piano(found.music))


def _side(corpus: Corpus, piece: Piece) -> str:
    return piece.split or hashed_split(piece.group or piece.key, corpus.fractions)


def of_reader(label: str) -> Labeller:
    """Return a labeller that takes the first class of a corpus' own label as the melody, in its interpretation."""

    def found(_: Music, reading: Reading) -> Reading:
        given = reading.note_labels[label]
        return _labelled(reading.music, np.where(given < 0, _UNKNOWN, given != 0))

    return found


def in_file(label: str) -> Labeller:
    """Return a labeller as `of_reader` does that keeps the tracks of the file."""

    def found(music: Music, reading: Reading) -> Reading:
        return of_reader(label)(music, replace(reading, music=music))

    return found


def first_part(music: Music, _: Reading) -> Reading:
    """Label the first part of several as the melody.

    Raises:
        LeftOut: If there is one part alone.
    """
    track = music.notes["track"]
    if len(np.unique(track)) < 2:
        raise LeftOut("one part: it has no accompaniment")
    return _labelled(music, track != track.min())


def single_voice(music: Music, _: Reading) -> Reading:
    """Label a piece of one voice, which is all melody.

    Raises:
        LeftOut: If notes sound together.
    """
    notes = np.sort(music.notes, order=["onset", "pitch"])
    if music.drums.any() or (np.diff(notes["onset"]) < 0.75 * notes["duration"][:-1]).any():
        raise LeftOut("several voices: notes sound together")
    return _labelled(music, np.zeros(len(music)))


def melody_alone(music: Music, reading: Reading) -> Reading:
    """Keep the notes of the label "melody" alone."""
    notes = music.notes[reading.note_labels[LABEL] == 0]
    return _labelled(music.with_notes(notes), np.zeros(len(notes)))


def solo(music: Music, _: Reading) -> Reading:
    """Label the solo part beside keyboard parts as the melody.

    Raises:
        LeftOut: If there are other parts.
    """
    used = np.unique(music.notes["track"])
    if not is_solo([music.tracks[track] for track in used]):
        raise LeftOut("other parts: not one solo part and keyboards")
    roles = np.array([_role(name) for name in music.tracks])[music.notes["track"]]
    return _labelled(music, roles != _SOLO)


def choir(music: Music, reading: Reading) -> Reading:
    """Label the highest part of three to six voices as the melody.

    Raises:
        LeftOut: If there are other parts, or the first is not the highest.
    """
    if not is_choir([music.tracks[track] for track in np.unique(music.notes["track"])]):
        raise LeftOut("other parts: not three to six voices, the highest first")
    return first_part(music, reading)


def set_anew(labeller: Labeller, texture: Texture) -> Labeller:
    """Return a labeller that sets the melody of a piece in a texture. The same piece is always set alike."""

    def found(music: Music, reading: Reading) -> Reading:
        plain = labeller(music, reading)
        draw = np.random.default_rng(len(plain.music))
        return _labelled(*textured(plain.music, plain.note_labels[LABEL], texture, draw))

    return found


def is_solo(names: Sequence[str]) -> bool:
    """Return whether parts of these names are one solo part and keyboards."""
    roles = [_role(name) for name in names]
    return roles.count(_SOLO) == 1 and {*roles} == {_SOLO, _KEYBOARD}


def is_choir(names: Sequence[str]) -> bool:
    """Return whether parts of these names are three to six voices, the highest first."""
    voices = 3 <= len(names) <= 6 and all(_role(name) == _SOLO for name in names)
    return voices and bool(_TOP_NAMES.search(names[0].casefold()))


_SOLO, _KEYBOARD = "solo", "keyboard"
_KEYBOARD_NAMES = re.compile(r"piano|fort\w*pian|organ|orgue|klavi|clavi|cembal|cymbal|keyb|harfa")
_SOLO_NAMES = re.compile(
    r"\b(cant\w*|alt\w*|ten\w*|ba[sſ]\w*|discant\w*|sopran\w*|dessus|medius|supr\w*|vox|voce|voice|chant|"
    r"[śs]piew\w*|głos|singstimme|gesang|viol\w*|skrzyp\w*|fla?ut\w*|obo\w*|[ck]larin?[en]t\w*|wiolon\w*|cello)\b"
)
_TOP_NAMES = re.compile(r"\b(cant\w*|discant\w*|sopran\w*|dessus|supr\w*)\b")


def _role(name: str) -> str:
    """Return the role that the name of a part implies or ""."""
    name = name.casefold()
    return _KEYBOARD if _KEYBOARD_NAMES.search(name) else _SOLO if _SOLO_NAMES.search(name) else ""


def _labelled(music: Music, labels: NDArray[Any]) -> Reading:
    return Reading(music, {LABEL: labels.astype(np.int8)})


SOURCES: dict[str, MelodySource] = {
    source.name: source
    for source in (
        MelodySource("pop", "pop songs arranged for piano", "pop909", of_reader(LABEL)),
        MelodySource("pop_filed", "the same, bars as filed", "pop909", of_reader(LABEL), {"beats": False}),
        MelodySource("pop_tracks", "the same, tracks known", "pop909", in_file(LABEL), tracks=True),
        MelodySource("lieder", "voice and piano", "openscore_lieder", of_reader("part")),
        MelodySource(
            "lieder_tracks", "the same, tracks known", "openscore_lieder", in_file("part"), tracks=True
        ),
        MelodySource("art_melody", "solo and accompaniment", "art_melody", of_reader(LABEL)),
        MelodySource("art_solo", "the solo parts alone", "art_melody", melody_alone),
        MelodySource("orchestra", "orchestra, annotated", "orchestra", of_reader(LABEL)),
        MelodySource("orchestra_tracks", "the same, tracks known", "orchestra", in_file(LABEL), tracks=True),
        MelodySource("polish_solo", "solo and keyboard, Polish scores", "polish_scores", solo, parts=is_solo),
        MelodySource("polish_choir", "choirs, Polish scores", "polish_scores", choir, parts=is_choir),
        MelodySource("quartets", "string quartets, first violin", "openscore_quartets", first_part),
        MelodySource("chorales", "Bach's chorales, soprano", "music21", first_part, side="", prefix="bach/"),
        MelodySource("nottingham", "folk tunes with chords", "nottingham", first_part),
        MelodySource("symbtr", "makam, one voice", "symbtr", single_voice),
        MelodySource(
            "lieder_left",
            "the Lieder, voice below the piano",
            "openscore_lieder",
            set_anew(of_reader("part"), Texture(BELOW)),
        ),
        MelodySource(
            "lieder_octaves",
            "the Lieder, voice in octaves",
            "openscore_lieder",
            set_anew(of_reader("part"), Texture(octaves=True)),
        ),
        MelodySource(
            "pop_left",
            "the songs, tune below broken chords",
            "pop909",
            set_anew(of_reader(LABEL), Texture(BELOW, "broken")),
        ),
        MelodySource(
            "pop_guitar",
            "the songs, tune and strummed guitar",
            "pop909",
            set_anew(of_reader(LABEL), Texture(INSIDE, "strummed")),
        ),
        MelodySource(
            "pop_band",
            "the songs, tune between bass and pads, tracks known",
            "pop909",
            set_anew(of_reader(LABEL), Texture(AMONG, "held", apart=True)),
            tracks=True,
        ),
    )
}
"""All sources by name. Nottingham, art_melody, the chorales and SymbTr are tested only and never trained on.

The last ones are made of the first: melodies in textures that no corpus has (`data.corpora.textures`)."""

__all__ = ["LABEL", "SOURCES", "MelodySource"]
