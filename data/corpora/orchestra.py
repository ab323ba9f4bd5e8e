"""OpenScore Orchestra: movements of symphonies, a mass and a requiem, with annotations of the main melody."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece, Reading
from symbolic.music.files import read_music
from symbolic.music.notes import Music

MELODY = ("melody", "accompaniment")
_MELODY_SCORE = "_melody.mxl"


class OrchestraCorpus(ArchivedCorpus):
    """96 movements with the label "composer" and the note label "melody". The movements of a work are one group.

    The scores are MusicXML with 10 to 30 parts. The melody moves from part to part. Its notes are those that the melody
    score of the movement has at the same time and pitch, in whatever part: unisons count. Velocity is constant.
    """

    name = "orchestra"
    title = "OpenScore Orchestra with Hauptstimme annotations"
    licence = "CC0 1.0 (scores); CC BY-SA (annotations)"
    citation = "Gotham, M. R. H. et al. OpenScore Orchestra and Hauptstimme, https://github.com/MarkGotham/Hauptstimme"
    homepage = "https://github.com/MarkGotham/Hauptstimme"
    spdx = "CC0-1.0"
    label_terms = MappingProxyType({"melody": "CC-BY-SA-4.0"})
    size = 96
    labels = MappingProxyType({"composer": 8})
    split = "80/10/10 by work"
    note_classes = MappingProxyType({"melody": MELODY})
    marker = "data/Boulanger,_Lili/D'un_matin_de_printemps/D'un_matin_de_printemps.mxl"
    archives = MappingProxyType(
        {"orchestra.tar.xz": "9e5ec8dc52d81545cb15c220fc35dc5abed82ca84f323ad4ae61d5d1f63b6221"}
    )

    def pieces(self) -> list[Piece]:
        """List the movements in order of composers and works."""
        found = []
        for path in sorted(self.folder.glob("data/**/*.mxl")):
            if path.name.endswith(_MELODY_SCORE):
                continue
            file = path.relative_to(self.folder)
            composer, work = file.parts[1:3]
            labels = {"composer": composer.replace("_", " ")}
            found.append(Piece(path.stem, file.as_posix(), labels, group=f"{composer}/{work}"))
        return found

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """Label the notes by the melody score.

        Raises:
            MusicFileError: If the melody score cannot be read.
        """
        melody = read_music(self.path(_melody_score(piece.file)))
        found = np.isin(_places(music), _places(melody))
        return Reading(music, {"melody": np.where(found, 0, 1).astype(np.int8)})

    def sources(self, piece: Piece) -> tuple[str, ...]:
        """List the score and its melody score."""
        return (piece.file, _melody_score(piece.file))


def _melody_score(file: str) -> str:
    return file.removesuffix(".mxl") + _MELODY_SCORE


def _places(music: Music) -> NDArray[np.int64]:
    """Return (N,) one number for each onset and pitch."""
    return np.asarray(music.notes["onset"] * 128 + music.notes["pitch"])
