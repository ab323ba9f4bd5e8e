"""Baselines that a model must exceed (docs/evaluation.md, rule 8).

A baseline is fitted on the training pieces alone and then predicts like any model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data.corpora.archives import cache_folder
from data.toolkit.records import write_json
from finetune.baselines import rules
from finetune.baselines.memory import remembered, remembered_stretches
from finetune.baselines.pieces import fit_piece_classifier
from finetune.tasks.data import Predictor, Rows, TaskData, summarise
from finetune.tasks.metrics import pack_counts
from symbolic.documents import parse_json
from symbolic.errors import ConfigError
from symbolic.features import chords
from symbolic.tokens.vocabulary import PITCH

SidePredictor = Callable[[Sequence[Rows]], list[NDArray[np.integer]]]
"""From the tokens of several pieces to their predictions: some classifiers take many pieces at little cost."""
RUN = 5
"""Notes in the runs by which pieces are looked up."""


@dataclass(frozen=True)
class Baseline:
    """A named way to predict without a neural network.

    Attributes:
        name: In records.
        title: For people.
        fit: From a task's data, of which only the training pieces may be used, to a predictor.
    """

    name: str
    title: str
    fit: Callable[[TaskData], SidePredictor]


def _piecewise(fit: Callable[[TaskData], Predictor]) -> Callable[[TaskData], SidePredictor]:
    """Build a baseline that predicts pieces one by one."""

    def fitted(data: TaskData) -> SidePredictor:
        predictor = fit(data)
        return lambda pieces: [predictor(tokens) for tokens in pieces]

    return fitted


def majority(data: TaskData) -> Predictor:
    """Predict the most frequent class of the training notes or pieces."""
    most_frequent = _most_frequent(data)
    if data.task.level == "sequence":
        return lambda tokens: np.asarray(most_frequent)
    return lambda tokens: np.full(len(tokens), most_frequent)


def look_up(data: TaskData) -> SidePredictor:
    """Predict the label of the training piece that shares most runs of five notes. Rare runs count more.

    Where clips or versions of a song stand on two sides this finds the song. Where songs are disjoint it can find no
    more than likeness. Without a common run it predicts the most frequent class.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    tokens, truth = zip(*data.pieces("train"), strict=True)
    labels, most_frequent = np.array(truth), _most_frequent(data)
    vectors = TfidfVectorizer(analyzer=runs_of_notes, binary=True)
    known = vectors.fit_transform(tokens)

    def predict(pieces: Sequence[Rows]) -> list[NDArray[np.integer]]:
        likeness = (vectors.transform(pieces) @ known.T).toarray()
        found = np.where(likeness.max(axis=1) > 0, labels[likeness.argmax(axis=1)], most_frequent)
        return list(found.astype(np.int64))

    return predict


def runs_of_notes(tokens: Rows) -> list[tuple[int, ...]]:
    """Return the intervals in semitones of each run of five notes of the top line. They are the same in every key."""
    chord = chords(tokens)
    top = np.flatnonzero(chord.rank == 0)
    _, first = np.unique(chord.onset[top], return_index=True)
    moves = np.diff(tokens[top[first], PITCH].astype(np.int64)).tolist()
    # A piece too short for a run is one run.
    return [tuple(moves[i : i + RUN - 1]) for i in range(max(len(moves) - RUN + 2, 1))]


def features_logistic(data: TaskData) -> SidePredictor:
    """Fit logistic regression to standardised hand-made features."""
    from sklearn.linear_model import LogisticRegression

    return _classifier(data, LogisticRegression(max_iter=2000))


def features_trees(data: TaskData) -> SidePredictor:
    """Fit extremely randomised trees to hand-made features."""
    from sklearn.ensemble import ExtraTreesClassifier

    return _classifier(data, ExtraTreesClassifier(500, random_state=0))


def features_together(data: TaskData) -> SidePredictor:
    """Fit the classifier of `--method features` but without pairs: discriminants and trees on pieces and stretches."""
    tokens, truth = zip(*data.pieces("train"), strict=True)
    model = fit_piece_classifier(remembered_stretches(tokens), np.array(truth), len(data.task.classes))
    return lambda pieces: list(model.of_pieces(remembered_stretches(pieces), pieces).argmax(axis=1))


BASELINES: Mapping[str, Baseline] = {
    baseline.name: baseline
    for baseline in (
        Baseline("majority", "majority class", _piecewise(majority)),
        Baseline("skyline", "skyline", _piecewise(rules.skyline)),
        Baseline("note_table", "context-free note table", _piecewise(rules.note_table)),
        Baseline("rhythm_table", "table of position and times", _piecewise(rules.rhythm_table)),
        Baseline("key_profiles", "key profiles", _piecewise(rules.key_profiles)),
        Baseline("triads", "triad templates", _piecewise(rules.triads)),
        Baseline("look_up", "look-up of the nearest training piece", look_up),
        Baseline("features_logistic", "hand-made features + logistic regression", features_logistic),
        Baseline("features_trees", "hand-made features + extra trees", features_trees),
        Baseline("features_together", "hand-made features + discriminants and trees", features_together),
    )
}


def measure_baselines(*folds: TaskData) -> list[dict[str, Any]]:
    """Measure all baselines of a task on its validation and test pieces as JSON values.

    Args:
        folds: The task's data, or that of every fold, whose pieces are counted together.

    Raises:
        ConfigError: If the task names a baseline that does not exist.
    """
    task = folds[0].task
    if unknown := sorted(set(task.baselines) - set(BASELINES)):
        raise ConfigError(f"No baseline is called {', '.join(unknown)}; there are {', '.join(BASELINES)}.")
    records = []
    with tqdm(
        total=len(task.baselines) * len(folds), desc=f"{task.name}, baselines", leave=False, disable=None
    ) as bar:
        for baseline in (BASELINES[name] for name in task.baselines):
            counts: dict[str, list[NDArray[np.int64]]] = {"valid": [], "test": []}
            for data in folds:
                predictor = baseline.fit(data)
                for split, found in counts.items():
                    found.append(data.counts(split, predictor([tokens for tokens, _ in data.pieces(split)])))
                bar.update()
            sides = {split: _scores(folds, found) for split, found in counts.items()}
            packed = pack_counts(np.concatenate(counts["test"]))
            records.append({"name": baseline.name, "title": baseline.title, **sides, "test_counts": packed})
    return records


def cached_baselines(*folds: TaskData) -> list[dict[str, Any]]:
    """Return the baselines of a task, measured once and then cached.

    They are measured again when anything changes that they depend on: task, views, music, labels, split, budget, the
    code that measures them or the library that does.
    """
    pieces = blake2b(digest_size=16)
    for data in folds:
        for split in data.splits.values():
            pieces.update(split.tobytes() + b"|")
    identity = {
        "code": _code(),
        "sklearn": metadata.version("scikit-learn"),
        "task": folds[0].task,
        "protocol": folds[0].protocol,
        "shards": [data.shards.fingerprint for data in folds],
        "pieces": pieces.hexdigest(),
    }
    text = json.dumps(identity, sort_keys=True, default=_as_dict)
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = cache_folder() / "baselines" / f"{folds[0].task.name}-{key}.json"
    with suppress(OSError, ValueError):  # absent, or damaged
        return list(parse_json(path.read_bytes()))
    write_json(path, measure_baselines(*folds))
    return list(parse_json(path.read_bytes()))


def _as_dict(value: Any) -> dict[str, Any]:
    """Convert tasks, merged classes and read-only mappings for JSON."""
    return dict(vars(value) if is_dataclass(value) else value)


def _code() -> str:
    """Hash the files that decide the predictions of a baseline."""
    home, digest = Path(__file__).resolve().parents[2], hashlib.sha256()
    for pattern in ("finetune/baselines/*.py", "finetune/tasks/*.py", "symbolic/features/*.py"):
        for path in sorted(home.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _scores(folds: Sequence[TaskData], counts: Sequence[NDArray[np.int64]]) -> dict[str, Any]:
    total = np.concatenate(counts)
    parts = [found.sum(axis=0) for found in counts] if len(folds) > 1 else []
    return {"scores": summarise(folds[0].task, total, parts), "confusion": total.sum(axis=0).tolist()}


def _most_frequent(data: TaskData) -> int:
    truth = np.concatenate([np.atleast_1d(truth) for _, truth in data.pieces("train")])
    return int(np.bincount(truth[truth >= 0]).argmax())


def _classifier(data: TaskData, estimator: Any) -> SidePredictor:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    tokens, truth = zip(*data.pieces("train"), strict=True)
    if len(set(map(int, truth))) == 1:
        return _piecewise(majority)(data)  # there is nothing to tell apart, and estimators refuse
    fitted = make_pipeline(StandardScaler(), estimator).fit(remembered(tokens), np.array(truth))
    return lambda pieces: list(fitted.predict(remembered(pieces)).astype(np.int64))
