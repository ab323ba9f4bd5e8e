"""The default corpus: chorales and fiddle tunes bundled with music21. Nothing is downloaded."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from data.corpora.base import Corpus, Piece
from symbolic.errors import CorpusError
from symbolic.music.abc.tunes import read_tune, with_tunes
from symbolic.music.midi.repair import KEEP
from symbolic.music.notes import Music

TUNE_BOOKS = ("airdsAirs", "oneills1850", "ryansMammoth")
"""Folders of abc: Aird's Airs (1778 on), O'Neill's 1850 tunes (1903), Ryan's Mammoth Collection (1883)."""


class Music21Corpus(Corpus):
    """Bach's four-part chorales and three collections of fiddle tunes from the installed music21 package.

    Palestrina's masses and the Essen folk songs of music21 are left out. They would outnumber the rest and have their
    own terms.

    Args:
        root: Not used. The files are those of the installed package.

    Raises:
        CorpusError: If music21 or its corpus is not installed.
    """

    name = "music21"
    title = "Bach chorales and fiddle tunes bundled with music21"
    licence = (
        "Works in the public domain; encodings as music21 distributes them, with their encoders' permission "
        "(see corpus/license.txt of the package). Never redistributed here"
    )
    spdx = "LicenseRef-NonCommercial"  # some of its encodings, and it does not list which
    citation = (
        "Cuthbert, M. S. and Ariza, C. (2010). music21: A toolkit for computer-aided musicology and symbolic "
        "music data. ISMIR 2010, 637-642"
    )
    homepage = "https://www.music21.org"
    split = "95/5/0 by hash"
    fractions: ClassVar[Mapping[str, float]] = MappingProxyType({"train": 0.95, "valid": 0.05})

    def __init__(self, root: str | Path | None = None) -> None:
        # find_spec finds the files without music21's import, which takes seconds.
        spec = find_spec("music21")
        places = (spec.submodule_search_locations if spec else None) or ["music21"]
        self.folder = Path(places[0]) / "corpus"
        if not (self.folder / "bach").is_dir():
            raise CorpusError(
                f"{self.folder} does not hold music21's corpus (no folder 'bach' in it). Install music21 "
                "anew, with its corpus: `pip install --force-reinstall music21`."
            )

    @classmethod
    def presence(cls, root: str | Path | None = None) -> str:
        """Return "files" if music21 is installed, else ""."""
        return "files" if find_spec("music21") else ""

    @classmethod
    def directions(cls) -> str:
        """Tell how to get it."""
        return "Comes with the package music21, which Counterpoint installs."

    def pieces(self) -> list[Piece]:
        """List chorales and then the tunes of each collection in order of file names."""
        chorales = [path for path in sorted((self.folder / "bach").iterdir()) if _parts(path) == 4]
        books = [path for book in TUNE_BOOKS for path in sorted((self.folder / book).glob("*.abc"))]
        files = [path.relative_to(self.folder).as_posix() for path in [*chorales, *books]]
        return [Piece(key, file) for file in files for key in with_tunes([file], self.folder)]

    def read(self, piece: Piece, pedal: str = KEEP) -> Music:
        """Read the score of a chorale or one tune of a book."""
        return super().read(piece, pedal) if piece.key == piece.file else read_tune(self.folder / piece.key)


def _parts(path: Path) -> int:
    """Count the parts that a MusicXML score declares. Return 0 for any other file.

    The folder also holds a prelude and cantata movements with up to 15 parts. The text is searched because music21's
    own list of chorales needs its slow metadata search.
    """
    if path.suffix == ".xml":
        return path.read_bytes().count(b"<score-part ")
    if path.suffix != ".mxl":
        return 0
    with zipfile.ZipFile(path) as archive:
        scores = [n for n in archive.namelist() if n.endswith("xml") and not n.startswith("META-INF")]
        return archive.read(scores[0]).count(b"<score-part ") if scores else 0
