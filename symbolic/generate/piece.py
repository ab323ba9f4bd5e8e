"""The notes of a piece on the grid, as what is kept of the piece is counted from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symbolic.generate.passage import Ints, Passage
from symbolic.music.notes import DRUM_PROGRAM, Music
from symbolic.tokens.grid import to_grid
from symbolic.tokens.tokenizer import Tokens
from symbolic.tokens.vocabulary import RESERVED, Vocabulary


@dataclass(frozen=True, eq=False)
class Piece:
    """Columns of the notes of a piece, in the order of its tokens.

    Attributes:
        values: (N, 8) int64 values of the tokens without reserved ids.
        track: (N,) track of each note.
        onset: (N,) onsets in grid positions.
        length: (N,) lengths in grid positions, one at least. Tokens have no longer ones than the vocabulary.
        drum: (N,) bool.
        kept: (N,) bool, the notes outside of the passage.
    """

    values: Ints
    track: Ints
    onset: Ints
    length: Ints
    drum: NDArray[np.bool_]
    kept: NDArray[np.bool_]

    @classmethod
    def of(cls, music: Music, tokens: Tokens, passage: Passage, vocabulary: Vocabulary) -> Piece:
        """Return the columns of a piece.

        Args:
            music: The piece.
            tokens: Its tokens.
            passage: What is to be written.
            vocabulary: Meaning of the values.
        """
        notes = music.notes[tokens.note_index]
        onset = to_grid(notes["onset"], music, vocabulary)
        end = to_grid(notes["onset"] + notes["duration"], music, vocabulary)
        return cls(
            tokens.ids.astype(np.int64) - RESERVED,
            notes["track"].astype(np.int64),
            onset,
            np.maximum(end - onset, 1),
            notes["program"] == DRUM_PROGRAM,
            ~passage.asked,
        )
