"""The tokens of a piece while a passage of it is written."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from symbolic.commas import HIDDEN_COMMA, comma_ids
from symbolic.generate.donors import Donors, notes_of_donors
from symbolic.generate.passage import Ints, Passage
from symbolic.music.notes import DRUM_PROGRAM, Music
from symbolic.tokens.grid import tempo_values, to_grid, to_ticks
from symbolic.tokens.tokenizer import Tokens
from symbolic.tokens.vocabulary import (
    BAR,
    FIELDS,
    MASK,
    PITCH,
    POSITION,
    PROGRAM,
    RESERVED,
    TEMPO,
    TIME_SIGNATURE,
    Vocabulary,
)


class Canvas:
    """Tokens in canonical order, some with hidden fields. A hidden field keeps a stand-in that gives its token a place.

    Args:
        music: The piece.
        tokens: Its tokens.
        passage: What is to be written.
        vocabulary: Meaning of the tokens.
        density: Notes for each note of the donors.
        voices: From `most_voices`: a bar has no more notes than find room.
        donors: Draws numbers of notes. None where the notes stay.
        positions: (B, P) bool from `open_positions`.
        random: Source of randomness.

    Attributes:
        values: (R, 8) int64 values without reserved ids; stand-ins where hidden. Bars count from the piece's start.
        hidden: (R, 8) bool.
        drawn: (R, 8) bool, the cells that are to be drawn, hidden or not.
        sureness: (R, 8) float64 log probability that the model gave each drawn value.
        track: (R,) track of each token.
        source: (R,) token of the piece that each one is, or that it stands for if its notes are new.
        start: (R,) grid position where each token's bar begins.
        new: (R,) bool, the notes that are written anew. Others are those of the piece, whatever is drawn of them.
        dropped: (R,) bool, new notes for which there is no room. They are not part of the result.
        commas: (R,) int64 ids of `symbolic.commas`, hidden where the pitch of a note that is no drum is to be drawn.
        lasting: (R,) length in positions of the note that each token is or stands for. Tokens have no longer ones than
            the vocabulary.
    """

    def __init__(
        self,
        music: Music,
        tokens: Tokens,
        passage: Passage,
        vocabulary: Vocabulary,
        density: float,
        voices: Mapping[int, int],
        donors: Donors | None,
        positions: NDArray[np.bool_],
        random: np.random.Generator,
    ) -> None:
        kept = np.flatnonzero(~passage.asked) if donors is not None else np.arange(len(tokens))
        self.source = kept
        self.values = tokens.ids[kept].astype(np.int64) - RESERVED
        own = music.notes["track"][tokens.note_index].astype(np.int64)
        onset = to_grid(music.notes["onset"][tokens.note_index], music, vocabulary)
        self.start = onset[kept] - self.values[:, POSITION]
        ends = to_grid((music.notes["onset"] + music.notes["duration"])[tokens.note_index], music, vocabulary)
        self.new = np.zeros(len(kept), dtype=bool)
        drawn = passage.asked[kept]
        if donors is not None:
            found, bar = notes_of_donors(donors.draw(random), tokens, music, passage, density, random)
            values = _of_passage(
                tokens.ids[found].astype(np.int64) - RESERVED, bar, music, passage, vocabulary
            )
            keep = _with_room(bar, own[found], positions.sum(axis=1), voices)
            found, bar, values = found[keep], bar[keep], values[keep]
            self.source = np.concatenate([kept, found])
            self.values = np.concatenate([self.values, values])
            self.start = np.concatenate([self.start, passage.start[bar]])
            self.new = drawn = np.arange(len(self.source)) >= len(kept)
        self.track = own[self.source]
        self.lasting = np.maximum(ends - onset, 1)[self.source]
        commas = comma_ids(music.notes["cents"][tokens.note_index])
        self.drawn = np.zeros(self.values.shape, dtype=bool)
        self.drawn[np.ix_(drawn, np.array(passage.fields))] = True
        self.hidden, self.dropped = self.drawn.copy(), np.zeros(len(self.values), dtype=bool)
        drums = self.values[:, PROGRAM] == DRUM_PROGRAM
        self.commas = np.where(self.drawn[:, PITCH] & ~drums, HIDDEN_COMMA, commas[self.source])
        self.sureness = np.zeros(self.values.shape)
        self.turn = np.zeros(len(self.values))
        self.sort(0, len(self.values))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def onset(self) -> Ints:
        """(R,) onsets in grid positions. Stand-ins where the position is hidden."""
        found: Ints = self.start + self.values[:, POSITION]
        return found

    def sort(self, low: int, high: int) -> None:
        """Put the tokens from `low` to `high` into canonical order."""
        values = self.values[low:high]
        order = low + np.lexsort(values[:, _CANONICAL].T)
        for column in (
            *(self.values, self.hidden, self.drawn, self.sureness, self.track, self.source),
            *(self.start, self.new, self.dropped, self.lasting, self.commas, self.turn),
        ):
            column[low:high] = column[order]

    def window(self, low: int, high: int) -> Ints:
        """Return (high - low, 8) ids as the backbone reads them. Bars count from the first."""
        ids = self.values[low:high] + RESERVED
        ids[:, BAR] -= self.values[low, BAR]
        ids[self.hidden[low:high]] = MASK
        return ids


_CANONICAL = [FIELDS.index(name) for name in ("velocity", "duration", "pitch", "program", "position", "bar")]
"""Fields by which tokens are ordered, the least important first."""


def _of_passage(values: Ints, bar: Ints, music: Music, passage: Passage, vocabulary: Vocabulary) -> Ints:
    """Return (M, 8) values of donors' notes, moved to the bars of the passage."""
    values = values.copy()
    values[:, BAR] = passage.first + bar
    values[:, POSITION] = np.minimum(values[:, POSITION], passage.length[bar] - 1)
    values[:, TIME_SIGNATURE] = passage.time_signature[bar]
    onset = passage.start[bar] + values[:, POSITION]
    order = np.argsort(onset, kind="stable")
    values[order, TEMPO] = tempo_values(onset[order], music, vocabulary)
    return values


def _with_room(bar: Ints, track: Ints, places: Ints, voices: Mapping[int, int]) -> NDArray[np.bool_]:
    """Return (M,) bool: whether a bar has room for each note of a track. `places` is (B,), its positions."""
    keep, taken = np.zeros(len(bar), dtype=bool), dict[tuple[int, int], int]()
    for index, place in enumerate(zip(bar.tolist(), track.tolist(), strict=True)):
        taken[place] = taken.get(place, 0) + 1
        keep[index] = taken[place] <= places[place[0]] * voices.get(place[1], len(bar))
    return keep


def open_positions(music: Music, passage: Passage, vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """Return (B, P) bool: the positions of each bar of the passage where a note may begin.

    Where a piece has few ticks, some positions lie on none.
    """
    position = np.arange(vocabulary.values[POSITION])
    onset = (passage.start[:, None] + position).ravel()
    exact = to_grid(to_ticks(onset, music, vocabulary), music, vocabulary) == onset
    return np.asarray(exact.reshape(-1, len(position)) & (position < passage.length[:, None]))
