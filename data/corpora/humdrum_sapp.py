"""Chorales by Bach and rags by Joplin, encoded in Humdrum **kern by Craig Stuart Sapp."""

from __future__ import annotations

import re
from types import MappingProxyType

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece

_COMPOSERS = {"bach_370_chorales": "Bach", "joplin": "Joplin"}
_TITLE = re.compile(r"^!!!OTL(?:@@\w+)?:\s*(.+?)\s*$", re.MULTILINE)


class HumdrumSappCorpus(ArchivedCorpus):
    """370 chorales and 47 rags with the label "composer". Settings of one hymn are one group."""

    name = "humdrum_sapp"
    title = "Bach's 370 chorales and Joplin's rags in **kern"
    licence = "CC BY-NC-SA 4.0"
    spdx = "CC-BY-NC-SA-4.0"
    citation = (
        "Sapp, C. S. (2009). 370 J. S. Bach chorales; Sapp, C. S. (2004). Scott Joplin's music, in **kern"
    )
    homepage = "https://github.com/craigsapp/bach-370-chorales and https://github.com/craigsapp/joplin"
    version = 2
    size = 417
    labels = MappingProxyType({"composer": 2})
    marker = "bach_370_chorales/kern/chor001.krn"
    archives = MappingProxyType(
        {"humdrum_sapp.tar.xz": "789aaf4110a66cce0ed8b1df50840e58d9ebb1fd873b6c41b9514e2a4f3be102"}
    )

    def pieces(self) -> list[Piece]:
        """List chorales and then rags in order of file names."""
        found = []
        for source, composer in _COMPOSERS.items():
            for path in sorted((self.folder / source / "kern").glob("*.krn")):
                title = _TITLE.search(path.read_text(encoding="utf-8", errors="replace"))
                group = f"{composer}: {title[1]}" if title else path.stem
                file = path.relative_to(self.folder).as_posix()
                found.append(Piece(path.stem, file, {"composer": composer}, group=group))
        return found
