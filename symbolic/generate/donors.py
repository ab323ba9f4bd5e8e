"""Draw how many notes a bar gets: as many as another bar of the piece has whose neighbours are alike.

The model recovers fields of notes that are there. It does not say how many there are. So each bar to be written takes
the numbers of a bar of the piece, its donor: a nearest-neighbour bootstrap (Lall & Sharma, Water Resources Research
1996, "A nearest neighbor bootstrap for resampling hydrologic time series"). A donor gives numbers for each track, so
that an arrangement stays together, and the order in which its notes follow one another. Nothing else of it is used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.generate.passage import Ints, Passage
from symbolic.music.notes import Music
from symbolic.tokens.grid import bar_bounds, time_signature_segments
from symbolic.tokens.tokenizer import Tokens
from symbolic.tokens.vocabulary import BAR, RESERVED, Vocabulary


class Donors:
    """Draws the donors of a passage.

    Args:
        music: The piece.
        tokens: Its tokens.
        passage: What is to be written.
        vocabulary: Meaning of the tokens.
    """

    def __init__(self, music: Music, tokens: Tokens, passage: Passage, vocabulary: Vocabulary) -> None:
        self._passage = passage
        bar = tokens.ids[:, BAR].astype(np.int64) - RESERVED
        tracks, track = np.unique(music.notes["track"][tokens.note_index], return_inverse=True)
        bars = max(int(bar.max()) + 1, passage.stop)
        counts = np.bincount(bar * len(tracks) + track, minlength=bars * len(tracks)).reshape(
            bars, len(tracks)
        )
        self._loads = np.log1p(counts)
        self._asked = np.isin(tracks, passage.tracks)
        self._kept = int(bar.max()) + 1
        _, length, signature = bar_bounds(np.arange(self._kept), time_signature_segments(music, vocabulary))
        self._alike = [
            np.flatnonzero((signature == own) & (length == size))
            for own, size in zip(passage.time_signature, passage.length, strict=True)
        ]
        inside = (np.arange(self._kept) >= passage.first) & (np.arange(self._kept) < passage.stop)
        # Where the tracks have notes nowhere else, as when a part is written anew, their numbers are not hidden.
        self._closed = (
            inside if counts[: self._kept][~inside][:, self._asked].any() else np.zeros_like(inside)
        )

    def draw(self, random: np.random.Generator) -> Ints:
        """Return (B,) a bar of the piece for each bar of the passage."""
        passage, loads = self._passage, self._loads.copy()
        known = np.ones(loads.shape, dtype=bool)
        known[passage.first : passage.stop, self._asked] = False
        found = np.empty(passage.stop - passage.first, dtype=np.int64)
        for index, bar in enumerate(range(passage.first, passage.stop)):
            candidates = self._candidates(index, bar)
            order = candidates[np.argsort(self._distances(bar, candidates, loads, known), kind="stable")]
            near = order[: max(1, round(len(order) ** 0.5))]
            weight = 1 / np.arange(1, len(near) + 1)
            found[index] = random.choice(near, p=weight / weight.sum())
            loads[bar, self._asked] = self._loads[found[index], self._asked]
            known[bar] = True
        return found

    def _candidates(self, index: int, bar: int) -> Ints:
        """Return the bars that may be donors: open ones of that time signature, else less and less choosy."""
        everything = np.arange(self._kept)
        choices = (self._alike[index], everything)
        found = [bars[~self._closed[bars] & (bars != bar)] for bars in choices]
        return next((bars for bars in (*found, *choices) if len(bars)), everything)

    def _distances(
        self, bar: int, candidates: Ints, loads: NDArray[np.float64], known: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return (C,) mean differences of the logarithms of numbers, in the bar itself and in those beside it."""
        total, weight = np.zeros(len(candidates)), 0
        for offset in (-1, 0, 1):
            there = bar + offset
            if not 0 <= there < len(loads) or not known[there].any():
                continue
            theirs = np.clip(candidates + offset, 0, self._kept - 1)
            gap = np.abs(self._loads[theirs] - loads[there])[:, known[there]]
            total += gap.sum(axis=1)
            weight += gap.shape[1]
        return total / max(weight, 1)


def notes_of_donors(
    donors: Ints, tokens: Tokens, music: Music, passage: Passage, density: float, random: np.random.Generator
) -> tuple[Ints, Ints]:
    """Return the notes that stand for those to be written.

    Args:
        donors: (B,) from `Donors.draw`.
        tokens: Tokens of the piece.
        music: The piece.
        passage: What is to be written.
        density: Notes for each note of the donors.
        random: Source of randomness.

    Returns:
        (M,) tokens and (M,) the bar of the passage, counted from its first, that each is for.
    """
    bar = tokens.ids[:, BAR].astype(np.int64) - RESERVED
    own = np.flatnonzero(np.isin(music.notes["track"][tokens.note_index], passage.tracks))
    low, high = (np.searchsorted(bar[own], donors, side=side) for side in ("left", "right"))
    places = np.repeat(np.arange(len(donors)), high - low)
    found = own[np.concatenate([np.arange(*ends) for ends in zip(low, high, strict=True)])]
    copies = np.floor(density + random.random(len(found))).astype(np.int64)
    return np.repeat(found, copies), np.repeat(places, copies)
