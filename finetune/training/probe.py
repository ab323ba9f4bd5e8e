"""Fit a probe: a linear classifier of a frozen backbone's states without gradient descent.

The backbone reads every window a few times. Then scikit-learn fits a few classifiers, and validation chooses one.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from finetune.tasks.data import TaskData
from finetune.training.readings import Examples, Readings
from symbolic.predict.network import TaskModel

Floats = NDArray[np.floating]
STRENGTHS = (0.001, 0.01, 0.1)
"""`C` of logistic regression."""
_LEAST_DEVIATION = 5e-3
"""A feature that hardly varies is not blown up to unit variance."""
_NEVER = -1e4
"""Logit of a class without training examples."""


def fit_probe(model: TaskModel, data: TaskData, readings: Readings, tokens_per_batch: int) -> dict[str, Any]:
    """Fit the head of a probe in place. Labels of test pieces are never read.

    Args:
        model: From `build_model`, on its device.
        data: The task's pieces.
        readings: Of the pieces, for the seed.
        tokens_per_batch: Tokens that the backbone reads at a time.

    Returns:
        As JSON values: layers, the chosen classifier and validation accuracy of each classifier.
    """
    train = readings.examples(model, data, "train", tokens_per_batch)
    valid = readings.examples(model, data, "valid", tokens_per_batch)
    known, place = np.unique(train.labels, return_inverse=True)
    centre, deviation = train.features.mean(0), np.maximum(train.features.std(0), _LEAST_DEVIATION)
    scaled = (train.features - centre) / deviation
    found, merits = dict[str, tuple[Floats, Floats]](), dict[str, tuple[float, float]]()
    for name, estimator in _estimators() if len(known) > 1 else ():
        with warnings.catch_warnings():  # one that has not converged is judged like any other
            warnings.simplefilter("ignore")
            estimator.fit(scaled, place)
        weight, bias = estimator.coef_, estimator.intercept_
        if len(known) == 2:  # scikit-learn gives the second class alone
            weight, bias = np.concatenate([0 * weight, weight]), np.concatenate([0 * bias, bias])
        weight = weight / deviation
        found[name] = _all_classes(weight, bias - weight @ centre, known, len(data.task.classes))
        merits[name] = _merit(valid, *found[name], data.task.level == "sequence")
    chosen = max(merits, key=lambda name: merits[name], default="majority class")
    nothing = np.zeros((len(known), train.features.shape[1])), np.zeros(len(known))
    weight, bias = found.get(chosen) or _all_classes(*nothing, known, len(data.task.classes))
    with torch.no_grad():
        model.head.output.weight.copy_(torch.from_numpy(weight))
        model.head.output.bias.copy_(torch.from_numpy(bias))
    assert model.layers is not None
    accuracy = {name: merit[0] for name, merit in merits.items()}
    loss = -merits[chosen][1] if merits else 0.0
    return {
        "layers": list(model.layers),
        "classifier": chosen,
        "valid_accuracy": accuracy,
        "valid_loss": loss,
    }


def _estimators() -> Iterator[tuple[str, Any]]:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression

    yield "discriminants", LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    for strength in STRENGTHS:
        yield f"logistic regression, C={strength:g}", LogisticRegression(C=strength, tol=1e-3, max_iter=200)


def _all_classes(
    weight: Floats, bias: Floats, known: NDArray[np.int64], classes: int
) -> tuple[Floats, Floats]:
    """Return (C, W) weights and (C,) biases from those of the classes that have examples."""
    every, biases = np.zeros((classes, weight.shape[1])), np.full(classes, _NEVER)
    every[known], biases[known] = weight, bias
    return every, biases


def _merit(valid: Examples, weight: Floats, bias: Floats, by_piece: bool) -> tuple[float, float]:
    """Return accuracy and, to decide between equals, the negative cross-entropy of examples."""
    logits = valid.features.astype(np.float64) @ weight.T + bias
    log_probabilities = torch.from_numpy(logits).log_softmax(-1).numpy()
    loss = -float(log_probabilities[np.arange(len(logits)), valid.labels].mean())
    labels = valid.labels
    if by_piece:
        _, first, place = np.unique(valid.pieces, return_index=True, return_inverse=True)
        sums = np.zeros((len(first), logits.shape[1]))
        np.add.at(sums, place, logits)
        logits, labels = sums, labels[first]
    return float((logits.argmax(1) == labels).mean()), -loss
