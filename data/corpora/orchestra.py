"""OpenScore Orchestra: movements of symphonies, a mass and a requiem, with annotations of the main melody."""

from __future__ import annotations

from types import MappingProxyType

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece


class OrchestraCorpus(ArchivedCorpus):
    """96 movements with the label "composer". The movements of a work are one group.

    The scores are MusicXML with 15 to 20 parts. Velocity is constant.
    """

    name = "orchestra"
    title = "OpenScore Orchestra with Hauptstimme annotations"
    licence = "CC0 1.0 (scores); CC BY-SA (annotations)"
    citation = "Gotham, M. R. H. et al. OpenScore Orchestra and Hauptstimme, https://github.com/MarkGotham/Hauptstimme"
    homepage = "https://github.com/MarkGotham/Hauptstimme"
    permissive = True
    size = 96
    labels = MappingProxyType({"composer": 8})
    split = "80/10/10 by work"
    marker = "data/Boulanger,_Lili/D'un_matin_de_printemps/D'un_matin_de_printemps.mxl"
    archives = MappingProxyType(
        {"orchestra.tar.xz": "9e5ec8dc52d81545cb15c220fc35dc5abed82ca84f323ad4ae61d5d1f63b6221"}
    )

    def pieces(self) -> list[Piece]:
        """List the movements in order of composers and works."""
        found = []
        for path in sorted(self.folder.glob("data/**/*.mxl")):
            if path.stem.endswith("_melody"):
                continue
            file = path.relative_to(self.folder)
            composer, work = file.parts[1:3]
            labels = {"composer": composer.replace("_", " ")}
            found.append(Piece(path.stem, file.as_posix(), labels, group=f"{composer}/{work}"))
        return found
