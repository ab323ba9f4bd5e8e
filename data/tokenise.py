"""One piece from file to rows, or the reason why not. Nothing a file holds may stop the run."""

from __future__ import annotations

import multiprocessing
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.corpora.base import Corpus, Piece
from data.fingerprint import note_fingerprint
from symbolic.errors import ConfigError, MusicFileError
from symbolic.tokenizer import Rows, Tokenizer


@dataclass(frozen=True)
class Filters:
    """Which pieces, and which of their notes, are kept.

    Args:
        min_notes: Fewer are no piece.
        max_notes: More are a machine's work, and would fill shards alone.
        keep_drums: False drops the notes of the drum kit.
        drum_only: Keep pieces of drums alone.
        max_bytes: Larger files are not opened.
        seconds: Reading that takes longer is given up (where the system has alarms).

    Raises:
        ConfigError: If a limit is not positive or the limits contradict each other; names all of them.
    """

    min_notes: int = 8
    max_notes: int = 200_000
    keep_drums: bool = True
    drum_only: bool = False
    max_bytes: int = 20_000_000
    seconds: float = 60.0

    def __post_init__(self) -> None:
        problems = [
            f"filters.{name} is {getattr(self, name)}; it must be positive."
            for name in ("min_notes", "max_notes", "max_bytes", "seconds")
            if not getattr(self, name) > 0
        ]
        if self.min_notes > self.max_notes:
            problems.append(f"filters.min_notes {self.min_notes} exceeds max_notes {self.max_notes}.")
        if self.drum_only and not self.keep_drums:
            problems.append("filters.drum_only keeps pieces of drums alone, but keep_drums drops drums.")
        if problems:
            raise ConfigError(problems)


@dataclass(frozen=True, eq=False)
class Recipe:
    """All that makes rows of a piece; travels to worker processes.

    Attributes:
        corpus: Reads and interprets.
        tokenizer: Encodes.
        hide: Fields withheld.
        filters: What is kept.
    """

    corpus: Corpus
    tokenizer: Tokenizer
    hide: tuple[str, ...]
    filters: Filters


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a piece.

    Attributes:
        piece: The piece.
        skipped: Why it was skipped, as 'kind: details'; "" if it was kept.
        fingerprint: Note fingerprint of its file.
        rows: (N, 8) uint16, empty if skipped.
        source: (N,) int32, the note of `Reading.music` that each row was made from.
        note_labels: (N,) int8 for each of the corpus' note classes, in the order of rows.
    """

    piece: Piece
    skipped: str = ""
    fingerprint: int = 0
    rows: Rows = field(default_factory=lambda: np.empty((0, 8), dtype=np.uint16))
    source: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    note_labels: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)


class _Skip(Exception):
    """A filter says no."""


class _TimeUp(BaseException):
    """Not an Exception, for parsers swallow those."""


def tokenise(recipe: Recipe, piece: Piece) -> Outcome:
    """Read, filter, interpret and encode a piece; whatever goes wrong becomes the reason for skipping it."""
    try:
        with _time_limit(recipe.filters.seconds):
            return _tokenise(recipe, piece)
    except _Skip as skip:
        reason = str(skip)
    except _TimeUp:
        reason = f"too slow: not read within {recipe.filters.seconds:g} s"
    except MemoryError:
        reason = "out of memory: reading needs more than there is"
    except MusicFileError as error:
        reason = f"unreadable: {error.reason}"
    except Exception as error:  # any file can trip any parser in any way; the ledger names both
        reason = f"failed: {type(error).__name__}: {error}"
    return Outcome(piece, _portable(reason, recipe.corpus))


def _tokenise(recipe: Recipe, piece: Piece) -> Outcome:
    corpus, filters = recipe.corpus, recipe.filters
    path = corpus.folder / piece.file
    size = path.stat().st_size if path.is_file() else 0  # an absent file is for the reader to report
    if size > filters.max_bytes:
        raise _Skip(f"too large: {size:,} bytes, the filter allows {filters.max_bytes:,}")
    music = corpus.read(piece)
    drums = int(music.drums.sum())
    if len(music) == 0:
        raise _Skip("empty: it holds no notes")
    if drums == len(music) and not filters.drum_only:
        raise _Skip(f"drum-only: all {drums} notes are drums")
    count = len(music) if filters.keep_drums else len(music) - drums
    if count < filters.min_notes:
        raise _Skip(f"too short: {count} notes, the filter asks for {filters.min_notes}")
    if count > filters.max_notes:
        raise _Skip(f"absurdly long: {count:,} notes, the filter allows {filters.max_notes:,}")
    fingerprint = note_fingerprint(music)
    if piece.fingerprint not in (None, fingerprint):
        raise _Skip("other content: its notes are not those that the split table was made for")

    reading = corpus.interpret(piece, music)
    kept = np.arange(len(reading.music))
    if not filters.keep_drums:
        kept = np.flatnonzero(~reading.music.drums)
    try:
        tokens = recipe.tokenizer.encode(
            reading.music.with_notes(reading.music.notes[kept]), hide=recipe.hide
        )
    except ConfigError as error:  # hide was checked before, so it is the number of bars
        raise _Skip(f"absurdly long: {error}") from error
    source = kept[tokens.source]
    labels = {name: reading.note_labels[name][source].astype(np.int8) for name in corpus.note_classes}
    return Outcome(piece, "", fingerprint, tokens.rows, source.astype(np.int32), labels)


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise `_TimeUp` in the body once the time is over.

    Only in worker processes, whose alarm clock is ours alone; only where there is one (not on Windows).
    """
    if multiprocessing.parent_process() is None or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(signum: int, frame: Any) -> None:
        raise _TimeUp

    signal.signal(signal.SIGALRM, ring)
    # Rings again every second, in case a bare `except:` of some parser swallows the first.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _portable(reason: str, corpus: Corpus) -> str:
    """One line without this machine's paths and addresses, so that ledgers can be compared."""
    line = " ".join(reason.replace(f"{corpus.folder}/", "").split())
    return re.sub(r"\b0x[0-9a-f]{6,}\b", "0x…", line)[:300]
