"""Polish Music Heritage in Open Access: scores of four centuries from Polish archives in Humdrum **kern."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from data.corpora.archives import ArchivedCorpus
from data.corpora.base import Piece

GENRES = (
    "Mass",
    "Vespers",
    "Requiem",
    "Opera",
    "Song",
    "Prelude",
    "Etude",
    "Sonata",
    "Partita",
    "Polonaise",
    "Mazurka",
    "Waltz",
    "March",
    "Sonnet",
)
"""Forms with at least 30 pieces. A section of a mass or a requiem counts as one."""
_RECORD = re.compile(rb"^!!!(AGN|COM|cenid):[ \t]*([^\r\n]*)", re.MULTILINE)
_HEADER = 16384
"""Bytes that hold the records that begin each file."""
_UNKNOWN = "Anonim"
_PART = '*I"'


class PolishScoresCorpus(ArchivedCorpus):
    """8,116 scores with the labels "sacred", "genre", "century" and "composer".

    Labels are those in the files, where they have any: 2,145 scores have no known composer. All pieces of a source,
    which may be a mass or a collection, are one group. 52 % is known to be sacred music. So use a share of it in a
    mix. Velocity is constant.
    """

    name = "polish_scores"
    title = "Polish Music Heritage in Open Access"
    licence = "CC BY 4.0"
    citation = (
        "Polish Music Heritage in Open Access. Copyright 2019-2022 The Fryderyk Chopin Institute (https://nifc.pl), "
        "https://polishscores.org, licence https://creativecommons.org/licenses/by/4.0"
    )
    homepage = "https://github.com/pl-wnifc/humdrum-polish-scores"
    spdx = "CC-BY-4.0"
    size = 8116
    labels = MappingProxyType({"sacred": 2, "genre": len(GENRES), "century": 5, "composer": 411})
    split = "80/10/10 by source"
    marker = "a-wn/kern/a-wn--s-h-chopin-55_chopin-fryderyk--krakowiak-grand-rondeau-concert-op-14.krn"
    archives = MappingProxyType(
        {"polish_scores.tar.xz": "55cae7b9cd9144ee888335bc0ffa3c7560de2f16260095c5881f8342e28f61ba"}
    )

    def pieces(self) -> list[Piece]:
        """List the scores in order of archives and file names."""
        found = []
        for path in sorted(self.folder.glob("*/kern/*.krn")):
            file = path.relative_to(self.folder).as_posix()
            found.append(Piece(path.stem, file, _labels(path), group=source_of(path.stem)))
        return found


def source_of(stem: str) -> str:
    """Return the archive and shelfmark of a file as `pl-kk--kk-i-7` of `pl-kk--kk-i-7--093_gorczycki-…`."""
    return "--".join(stem.partition("_")[0].split("--")[:2])


def part_names(path: str | Path) -> tuple[str, ...]:
    """Read the names of the parts from the head of a file, the last spine first; none where it names none there."""
    with open(path, "rb") as file:
        lines = file.read(_HEADER).decode("utf-8", "replace").splitlines()
    named = next((line for line in lines if line.startswith("*") and _PART in line), "")
    return tuple(name.removeprefix(_PART) for name in reversed(named.split("\t")) if name.startswith(_PART))


def _labels(path: Path) -> dict[str, str]:
    """Read the labels from the reference records of a file."""
    with path.open("rb") as file:
        header = file.read(_HEADER)
    records: dict[bytes, str] = {}
    for key, value in _RECORD.findall(header):
        records.setdefault(key, value.decode("utf-8", "replace").strip())
    labels = {}
    kind, *forms = [term.strip() for term in re.split("[;,:]", records.get(b"AGN", "")) if term.strip()] or [
        ""
    ]
    if kind in ("Sacred", "Secular"):
        labels["sacred"] = kind.lower()
    if forms and (form := forms[0].removesuffix(" section")) in GENRES:
        labels["genre"] = form
    if re.match(r"\d\dxx", century := records.get(b"cenid", "")):
        labels["century"] = f"{century[:2]}00s"
    if (composer := records.get(b"COM", "")) not in ("", _UNKNOWN):
        labels["composer"] = composer
    return labels
