"""Boosted trees: LightGBM's own answers, kept as checked text."""

from __future__ import annotations

import pickle
import re
from typing import Any
from unittest.mock import Mock

import lightgbm
import numpy as np
import pytest

from finetune.baselines.boosting import fit_boosting, lightgbm_settings
from symbolic.errors import CheckpointError
from symbolic.features.stats import softmax
from symbolic.predict.classifiers import lightgbm_library
from symbolic.predict.classifiers.boosting import BoostedTrees

KNOWN = np.array([1, 3, 4])


def examples(known: Any) -> tuple[Any, Any]:
    """Return (600, 6) features and the class of each, one of `known`."""
    random = np.random.default_rng(0)
    features = random.normal(size=(600, 6)).astype(np.float32)
    score = features[:, 0] + features[:, 1] * features[:, 2]
    edges = np.quantile(score, np.linspace(0, 1, len(known) + 1)[1:-1])
    return features, np.array(known)[np.digitize(score, edges)]


@pytest.mark.parametrize("known", [[0, 1], [1, 3], [0, 1, 2], [0, 2, 3, 4]])
def test_saved_trees_predict_what_lightgbm_predicts(known: list[int]) -> None:
    """Test fitted and new examples; a class without examples is never predicted."""
    features, labels = examples(known)
    place = np.searchsorted(known, labels)
    theirs = lightgbm.train(lightgbm_settings(len(known)), lightgbm.Dataset(features, place), 15)
    model = fit_boosting(features, labels, 6, rounds=15)
    asked = np.concatenate([features, np.random.default_rng(1).normal(size=(300, 6)).astype(np.float32)])
    found = softmax(model.logits(asked))
    np.testing.assert_allclose(found[:, known], theirs.predict(asked), atol=1e-6)
    assert not np.delete(found, known, axis=1).any()
    again = BoostedTrees(6, model.size)
    again.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(again.logits(asked), model.logits(asked))
    assert again.numbers == model.numbers > 0
    assert model.logits(asked[:0]).shape == (0, 6)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (r"left_child=\S+", "left_child=0"),  # a cycle
        (r"left_child=\S+", "left_child=99"),
        (r"right_child=\S+", "right_child=-99"),
        (r"split_feature=\S+", "split_feature=6"),
        (r"num_leaves=\S+", "num_leaves=99"),
        (r"num_leaves=\S+", "num_leaves=0"),
        (r"num_cat=0", "num_cat=1"),
        (r"is_linear=0", "is_linear=1"),
        (r"decision_type=2", "decision_type=1"),
        (r"threshold=\S+", "threshold=x"),
        (r"threshold=\S+", "threshold=1e999"),
        (r"shrinkage=1", "shrinkage=1\nleaf_count=1"),
        (r"num_class=2", "num_class=3"),
        (r"end of trees", "end of threes"),
    ],
)
def test_a_damaged_model_text_is_refused(line: str, wrong: str) -> None:
    features, labels = examples([0, 1])
    model = fit_boosting(features, labels, 2, rounds=3)
    text, count = re.subn(line, wrong, model._text(), count=1)
    assert count
    model.take(text, np.arange(2))
    with pytest.raises(CheckpointError, match="damaged"):
        model.logits(features)


def test_trees_of_other_features_are_refused() -> None:
    model = fit_boosting(*examples(KNOWN), 6, rounds=3)
    with pytest.raises(CheckpointError, match="other features"):
        model.logits(np.zeros((1, 5), dtype=np.float32))


def test_trees_can_be_copied_to_another_process() -> None:
    features, labels = examples(KNOWN)
    model = fit_boosting(features, labels, 6, rounds=3)
    expected = model.logits(features)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).logits(features), expected)


@pytest.mark.parametrize(
    ("place", "error", "remedy"),
    [
        ("find_spec", None, "pip install 'lightgbm"),
        ("module_from_spec", OSError("libgomp.so.1: cannot open"), "libgomp1"),
    ],
)
def test_a_missing_lightgbm_is_reported_with_its_remedy(
    place: str, error: Exception | None, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fit_boosting(*examples(KNOWN), 6, rounds=3)
    lightgbm_library.library.cache_clear()
    monkeypatch.setattr(lightgbm_library, place, Mock(return_value=None, side_effect=error))
    with pytest.raises(ImportError, match=remedy):
        model.logits(np.zeros((1, 6), dtype=np.float32))
    with pytest.raises(ImportError, match=remedy):
        fit_boosting(*examples(KNOWN), 6, rounds=3)
