"""SymbTr: Turkish makam music, monophonic, with its mode, form and rhythmic cycle."""

from __future__ import annotations

import re
from types import MappingProxyType

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece


class SymbtrCorpus(ArchivedCorpus):
    """2,200 pieces with the labels "makam", "form" and "usul" from their file names. Only the MIDI is read.

    Pitch bends state the microtones, which are read as cents. 177 files hold no notes. `prepare` skips and lists them.
    Pieces of one title and composer are one group. A number or ordinal alone is no title.
    """

    name = "symbtr"
    title = "SymbTr: Turkish makam music"
    licence = "CC BY-NC-SA 4.0"
    spdx = "CC-BY-NC-SA-4.0"
    citation = (
        "Karaosmanoğlu, M. K. (2012). A Turkish makam music symbolic database for music information "
        "retrieval: SymbTr. ISMIR 2012, 223-228"
    )
    homepage = "https://github.com/MTG/SymbTr"
    size = 2200
    labels = MappingProxyType({"makam": 155, "form": 56, "usul": 88})
    marker = "midi/acem--ilahi--duyek--aldanma_dunya--zekai_dede.mid"
    archives = MappingProxyType(
        {"symbtr.tar.xz": "80d4c88093bc4213a7c56939369457edd48a8f58238fa8882334c1d142e3c2ef"}
    )

    def pieces(self) -> list[Piece]:
        """List the pieces in order of file names."""
        found = []
        for path in sorted((self.folder / "midi").glob("*--*--*--*--*.mid")):
            makam, form, usul, title, composer = path.stem.split("--")
            labels = {"makam": makam, "form": form, "usul": usul}
            group = f"{title}--{composer}" if re.search("[a-z]{4}", title) else ""
            found.append(
                Piece(path.stem, f"midi/{path.name}", {k: v for k, v in labels.items() if v}, group=group)
            )
        return found
