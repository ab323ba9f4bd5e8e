"""The command `finetune match`: which score belongs to which performance."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.toolkit.command import parse
from data.toolkit.settings import POSITIVE, Settings, setting
from symbolic.documents import as_csv
from symbolic.errors import ConfigError, MusicFileError
from symbolic.replacing import write_whole

if TYPE_CHECKING:
    from symbolic.mapping.matching import Match, Sounds

SURE = 0.5
"""Alignment from which a match is called one. Other pieces of (n)ASAP stay far below it (docs/map.md)."""


@dataclass(kw_only=True)
class MatchSettings(Settings):
    """Two folders or files, and the page to write."""

    performances: str = setting(..., "performance, or folder of them", positional=True)
    scores: str = setting(..., "score, or folder of them", positional=True)
    most: int = setting(5, "scores of each performance", within=POSITIVE)
    out: str = setting("match.html", "page to write, or table if it ends in .csv")


def match(argv: Sequence[str]) -> list[str]:
    """Rank the scores for each performance; write a page or a table, and return what to print."""
    settings = parse("finetune match", _ABOUT, MatchSettings, argv, _EXAMPLES)
    from symbolic.mapping.matching import ranked

    performances, scores = _read(settings.performances), _read(settings.scores)
    names, sounds = list(scores), list(scores.values())
    found = {name: ranked(one, sounds, settings.most) for name, one in performances.items()}
    _write(Path(settings.out), found, names)
    lines = [f"{name}\n{_first(matches, names)}" for name, matches in found.items()]
    return [*lines, "", f"{'table' if settings.out.endswith('.csv') else 'page '}  {settings.out}"]


def _read(folder: str) -> dict[str, Sounds]:
    """Return the sounds of each music file. Those that cannot be read are named on stderr."""
    from tqdm import tqdm

    from symbolic.mapping.matching import sounds_of
    from symbolic.music.files import read_music
    from symbolic.predict.sources import find_sources

    found = {}
    for source in tqdm(
        find_sources([folder], ""), f"read {folder}", unit=" files", leave=False, disable=None
    ):
        try:
            found[source.file] = sounds_of(read_music(source.file))
        except MusicFileError as error:
            sys.stderr.write(f"skipped {error}\n")
    if not found:
        raise ConfigError(f"None of the files of {folder} could be read; the reasons stand above.")
    return found


def _first(matches: list[Match], names: list[str]) -> str:
    best = matches[0]
    doubt = "" if best.alignment >= SURE else ", unsure"
    return f"  {names[best.score]}  ({best.alignment:.2f}{doubt})"


def _write(path: Path, found: dict[str, list[Match]], names: list[str]) -> None:
    header = ("performance", "rank", "score", "alignment", "statistics")
    rows = [
        (name, str(rank), names[one.score], f"{one.alignment:.3f}", f"{one.statistics:.3f}")
        for name, matches in found.items()
        for rank, one in enumerate(matches, 1)
    ]
    if path.suffix == ".csv":
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, as_csv(header, rows))
        except OSError as error:
            raise ConfigError(f"--out {path}: cannot be written ({error.strerror}).") from error
        return
    from data.toolkit.page import Page

    page = Page("Scores of performances")
    sure = sum(matches[0].alignment >= SURE for matches in found.values())
    page.text(
        f"{len(found):,} performances, {len(names):,} scores. {sure:,} first places align at {SURE} or more. "
        "Alignment is the mean similarity of five excerpts to the passage of the score that fits best: 1 is equal. "
        "Statistics is the cosine of pitches and of their succession. Both need the same key."
    )
    page.table(header, rows, numbers=False)
    page.write(path)


_ABOUT = "Find the score of each performance, by an alignment of excerpts."
_EXAMPLES = """\
examples:
  finetune match performances/ scores/
  finetune match recording.mid scores/ --most 10 --out match.csv"""
