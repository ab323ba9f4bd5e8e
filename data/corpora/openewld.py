"""OpenEWLD: lead sheets of songs in the public domain with genres."""

from __future__ import annotations

from types import MappingProxyType

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece
from symbolic.errors import CorpusError

_QUERY = """
select works.path_leadsheet, work_genres.genre from works join work_genres using (id)
order by works.path_leadsheet, work_genres.occurrences, work_genres.genre desc
"""


class OpenEwldCorpus(ArchivedCorpus):
    """502 melodies with the label "genre", under which most recordings of the song are listed.

    The files are MusicXML. Chord symbols are not read. Songs of one title are one group. They were dealt onto the sides
    genre by genre.
    """

    name = "openewld"
    title = "OpenEWLD lead sheets"
    licence = "MIT (scores in the public domain only)"
    citation = (
        "Simonetta, F., Carnovalini, F., Orio, N. and Rodà, A. (2018). Symbolic music similarity through a "
        "graph-based representation. Audio Mostly 2018"
    )
    homepage = "https://github.com/00sapo/OpenEWLD"
    spdx = "MIT"
    size = 502
    labels = MappingProxyType({"genre": 13})
    split = "80/10/10 by song"
    marker = "OpenEWLD.db"
    archives = MappingProxyType(
        {"openewld.tar.xz": "acf40f99a82878827efa822339132bd63adcb28849f3d2f6a8f2ee04728a8955"}
    )

    def files(self) -> dict[str, str]:
        """List the files by key. A key is the authors and the title."""
        paths = sorted(self.folder.glob("dataset/*/*/*.mxl"))
        return {f"{p.parts[-3]}/{p.stem}": p.relative_to(self.folder).as_posix() for p in paths}

    def genres(self) -> dict[str, str]:
        """Read the genre of each file that has one.

        Raises:
            CorpusError: If the database cannot be read.
        """
        import sqlite3  # some Pythons are built without it

        path = self.folder / self.marker
        try:
            with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True) as database:
                return dict(database.execute(_QUERY).fetchall())  # the last row of a file wins
        except sqlite3.Error as error:
            raise CorpusError(
                f"{path} cannot be read ({error}). Get it anew from {self.homepage}."
            ) from error

    def pieces(self) -> list[Piece]:
        """List the songs."""
        files, genres = self.files(), self.genres()
        return self.tabled(files, {k: {"genre": genres[file]} for k, file in files.items() if file in genres})
