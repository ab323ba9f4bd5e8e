"""OpenScore: songs and string quartets, transcribed by volunteers and read as MIDI made from MusicXML."""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece, Reading
from symbolic.music.notes import Music
from symbolic.music.piano import as_one_piano, track_labels

_MADE = (
    "Its MusicXML must be made into MIDI, file by file, in folders of the same names: one track a part, repeats not "
    "unfolded, as partitura does."
)
PARTS = ("voice", "accompaniment")
_VOICE = re.compile(
    r"\b(voice|chant|singstimme|gesang|stimme|canto|sång|sopranos?|alto|contralto|tenore?|ténors?|basso?|baritone|"
    r"mezzo|men|women|knabe|blinder|solo|dessus|strophe|facilité|[satb])\b"
)
_ACCOMPANIMENT = re.compile(r"\b(piano(forte)?|klavier|harpsichord|cembalo|guitar|guitarr?e)\b")
_NEITHER = re.compile(r"\b(horn|recorder|cello|practice|rehearsal)\b")
"""Tracks where 'bass' is a clef, 'soprano' a recorder or 'piano' a reduction for practice."""


class LiederCorpus(ArchivedCorpus):
    """983 songs with the label "composer" and the note label "part": voice or accompaniment.

    All parts become one piano, so that only the music distinguishes them. Notes of obbligato instruments and of
    reductions for practice have no label. Velocity is constant.
    """

    name = "openscore_lieder"
    title = "OpenScore Lieder (subset by composer)"
    licence = "CC0 1.0"
    citation = (
        "Gotham, M. R. H. and Jonas, P. (2022). The OpenScore Lieder Corpus. Music Encoding Conference 2021, "
        "131-136"
    )
    homepage = "https://github.com/OpenScore/Lieder"
    spdx = "CC0-1.0"
    size = 983
    labels = MappingProxyType({"composer": 113})
    split = "80/10/10 by song"
    note_classes = MappingProxyType({"part": PARTS})
    marker = "Abbott,_Jane_Bingham/_/Just_for_Today/lc6583477.mid"
    made = _MADE
    archives = MappingProxyType(
        {"openscore_lieder_midi.tar.xz": "39e651795fbf1280f89741d3a06fd4c2f2036bbe4f331ae99ecb812a1cc3e4cf"}
    )

    def files(self) -> dict[str, str]:
        """List the files by key. A key is the number of the song in the collection."""
        paths = sorted(self.folder.glob("*/*/*/lc*.mid"))
        return {path.stem: path.relative_to(self.folder).as_posix() for path in paths}

    def pieces(self) -> list[Piece]:
        """List the songs."""
        files = self.files()
        return self.tabled(files, {key: {"composer": composer_of(file)} for key, file in files.items()})

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """Merge all parts into one piano and label the notes."""
        named = replace(music, tracks=tuple(part_of(name) for name in music.tracks))
        return Reading(as_one_piano(music), {"part": track_labels(named, PARTS)})


class QuartetsCorpus(ArchivedCorpus):
    """119 movements and quartets with the label "composer". The movements of a quartet are one group."""

    name = "openscore_quartets"
    title = "OpenScore String Quartets"
    licence = "CC0 1.0"
    citation = (
        "Gotham, M., Redbond, M., Bower, B. and Jonas, P. (2023). The OpenScore String Quartet Corpus. "
        "DLfM 2023, 49-57"
    )
    homepage = "https://github.com/OpenScore/StringQuartets"
    spdx = "CC0-1.0"
    size = 119
    labels = MappingProxyType({"composer": 46})
    marker = "Andrée,_Elfrida/String_Quartet_in_A_major/sq7313978.mid"
    made = _MADE
    archives = MappingProxyType(
        {"openscore_quartets_midi.tar.xz": "5d7a30ca1e72a32be3658265652d5d4100aaf945edc6d2fd03ed4ccd3a3c17a3"}
    )

    def pieces(self) -> list[Piece]:
        """List the movements in order of composers and works."""
        files = [path.relative_to(self.folder) for path in sorted(self.folder.glob("*/*/sq*.mid"))]
        return [
            Piece(
                file.stem,
                file.as_posix(),
                {"composer": composer_of(file.as_posix())},
                group=file.parent.as_posix(),
            )
            for file in files
        ]


def composer_of(file: str) -> str:
    """Return 'Abbott, Jane Bingham' from the folder 'Abbott,_Jane_Bingham'."""
    return file.partition("/")[0].replace("_", " ")


def part_of(track: str) -> str:
    """Return the one of `PARTS` that the name of a track implies or ""."""
    name = track.casefold()
    if _NEITHER.search(name):
        return ""
    return PARTS[0] if _VOICE.search(name) else PARTS[1] if _ACCOMPANIMENT.search(name) else ""
