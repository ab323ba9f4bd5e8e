"""Count how many notes of a track sound together, so that one voice stays one voice where it is written anew."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from symbolic.generate.constraints import Constraints
from symbolic.generate.passage import Passage
from symbolic.music.notes import DRUM_PROGRAM, Music
from symbolic.tokens.grid import to_grid
from symbolic.tokens.tokenizer import Tokens
from symbolic.tokens.vocabulary import Vocabulary

_USUAL = 0.95
"""Share of a track's onsets at which no more notes sound than are reported. The rest are legato and accidents."""
_ENOUGH = 8
"""Notes outside of the passage from which a track is judged by them alone."""


def most_voices(
    music: Music, tokens: Tokens, passage: Passage, constraints: Constraints, vocabulary: Vocabulary
) -> Mapping[int, int]:
    """Return the most notes of each track that may sound together in a passage. A track that is not named is free.

    They are those that users ask for. By default a written track has as many as it usually has elsewhere in the
    piece, or in the passage where it has no notes elsewhere. Drums are free, and so is what stays as it is.

    Args:
        music: The piece.
        tokens: Its tokens.
        passage: What is to be written.
        constraints: For its `polyphony`.
        vocabulary: Meaning of the tokens.
    """
    if constraints.polyphony is not None:
        return dict.fromkeys(range(int(music.notes["track"].max(initial=0)) + 1), constraints.polyphony)
    found: dict[int, int] = {}
    for track in passage.tracks.tolist() if passage.anew else ():
        own = music.notes["track"][tokens.note_index] == track
        chosen = own & ~passage.asked if (own & ~passage.asked).sum() >= _ENOUGH else own
        notes = music.notes[tokens.note_index[chosen]]
        if not len(notes) or (notes["program"] == DRUM_PROGRAM).any():
            continue
        onset = to_grid(notes["onset"], music, vocabulary)
        ends = np.sort(np.maximum(to_grid(notes["onset"] + notes["duration"], music, vocabulary), onset + 1))
        begun = np.searchsorted(np.sort(onset), onset, side="right")
        sounding = begun - np.searchsorted(ends, onset, side="right")
        found[track] = int(np.quantile(sounding, _USUAL, method="higher"))
    return found
