"""Batches of pairs of windows: two stretches of one piece, or of two pieces of one group."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from data.batches import Batch, pad
from data.shards import Shards
from pretrain.objective.augmentation import as_performed, augment
from symbolic.errors import CorpusError
from symbolic.tokens.tokenizer import rebase_bars
from symbolic.tokens.vocabulary import BAR, Vocabulary

PAIRS = 64
"""Most pairs in a batch."""
FEWEST = 32
"""Fewest notes in a window."""
_FEWEST_GROUPS = 8
"""Fewest groups of a corpus: with fewer there is nothing to tell a pair from."""
_PERFORMED = 0.25
"""Probability that one window of a pair is put on the grid of performances."""

Stretch = tuple[int, int, int]
"""Start and end in the tokens of the corpus, and the piece."""


class PairBatches(Dataset[Batch]):
    """Batch k of an endless sequence of pairs, windows 2i and 2i + 1. Both are augmented.

    All pairs of a batch are of one corpus, so that the corpus does not tell them apart. No two are of one song group.

    Args:
        shards: The prepared music, of one corpus or mixed.
        pieces: (P,) indices of the pieces to use.
        tokens_per_batch: Largest number of tokens in a batch.
        seed: Seed of everything random.

    Raises:
        CorpusError: If no corpus has enough pieces of enough notes.
    """

    def __init__(
        self, shards: Shards, pieces: NDArray[np.integer], tokens_per_batch: int, seed: int = 0
    ) -> None:
        self.shards, self.seed = shards, seed
        self.pairs = min(PAIRS, max(2, tokens_per_batch // (2 * FEWEST)))
        self.length = max(FEWEST, tokens_per_batch // (2 * self.pairs))
        mixed = "sources" in shards.manifest["totals"]
        groups: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for piece in pieces.tolist():
            about = shards.pieces[piece]
            if about.tokens >= 2 * FEWEST:
                corpus = about.key.partition("/")[0] if mixed else ""
                groups[corpus][about.group or about.key].append(piece)
        self._corpora = [list(one.values()) for one in groups.values() if len(one) >= _FEWEST_GROUPS]
        if not self._corpora:
            raise CorpusError(
                f"--contrastive needs {_FEWEST_GROUPS} pieces of {2 * FEWEST} notes or more, from different songs. "
                "Add music, or leave it out."
            )
        sizes = [
            sum(shards.pieces[piece].tokens for group in one for piece in group) for one in self._corpora
        ]
        self._weights = np.array(sizes) / sum(sizes)
        self.per_epoch: int = max(1, sum(sizes) // (2 * self.pairs * self.length))
        self._vocabulary = Vocabulary()

    def __len__(self) -> int:
        return self.per_epoch

    def __getitem__(self, step: int) -> Batch:
        random = np.random.default_rng([self.seed, step, 2])
        groups = self._corpora[random.choice(len(self._corpora), p=self._weights)]
        chosen = random.choice(len(groups), size=min(self.pairs, len(groups)), replace=False)
        stretches = [one for place in chosen for one in self._pair(groups[place], random)]
        windows = [self._window(one, random, second=bool(i % 2)) for i, one in enumerate(stretches)]
        _, _, pieces = (np.array(column) for column in zip(*stretches, strict=True))
        # Dropped notes leave no place in the corpus; nothing is frozen where there are pairs.
        return pad(windows, np.zeros(len(windows), dtype=np.int64), pieces, step)

    def _pair(self, group: list[int], random: np.random.Generator) -> tuple[Stretch, Stretch]:
        """Return two stretches that do not overlap, of two pieces of a group where it has them, half the time."""
        if len(group) > 1 and random.random() < 0.5:
            one, other = random.choice(group, size=2, replace=False).tolist()
            return self._anywhere(one, random), self._anywhere(other, random)
        piece = int(random.choice(group))
        begin, end = int(self.shards.offsets[piece]), int(self.shards.offsets[piece + 1])
        length = min(self.length, (end - begin) // 2)
        first = int(random.integers(begin, end - 2 * length + 1))
        second = int(random.integers(first + length, end - length + 1))
        found = (first, first + length, piece), (second, second + length, piece)
        return found if random.random() < 0.5 else (found[1], found[0])

    def _anywhere(self, piece: int, random: np.random.Generator) -> Stretch:
        begin, end = int(self.shards.offsets[piece]), int(self.shards.offsets[piece + 1])
        length = min(self.length, end - begin)
        start = int(random.integers(begin, end - length + 1))
        return start, start + length, piece

    def _window(self, stretch: Stretch, random: np.random.Generator, second: bool) -> NDArray[np.integer]:
        window: NDArray[np.integer] = rebase_bars(self.shards.tokens(stretch[0], stretch[1]))
        within = np.searchsorted(window[:, BAR], window[0, BAR] + self.shards.max_bars)
        window = window[: int(within)]
        if second and random.random() < _PERFORMED:
            window = as_performed(window, self._vocabulary)
        return augment(window, self._vocabulary, random)
