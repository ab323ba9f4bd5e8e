"""(n)ASAP: classical piano scores, performances of them and alignments note by note."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from data.corpora.archives import ArchivedCorpus, locate
from data.corpora.base import Piece, Reading
from data.corpora.beats import BEATS, beat_labels, read_annotation
from data.corpora.velocity import VELOCITIES, velocity_labels
from symbolic.errors import MusicFileError
from symbolic.music.notes import Music
from symbolic.music.piano import as_one_piano

SCORE = "midi_score.mid"
ALIGNED = np.dtype([("score", "U24"), ("note", "<i4")])
"""A pair: the id of the score's note in the MusicXML file ("": none) and the index of the performed note (-1: none)."""
HANDS = ("right", "left")
_ALIGNMENT = "note_alignment.tsv"
_WRITTEN = "xml_score.musicxml"
_WRITTEN_MARKER = f"Bach/Fugue/bwv_846/{_WRITTEN}"
_ALIGNMENT_MARKER = f"Bach/Fugue/bwv_846/Shi05M_note_alignments/{_ALIGNMENT}"


class _Asap(ArchivedCorpus):
    """Terms, folder and split that scores and performances share."""

    licence = "CC BY-NC-SA 4.0"
    spdx = "CC-BY-NC-SA-4.0"
    citation = (
        "Peter, S. D., Cancino-Chacón, C. E., Foscarin, F., McLeod, A. P., Henkel, F., Karystinaios, E. and "
        "Widmer, G. (2023). Automatic note-level score-to-performance alignments in the ASAP dataset. TISMIR 6(1); "
        "Foscarin, F. et al. (2020). ASAP: A dataset of aligned scores and performances. ISMIR 2020"
    )
    homepage = "https://github.com/CPJKU/asap-dataset"
    version = 2
    labels = MappingProxyType({"composer": 16})
    split = "by piece, 77/12/11"
    table = "asap"
    home = "asap"
    marker = f"Bach/Fugue/bwv_846/{SCORE}"
    archives = MappingProxyType(
        {
            "asap_midi.tar.xz": "a727a6aebfca35a3cbe022517d6b816767adbd02a819c2be64d8ae8ae77ec35e",
            "asap_note_alignments.tar.xz": "1bf34e36df2dcb96585d4201897b41544f622b85df73f1165db5cd2b6dc8d911",
            "asap_musicxml.tar.xz": "dfc46b575493f5bccdaa3cc523e82323ae9639a1fc7008459e56f00dc0790914",
        }
    )

    def files(self) -> dict[str, str]:
        """List the files of scores and performances by key. A key is the path without suffix."""
        paths = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*.mid"))
        return {path.removesuffix(".mid"): path for path in sorted(paths)}

    def _chosen(self, scores: bool) -> list[Piece]:
        files = {key: file for key, file in self.files().items() if file.endswith(f"/{SCORE}") == scores}
        return self.tabled(files, {key: {"composer": key.partition("/")[0]} for key in files})


class AsapScoresCorpus(_Asap):
    """242 MIDI scores with the label "composer" and the note label "hand".

    Scores and performances of a piece are on one side of the split. The two staves become one piano, so that only the
    music distinguishes the hands.
    """

    name = "asap_scores"
    title = "(n)ASAP, scores"
    size = 242
    note_classes = MappingProxyType({"hand": HANDS})

    def pieces(self) -> list[Piece]:
        """List the scores."""
        return self._chosen(scores=True)

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """Merge both staves into one piano and label the notes."""
        return Reading(as_one_piano(music), {"hand": hand_labels(music)})


class AsapPerformancesCorpus(_Asap):
    """1,066 performances with the labels "composer" and "metre" and the note labels "velocity" and "beat".

    "metre" is the time signature of performances that keep one. "beat" is the place of each onset: on a downbeat, on
    another beat or between beats. One performance has no annotated beats and neither label. Bars and positions follow
    a nominal tempo. `alignment` maps the notes to those of the score.
    """

    name = "asap_performances"
    title = "(n)ASAP, performances"
    size = 1066
    labels = MappingProxyType({"composer": 16, "metre": 14})
    note_classes = MappingProxyType({"velocity": VELOCITIES, "beat": BEATS})

    def __init__(self, root: str | Path | None = None) -> None:
        super().__init__(root)
        self._root = root

    def pieces(self) -> list[Piece]:
        """List the performances."""
        pieces = []
        for piece in self._chosen(scores=False):
            path = self.folder / _annotation_file(piece)
            time_signatures = read_annotation(path).time_signatures if path.is_file() else ()
            kept = {"metre": time_signatures[0]} if len(time_signatures) == 1 else {}
            pieces.append(replace(piece, labels={**piece.labels, **kept}))
        return pieces

    def sources(self, piece: Piece) -> tuple[str, ...]:
        """List the MIDI file and the annotation of its beats."""
        annotation = _annotation_file(piece)
        return (piece.file, annotation) if (self.folder / annotation).is_file() else (piece.file,)

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """Label the velocities and the metrical places of the onsets. The notes stay as performed."""
        path = self.folder / _annotation_file(piece)
        beats = (
            beat_labels(music, read_annotation(path))
            if path.is_file()
            else np.full(len(music), -1, dtype=np.int8)
        )
        return Reading(music, {"velocity": velocity_labels(music), "beat": beats})

    def alignment(self, piece: Piece, music: Music) -> NDArray[np.void]:
        """Align the notes of a performance with those of its score from (n)ASAP.

        Three performances have no alignment.

        Args:
            piece: A performance.
            music: The music that `read` returns for it.

        Returns:
            (A,) `ALIGNED`: pairs in the order of the file with omitted and added notes.

        Raises:
            CorpusError: If the alignments are neither files nor an archive under the root.
            MusicFileError: If this performance's alignment is absent, damaged or made for other notes.
        """
        folder = self._further("asap_note_alignments.tar.xz", _ALIGNMENT_MARKER)
        return read_alignment(folder / f"{piece.key}_note_alignments" / _ALIGNMENT, music)

    def written(self, piece: Piece) -> Path:
        """Return the MusicXML file of the score of a performance. Three scores are absent from the snapshot.

        Raises:
            CorpusError: If the scores are neither files nor an archive under the root.
        """
        folder = self._further("asap_musicxml.tar.xz", _WRITTEN_MARKER)
        return folder / piece.key.rpartition("/")[0] / _WRITTEN

    def _further(self, archive: str, marker: str) -> Path:
        """Return the folder of an archive that lies beside the music."""
        return locate(self.home, self._root, marker, self.archives[archive], self.homepage, archive)


def hand_labels(music: Music) -> NDArray[np.int8]:
    """Return (N,) int8 indices into `HANDS`. The first of two staves is the right hand. -1 without two staves."""
    staves, staff = np.unique(music.notes["track"], return_inverse=True)
    return np.asarray(staff if len(staves) == len(HANDS) else np.full(len(music), -1), dtype=np.int8)


def _annotation_file(piece: Piece) -> str:
    return f"{piece.key}_annotations.txt"


def read_alignment(path: Path, music: Music) -> NDArray[np.void]:
    """Read pairs of `ALIGNED` from a file of (n)ASAP, which counts performed notes by onset and pitch.

    Raises:
        MusicFileError: If the file cannot be read or does not fit the music.
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
