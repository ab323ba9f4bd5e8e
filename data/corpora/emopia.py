"""EMOPIA: clips of pop piano, each in a quadrant of valence and arousal."""

from __future__ import annotations

from types import MappingProxyType

from data.corpora.archives import FoldedCorpus
from data.corpora.base import Piece


class EmopiaCorpus(FoldedCorpus):
    """1,078 clips of 387 songs with the label "emotion" (Q1 to Q4) in the authors' split or one of five folds.

    All clips of a song are one group. Five training clips of the authors' 876/114/88 are left out because their songs
    are in validation from other videos. MIDI-BERT's published split is by clip and is not offered: 93 of its 107 test
    clips come from songs that it trains on.
    """

    name = "emopia"
    title = "EMOPIA 1.0"
    licence = "CC BY-NC-SA 4.0"
    spdx = "CC-BY-NC-SA-4.0"
    citation = (
        "Hung, H.-T., Ching, J., Doh, S., Kim, N., Nam, J. and Yang, Y.-H. (2021). EMOPIA: A multi-modal pop "
        "piano dataset for emotion recognition and emotion-based music generation. ISMIR 2021, arXiv 2108.01374"
    )
    homepage = "https://github.com/annahung31/EMOPIA"
    size = 1078
    labels = MappingProxyType({"emotion": 4})
    split = "authors', 5 folds"
    marker = "midis/Q1_0vLPYiPN7qY_0.mid"
    archives = MappingProxyType(
        {"emopia.tar.xz": "530897b7f5f05244ef9712a0d7872620137e5602efe01e80071d581f3e402771"}
    )

    def files(self) -> dict[str, str]:
        """List the files by key. A key is quadrant, song and number of the clip."""
        return {path.stem: f"midis/{path.name}" for path in sorted((self.folder / "midis").glob("Q*.mid"))}

    def pieces(self) -> list[Piece]:
        """List the clips."""
        files = self.files()
        return self.tabled(files, {key: {"emotion": key[:2]} for key in files}, self.fold)


def song_of(key: str) -> str:
    """Return the song's identifier on YouTube, which may hold underscores."""
    return key.split("_", 1)[1].rsplit("_", 1)[0]
