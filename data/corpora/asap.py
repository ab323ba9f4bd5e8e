"""(n)ASAP: classical piano scores, performances of them, and which note of one is which of the other."""

from __future__ import annotations

import csv
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from data.corpora.archives import ArchivedCorpus, locate
from data.corpora.base import Piece, Reading
from data.corpora.velocity import VELOCITIES, velocity_labels
from symbolic.errors import MusicFileError
from symbolic.notes import Music

SCORE = "midi_score.mid"
ALIGNED = np.dtype([("score", "U24"), ("note", "<i4")])
"""A pair: the score note's id in the MusicXML file, "" for none, and an index into the performance's notes,
-1 for none."""
_ALIGNMENT = "note_alignment.tsv"
_ALIGNMENT_MARKER = f"Bach/Fugue/bwv_846/Shi05M_note_alignments/{_ALIGNMENT}"


class _Asap(ArchivedCorpus):
    """What scores and performances share: terms, places, and one split for both."""

    licence = "CC BY-NC-SA 4.0"
    citation = (
        "Peter, S. D., Cancino-Chacón, C. E., Foscarin, F., McLeod, A. P., Henkel, F., Karystinaios, E. and "
        "Widmer, G. (2023). Automatic note-level score-to-performance alignments in the ASAP dataset. TISMIR 6(1); "
        "Foscarin, F. et al. (2020). ASAP: A dataset of aligned scores and performances. ISMIR 2020"
    )
    homepage = "https://github.com/CPJKU/asap-dataset"
    labels = MappingProxyType({"composer": 16})
    split = "by piece, 77/12/11"
    table = "asap"
    home = "asap"
    marker = f"Bach/Fugue/bwv_846/{SCORE}"
    archives = MappingProxyType(
        {
            "asap_midi.tar.xz": "a727a6aebfca35a3cbe022517d6b816767adbd02a819c2be64d8ae8ae77ec35e",
            "asap_note_alignments.tar.xz": "1bf34e36df2dcb96585d4201897b41544f622b85df73f1165db5cd2b6dc8d911",
        }
    )

    def files(self) -> dict[str, str]:
        """Files of scores and performances by key, which is the path without suffix."""
        paths = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*.mid"))
        return {path.removesuffix(".mid"): path for path in sorted(paths)}

    def _chosen(self, scores: bool) -> list[Piece]:
        files = {key: file for key, file in self.files().items() if file.endswith(f"/{SCORE}") == scores}
        return self.tabled(files, {key: {"composer": key.partition("/")[0]} for key in files})


class AsapScoresCorpus(_Asap):
    """242 MIDI scores with the label "composer"; scores and performances of a piece are on one side."""

    name = "asap_scores"
    title = "(n)ASAP, scores"
    size = 242

    def pieces(self) -> list[Piece]:
        """The scores."""
        return self._chosen(scores=True)


class AsapPerformancesCorpus(_Asap):
    """1,066 performances with the label "composer" and the note label "velocity".

    Their bars and positions are those of a nominal tempo; `alignment` leads from their notes to the score's.
    """

    name = "asap_performances"
    title = "(n)ASAP, performances"
    size = 1066
    note_classes = MappingProxyType({"velocity": VELOCITIES})

    def __init__(self, root: str | Path | None = None) -> None:
        super().__init__(root)
        self._root = root

    def pieces(self) -> list[Piece]:
        """The performances."""
        return self._chosen(scores=False)

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """The performance as it is, with the classes of its velocities."""
        return Reading(music, {"velocity": velocity_labels(music)})

    def alignment(self, piece: Piece, music: Music) -> NDArray[np.void]:
        """Which score note each note of a performance plays, from (n)ASAP.

        Three performances have no alignment.

        Args:
            piece: A performance.
            music: What `read` gives for it.

        Returns:
            (A,) `ALIGNED`: pairs in the file's order, notes left out and notes added included.

        Raises:
            CorpusError: If the alignments are neither files nor an archive under the root.
            MusicFileError: If this performance's alignment is absent, damaged, or made for other notes.
        """
        (archive, sha256), marker = list(self.archives.items())[1], _ALIGNMENT_MARKER
        folder = locate(self.home, self._root, marker, sha256, self.homepage, archive)
        return read_alignment(folder / f"{piece.key}_note_alignments" / _ALIGNMENT, music)


def read_alignment(path: Path, music: Music) -> NDArray[np.void]:
    """Pairs of `ALIGNED` in a file of (n)ASAP; it counts the performance's notes by onset, then pitch.

    Raises:
        MusicFileError: If it cannot be read, or does not fit the music.
    """
    order = np.lexsort((music.notes["pitch"], music.notes["onset"]))
    pairs = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for score, performed, *about in list(csv.reader(file, delimiter="\t"))[1:]:
                note = -1
                if performed != "deletion":
                    note = int(order[int(performed.removeprefix("n"))])
                    if int(music.notes["pitch"][note]) != int(about[2]):
                        raise ValueError(f"note {performed} has another pitch")
                pairs.append(("" if score == "insertion" else score, note))
    except (OSError, ValueError, IndexError) as error:
        raise MusicFileError(
            path,
            f"it is no alignment of {len(music):,} notes ({error})",
            "Get alignment and performance anew from the corpus' homepage.",
        ) from error
    return np.array(pairs, dtype=ALIGNED)
