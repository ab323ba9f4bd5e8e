"""Note arrays to rows of fields and back, vectorised over notes.

    rows, source = Tokenizer().encode(read_music("song.mid"))

One row is one note. Row i was made from `music.notes[source[i]]`, so labels and predictions of single notes
travel both ways.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError, TokenizerMismatch
from symbolic.metre import bar_starts, locate_bars, metre_segments, tempo_values, to_grid
from symbolic.notes import DRUM_PROGRAM, Music, note_array
from symbolic.vocabulary import (
    BAR,
    DRUM_PITCH,
    DURATION,
    FIELDS,
    HIDDEN,
    PITCH,
    POSITION,
    PROGRAM,
    RESERVED,
    TEMPO,
    TIME_SIGNATURE,
    VELOCITY,
    Vocabulary,
)

Rows = NDArray[np.uint16]


class Tokens(NamedTuple):
    """A piece as rows.

    Attributes:
        rows: (N, 8) uint16 ids in canonical order; bars count from the start of the piece.
        source: (N,) int32, the note that each row was made from.
    """

    rows: Rows
    source: NDArray[np.int32]


def rebase_bars(rows: NDArray[np.integer]) -> NDArray[np.integer]:
    """A copy of a window's rows whose bars count from the window's first row.

    Args:
        rows: (N, 8) ids as `Tokenizer.encode` gives them, or a run of them.
    """
    moved = rows.copy()
    # Where bars are hidden there is nothing to move.
    if len(moved) and moved[0, BAR] >= RESERVED:
        moved[:, BAR] -= moved[0, BAR] - np.asarray(RESERVED).astype(rows.dtype)
    return moved


class Tokenizer:
    """Octuple rows of music.

    Args:
        vocabulary: Fields and their division; by default ranges close to MusicBERT's.
    """

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        self.vocabulary = vocabulary or Vocabulary()
        voc = self.vocabulary
        # Halfway points between neighbouring values: searchsorted on them rounds to the nearest value.
        self._duration_edges = (voc.durations[1:] + voc.durations[:-1]) / 2

    @property
    def fingerprint(self) -> str:
        """Digits that shards and checkpoints carry and compare."""
        return self.vocabulary.fingerprint

    def encode(self, music: Music, hide: Collection[str] = ()) -> Tokens:
        """Rows of a piece in canonical order: bar, position, program, pitch, duration.

        Rows equal so far are ordered by velocity, and beyond that by a fixed shuffle that knows nothing of
        tracks, so neither track order nor note order can tell a label.

        Args:
            music: Any piece; metre changes, drums and many tracks are ordinary.
            hide: Names of fields to withhold: their ids become `HIDDEN` *before* rows are ordered, so that
                nothing of them is left to read.

        Raises:
            ConfigError: If `hide` names no field, or the piece has more bars than 16 bits count.
        """
        unknown = sorted(set(hide) - set(FIELDS))
        if unknown:
            raise ConfigError(f"No field is called {', '.join(unknown)}; the fields are {', '.join(FIELDS)}.")
        voc, notes = self.vocabulary, music.notes
        onset = to_grid(notes["onset"], music, voc)
        length = to_grid(notes["duration"], music, voc)
        segments = metre_segments(music, voc)
        bar, position, metre = locate_bars(onset, segments, voc)
        if len(bar) and bar.max() + RESERVED > np.iinfo(np.uint16).max:
            raise ConfigError(
                f"The piece has {bar.max() + 1:,} bars, more than 16 bits count; split the file."
            )
        drums = music.drums

        rows = np.empty((len(notes), len(FIELDS)), dtype=np.int64)
        rows[:, BAR] = bar
        rows[:, POSITION] = position
        rows[:, PROGRAM] = notes["program"]
        rows[:, PITCH] = notes["pitch"] + np.where(drums, DRUM_PITCH, 0)
        rows[:, DURATION] = np.searchsorted(self._duration_edges, length)
        rows[:, VELOCITY] = notes["velocity"].astype(np.int64) * voc.velocity_bins // 128
        rows[:, TIME_SIGNATURE] = metre
        rows[:, TEMPO] = tempo_values(onset, music, voc)
        rows += RESERVED
        for name in hide:
            rows[:, FIELDS.index(name)] = HIDDEN
        order = self._canonical_order(rows)
        return Tokens(rows[order].astype(np.uint16), order.astype(np.int32))

    def _canonical_order(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The permutation that sorts rows; one integer key a row, for speed."""
        key = np.zeros(len(rows), dtype=np.int64)
        # It fits: the vocabulary sees to it that the fields below the bar leave 16 bits to bars.
        for column in (BAR, POSITION, PROGRAM, PITCH, DURATION, VELOCITY):
            key = key * self.vocabulary.sizes[column] + rows[:, column]
        shuffled = np.random.default_rng(0).permutation(len(rows))
        return np.asarray(shuffled[np.argsort(key[shuffled], kind="stable")])

    def decode(self, rows: NDArray[np.integer]) -> Music:
        """Music that encodes to these rows; velocity and tempo come back as the centres of their bins.

        Args:
            rows: (N, 8) ids. Hidden velocities become 64, hidden tempi 120, hidden programs piano.

        Raises:
            TokenizerMismatch: If an id is outside its field, or a field that has no default is reserved.
        """
        voc = self.vocabulary
        values = rows.astype(np.int64) - RESERVED
        self._check_values(values)
        order = np.lexsort((values[:, POSITION], values[:, BAR]))
        values = values[order]
        starts, metres = bar_starts(values[:, BAR], values[:, TIME_SIGNATURE], voc)
        onset = starts + values[:, POSITION]
        drums = values[:, PITCH] >= DRUM_PITCH  # not by program, which may be hidden
        bin_width = 128 // voc.velocity_bins
        notes = note_array(
            onset,
            voc.durations[values[:, DURATION]],
            values[:, PITCH] - np.where(drums, DRUM_PITCH, 0),
            np.where(values[:, VELOCITY] < 0, 64, values[:, VELOCITY] * bin_width + bin_width // 2),
            np.where(drums, DRUM_PROGRAM, np.maximum(values[:, PROGRAM], 0)),
        )
        programs, notes["track"] = np.unique(notes["program"], return_inverse=True)
        tempo = np.where(values[:, TEMPO] < 0, 120.0, voc.tempos[np.maximum(values[:, TEMPO], 0)])
        changes = np.flatnonzero(np.diff(tempo, prepend=np.nan) != 0)
        tempi = np.stack([onset[changes].astype(np.float64), tempo[changes]], axis=1)
        if len(tempi):
            tempi[0, 0] = 0.0
        return Music(
            notes,
            voc.positions_per_quarter,
            metres,
            tempi,
            tuple("drums" if p == DRUM_PROGRAM else f"program {p}" for p in programs),
        )

    def _check_values(self, values: NDArray[np.int64]) -> None:
        """Refuse ids that stand for nothing, naming the fields."""
        sizes = np.array(self.vocabulary.values)
        bad = values >= sizes
        bad[:, BAR] = False  # counted from the piece's start, so only memory bounds it
        required = [BAR, POSITION, PITCH, DURATION, TIME_SIGNATURE]
        bad[:, required] |= values[:, required] < 0
        drums = values[:, [PROGRAM, PITCH]] >= [DRUM_PROGRAM, DRUM_PITCH]
        bad[:, PITCH] |= (drums[:, 0] != drums[:, 1]) & (values[:, PROGRAM] >= 0)
        if bad.any():
            names = ", ".join(FIELDS[i] for i in np.flatnonzero(bad.any(axis=0)))
            raise TokenizerMismatch(
                f"{int(bad.any(axis=1).sum())} rows hold ids that stand for no note (fields {names}). "
                "Decode only rows of this tokenizer, without padding or masked fields."
            )

    def save(self, path: str | Path) -> None:
        """Write the settings and their fingerprint as JSON."""
        document = {"vocabulary": self.vocabulary.to_dict(), "fingerprint": self.fingerprint}
        Path(path).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Read what `save` wrote.

        Raises:
            TokenizerMismatch: If the file is not a tokenizer's, or its fingerprint is not its settings'.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
            tokenizer = cls(Vocabulary.from_dict(document["vocabulary"]))
            stated = document["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
            raise TokenizerMismatch(
                f"{path}: not a tokenizer file ({type(error).__name__}: {error}). "
                "Point to a tokenizer.json that Tokenizer.save wrote."
            ) from error
        if stated != tokenizer.fingerprint:
            raise TokenizerMismatch(
                f"{path}: its settings make fingerprint {tokenizer.fingerprint}, but it states {stated}; "
                "it was edited by hand. Restore it, or prepare the corpus again."
            )
        return tokenizer
