"""Note arrays to rows of fields and back, vectorised over notes.

    rows, source = Tokenizer().encode(read_music("song.mid"))

One row is one note. Row i was made from `music.notes[source[i]]`, so labels and predictions of single notes
travel both ways.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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

if TYPE_CHECKING:
    from miditok import TokenizerConfig

Rows = NDArray[np.uint16]
_SOUND = (VELOCITY, DURATION, PITCH, PROGRAM)
"""The fields that follow bar and position in the canonical order, the last first."""
_HIGHEST_ID = np.iinfo(np.uint16).max
_TABLE = 2**16
"""Durations up to this many positions are looked up rather than searched."""


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


def _canonical_order(
    place: Sequence[NDArray[np.int64]], sound: NDArray[np.unsignedinteger]
) -> NDArray[np.int64]:
    """The permutation that sorts notes by place in time, then by sound, and equal notes by a fixed shuffle.

    One integer a note, its number in the lowest bits, is sorted directly: several times faster than any
    indirect sort.

    Args:
        place: (N,) grid positions, or as much of bars and positions as is not hidden.
        sound: (N, 4) values, the last column first in the order.
    """
    count = len(sound)
    number, bits = count.bit_length(), 8 * sound.itemsize * sound.shape[1]
    if len(place) != 1 or int(np.maximum.reduce(place[0], initial=0)).bit_length() + bits + number > 63:
        # Rare: places in part hidden, or times finer or fields more finely divided than music needs.
        return np.asarray(np.lexsort((_ranks(count)[1], *sound.T, *reversed(place))))
    key = place[0] << bits
    key |= _as_numbers(sound)
    key <<= number
    numbered = key | np.arange(count)
    numbered.sort()
    last = (1 << number) - 1
    if np.minimum.reduce(numbered[1:] ^ numbered[:-1], initial=last + 1) > last:
        return np.asarray(numbered & last)
    shuffled, rank = _ranks(count)  # only now: drawing it costs as much as all of the above
    key |= rank
    key.sort()
    return np.asarray(shuffled.take(key & last))


def _as_numbers(sound: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    """(N,) each note's sound as one number, its last column weighing most (on little-endian machines)."""
    numbers: NDArray[np.unsignedinteger] = sound.view(f"<u{sound.itemsize * sound.shape[1]}")
    return numbers[:, 0]


def _ranks(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A fixed shuffle of so many notes, and the rank of each note in it."""
    shuffled = np.random.default_rng(0).permutation(count)
    rank = np.empty_like(shuffled)
    rank[shuffled] = np.arange(count)
    return shuffled, rank


class Tokenizer:
    """Octuple rows of music.

    Args:
        vocabulary: Fields and their division; by default ranges close to MusicBERT's.
    """

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        self.vocabulary = vocabulary or Vocabulary()
        voc = self.vocabulary
        # Halfway points between neighbouring values: searchsorted on them rounds to the nearest value.
        edges = (voc.durations[1:] + voc.durations[:-1]) / 2
        longest = min(int(voc.durations[-1]), _TABLE)
        self._duration_values = np.searchsorted(edges, np.arange(longest + 1))
        self._duration_edges = edges
        self._velocity_shift = 7 - (voc.velocity_bins.bit_length() - 1)
        narrow = max(voc.values[field] for field in _SOUND) <= 2**8
        self._sound_type = np.dtype("<u1" if narrow else "<u2")

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
        if unknown := sorted(set(hide) - set(FIELDS)) if hide else []:
            raise ConfigError(f"No field is called {', '.join(unknown)}; the fields are {', '.join(FIELDS)}.")
        hidden = {FIELDS.index(name) for name in hide}
        voc, notes = self.vocabulary, music.notes
        times = np.empty((2, len(notes)), dtype=np.int64)
        times[0], times[1] = notes["onset"], notes["duration"]
        onset, length = to_grid(times, music, voc)
        segments = metre_segments(music, voc)
        sound = self._sound(notes, length, hidden)
        place = [onset]  # orders as bar and position do together
        if not hidden.isdisjoint((BAR, POSITION)):
            bar, position, _ = locate_bars(onset, segments)
            place = [column for i, column in ((BAR, bar), (POSITION, position)) if i not in hidden]
        order = _canonical_order(place, sound)

        rows = np.empty((len(notes), len(FIELDS)), dtype=np.uint16)
        sound = _as_numbers(sound).take(order).view(sound.dtype).reshape(sound.shape)
        for i, field in enumerate(_SOUND):
            rows[:, field] = sound[:, i]
        onset = onset.take(order)
        bar, rows[:, POSITION], rows[:, TIME_SIGNATURE] = locate_bars(onset, segments)
        if len(bar) and (last := int(np.maximum.reduce(bar))) + RESERVED > _HIGHEST_ID:
            raise ConfigError(f"The piece has {last + 1:,} bars, more than 16 bits count; split the file.")
        rows[:, BAR] = bar
        rows[:, TEMPO] = tempo_values(onset, music, voc)
        rows += RESERVED
        for i in hidden:
            rows[:, i] = HIDDEN
        return Tokens(rows, order.astype(np.int32))

    def _sound(
        self, notes: NDArray[np.void], length: NDArray[np.int64], hidden: Collection[int]
    ) -> NDArray[np.unsignedinteger]:
        """(N, 4) values of the fields `_SOUND`, 0 where hidden; a byte each where that is enough."""
        values = np.empty((len(notes), len(_SOUND)), dtype=self._sound_type)
        velocity, duration, pitch, program = values.T
        np.right_shift(notes["velocity"], self._velocity_shift, out=velocity)
        duration[:] = self._nearest_durations(length)
        program[:] = notes["program"]
        # Only the program of drums has this bit, and drum keys are moved by as much.
        np.add(notes["pitch"], program & DRUM_PITCH, out=pitch, casting="same_kind")
        for i, field in enumerate(_SOUND):
            if field in hidden:
                values[:, i] = 0
        return values

    def _nearest_durations(self, length: NDArray[np.int64]) -> NDArray[np.int64]:
        """Duration values nearest to lengths in positions."""
        table = self._duration_values
        if len(table) <= self.vocabulary.durations[-1]:  # a vocabulary whose table would fill memory
            return np.searchsorted(self._duration_edges, length)
        return table.take(length, mode="clip")

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

    @classmethod
    def from_miditok(cls, config: TokenizerConfig, strict: bool = True) -> Tokenizer:
        """A tokenizer divided as a MidiTok config says; see `symbolic.miditok_bridge`.

        Args:
            config: A `miditok.TokenizerConfig`.
            strict: Refuse what has no equal here; False takes the nearest.

        Raises:
            ConfigError: If something has no equal; names all of it.
        """
        from symbolic.miditok_bridge import vocabulary_from_miditok

        return cls(vocabulary_from_miditok(config, strict))

    def to_miditok(self) -> TokenizerConfig:
        """The config that makes `miditok.Octuple` divide music as this tokenizer does.

        Raises:
            ConfigError: If MidiTok is not installed.
        """
        from symbolic.miditok_bridge import vocabulary_to_miditok

        return vocabulary_to_miditok(self.vocabulary)

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
