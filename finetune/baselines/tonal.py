"""Fit the regression that recognises keys and chords."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from finetune.tasks.data import TaskData
from symbolic.features.harmony import STEPS
from symbolic.features.onsets import times
from symbolic.features.stats import Floats
from symbolic.predict.classifiers.tonal import TonalClassifier, histograms
from symbolic.predict.tonality import MODES, TONAL_CLASSES

SPANS = {"key": "piece", "chord": "beat"}
"""What is recognised, by the label of notes."""
MOST = 12_000
"""Most places that the regression is fitted to; a random subset of more."""
DECAY = {"piece": 1e-4, "beat": 1e-5}
"""Weight of the penalty: the sum of squared weights."""
_STEPS = 150


def is_tonal(data: TaskData) -> bool:
    """Return whether a task asks where notes stand in their key or chord."""
    return data.task.classes == TONAL_CLASSES and data.task.label in SPANS


def fitted_tonal(data: TaskData) -> TonalClassifier:
    """Fit the regression of a task to its training pieces."""
    return fit_tonal(data.pieces("train"), SPANS[data.task.label])


def fit_tonal(
    pieces: Iterable[tuple[NDArray[np.integer], NDArray[np.integer]]], span: str, decay: float | None = None
) -> TonalClassifier:
    """Fit to pieces by maximum likelihood with a small penalty on the weights.

    A piece counts once for its key. A beat counts as many times as notes begin in it.

    Args:
        pieces: (N, 8) ids of each, and (N,) indices into `TONAL_CLASSES`, -1 where there is none.
        span: A name of `symbolic.predict.classifiers.tonal.SPANS`.
        decay: Weight of the penalty. None for that of `DECAY`.
    """
    seen, counts = [], []
    for tokens, truth in pieces:
        found, place = histograms(span, tokens)
        kept, count = _labelled(times(tokens)[2], truth, place, len(found))
        seen.append(found[kept].astype(np.float32))
        counts.append(count / count.sum() if span == "piece" else count)
    weight = DECAY[span] if decay is None else decay
    return _fit(np.concatenate(seen), np.concatenate(counts), span, weight)


def _labelled(
    pitch: NDArray[np.integer], truth: NDArray[np.integer], place: NDArray[np.integer], places: int
) -> tuple[NDArray[np.int64], Floats]:
    """Return the places with labels, and how many of their notes have each key or chord, (P, 24)."""
    known = truth >= 0
    degree, mode = truth[known].astype(np.int64) % STEPS, truth[known].astype(np.int64) // STEPS
    count = np.zeros((places, len(TONAL_CLASSES)))
    np.add.at(count, (place[known], (pitch[known] - degree) % STEPS + STEPS * mode), 1)
    kept = np.flatnonzero(count.any(axis=1))
    return kept, count[kept]


def _fit(seen: NDArray[np.float32], counts: Floats, span: str, decay: float) -> TonalClassifier:
    """Minimise the cross-entropy over (P, 12, F) histograms with (P, 24) counts."""
    from scipy.optimize import minimize

    chosen = np.random.default_rng(0).permutation(len(seen))[:MOST]
    seen, counts = seen[chosen], counts[chosen] / counts[chosen].sum()
    places, features = len(seen), seen.shape[2]
    flat, total = seen.reshape(places * STEPS, features), counts.sum(axis=1, keepdims=True)
    split = len(MODES) * features

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weight, bias = parameters[:split].reshape(len(MODES), features), parameters[split:]
        scores = (flat @ weight.T.astype(np.float32)).astype(np.float64).reshape(
            places, STEPS, len(MODES)
        ) + bias
        logits = scores.transpose(0, 2, 1).reshape(places, -1)
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        slope = (np.exp(logits) * total - counts).reshape(places, len(MODES), STEPS)
        towards = slope.transpose(1, 0, 2).reshape(len(MODES), -1).astype(np.float32) @ flat
        value = -(counts * logits).sum() + decay * (weight**2).sum()
        return float(value), np.concatenate([(towards + 2 * decay * weight).ravel(), slope.sum(axis=(0, 2))])

    found = minimize(
        loss, np.zeros(split + len(MODES)), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}
    ).x
    model = TonalClassifier(span)
    model.weight[:] = found[:split].reshape(len(MODES), features)
    model.bias[:] = found[split:]
    return model
