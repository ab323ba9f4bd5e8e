"""Music of free games: many instruments, drums, changes of tempo."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece


class GameMultitrackCorpus(ArchivedCorpus):
    """190 pieces with the label "source": freedoom, openmsx or opengameart."""

    name = "game_multitrack"
    title = "Free game music (Freedoom, OpenMSX, OpenGameArt)"
    licence = "mixed (Freedoom: BSD-3-style; OpenMSX: GPL-2; OpenGameArt: CC BY-SA 3.0)"
    spdx = "BSD-3-Clause AND GPL-2.0-only AND CC-BY-SA-3.0"
    citation = (
        "Freedoom contributors, Freedoom 0.12.1; OpenMSX contributors, OpenMSX 0.4.2; A.J. Gillespie (Avgvst), "
        "Gerardo Marset, HorrorPen and Yubatake at OpenGameArt"
    )
    homepage = "https://freedoom.github.io, https://github.com/OpenTTD/OpenMSX and https://opengameart.org"
    size = 190
    labels = MappingProxyType({"source": 3})
    split = "95/5/0 by hash"
    fractions: ClassVar[Mapping[str, float]] = MappingProxyType({"train": 0.95, "valid": 0.05})
    marker = "freedoom/freedoom1_D_E1M1.mid"
    made = (
        "Freedoom: the MIDI lumps of its WADs, as freedoom/NAME.mid; OpenMSX 0.4.2: its files, as openmsx/NAME.mid; "
        "OpenGameArt: opengameart/AUTHOR/NAME.mid."
    )
    archives = MappingProxyType(
        {"game_multitrack.tar.xz": "b71e0cb4f34bf6c01c17f8ba82083cd23e9d4485653a76e99f00691d6d034df5"}
    )

    def pieces(self) -> list[Piece]:
        """List the pieces in order of their paths."""
        files = sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*.mid"))
        return [Piece(file, file, {"source": file.partition("/")[0]}) for file in files]
