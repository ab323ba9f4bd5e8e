"""Find which values may be drawn and how likely they are: rules, registers, habits and intervals together."""

from __future__ import annotations

import numpy as np

from symbolic.generate.canvas import Canvas
from symbolic.generate.habits import HABITS, Habits
from symbolic.generate.intervals import Intervals
from symbolic.generate.passage import Ints, Passage
from symbolic.generate.piece import Piece
from symbolic.generate.rules import Flags, Rules
from symbolic.generate.sampling import Floats
from symbolic.tokens.vocabulary import PITCH, Vocabulary


class Choices:
    """The values that may be drawn in a passage, and the model's logits of them, moved to what its piece is like.

    Args:
        rules: Those of the passage.
        piece: Its notes.
        passage: What is to be written.
        vocabulary: Meaning of the values.
    """

    def __init__(self, rules: Rules, piece: Piece, passage: Passage, vocabulary: Vocabulary) -> None:
        self._rules = rules
        self._habits = Habits(piece, passage, vocabulary)
        self._intervals = Intervals(piece, passage)

    def of_field(
        self, canvas: Canvas, rows: Ints, field: int, near: Ints, logits: Floats
    ) -> tuple[Flags, Floats]:
        """Return (M, V) bool, the values that a field of tokens may have, and their (M, V) moved logits.

        Args:
            canvas: The tokens.
            rows: (M,) tokens whose field is drawn.
            field: The field.
            near: (K,) tokens that may sound or begin near them.
            logits: (M, V) of the model.
        """
        allowed = self._rules.of_field(canvas, rows, field)
        logits = logits + self._rules.leaning(canvas, rows, field)
        if field in HABITS:
            agreeing = np.stack([self.among_notes(canvas, row, field, near) for row in rows.tolist()])
            logits += self._habits.leaning(canvas, rows, field, logits, allowed & agreeing)
        elif field == PITCH:
            logits += self._intervals.leaning(canvas, rows, near, np.where(allowed, logits, -np.inf))
        return allowed, logits

    def among_notes(self, canvas: Canvas, row: int, field: int, near: Ints) -> Flags:
        """Return (V,) bool: values of a token that agree with the visible notes of its track, as `Rules` finds them."""
        return self._rules.among_notes(canvas, row, field, near)
