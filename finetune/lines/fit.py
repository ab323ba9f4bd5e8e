"""Fit the melody model: trees on two halves of the training pieces, then the numbers beside them on validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from finetune.baselines.boosting import fit_boosting
from finetune.lines.data import Example
from symbolic.features import under_another
from symbolic.features.stats import Floats, softmax
from symbolic.predict.classifiers.boosting import BoostedTrees
from symbolic.predict.lines.decoding import LineSettings, is_one_voice, summed
from symbolic.predict.lines.features import line_features
from symbolic.predict.lines.model import CLASSES, MelodyLines
from symbolic.predict.lines.tracks import track_votes

NOTES = 120_000
"""Notes that each of the two sets of trees is fitted to."""
FREEDOM = 2.0
"""See `presence_shift`. Found by leaving one kind of music out of training, for validation is of the training kinds."""
GRID = {
    "interval": (-0.1, -0.3, -0.6),
    "follow": (0.0, 0.5, 1.0),
    "overlap": (-0.3, -1.0, -2.0),
    "rest": (0.0, -0.3),
    "restart": (-0.5, -1.5),
    "scale": (0.8, 1.0, 1.25),
}
"""Values that are tried for each setting in turn, while the others stay."""
SIMPLEST = LineSettings(freedom=FREEDOM, follow=1.0, interval=-0.6, overlap=-1.0, rest=-0.3, restart=-0.5)
_QUANTILE = 0.99


@dataclass(frozen=True, eq=False)
class Rated:
    """A validation piece with the log-odds of the trees.

    Attributes:
        example: The piece.
        own: (N,) log-odds of melody of its notes.
        above: (N,) whether a note is on the skyline.
    """

    example: Example
    own: Floats
    above: NDArray[np.bool_]


def fit_lines(
    train: Sequence[Example],
    valid: Sequence[Example],
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> MelodyLines:
    """Fit a model.

    Args:
        train: Augmented pieces. Those of one mark fall into one half.
        valid: Pieces as they are. Those of sources with tracks weigh the votes.
        seed: Of the halves and the choice of notes.
        say: Reports each step.
    """
    draw, model = np.random.default_rng(seed), MelodyLines()
    _, group = np.unique([one.mark for one in train], return_inverse=True)
    half = (draw.permutation(group.max() + 1) % 2)[group]
    say("first trees")
    model.first = _trees([one for one, h in zip(train, half, strict=True) if h == 0], _features, draw)
    say("second trees")

    def with_first(one: Example) -> NDArray[np.float32]:
        return line_features(one.tokens, softmax(model.first.logits(one.features))[:, 0])

    # The first trees have not seen these pieces, so their ratings are as good as they will be on new music.
    model.second = _trees([one for one, h in zip(train, half, strict=True) if h == 1], with_first, draw)
    say("lines")
    means = np.stack([one.features.mean(axis=0, dtype=np.float64) for one in train])
    model.centre.copy_(torch.from_numpy(means.mean(axis=0)))
    model.spread.copy_(torch.from_numpy(np.maximum(means.std(axis=0), 1e-3)))
    rated = [
        Rated(one, model.note_log_odds(one.tokens, one.features), ~under_another(one.tokens)) for one in valid
    ]
    model.decoder.set(_settings(rated))
    far = [model.distance(one.features) for one in [*train, *valid]]
    model.farthest.fill_(float(np.quantile(far, _QUANTILE, method="higher")))
    return model.requires_grad_(False).eval()


def _features(one: Example) -> NDArray[np.float32]:
    return one.features


def _trees(
    pieces: Sequence[Example], features: Callable[[Example], NDArray[np.float32]], draw: np.random.Generator
) -> BoostedTrees:
    """Fit trees to notes of each share in proportion to its weight."""
    shares = {one.share for one in pieces}
    total = sum(share.weight for share in shares)
    kept, labels = [], []
    for share in sorted(shares, key=repr):
        ours = [one for one in pieces if one.share == share]
        known = sum(int((one.labels >= 0).sum()) for one in ours)
        chance = NOTES * share.weight / total / max(known, 1)
        for one in ours:
            chosen = np.flatnonzero((one.labels >= 0) & (draw.random(len(one.labels)) < chance))
            kept.append(features(one)[chosen])
            labels.append(one.labels[chosen])
    return fit_boosting(np.concatenate(kept), np.concatenate(labels).astype(np.int64), CLASSES)


def _settings(rated: Sequence[Rated]) -> LineSettings:
    """Find the numbers beside the trees, step by step."""
    merged = [one for one in rated if one.example.share.weight and not is_one_voice(one.example.table)]
    tracked = [one for one in rated if not one.example.share.weight]
    found, best = SIMPLEST, _loss(merged, SIMPLEST)
    for name, values in GRID.items():
        for value in values:
            if value != getattr(found, name):
                other = found._replace(**{name: value})
                if (loss := _loss(merged, other)) < best:
                    found, best = other, loss
    if tracked:
        found = _with_votes(tracked, found)
    return _calibrated(merged, found)


def _lines(one: Rated, known: LineSettings) -> Floats:
    """Return (N,) log-odds of the line of a piece without votes and calibration."""
    return summed(known.scale * one.own + known.shift, one.example.table, one.above, known)


def _loss(rated: Sequence[Rated], known: LineSettings) -> float:
    """Mean over sources of the mean log loss of their notes."""
    losses: dict[str, list[Floats]] = {}
    for one in rated:
        labels, odds = one.example.labels, _lines(one, known)
        signs = np.where(labels == 0, -1.0, 1.0)[labels >= 0]
        losses.setdefault(one.example.share.source, []).append(np.logaddexp(0, signs * odds[labels >= 0]))
    return float(np.mean([np.concatenate(parts).mean() for parts in losses.values()]))


def _with_votes(rated: Sequence[Rated], known: LineSettings) -> LineSettings:
    """Weigh a note's own log-odds and the votes of its track by logistic regression, each source alike."""

    def inputs(one: Rated) -> Floats:
        odds = known.scale * one.own + known.shift
        return np.column_stack([odds, track_votes(odds, one.example.tracks)])

    (own, vote, behind, near), alone = _regression(rated, inputs)
    return known._replace(own=own, vote=vote, behind=behind, near=near, alone=alone)


def _calibrated(rated: Sequence[Rated], known: LineSettings) -> LineSettings:
    """Find slope and offset of the line's log-odds by logistic regression, each source alike (Platt, 1999)."""
    (slope,), offset = _regression(rated, lambda one: _lines(one, known)[:, None])
    return known._replace(slope=slope, offset=offset)


def _regression(rated: Sequence[Rated], inputs: Callable[[Rated], Floats]) -> tuple[list[float], float]:
    """Predict by (N, F) inputs of its notes whether each is melody. Return F weights and the constant.

    All sources count alike, however many labelled notes they have.
    """
    scored = [one.example.labels >= 0 for one in rated]
    sources = np.repeat([one.example.share.source for one in rated], [int(known.sum()) for known in scored])
    _, source, sizes = np.unique(sources, return_inverse=True, return_counts=True)
    weight = (1 / sizes)[source] * len(source) / len(sizes)
    seen = np.concatenate([inputs(one)[known] for one, known in zip(rated, scored, strict=True)])
    wanted = np.concatenate(
        [one.example.labels[known] == 0 for one, known in zip(rated, scored, strict=True)]
    )
    model = LogisticRegression(C=1e4, max_iter=500).fit(seen, wanted, weight)
    return model.coef_[0].tolist(), float(model.intercept_[0])
