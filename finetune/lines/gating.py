"""Fit the gate: on which textures the skyline is the better melody, and which music is like the training music."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from finetune.lines.pieces import Piece, source_weights
from symbolic.features.stats import Floats
from symbolic.predict.lines.decoding import LineSettings, decoded
from symbolic.predict.lines.gate import MOST, Gate
from symbolic.predict.lines.texture import MAKES, texture
from symbolic.predict.lines.tracks import has_tracks

QUANTILE = 0.95
"""Share of the validation pieces, as they are, that are like the training music by definition."""
_RIDGE = 0.05
"""Added to the variances of standardised numbers, so that the rarest combination does not rule the distance."""
_LOOSE = 1.0
"""Inverse strength of the prior on weights of textures, for scikit-learn."""


def fit_gate(gate: Gate, pieces: Sequence[Piece], settings: LineSettings) -> None:
    """Fit all numbers of a gate.

    Args:
        gate: Receives them.
        pieces: Validation pieces of several voices.
        settings: Of the lines.
    """
    numbers = np.stack([_numbers(one, None) for one in pieces])
    usual = np.array([one.plain for one in pieces])
    centre, spread = numbers[usual].mean(axis=0), np.maximum(numbers[usual].std(axis=0), 1e-3)
    gate.centre[:] = centre
    gate.spread[:] = spread

    def standard(values: Floats) -> Floats:
        return np.asarray(np.clip((values - centre) / spread, -6, 6))

    seen = standard(numbers)
    gate.skyline[0] = _weights(*_better(pieces, seen, settings, votes=False))
    tracked = [one for one in pieces if has_tracks(one.tracks)]
    if tracked:
        voted = standard(np.stack([_numbers(one, one.tracks) for one in tracked]))
        gate.skyline[1] = _weights(*_better(tracked, voted, settings, votes=True))
    share = _chance(seen @ gate.skyline[0, :-1] + gate.skyline[0, -1])
    lines = [np.clip(decoded(one.own, one.table, one.above, None, settings), -MOST, MOST) for one in pieces]
    top = [one.above & one.known for one in pieces]
    rest = [~one.above & one.known for one in pieces]
    rows = np.repeat(seen, [int(one.sum()) for one in top], axis=0)
    on_line = np.concatenate([line[k] for line, k in zip(lines, top, strict=True)])
    gate.right[:] = _weights(np.column_stack([rows, on_line]), *_of_notes(pieces, top, share))
    off_line = np.concatenate([line[k] for line, k in zip(lines, rest, strict=True)])
    gate.wrong[:] = _weights(off_line[:, None], *_of_notes(pieces, rest, share))
    makes = seen[usual][:, : len(MAKES)]
    values, vectors = np.linalg.eigh(np.cov(makes.T) + _RIDGE * np.eye(len(MAKES)))
    gate.whitening[:] = vectors / np.sqrt(values)
    gate.farthest[...] = np.quantile([gate.distance(one) for one in numbers[usual]], QUANTILE)


def _numbers(one: Piece, tracks: NDArray[np.integer] | None) -> Floats:
    return texture(one.table, one.above, _chance(one.own), tracks)


def _better(
    pieces: Sequence[Piece], seen: Floats, settings: LineSettings, votes: bool
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Return the textures, whether the skyline has the higher F1 of each piece, and how much that matters."""
    scores = np.array([_scores(one, settings, votes) for one in pieces])
    gain = scores[:, 1] - scores[:, 0]
    return seen, gain > 0, (np.abs(gain) + 0.01) * source_weights(pieces, [1] * len(pieces))


def _scores(one: Piece, settings: LineSettings, votes: bool) -> tuple[float, float]:
    """F1 of the line and of the skyline of a piece."""
    known, truth = one.known, one.labels == 0
    line = decoded(one.own, one.table, one.above, one.tracks if votes else None, settings) > 0

    def f1(found: NDArray[np.bool_]) -> float:
        hits = (found & truth)[known].sum()
        return float(2 * hits / max(found[known].sum() + truth[known].sum(), 1))

    return f1(line), f1(one.above)


def _of_notes(
    pieces: Sequence[Piece], chosen: Sequence[NDArray[np.bool_]], share: Floats
) -> tuple[NDArray[np.bool_], Floats]:
    """Return whether each chosen note is melody, and its weight: each source alike, pieces by their share."""
    melody = np.concatenate([(one.labels == 0)[k] for one, k in zip(pieces, chosen, strict=True)])
    sizes = [int(k.sum()) for k in chosen]
    return melody, source_weights(pieces, sizes) * np.repeat(share, sizes)


def _weights(seen: Floats, wanted: NDArray[np.bool_], weight: Floats) -> Floats:
    """Weights and the constant of a logistic regression. The constant alone where all agree."""
    if wanted.all() or not wanted.any():
        return np.array([0.0] * seen.shape[1] + [_log_odds(wanted, weight)])
    scaled = weight * len(weight) / weight.sum()
    model = LogisticRegression(C=_LOOSE, max_iter=5000).fit(seen, wanted, scaled)
    return np.append(model.coef_[0], model.intercept_[0])


def _log_odds(wanted: NDArray[np.bool_], weight: Floats) -> float:
    share = float(np.clip(np.average(wanted, weights=weight), 0.01, 0.99))
    return float(np.log(share / (1 - share)))


def _chance(odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -20, 20))))
