"""Measure mapped states piece by piece: labels through heads, and the other side of each segment among all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from experiments.languages.maps import Labels
from symbolic.features.stats import Floats
from symbolic.tokens.vocabulary import RESERVED, Vocabulary

_STEP = Vocabulary().positions_per_quarter
_DRAWS = 2_000
ByPiece = dict[str, Floats]
"""(P,) numbers of pieces by measure."""


def right(logits: Labels, labels: Labels) -> Labels:
    """Return which labels are predicted right, (S, L) of notes or (S,) of segments. "position" gives "place" too.

    A place is that in the quarter note. Its probability is the sum over all positions that have it.
    """
    found = {name: logits[name].argmax(-1) == true for name, true in labels.items()}
    if "position" in labels:
        whole = logits["position"].softmax(-1)[..., RESERVED:]
        padded = F.pad(whole, (0, -whole.shape[-1] % _STEP))
        by_place = padded.view(*padded.shape[:-1], -1, _STEP).sum(-2)
        found["place"] = by_place.argmax(-1) == (labels["position"] - RESERVED) % _STEP
    return found


def nats(logits: Labels, labels: Labels, owner: NDArray[np.int64]) -> ByPiece:
    """Return the mean cross-entropy of each label by piece."""
    return {
        f"{name} nats": by_piece(F.cross_entropy(logits[name].movedim(-1, 1), true, reduction="none"), owner)
        for name, true in labels.items()
    }


def retrieval(mapped: Tensor, target: Tensor, owner: NDArray[np.int64]) -> ByPiece:
    """Return how often the other side of a segment comes first, and its mean reciprocal rank. Ties count as missed.

    Args:
        mapped: (S, L, D) mapped states.
        target: (S, L, D) states of the other side, of the same segments.
        owner: (S,) the piece of each segment.
    """
    here, there = (F.normalize(one.mean(1), dim=-1) for one in (mapped, target))
    scores, found = here @ there.T, ByPiece()
    for name, own in (("finds", scores), ("is found", scores.T)):
        rank = (own >= own.diagonal()[:, None]).sum(1).double()
        found[f"{name} R@1"] = by_piece(rank == 1, owner)
        found[f"{name} MRR"] = by_piece(1 / rank, owner)
    return found


def flips(ours: Labels, theirs: Labels, owner: NDArray[np.int64]) -> ByPiece:
    """Return the share of labels that are right here and wrong there, and the reverse."""
    return {
        f"{name} {kind}": by_piece(one & ~other, owner)
        for name in ours
        for kind, one, other in (
            ("mended", ours[name], theirs[name]),
            ("broken", theirs[name], ours[name]),
        )
    }


def by_piece(values: Tensor, owner: NDArray[np.int64]) -> Floats:
    """Return (P,) means over the segments of each piece, of (S,) or (S, L) values."""
    by_segment = values.double().reshape(len(values), -1).mean(1).numpy()
    return np.bincount(owner, by_segment) / np.bincount(owner)


def interval(values: Floats) -> tuple[float, float, float]:
    """Return the mean of (draws, P) numbers with a 95 % interval by a bootstrap over draws and over pieces."""
    random = np.random.default_rng(0)
    drawn, chosen = (
        random.multinomial(count, np.full(count, 1 / count), _DRAWS) / count for count in values.shape
    )
    means = ((drawn @ values) * chosen).sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)
