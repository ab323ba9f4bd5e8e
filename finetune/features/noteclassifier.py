"""Hand-made features as a classifier of notes: boosted trees, and others that hear what those say of notes around."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from finetune.features.boosting import Boosting
from finetune.features.notes import note_matrix, note_names
from finetune.features.stats import Floats, softmax
from finetune.features.trees import Size

Rows = NDArray[np.integer]
Labels = NDArray[np.integer]
_T = TypeVar("_T")
MOST = 240_000
"""Notes that trees are grown on; of more, so many are drawn. What is next to one another is alike."""
PARTS = 2
"""Parts of the training songs, each judged by trees of the others, for the second trees to learn from."""


class NoteClassifier(nn.Module):
    """Logits of the classes of notes, from how each stands among its neighbours.

    Boosted trees say what each note is likely to be. Others learn from the same features and from what was said of the
    notes around ("auto-context", Tu & Bai, 2010): in training, by trees that had not seen the song.

    Args:
        classes: How many.
        sizes: Of the trees, first and second, that are to be loaded.
    """

    def __init__(self, classes: int, sizes: tuple[Size, Size] = (Size(), Size())) -> None:
        super().__init__()
        self.first, self.second = (Boosting(classes, size) for size in sizes)

    @classmethod
    def fit(
        cls,
        pieces: Sequence[tuple[Rows, Labels]],
        classes: int,
        groups: NDArray[np.integer] | None = None,
        label: str = "notes",
    ) -> NoteClassifier:
        """A classifier of the notes of these pieces.

        Args:
            pieces: (N, 8) ids of each, and (N,) class of its notes, -1 where there is none.
            classes: How many there are; those that no note has are never answered.
            groups: (P,) song of each piece; by default each is of its own.
            label: What the progress bars say.
        """

        def shown(these: Iterable[_T], doing: str) -> tqdm[_T]:
            return tqdm(these, f"{label}, {doing}", len(pieces), leave=False, disable=None, unit=" pieces")

        heard = [note_matrix(rows) for rows, _ in shown(pieces, "features")]
        _, song = np.unique(np.arange(len(pieces)) if groups is None else groups, return_inverse=True)
        parts = (np.random.default_rng(0).permutation(song.max() + 1) % PARTS)[song]
        labels, model, said = [truth for _, truth in pieces], cls(classes), dict[int, Floats]()
        with tqdm(total=PARTS + 2, desc=f"{label}, trees", leave=False, disable=None) as bar:
            model.first = grown(heard, labels, classes)
            bar.update()
            for part in range(PARTS):
                # Of a single song there are no others, and it is judged by what it has taught.
                others = np.flatnonzero((parts != part) | (song.max() == 0))
                judge = grown([heard[i] for i in others], [labels[i] for i in others], classes)
                said |= {int(i): softmax(judge.logits(heard[i])) for i in np.flatnonzero(parts == part)}
                bar.update()
            both = (note_matrix(rows, said[i]) for i, (rows, _) in enumerate(shown(pieces, "what was said")))
            model.second = grown(both, labels, classes)
            bar.update()
        return model.requires_grad_(False).eval()

    def describe(self) -> dict[str, Any]:
        """What `described` needs, as JSON values."""
        names = list(note_names(len(self.first.first)))
        return {"features": names, "trees": [list(part.size) for part in (self.first, self.second)]}

    @classmethod
    def described(cls, classes: int, about: Mapping[str, Any]) -> NoteClassifier | None:
        """One whose weights are to be loaded; None if it hears other features than this release makes."""
        if about.get("features") != list(note_names(classes)) or "trees" not in about:
            return None
        first, second = about["trees"]
        return cls(classes, (Size(*first), Size(*second)))

    @property
    def numbers(self) -> int:
        """How many were fitted."""
        return self.first.numbers + self.second.numbers

    def logits(self, rows: Rows, features: NDArray[np.float32] | None = None) -> Floats:
        """(N, C) logits of a piece's notes.

        Args:
            rows: Its (N, 8) ids.
            features: (N, F) that `note_matrix` makes of them, where that is done already.
        """
        said = softmax(self.first.logits(note_matrix(rows) if features is None else features))
        return self.second.logits(note_matrix(rows, said))

    def classes(self, rows: Rows) -> NDArray[np.int64]:
        """(N,) the likeliest class of each note."""
        return np.asarray(self.logits(rows).argmax(axis=1))


def grown(pieces: Iterable[NDArray[np.float32]], labels: Sequence[Labels], classes: int) -> Boosting:
    """Trees of the labelled notes of pieces, or of as many drawn from them as `MOST`.

    Args:
        pieces: (N, F) features of each.
        labels: (N,) class of its notes, -1 where there is none.
        classes: How many there are.
    """
    total = sum(int((truth >= 0).sum()) for truth in labels)
    draw = np.random.default_rng(0)
    kept, names = [], []
    for features, truth in zip(pieces, labels, strict=True):
        chosen = np.flatnonzero((truth >= 0) & (draw.random(len(truth)) * total < MOST))
        kept.append(features[chosen])
        names.append(truth[chosen])
    return Boosting.fit(np.concatenate(kept), np.concatenate(names).astype(np.int64), classes)
