"""Pianist8: piano performances of eight artists, transcribed from audio."""

from __future__ import annotations

from types import MappingProxyType

from data.corpora.archives import FoldedCorpus
from data.corpora.base import Piece


class Pianist8Corpus(FoldedCorpus):
    """411 performances with the label "composer" in MIDI-BERT's published split or one of five grouped folds.

    One training piece of the published 337/37/37 is left out because it is a test song under another name. The
    performances are transcribed: bars and positions follow a nominal 120 quarter notes a minute. Performances that
    share many notes are one group.
    """

    name = "pianist8"
    title = "Pianist8"
    licence = (
        "unclear (no licence in the repository; published as Zenodo 5089279, whose terms were not checked). "
        "For local use only, never redistributed here"
    )
    citation = (
        "Chou, Y.-H., Chen, I.-C., Chang, C.-J., Ching, J. and Yang, Y.-H. (2021). MidiBERT-Piano: "
        "Large-scale pre-training for symbolic music understanding. arXiv 2107.05223"
    )
    homepage = "https://github.com/joann8512/Pianist8"
    size = 411
    labels = MappingProxyType({"composer": 8})
    split = "MIDI-BERT's, 5 folds"
    marker = "Bethel/Bethel_Be_Enthroned.mid"
    archives = MappingProxyType(
        {"pianist8.tar.xz": "c0c681c91604af0c8dd43c15d68a1df70d5fe57e2256d6b9509d946b19f997f9"}
    )

    def files(self) -> dict[str, str]:
        """List the files by key. A key is the name of the file without suffix."""
        return {path.stem: f"{path.parent.name}/{path.name}" for path in sorted(self.folder.glob("*/*.mid"))}

    def pieces(self) -> list[Piece]:
        """List the performances."""
        files = self.files()
        return self.tabled(
            files, {key: {"composer": file.partition("/")[0]} for key, file in files.items()}, self.fold
        )
