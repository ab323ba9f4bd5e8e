"""Pieces rated by a network, as the numbers beside it are fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.lines.data import SET, Example
from symbolic.features import under_another
from symbolic.features.note_table import NoteTable
from symbolic.features.stats import Floats
from symbolic.predict.lines.decoding import is_one_voice, voices_together
from symbolic.predict.lines.model import MelodyLines
from symbolic.tokens.vocabulary import DRUM_PITCH, PITCH, RESERVED, Vocabulary

DUET = 0.2
"""Least share of melody notes that begin while another still sounds, in a melody of several voices."""


@dataclass(frozen=True, eq=False)
class Rated:
    """A piece with the logits of the network.

    Attributes:
        example: The piece.
        logits: (N, 2).
    """

    example: Example
    logits: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Piece:
    """The pitched notes of a piece of several voices, rated by the trees.

    Attributes:
        source: Its kind of music and its texture.
        plain: Whether it is as it was read.
        made: Whether it is set in a texture that corpora lack.
        table: Its notes.
        labels: (N,) 0 for melody, 1 for the rest, -1 where unknown.
        own: (N,) log-odds of melody.
        above: (N,) whether a note is on the skyline.
        tracks: (N,) track of each note.
    """

    source: str
    plain: bool
    made: bool
    table: NoteTable
    labels: NDArray[np.int8]
    own: Floats
    above: NDArray[np.bool_]
    tracks: NDArray[np.integer]

    @property
    def known(self) -> NDArray[np.bool_]:
        """(N,) whether a note has a label."""
        return np.asarray(self.labels >= 0)


def rated_pieces(rated: Sequence[Rated], model: MelodyLines) -> list[Piece]:
    """Rate pieces by the trees of a model. Those of one voice are left out."""
    found = []
    for one in rated:
        example, share = one.example, one.example.share
        pitched = example.tokens[:, PITCH] < DRUM_PITCH + RESERVED
        table = NoteTable.of(example.tokens, Vocabulary()).where(pitched)
        if not is_one_voice(table):
            piece = Piece(
                source=f"{share.source} {share.texture}",
                plain=not share.texture,
                made=share.texture == SET,
                table=table,
                labels=example.labels[pitched],
                own=model.rated(one.logits, example.tokens)[pitched],
                above=~under_another(example.tokens)[pitched],
                tracks=example.tracks[pitched],
            )
            found.append(piece)
    return found


def of_one_line(example: Example) -> bool:
    """Return whether the melody of a piece is one line, in any octaves: copies count once, for parts may double it."""
    melody = NoteTable.of(example.tokens, Vocabulary()).where(example.labels == 0)
    _, first = np.unique(melody.stroke * 12 + melody.pitch % 12, return_index=True)
    copies = np.ones(len(melody), dtype=bool)
    copies[first] = False
    return voices_together(melody.where(~copies)) < DUET


def source_weights(pieces: Sequence[Piece], sizes: Sequence[int]) -> Floats:
    """Return a weight for each of sum(sizes) examples: each kind of music counts alike. Their mean is one.

    Args:
        pieces: Where the examples are from.
        sizes: Examples of each piece.
    """
    names = np.repeat([one.source for one in pieces], sizes)
    _, place, counts = np.unique(names, return_inverse=True, return_counts=True)
    return np.asarray((1 / counts)[place] * len(place) / len(counts))
