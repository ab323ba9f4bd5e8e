"""The eight fields of a token, their sizes, reserved ids and tables of values.

A token is one note. Its eight ids are in the order of MusicBERT's OctupleMIDI (Zeng et al., 2021, arXiv
2106.05630) with similar ranges.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError, TokenizerMismatch
from symbolic.music.notes import DRUM_PROGRAM

FIELDS = ("bar", "position", "program", "pitch", "duration", "velocity", "time_signature", "tempo")
BAR, POSITION, PROGRAM, PITCH, DURATION, VELOCITY, TIME_SIGNATURE, TEMPO = range(8)

PAD, MASK, HIDDEN = 0, 1, 2
"""Reserved ids, the same in every field: padding, to be predicted, and withheld from the model."""
RESERVED = 4
"""Number of reserved ids at the start of each field. The id of a value is the value + RESERVED."""

DRUM_ID = DRUM_PROGRAM + RESERVED
DRUM_PITCH = 128
"""Drum keys follow the 128 pitches: the pitch value of a drum token is DRUM_PITCH + key."""
VERSION = 1
_LARGEST = 2**16
"""No setting is larger: a field has fewer ids."""
_KEY_BITS = 63 - 16
"""Bits of a signed 64-bit sort key that bars of 16 bits leave for other fields."""


@dataclass(frozen=True, repr=False)
class Vocabulary:
    """The eight fields and their division into values.

    Args:
        positions_per_quarter: Grid positions in a quarter note.
        max_bars: Largest number of bars in a window.
        max_bar_quarters: Longest bar in quarter notes. Longer bars are split into equal parts.
        max_denominator: Shortest beat unit of a time signature, a power of two.
        duration_octaves: Durations come in this many runs of `positions_per_quarter` values. The step doubles from
            run to run.
        velocity_bins: Number of equal bins over 0..127.
        min_tempo: Lowest tempo in quarter notes per minute. Lower ones are clipped.
        max_tempo: Highest tempo in quarter notes per minute. Higher ones are clipped.
        tempos_per_octave: Number of logarithmic bins in a doubling of tempo.

    Raises:
        ConfigError: If values are out of range. All are named.
    """

    positions_per_quarter: int = 16
    max_bars: int = 256
    max_bar_quarters: int = 8
    max_denominator: int = 64
    duration_octaves: int = 8
    velocity_bins: int = 32
    min_tempo: float = 16.0
    max_tempo: float = 256.0
    tempos_per_octave: int = 12

    def __post_init__(self) -> None:
        problems = [
            f"{f.name} must be positive, finite and at most {_LARGEST}"
            for f in fields(self)
            if not 0 < getattr(self, f.name) <= _LARGEST
        ]
        if not problems:
            wholes = [(f.name, getattr(self, f.name)) for f in fields(self) if f.type == "int"]
            problems = [f"{name} must be a whole number" for name, value in wholes if value != int(value)]
        if not problems:
            if self.max_denominator & (self.max_denominator - 1):
                problems.append("max_denominator must be a power of two")
            elif (4 * self.positions_per_quarter) % self.max_denominator:
                problems.append("positions_per_quarter must divide a beat of 1/max_denominator evenly")
            if self.max_bar_quarters < 4 or self.max_denominator < 4:
                problems.append(
                    "max_bar_quarters and max_denominator must be at least 4, to hold a bar of 4/4"
                )
            if 128 % self.velocity_bins:
                problems.append("velocity_bins must divide 128")
            if self.max_tempo <= self.min_tempo:
                problems.append("max_tempo must exceed min_tempo")
            if self.max_bar_quarters * self.max_denominator > 2 * _LARGEST:
                problems.append(
                    "max_bar_quarters and max_denominator make more time signatures than 16 bits hold"
                )
            elif self.tempos_per_octave * math.log2(max(self.max_tempo / self.min_tempo, 2)) > _LARGEST:
                problems.append("tempos_per_octave makes more tempos than 16 bits hold")
            elif max(self.sizes) > np.iinfo(np.uint16).max:
                problems.append("a field has more ids than 16 bits hold")
            elif math.prod(self.sizes[POSITION:TIME_SIGNATURE]) > 2**_KEY_BITS:
                problems.append("positions or durations are too many to order tokens by one 64-bit key")
        if problems:
            raise ConfigError(problems)

    def __repr__(self) -> str:
        counts = (f"{name} {count}" for name, count in zip(FIELDS, self.values, strict=True))
        return f"Vocabulary({', '.join(counts)})"

    @cached_property
    def durations(self) -> NDArray[np.int64]:
        """(D,) lengths in positions of the duration values: 1..16, then by steps of 2, 4 and so on."""
        steps = np.repeat(2 ** np.arange(self.duration_octaves), self.positions_per_quarter)
        return np.cumsum(steps)

    @cached_property
    def tempos(self) -> NDArray[np.float64]:
        """(T,) quarter notes per minute of the tempo values."""
        octaves = np.log2(self.max_tempo / self.min_tempo)
        count = round(octaves * self.tempos_per_octave) + 1
        return np.asarray(self.min_tempo * 2 ** (np.arange(count) / self.tempos_per_octave))

    @cached_property
    def time_signatures(self) -> NDArray[np.int64]:
        """(S, 2) numerator and denominator of the time-signature values, sorted by denominator."""
        wholes = self.max_bar_quarters / 4
        powers = [2**p for p in range(self.max_denominator.bit_length())]
        pairs = [(n, d) for d in powers for n in range(1, int(wholes * d) + 1)]
        return np.array(pairs, dtype=np.int64)

    @cached_property
    def time_signature_values(self) -> dict[tuple[int, int], int]:
        """Time-signature value of each (numerator, denominator)."""
        return {(int(n), int(d)): i for i, (n, d) in enumerate(self.time_signatures)}

    @cached_property
    def bar_positions(self) -> NDArray[np.int64]:
        """(S,) length of a bar in positions for each time signature."""
        return 4 * self.positions_per_quarter * self.time_signatures[:, 0] // self.time_signatures[:, 1]

    @property
    def values(self) -> tuple[int, ...]:
        """Number of values of each of the eight fields without reserved ids."""
        positions = self.max_bar_quarters * self.positions_per_quarter
        return (
            self.max_bars,
            positions,
            DRUM_PROGRAM + 1,
            2 * DRUM_PITCH,
            self.duration_octaves * self.positions_per_quarter,
            self.velocity_bins,
            len(self.time_signatures),
            len(self.tempos),
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of ids of each of the eight fields with reserved ids. Embedding tables have these sizes."""
        return tuple(v + RESERVED for v in self.values)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change whenever the meaning of a token changes."""
        text = json.dumps({**self.to_dict(), "fields": FIELDS, "reserved": RESERVED}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        tempos = {
            "min_tempo": float(self.min_tempo),
            "max_tempo": float(self.max_tempo),
        }  # so that 16 and 16.0 are equal
        return {"version": VERSION, **asdict(self), **tempos}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Vocabulary:
        """Build from the result of `to_dict`.

        Raises:
            TokenizerMismatch: If the settings have another version or unknown fields.
        """
        given = dict(settings)
        version = given.pop("version", None)
        unknown = sorted(set(given) - {f.name for f in fields(cls)})
        if version != VERSION or unknown:
            raise TokenizerMismatch(
                f"The tokenizer settings are of version {version}"
                + (f" with unknown fields {', '.join(unknown)}" if unknown else "")
                + f"; this release reads version {VERSION}. Prepare the corpus again with this release."
            )
        return cls(**given)
