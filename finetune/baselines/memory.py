"""Remember features of pieces, which several methods, seeds and folds need: computed once in a process."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from hashlib import blake2b
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from data.corpora.archives import cache_folder
from symbolic.features.notes import note_matrix, note_names
from symbolic.features.stats import Floats
from symbolic.features.stretches import stretch_matrix

_KNOWN: dict[bytes, Floats] = {}
"""By content of the tokens."""
MOST = 4 << 30
"""Most bytes of note features on disk: those of six million notes."""


def remembered_stretches(pieces: Sequence[NDArray[np.integer]]) -> list[Floats]:
    """Return `stretch_matrix` of each piece, computed once in a process."""
    keys = [_key(tokens) for tokens in pieces]
    for key, tokens in zip(keys, pieces, strict=True):
        if key not in _KNOWN:
            _KNOWN[key] = stretch_matrix(tokens)
    return [_KNOWN[key] for key in keys]


def remembered(pieces: Sequence[NDArray[np.integer]]) -> Floats:
    """Return (P, F) features of whole pieces, computed once in a process."""
    return np.stack([one[0] for one in remembered_stretches(pieces)])


class NoteMemory:
    """`note_matrix` of pieces, computed once and kept in an unnamed file that ends with the process.

    Memory holds one piece at a time. What does not fit on the disk is computed whenever it is asked for.

    Args:
        most: Most bytes of the file.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most, self._size = most, 0
        self._places: dict[bytes, int] = {}
        self._file: BinaryIO | None = None

    def of(self, tokens: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the (N, F) features of the notes of a piece, given its (N, 8) ids."""
        key = _key(tokens)
        if self._file is not None and key in self._places:
            width = len(note_names())
            self._file.seek(self._places[key])
            content = self._file.read(4 * width * len(tokens))
            return np.frombuffer(content, dtype=np.float32).reshape(-1, width)
        features = note_matrix(tokens)
        if self._size + features.nbytes <= self._most:
            try:
                self._keep(key, features)
            except OSError:  # the disk is full, or the cache folder is read-only
                self._most = 0
        return features

    def _keep(self, key: bytes, features: NDArray[np.float32]) -> None:
        if self._file is None:
            cache_folder().mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=cache_folder())  # noqa: SIM115 - as long as the process
        self._file.seek(self._size)
        self._file.write(features.tobytes())
        self._file.flush()
        self._places[key] = self._size
        self._size += features.nbytes


_NOTES = NoteMemory()


def remembered_notes(tokens: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return `note_matrix` of a piece without probabilities, computed once in a process."""
    return _NOTES.of(tokens)


def _key(tokens: NDArray[np.integer]) -> bytes:
    return blake2b(tokens.tobytes(), digest_size=16).digest()
