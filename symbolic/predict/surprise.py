"""Hold how surprising the notes of a piece are to a model: information content in bits, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.documents import as_csv, as_json
from symbolic.music.notes import Music
from symbolic.predict.note_lines import PLACE, lumps, places
from symbolic.predict.predictions import write_result

PAST, BOTH = "past", "both"
CONTEXTS = (PAST, BOTH)
"""What a note is predicted from: the notes before it, or those on both sides."""
SURPRISES = ("onset", "program", "pitch", "duration", "velocity")
"""The columns of `Surprise.bits`."""
WRITTEN = ("onset", "pitch", "duration")
"""Those that scores state. Their sum is the surprise of a note."""
_DIGITS = 3


@dataclass(frozen=True, eq=False, repr=False)
class Surprise:
    """The information content of the notes of a piece, aligned with `music.notes`.

    Attributes:
        music: The piece as it was read.
        bits: (N, 5) float32, -log2 of the probability that the model gave each of `SURPRISES`. The onset is a bar and
            a position in it.
        model: Name of the model.
        context: One of `CONTEXTS`.
    """

    music: Music
    bits: NDArray[np.float32]
    model: str
    context: str

    def __len__(self) -> int:
        return len(self.bits)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name} {bits:.2f}" for name, bits in self.means.items())
        mean = float(self.total.mean())
        return f"Surprise({len(self):,} notes: {mean:.2f} bits a note from {self.context}; {fields})"

    def __getitem__(self, field: str) -> NDArray[np.float32]:
        """Return (N,) bits of one of `SURPRISES`."""
        return self.bits[:, SURPRISES.index(field)]

    @property
    def total(self) -> NDArray[np.float32]:
        """(N,) bits of onset, pitch and duration together: what a score states of a note."""
        total: NDArray[np.float32] = np.sum([self[name] for name in WRITTEN], axis=0, dtype=np.float32)
        return total

    @property
    def means(self) -> dict[str, float]:
        """Mean bits a note by field."""
        return dict(zip(SURPRISES, self.bits.mean(axis=0, dtype=np.float64).tolist(), strict=True))

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield each note as JSON values, by rising onset and pitch: its place, then its bits."""
        columns = (*PLACE, "surprise", *(f"{name} surprise" for name in SURPRISES))
        values = np.column_stack([self.total, self.bits]).astype(np.float64).round(_DIGITS)
        for chosen in lumps(self.music):
            for place, bits in zip(places(self.music, chosen), values[chosen].tolist(), strict=True):
                yield dict(zip(columns, (*place, *bits), strict=True))

    def to_dict(self) -> Mapping[str, Any]:
        """Return everything as JSON values. Onsets and durations are in ticks, onsets in seconds too."""
        return {
            "model": self.model,
            "context": self.context,
            "unit": "bits",
            "ticks_per_quarter": self.music.resolution,
            "repairs": list(self.music.repairs),
            "means": {name: round(bits, _DIGITS) for name, bits in self.means.items()},
            "notes": list(self.lines()),
        }

    def to_json(self, path: str | Path) -> Path:
        """Write `to_dict` as JSON. Returns the path."""
        return write_result(path, as_json(self.to_dict(), sort_keys=False))

    def to_csv(self, path: str | Path) -> Path:
        """Write a line for each note as CSV, by rising onset and pitch. Returns the path."""
        lines = list(self.lines())
        return write_result(path, as_csv(list(lines[0]), (line.values() for line in lines)))
