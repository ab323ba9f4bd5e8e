"""Art music for a solo part and accompaniment from a study of melody identification."""

from __future__ import annotations

from types import MappingProxyType

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece, Reading
from symbolic.music.notes import Music
from symbolic.music.piano import as_one_piano, track_labels

MELODY = ("melody", "accompaniment")
_TRACKS = ("MELODY", "PIANO")


class ArtMelodyCorpus(ArchivedCorpus):
    """233 pieces of 1600 to 1960 with the note label "melody". They are for tests only.

    The solo part is the melody: a voice, a violin or another instrument. Both tracks become one piano, so that only
    the music distinguishes them. Velocity is constant. Some songs are in openscore_lieder too.
    """

    name = "art_melody"
    title = "Solo and accompaniment, art music"
    licence = "MIT repository, whose README calls the data public for research"
    citation = (
        "Simonetta, F., Cancino-Chacón, C., Ntalampiras, S. and Widmer, G. (2019). A convolutional approach to melody "
        "line identification in symbolic scores. ISMIR 2019"
    )
    homepage = "https://github.com/LIMUNIMI/Symbolic-Melody-Identification"
    size = 233
    split = "all test"
    note_classes = MappingProxyType({"melody": MELODY})
    marker = "midi/BWV10343.mid"
    archives = MappingProxyType(
        {"art_melody.tar.xz": "3d12b0081facbeeff7d8425dd403577713577dcb69c2ff9c6e459cabf1ddc2f4"}
    )

    def pieces(self) -> list[Piece]:
        """List the pieces in order of file names."""
        paths = sorted(self.folder.glob("midi/*.mid"))
        return [Piece(path.stem, f"midi/{path.name}", split="test") for path in paths]

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """Merge solo and accompaniment into one piano and label the notes."""
        return Reading(as_one_piano(music), {"melody": track_labels(music, _TRACKS)})
