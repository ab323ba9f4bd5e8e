"""Note arrays to tokens of fields and back, vectorised over notes.

    tokens, source = Tokenizer().encode(read_music("song.mid"))

One token is one note. Token i was made from `music.notes[source[i]]`, so labels and predictions of single notes
travel both ways.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError, TokenizerMismatch
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array
from symbolic.tokens.grid import bar_starts, locate_bars, metre_segments, tempo_values, to_grid
from symbolic.tokens.vocabulary import (
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
_SHORT, _LONG = (
    np.dtype([*((FIELDS[i], value) for i in _SOUND), ("onset", onset)])
    for value, onset in (("<u1", "<i4"), ("<u2", "<i8"))
)
"""What notes are ordered by, the last field first: read as one integer, short keys order as their fields do."""
_HIGHEST_ID = np.iinfo(np.uint16).max
_LONGEST_TABLE = 2**20
"""Durations up to this many ticks are looked up; where there are longer ones, all are searched."""


class Tokens(NamedTuple):
    """A piece as tokens.

    Attributes:
        tokens: (N, 8) uint16 ids in canonical order; bars count from the start of the piece.
        source: (N,) int32, the note that each token was made from.
    """

    tokens: Rows
    source: NDArray[np.int32]


def rebase_bars(tokens: NDArray[np.integer]) -> NDArray[np.integer]:
    """A copy of a window's tokens whose bars count from the window's first token.

    Args:
        tokens: (N, 8) ids as `Tokenizer.encode` gives them, or a run of them.
    """
    moved = tokens.copy()
    # Where bars are hidden there is nothing to move.
    if len(moved) and moved[0, BAR] >= RESERVED:
        moved[:, BAR] -= moved[0, BAR] - np.asarray(RESERVED).astype(tokens.dtype)
    return moved


def _sort(keys: NDArray[np.void], place: Sequence[NDArray[np.int64]]) -> NDArray[np.int32]:
    """Put notes in order of place, then of sound, equal ones in that of a fixed shuffle; say where each was.

    The shuffle is random, for any rule that one could write down would put some track before others.

    Args:
        keys: (N,) of dtype `_SHORT` or `_LONG`, sorted in place.
        place: (N,) each; what long keys are ordered by before their sound.
    """
    count, number = len(keys), len(keys).bit_length()
    shuffled, inverse = _shuffle(number)
    if keys.itemsize > 8:
        indirect = np.lexsort((shuffled[:count], *(keys[FIELDS[i]] for i in _SOUND), *reversed(place)))
        keys[:] = keys.take(indirect)
        return indirect.astype(np.int32)
    # One integer a note, its shuffled number in the lowest bits, is sorted several times faster.
    packed = keys.view("<i8")
    packed <<= number
    packed |= shuffled[:count]
    packed.sort()
    order = inverse.take(packed & ((1 << number) - 1))
    packed >>= number
    return order


def _nearest_durations(length: NDArray[np.int64], vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Duration values nearest to lengths in positions, halfway the shorter."""
    durations = vocabulary.durations
    return np.searchsorted((durations[1:] + durations[:-1]) / 2, length)


@lru_cache(maxsize=32)  # a corpus has few resolutions
def _duration_table(resolution: int, vocabulary: Vocabulary) -> NDArray[np.uint16] | None:
    """The duration value of each length in ticks up to the longest, or None where that would fill memory."""
    longest = -(-int(vocabulary.durations[-1]) * resolution // vocabulary.positions_per_quarter)
    if longest > _LONGEST_TABLE:
        return None
    length = to_grid(np.arange(longest + 1), Music(note_array([], [], []), resolution), vocabulary)
    return _nearest_durations(np.arange(length[-1] + 1), vocabulary).astype(np.uint16).take(length)


@lru_cache
def _shuffle(bits: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """A fixed shuffle of all numbers of so many bits, and the place of each number in it."""
    shuffled = np.random.default_rng(0).permutation(2**bits)
    return shuffled, np.argsort(shuffled).astype(np.int32)


class Tokenizer:
    """Octuple tokens of music.

    Args:
        vocabulary: Fields and their division; by default ranges close to MusicBERT's.
    """

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        self.vocabulary = vocabulary or Vocabulary()
        voc = self.vocabulary
        self._velocity_shift = 7 - (voc.velocity_bins.bit_length() - 1)
        self._narrow = max(voc.values[field] for field in _SOUND) <= 2**8

    @property
    def fingerprint(self) -> str:
        """Digits that shards and checkpoints carry and compare."""
        return self.vocabulary.fingerprint

    def encode(self, music: Music, hide: Collection[str] = ()) -> Tokens:
        """Tokens of a piece in canonical order: bar, position, program, pitch, duration.

        Tokens equal so far are ordered by velocity, and beyond that by a fixed shuffle that knows nothing of
        tracks, so neither track order nor note order can tell a label.

        Args:
            music: Any piece; metre changes, drums and many tracks are ordinary.
            hide: Names of fields to withhold: their ids become `HIDDEN` *before* tokens are ordered, so that
                nothing of them is left to read.

        Raises:
            ConfigError: If `hide` names no field, or the piece has more bars than 16 bits count.
        """
        if unknown := sorted(set(hide) - set(FIELDS)) if hide else []:
            raise ConfigError(f"No field is called {', '.join(unknown)}; the fields are {', '.join(FIELDS)}.")
        hidden = {FIELDS.index(name) for name in hide}
        voc, notes = self.vocabulary, music.notes
        onset, segments = to_grid(notes["onset"], music, voc), metre_segments(music, voc)
        place = [onset]  # orders as bar and position do together
        if not hidden.isdisjoint((BAR, POSITION)):
            bar, position, _ = locate_bars(onset, segments)
            place = [column for i, column in ((BAR, bar), (POSITION, position)) if i not in hidden]
        keys = np.empty(len(notes), dtype=self._key_type(onset, hidden))
        keys["onset"] = onset
        np.right_shift(notes["velocity"], self._velocity_shift, out=keys["velocity"])
        keys["duration"] = self._durations(music)
        keys["pitch"], keys["program"] = notes["pitch"], notes["program"]
        if np.maximum.reduce(notes["program"], initial=0) == DRUM_PROGRAM:
            keys["pitch"] += notes["program"] & DRUM_PITCH  # only the program of drums has this bit
        for i in hidden.intersection(_SOUND):
            keys[FIELDS[i]] = 0
        order = _sort(keys, place)

        tokens = np.empty((len(notes), len(FIELDS)), dtype=np.uint16)
        for i in _SOUND:
            tokens[:, i] = keys[FIELDS[i]]
        onset = keys["onset"].astype(np.int64)
        bar, tokens[:, POSITION], tokens[:, TIME_SIGNATURE] = locate_bars(onset, segments)
        if len(bar) and (last := int(np.maximum.reduce(bar))) + RESERVED > _HIGHEST_ID:
            raise ConfigError(f"The piece has {last + 1:,} bars, more than 16 bits count; split the file.")
        tokens[:, BAR] = bar
        tokens[:, TEMPO] = tempo_values(onset, music, voc)
        tokens += RESERVED
        for i in hidden:
            tokens[:, i] = HIDDEN
        return Tokens(tokens, order)

    def _key_type(self, onset: NDArray[np.int64], hidden: Collection[int]) -> np.dtype[np.void]:
        """Short keys, unless place is in part hidden, or notes, positions or values are more than they hold."""
        last = int(np.maximum.reduce(onset, initial=0))
        short = self._narrow and last.bit_length() + len(onset).bit_length() < 32
        return _SHORT if short and BAR not in hidden and POSITION not in hidden else _LONG

    def _durations(self, music: Music) -> NDArray[np.integer]:
        """(N,) duration values nearest to the notes' lengths on the grid."""
        voc, ticks = self.vocabulary, music.notes["duration"]
        table = _duration_table(music.resolution, voc)
        if table is None:
            return _nearest_durations(to_grid(ticks, music, voc), voc)
        return table.take(ticks, mode="clip")

    def decode(self, tokens: NDArray[np.integer]) -> Music:
        """Music that encodes to these tokens; velocity and tempo come back as the centres of their bins.

        Args:
            tokens: (N, 8) ids. Hidden velocities become 64, hidden tempos 120, hidden programs piano.

        Raises:
            TokenizerMismatch: If an id is outside its field, or a field that has no default is reserved.
        """
        voc = self.vocabulary
        values = tokens.astype(np.int64) - RESERVED
        self._check_values(values)
        order = np.lexsort((values[:, POSITION], values[:, BAR]))
        values = values[order]
        starts, time_signatures = bar_starts(values[:, BAR], values[:, TIME_SIGNATURE], voc)
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
        tempos = np.stack([onset[changes].astype(np.float64), tempo[changes]], axis=1)
        if len(tempos):
            tempos[0, 0] = 0.0
        return Music(
            notes,
            voc.positions_per_quarter,
            time_signatures,
            tempos,
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
                f"{int(bad.any(axis=1).sum())} tokens hold ids that stand for no note (fields {names}). "
                "Decode only tokens of this tokenizer, without padding or masked fields."
            )

    @classmethod
    def from_miditok(cls, config: TokenizerConfig, strict: bool = True) -> Tokenizer:
        """A tokenizer divided as a MidiTok config says; see `symbolic.tokens.miditok_bridge`.

        Args:
            config: A `miditok.TokenizerConfig`.
            strict: Refuse what has no equal here; False takes the nearest.

        Raises:
            ConfigError: If something has no equal; names all of it.
        """
        from symbolic.tokens.miditok_bridge import vocabulary_from_miditok

        return cls(vocabulary_from_miditok(config, strict))

    def to_miditok(self) -> TokenizerConfig:
        """The config that makes `miditok.Octuple` divide music as this tokenizer does.

        Raises:
            ConfigError: If MidiTok is not installed.
        """
        from symbolic.tokens.miditok_bridge import vocabulary_to_miditok

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
