"""Fit the gate: what line and skyline count in which texture, and which music is like the training music."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from finetune.lines.pieces import Piece, source_weights
from symbolic.features.stats import Floats
from symbolic.predict.lines.decoding import LineSettings, decoded
from symbolic.predict.lines.gate import INPUTS, Gate, note_inputs
from symbolic.predict.lines.texture import MAKES, texture
from symbolic.predict.lines.tracks import has_tracks

QUANTILE = 0.98
"""Share of the validation pieces that are like the training music by definition."""
NOTES = 200
"""Most notes of a piece, so that a regression of a long piece does not count for all pieces of its kind."""
_LOOSE = 0.03
"""Inverse strength of the prior on the weights, for scikit-learn."""


def fit_gate(gate: Gate, pieces: Sequence[Piece], settings: LineSettings, draw: np.random.Generator) -> None:
    """Fit all numbers of a gate.

    Args:
        gate: Receives them.
        pieces: Validation pieces of several voices.
        settings: Of the lines.
        draw: Source of chance, for the choice of notes.
    """
    usual = np.stack([_numbers(one, None) for one in pieces if one.plain])
    gate.centre[:] = usual.mean(axis=0)
    gate.spread[:] = np.maximum(usual.std(axis=0), 1e-3)
    gate.weights[0] = _weights(gate, pieces, settings, draw, votes=False)
    tracked = [one for one in pieces if has_tracks(one.tracks)]
    if tracked:
        gate.weights[1] = _weights(gate, tracked, settings, draw, votes=True)
    gate.usual.fit(usual[:, : len(MAKES)], QUANTILE)
    made = [_numbers(one, None)[: len(MAKES)] for one in pieces if one.made]
    if made:
        gate.made.fit(np.stack(made), QUANTILE)


def _numbers(one: Piece, tracks: NDArray[np.integer] | None) -> Floats:
    return texture(one.table, one.above, 1 / (1 + np.exp(-one.own)), tracks)


def _weights(
    gate: Gate, pieces: Sequence[Piece], settings: LineSettings, draw: np.random.Generator, votes: bool
) -> Floats:
    """Predict by what notes bring, each times each number of the texture, whether they are melody."""
    rows, wanted, sizes = [], [], []
    for one in pieces:
        known = np.flatnonzero(one.known)
        chosen = draw.choice(known, min(len(known), NOTES), replace=False)
        tracks = one.tracks if votes else None
        inputs = note_inputs(decoded(one.own, one.table, tracks, settings), one.above)[chosen]
        numbers = np.append(gate.standard(_numbers(one, tracks)), 1.0)
        rows.append((inputs[:, :, None] * numbers).reshape(len(chosen), -1))
        wanted.append(one.labels[chosen] == 0)
        sizes.append(len(chosen))
    constant = len(numbers) - 1
    seen, melody = np.delete(np.concatenate(rows), constant, axis=1), np.concatenate(wanted)
    spread = seen.std(axis=0)
    scale = np.where(spread > 1e-3, spread, 1.0)
    model = LogisticRegression(C=_LOOSE, solver="newton-cholesky")  # few columns: it converges in a few steps
    model.fit(seen / scale, melody, source_weights(pieces, sizes))
    found = np.insert(model.coef_[0] / scale, constant, model.intercept_[0])
    return np.asarray(found.reshape(INPUTS, -1))
