"""Fit and score hand-made features: one seed, whose curves are a single point."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from data.splits import SPLITS
from finetune.baselines.memory import remembered_notes, remembered_stretches
from finetune.baselines.notes import fitted_trees
from finetune.baselines.pieces import fit_pairs, fit_piece_classifier
from finetune.baselines.tonal import fitted_tonal, is_tonal
from finetune.tasks.data import TaskData, task_metrics
from finetune.tasks.metrics import Counts
from finetune.training.predictions import Row, predicted
from finetune.training.result import CHECKPOINT, SCORED, SeedResult, peak_memory
from finetune.training.weights import InitialWeights, training_chain
from symbolic.checkpoint.files import WEIGHTS
from symbolic.features.stats import Floats
from symbolic.predict.classifiers.notes import NoteClassifier
from symbolic.predict.classifiers.pairs import PairDiscriminants
from symbolic.predict.classifiers.pieces import FeatureClassifier
from symbolic.predict.network import load_model, save_model
from symbolic.predict.parts import HandMade

LEARNT_FROM = "learnt_from"
"""Key in the results of a seed: the sides that the tested model was fitted to."""
PAIRS = "pairs"
"""Key in the results of a seed: whether the tested model of pieces has pairs of values."""


class _Fitted(NamedTuple):
    """Fitted models.

    Attributes:
        scout: What validation scores are of.
        kept: What is tested and kept.
        sides: What it has learnt from.
    """

    scout: HandMade
    kept: HandMade
    sides: tuple[str, ...]


def train_features(
    data: TaskData,
    source: InitialWeights,
    seed: int,
    folder: Path,
    provenance: dict[str, Any],
    splits: Sequence[str] = SCORED,
) -> SeedResult:
    """Fit hand-made features to the training pieces and score them.

    Validation pieces choose whether pairs of values are read. What is kept, and scored on test pieces, learns from them
    too, once they are scored. With a budget of labels it does not: they would be more labels than the budget.

    Args:
        data: The task's pieces.
        source: From `finetune.training.weights.no_weights`.
        seed: Which. It has no say.
        folder: Of the seed. Receives the checkpoint.
        provenance: Goes into it.
        splits: What to score: a run that is only tried does not meet the test pieces.
    """
    began = time.perf_counter()
    fitted = _of_notes(data) if data.task.level == "note" else _of_pieces(data)
    seconds = time.perf_counter() - began

    sides = np.concatenate([data.splits[side] for side in fitted.sides])
    checkpoint = folder / CHECKPOINT
    task, seen = data.described(sides), data.shards.fingerprints[sides]
    chain = training_chain(data, source, sides)
    save_model(checkpoint, fitted.kept, source.tokenizer, task, provenance, seen, chain=chain)
    counts, losses = dict[str, Counts](), dict[str, float]()
    counts["valid"], losses["valid"], _ = _judged(data, "valid", fitted.scout)
    rows: list[Row] = []
    if "test" in splits:
        kept, _, _ = load_model(checkpoint)
        assert isinstance(kept, HandMade)
        counts["test"], _, rows = _judged(data, "test", kept)
    scores = {
        split: {name: float(metric(matrix.sum(axis=0))) for name, metric in task_metrics(data.task).items()}
        for split, matrix in counts.items()
    }
    entry = {
        "step": 1,
        "valid_loss": losses["valid"],
        "valid_accuracy": scores["valid"]["accuracy"],
        "valid_macro_f1": scores["valid"]["macro_f1"],
    }
    cost = {
        "seconds": round(seconds, 1),
        "seconds_per_epoch": round(seconds, 1),
        "resumed": False,
        "steps": 1,
        "trained_parameters": fitted.kept.numbers,
        "parameters": fitted.kept.numbers,
        "saved_bytes": (checkpoint / WEIGHTS).stat().st_size,
        "peak_memory_bytes": peak_memory(),
    }
    summary = {"seed": seed, "best_step": 1, **scores, "cost": cost, "history": [entry]}
    if isinstance(fitted.kept, FeatureClassifier):
        summary[PAIRS] = fitted.kept.pairs is not None
    return SeedResult({**summary, LEARNT_FROM: list(fitted.sides)}, counts, rows)


def fit_whole(
    data: TaskData, source: InitialWeights, folder: Path, provenance: dict[str, Any], pairs: bool
) -> int:
    """Fit hand-made features to the labelled pieces of all sides, once folds have tested them, and save the model.

    Args:
        data: The task's pieces, of any fold.
        source: From `finetune.training.weights.no_weights`.
        folder: Receives the checkpoint.
        provenance: Goes into it.
        pairs: Fit pairs of values too, as the models did that were tested.

    Returns:
        The number of pieces.
    """
    model = _fitted_pieces(data, SPLITS)
    model.pairs = _fitted_pairs(data, SPLITS) if pairs else None
    pieces = np.concatenate([data.splits[side] for side in SPLITS])
    task, seen = data.described(pieces), data.shards.fingerprints[pieces]
    chain = training_chain(data, source, pieces)
    save_model(folder, model, source.tokenizer, task, provenance, seen, chain=chain)
    return len(pieces)


def _of_pieces(data: TaskData) -> _Fitted:
    """Fit features and pairs of values. Pairs are kept where they lower the loss of validation pieces."""
    scout = _fitted_pieces(data, ("train",))
    _, without, _ = _judged(data, "valid", scout)
    scout.pairs = _fitted_pairs(data, ("train",))
    if scout.pairs and _judged(data, "valid", scout)[1] >= without:
        scout.pairs = None
    if data.thin:
        return _Fitted(scout, scout, ("train",))
    kept = _fitted_pieces(data, ("train", "valid"))
    kept.pairs = _fitted_pairs(data, ("train", "valid")) if scout.pairs else None
    return _Fitted(scout, kept, ("train", "valid"))


def _fitted_pieces(data: TaskData, sides: Sequence[str]) -> FeatureClassifier:
    features = [one for side in sides for one in _stretches(data, side)]
    return fit_piece_classifier(features, _truths(data, sides), len(data.task.classes))


def _fitted_pairs(data: TaskData, sides: Sequence[str]) -> PairDiscriminants | None:
    pieces = [tokens for side in sides for tokens, _ in data.pieces(side)]
    return fit_pairs(pieces, _truths(data, sides), len(data.task.classes), not data.task.transposition)


def _truths(data: TaskData, sides: Sequence[str]) -> NDArray[np.int64]:
    return np.array([int(truth) for side in sides for _, truth in data.pieces(side)])


def _of_notes(data: TaskData) -> _Fitted:
    """Fit to training notes alone: there are enough, and a second fit takes minutes."""
    model: HandMade = fitted_tonal(data) if is_tonal(data) else fitted_trees(data)
    return _Fitted(model, model, ("train",))


def _stretches(data: TaskData, split: str) -> list[Floats]:
    title = f"{data.name}, features of {split} pieces"
    pieces = tqdm(
        data.pieces(split), title, total=len(data.splits[split]), leave=False, disable=None, unit=" pieces"
    )
    return [remembered_stretches([tokens])[0] for tokens, _ in pieces]


def _judged(data: TaskData, split: str, model: HandMade) -> tuple[Counts, float, list[Row]]:
    """Return (G, C, C) confusion matrices by song group, mean cross-entropy in nats, and a row for each piece."""
    if isinstance(model, FeatureClassifier):
        logits = list(model.of_pieces(_stretches(data, split), [tokens for tokens, _ in data.pieces(split)]))
    else:
        pieces = tqdm(
            data.pieces(split), f"{data.name}, {split}", len(data.splits[split]), leave=False, disable=None
        )
        logits = [
            model.logits(tokens, remembered_notes(tokens))
            if isinstance(model, NoteClassifier)
            else model.logits(tokens)
            for tokens, _ in pieces
        ]
    counts, rows = predicted(data, split, logits)
    truths = [np.atleast_1d(truth) for _, truth in data.pieces(split)]
    losses = [_losses(np.atleast_2d(one), truth) for one, truth in zip(logits, truths, strict=True)]
    return counts, float(np.concatenate(losses).mean()), rows


def _losses(logits: Floats, truth: NDArray[np.integer]) -> Floats:
    """Return the loss of each labelled token; a class without training examples counts as probability 1e-6."""
    known = truth >= 0
    shares = torch.from_numpy(logits[known]).softmax(dim=1).numpy()
    right = shares[np.arange(len(shares)), truth[known]]
    return np.asarray(-np.log(np.maximum(right, 1e-6)))
