"""Turn music into tokens and tokens into music.

    tokenizer = Tokenizer()
    tokens = tokenizer("song.mid")
    tokens.ids, tokens.note_index
    music = tokenizer.decode(tokens)

A token is a note. Token i was made from `music.notes[tokens.note_index[i]]`, so that labels and predictions of
single notes can be carried over both ways.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from symbolic.documents import fields, mapped, number, read_json, require, text
from symbolic.errors import ConfigError, TokenizerMismatch
from symbolic.music.conversion import as_music, is_many
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array
from symbolic.replacing import write_whole
from symbolic.tokens.grid import bar_starts, locate_bars, tempo_values, time_signature_segments, to_grid
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

    from symbolic.music.conversion import MusicLike

Id = TypeVar("Id", bound=np.integer)
"""Integer type of an array of ids."""
_SOUND = (VELOCITY, DURATION, PITCH, PROGRAM)
"""The fields that follow bar and position in the canonical order, from last to first."""
_SHORT, _LONG = (
    np.dtype([*((FIELDS[i], value) for i in _SOUND), ("onset", onset)])
    for value, onset in (("<u1", "<i4"), ("<u2", "<i8"))
)
"""Sort keys of notes, the last field first. A short key, read as one integer, sorts as its fields do."""
_HIGHEST_ID = np.iinfo(np.uint16).max
_LONGEST_TABLE = 2**20
_SCHEMA = fields({"vocabulary": mapped(text(), number(-1e9, 1e9)), "fingerprint": text()})
"""Durations up to this many ticks are looked up in a table. Vocabularies with longer ones search instead."""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Tokens:
    """The tokens of a piece.

    Attributes:
        ids: (N, 8) uint16 ids in canonical order, one column per name in `FIELDS`. Bars count from the start of
            the piece.
        note_index: (N,) int32, the index in `music.notes` of the note that each token was made from.
    """

    ids: NDArray[np.uint16]
    note_index: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        bars = int(self.ids[:, BAR].max(initial=0)) - RESERVED + 1
        return f"Tokens({len(self):,} notes{f', {bars:,} bars' * (bars > 0)})"


def rebase_bars(ids: NDArray[Id]) -> NDArray[Id]:
    """Return a copy of a window whose bars count from its first token.

    Args:
        ids: (N, 8) ids of consecutive tokens of a piece.
    """
    moved = ids.copy()
    if len(moved) and moved[0, BAR] >= RESERVED:  # else bars are hidden
        moved[:, BAR] -= moved[0, BAR] - np.asarray(RESERVED).astype(ids.dtype)
    return moved


def _sort(keys: NDArray[np.void], place: Sequence[NDArray[np.int64]]) -> NDArray[np.int32]:
    """Sort notes in place by position, then by sound. Return the index that each note had.

    Equal notes are put in the order of a fixed shuffle since any written rule would favour some track.

    Args:
        keys: (N,) of dtype `_SHORT` or `_LONG`.
        place: Arrays (N,). Long keys are sorted by these before their sound.

    Returns:
        (N,) int32 indices.
    """
    count, number = len(keys), len(keys).bit_length()
    shuffled, inverse = _shuffle(number)
    if keys.itemsize > 8:
        indirect = np.lexsort((shuffled[:count], *(keys[FIELDS[i]] for i in _SOUND), *reversed(place)))
        keys[:] = keys.take(indirect)
        return indirect.astype(np.int32)
    # One integer per note, with its shuffled number in the lowest bits, sorts several times faster.
    packed = keys.view("<i8")
    packed <<= number
    packed |= shuffled[:count]
    packed.sort()
    order = inverse.take(packed & ((1 << number) - 1))
    packed >>= number
    return order


def _nearest_durations(length: NDArray[np.int64], vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the duration values nearest to lengths in positions. Ties go to the shorter one."""
    durations = vocabulary.durations
    return np.searchsorted((durations[1:] + durations[:-1]) / 2, length)


@lru_cache(maxsize=32)  # a corpus has few resolutions
def _duration_table(resolution: int, vocabulary: Vocabulary) -> NDArray[np.uint16] | None:
    """Return the duration value of each length in ticks or None if the table would be too large."""
    longest = -(-int(vocabulary.durations[-1]) * resolution // vocabulary.positions_per_quarter)
    if longest > _LONGEST_TABLE:
        return None
    length = to_grid(np.arange(longest + 1), Music(note_array([], [], []), resolution), vocabulary)
    return _nearest_durations(np.arange(length[-1] + 1), vocabulary).astype(np.uint16).take(length)


@lru_cache
def _shuffle(bits: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return a fixed shuffle of all numbers of so many bits and its inverse."""
    shuffled = np.random.default_rng(0).permutation(2**bits)
    return shuffled, np.argsort(shuffled).astype(np.int32)


class Tokenizer:
    """Turn music into tokens of eight fields and back.

    Args:
        vocabulary: The fields and their division. The default is close to MusicBERT's.
    """

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        self.vocabulary = vocabulary or Vocabulary()
        voc = self.vocabulary
        self._velocity_shift = 7 - (voc.velocity_bins.bit_length() - 1)
        self._narrow = max(voc.values[field] for field in _SOUND) <= 2**8

    def __repr__(self) -> str:
        default = self.vocabulary == Vocabulary()
        return "Tokenizer()" if default else f"Tokenizer({self.vocabulary!r})"

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that shards and checkpoints store and compare."""
        return self.vocabulary.fingerprint

    @overload
    def __call__(self, music: MusicLike, hide: Collection[str] = ()) -> Tokens: ...
    @overload
    def __call__(self, music: Iterable[MusicLike], hide: Collection[str] = ()) -> list[Tokens]: ...

    def __call__(self, music: Any, hide: Collection[str] = ()) -> Tokens | list[Tokens]:
        """Tokenize a piece or a list of pieces.

        Args:
            music: Whatever `symbolic.as_music` takes, or a list of it.
            hide: Names of fields to withhold. See `encode`.

        Returns:
            The tokens of the piece or a list with those of each piece.

        Raises:
            MusicFileError: If a file or an object holds no readable music.
            TypeError: If an object is of another kind.
            ConfigError: As `encode` does.
        """
        if is_many(music):
            return [self(one, hide) for one in music]
        return self.encode(as_music(music), hide)

    def encode(self, music: Music, hide: Collection[str] = ()) -> Tokens:
        """Tokenize music in canonical order: bar, position, program, pitch, duration.

        Tokens that are equal so far are ordered by velocity, then by a fixed shuffle that does not depend on
        tracks. So neither track order nor note order can reveal a label.

        Args:
            music: The music, with any time signatures, drums and number of tracks.
            hide: Names of fields to withhold. Their ids become `HIDDEN` *before* tokens are ordered, so that
                the order reveals nothing about them.

        Raises:
            ConfigError: If `hide` holds an unknown name, or the piece has more bars than 16 bits can count.
        """
        if unknown := sorted(set(hide) - set(FIELDS)) if hide else []:
            raise ConfigError(f"No field is called {', '.join(unknown)}; the fields are {', '.join(FIELDS)}.")
        hidden = {FIELDS.index(name) for name in hide}
        voc, notes = self.vocabulary, music.notes
        onset, segments = to_grid(notes["onset"], music, voc), time_signature_segments(music, voc)
        place = [onset]  # sorts as bar and position together do
        rising = hidden.isdisjoint((BAR, POSITION))
        if not rising:
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

        ids = np.empty((len(notes), len(FIELDS)), dtype=np.uint16)
        for i in _SOUND:
            ids[:, i] = keys[FIELDS[i]]
        onset = keys["onset"].astype(np.int64)
        bar, ids[:, POSITION], ids[:, TIME_SIGNATURE] = locate_bars(onset, segments, rising)
        if len(bar) and (last := int(np.maximum.reduce(bar))) + RESERVED > _HIGHEST_ID:
            raise ConfigError(f"The piece has {last + 1:,} bars, more than 16 bits count; split the file.")
        ids[:, BAR] = bar
        ids[:, TEMPO] = tempo_values(onset, music, voc, rising)
        ids += RESERVED
        for i in hidden:
            ids[:, i] = HIDDEN
        return Tokens(ids, order)

    def _key_type(self, onset: NDArray[np.int64], hidden: Collection[int]) -> np.dtype[np.void]:
        """Choose short keys unless bar or position is hidden or the values do not fit."""
        last = int(np.maximum.reduce(onset, initial=0))
        short = self._narrow and last.bit_length() + len(onset).bit_length() < 32
        return _SHORT if short and BAR not in hidden and POSITION not in hidden else _LONG

    def _durations(self, music: Music) -> NDArray[np.integer]:
        """Return (N,) duration values nearest to the notes' lengths on the grid."""
        voc, ticks = self.vocabulary, music.notes["duration"]
        table = _duration_table(music.resolution, voc)
        if table is None:
            return _nearest_durations(to_grid(ticks, music, voc), voc)
        return table.take(ticks, mode="clip")

    def decode(self, tokens: Tokens | NDArray[np.integer]) -> Music:
        """Turn tokens into music that encodes to the same tokens.

        Velocity and tempo become the centres of their bins. If hidden, they become 64 and 120. Hidden programs
        become piano.

        Args:
            tokens: `Tokens` or (N, 8) ids in any order.

        Returns:
            The music, in canonical order, with one track for each program.

        Raises:
            TokenizerMismatch: If an id is outside its field, or a field without a default is hidden or masked.
        """
        ids = tokens.ids if isinstance(tokens, Tokens) else tokens
        voc = self.vocabulary
        values = ids.astype(np.int64) - RESERVED
        self._check_values(values)
        order = np.lexsort((values[:, POSITION], values[:, BAR]))
        values = values[order]
        starts, time_signatures = bar_starts(values[:, BAR], values[:, TIME_SIGNATURE], voc)
        onset = starts + values[:, POSITION]
        drums = values[:, PITCH] >= DRUM_PITCH  # the program may be hidden
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
        """Raise an error that names the fields whose ids have no value."""
        sizes = np.array(self.vocabulary.values)
        bad = values >= sizes
        bad[:, BAR] = False  # counts from the start of the piece, without limit
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
        """Make a tokenizer that divides time, velocity and tempo as a MidiTok config does.

        For MidiTok's own schemes, such as REMI, see `symbolic.tokens.miditok_bridge.MidiTokTokenizer`.

        Args:
            config: A `miditok.TokenizerConfig`.
            strict: Refuse settings that have no equivalent here. If false, take the nearest.

        Raises:
            ConfigError: If settings have no equivalent. All are named.
        """
        from symbolic.tokens.miditok_bridge import vocabulary_from_miditok

        return cls(vocabulary_from_miditok(config, strict))

    def to_miditok(self) -> TokenizerConfig:
        """Return a config with which `miditok.Octuple` divides music as this tokenizer does.

        Raises:
            ConfigError: If MidiTok is not installed.
        """
        from symbolic.tokens.miditok_bridge import vocabulary_to_miditok

        return vocabulary_to_miditok(self.vocabulary)

    def save(self, path: str | Path) -> None:
        """Write the settings and their fingerprint as JSON."""
        document = {"vocabulary": self.vocabulary.to_dict(), "fingerprint": self.fingerprint}
        write_whole(path, (json.dumps(document, indent=2) + "\n").encode())

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Load a tokenizer that `save` wrote.

        Raises:
            TokenizerMismatch: If the file holds no tokenizer, or its fingerprint does not match its settings.
        """
        try:
            document = read_json(Path(path), ConfigError, "")
            require(Path(path), document, _SCHEMA, ConfigError, "")
            tokenizer = cls(Vocabulary.from_dict(document["vocabulary"]))
            stated = document["fingerprint"]
        except ConfigError as error:
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
