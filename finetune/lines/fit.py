"""Fit what decides beside the network: trees on pieces that it has not seen, then the numbers of the lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from finetune.baselines.boosting import fit_boosting
from finetune.lines.gating import fit_gate
from finetune.lines.pieces import Piece, Rated, rated_pieces, source_weights
from symbolic.features.stats import Floats, softmax
from symbolic.predict.classifiers.boosting import BoostedTrees
from symbolic.predict.lines.decoding import LineSettings, decoded
from symbolic.predict.lines.features import line_features
from symbolic.predict.lines.model import CLASSES, MelodyLines
from symbolic.predict.lines.tracks import has_tracks, track_votes

NOTES = 200_000
"""Notes that the trees are fitted to."""
GRID = {"interval": (-0.3,), "follow": (0.5,), "overlap": (-1.0,), "scale": (1.25,)}
"""Values that are tried for each setting in turn, while the others stay."""
SIMPLEST = LineSettings(follow=0.0, interval=-0.1, overlap=-2.0, rest=-0.3, restart=-0.5)


def fit_lines(
    train: Sequence[Rated],
    valid: Sequence[Rated],
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> MelodyLines:
    """Fit all that decides beside the network.

    Args:
        train: Pieces that the network was not trained on.
        valid: Further ones, as they are and in other textures.
        seed: Of the choice of notes.
        say: Reports each step.
    """
    model = MelodyLines()
    say("trees")
    model.trees = _trees(train, np.random.default_rng(seed))
    say("lines")
    pieces = rated_pieces(valid, model)
    found = _with_votes([one for one in pieces if has_tracks(one.tracks)], _settings(pieces))
    model.set(found)
    say("gate")
    fit_gate(model.gate, pieces, found, np.random.default_rng(seed))
    return model


def _trees(pieces: Sequence[Rated], draw: np.random.Generator) -> BoostedTrees:
    """Fit trees to notes of each share in proportion to its weight."""
    shares = {one.example.share for one in pieces}
    total = sum(share.weight for share in shares)
    kept, labels = [], []
    for share in sorted(shares, key=repr):
        ours = [one for one in pieces if one.example.share == share]
        known = sum(int((one.example.labels >= 0).sum()) for one in ours)
        chance = NOTES * share.weight / total / max(known, 1)
        for one in ours:
            truth = one.example.labels
            chosen = np.flatnonzero((truth >= 0) & (draw.random(len(truth)) < chance))
            melody = softmax(one.logits.astype(np.float64))[:, 0]
            kept.append(line_features(one.example.tokens, melody)[chosen])
            labels.append(truth[chosen])
    return fit_boosting(np.concatenate(kept), np.concatenate(labels).astype(np.int64), CLASSES)


def _settings(pieces: Sequence[Piece]) -> LineSettings:
    """Find the numbers of the lines without votes of tracks, step by step."""
    best, found = _loss(pieces, SIMPLEST), SIMPLEST
    for name, values in GRID.items():
        for value in values:
            other = found._replace(**{name: value})
            if (loss := _loss(pieces, other)) < best:
                best, found = loss, other
    return found


def _loss(pieces: Sequence[Piece], known: LineSettings) -> float:
    """Return the log loss of the lines, calibrated by logistic regression (Platt, 1999)."""
    lines = [decoded(one.own, one.table, None, known)[:, None] for one in pieces]
    return _regression(pieces, lines)[0]


def _with_votes(pieces: Sequence[Piece], known: LineSettings) -> LineSettings:
    """Weigh a note's own log-odds and the votes of its track."""
    if not pieces:
        return known
    odds = [known.scale * one.own for one in pieces]
    votes = [np.column_stack([o, track_votes(o, one.tracks)]) for o, one in zip(odds, pieces, strict=True)]
    _, (own, vote, behind, near), alone = _regression(pieces, votes)
    return known._replace(own=own, vote=vote, behind=behind, near=near, alone=alone)


def _regression(pieces: Sequence[Piece], inputs: Sequence[Floats]) -> tuple[float, list[float], float]:
    """Predict by (N, F) inputs of its notes whether each is melody. Return the log loss, F weights and the constant."""
    weights = source_weights(pieces, [int(one.known.sum()) for one in pieces])
    seen = np.concatenate([rows[one.known] for rows, one in zip(inputs, pieces, strict=True)])
    wanted = np.concatenate([one.labels[one.known] == 0 for one in pieces])
    model = LogisticRegression(C=1e4, max_iter=500).fit(seen, wanted, weights)
    signed = np.where(wanted, -1, 1) * model.decision_function(seen)
    loss = float(np.average(np.logaddexp(0, signed), weights=weights))
    return loss, model.coef_[0].tolist(), float(model.intercept_[0])
