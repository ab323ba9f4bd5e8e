"""GiantMIDI-Piano: the sample in its repository with up to three versions of a work."""

from __future__ import annotations

from types import MappingProxyType

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece
from data.splits import load_table


class GiantMidiCorpus(ArchivedCorpus):
    """160 files with the label "composer": transcriptions, recordings on a Disklavier and sequenced scores.

    All versions of a work and its movements are one group. The file names of the recordings name no work. Their notes
    were matched with the transcriptions.
    """

    name = "giantmidi_sample"
    title = "GiantMIDI-Piano, sample"
    licence = "CC BY 4.0, with the repository's disclaimer"
    citation = (
        "Kong, Q., Li, B., Chen, J. and Wang, Y. (2022). GiantMIDI-Piano: A large-scale MIDI dataset for "
        "classical piano music. TISMIR 5(1), 87-98, arXiv 2010.07061"
    )
    homepage = "https://github.com/bytedance/GiantMIDI-Piano"
    spdx = "CC-BY-4.0"
    size = 160
    labels = MappingProxyType({"composer": 13})
    split = "80/10/10 by work"
    marker = "midis_for_evaluation/ground_truth/bach_bwv_863.mid"
    archives = MappingProxyType(
        {"giantmidi_sample.tar.xz": "2d2efcb3bf02fc404f800b4d8a72b533bfc5a296f69be3993a22b0c4ee5d4a54"}
    )

    def files(self) -> dict[str, str]:
        """List the files by key. A key is the kind of version and the name of the file."""
        paths = [*self.folder.glob("midis_for_evaluation/*/*.mid"), *self.folder.glob("midis_preview/*.mid")]
        return {f"{p.parent.name}/{p.stem}": p.relative_to(self.folder).as_posix() for p in sorted(paths)}

    def pieces(self) -> list[Piece]:
        """List the files. The split table names their works, beginning with the composer."""
        works = {key: entry.group for key, entry in load_table(self.name).items()}
        files = self.files()
        return self.tabled(
            files, {key: {"composer": works[key].partition("_")[0]} for key in files if key in works}
        )
