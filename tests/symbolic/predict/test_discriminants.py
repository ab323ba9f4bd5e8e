"""Linear discriminants of hand-made features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from finetune_helpers import tune
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

from finetune.baselines.discriminants import fit_discriminants
from symbolic.features import feature_matrix, feature_names
from symbolic.predict.classifiers.discriminants import Discriminants
from symbolic.tokens.tokenizer import Tokenizer

WIDTH = len(feature_names())


def pieces(classes: int, each: int = 12, apart: float = 1.0, draw: int = 0) -> tuple[Any, Any]:
    """(P, F) and (P,): random features whose means differ from class to class, and one that never varies."""
    random = np.random.default_rng(draw)
    labels = np.repeat(np.arange(classes), each)
    means = apart * np.random.default_rng(100).normal(size=(classes, WIDTH))
    features = 3 + means[labels] + 2 * random.normal(size=(len(labels), WIDTH))
    features[:, 5] = 7.0  # as the metre of a corpus in one metre
    return features, labels


def right(model: Discriminants, features: Any, labels: Any) -> float:
    return float((model.of_features(features).argmax(axis=1) == labels).mean())


def test_it_finds_what_the_library_finds() -> None:
    """Ours shrinks the covariance of a class as a whole, scikit-learn each feature to its own variance."""
    (features, labels), (unheard, truth) = pieces(4, apart=0.4), pieces(4, each=100, apart=0.4, draw=1)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    scaler = StandardScaler().fit(features)
    expected = theirs.fit(scaler.transform(features), labels).score(scaler.transform(unheard), truth)
    assert 0.7 < expected < 1
    assert right(fit_discriminants(features, labels, 4), unheard, truth) >= expected - 0.03


@pytest.mark.parametrize("each", [1, 2, 3, 5])
def test_few_pieces_are_enough_where_classes_lie_far_apart(each: int) -> None:
    features, labels = pieces(3, each, apart=2.0)
    model = fit_discriminants(features, labels, 3)
    assert right(model, *pieces(3, each=50, apart=2.0, draw=1)) > 0.9
    assert np.abs(model.of_features(features)).max() < 1e4


def test_scale_and_place_of_a_feature_change_nothing() -> None:
    features, labels = pieces(3)
    moved = features * np.geomspace(1e-3, 1e3, WIDTH) + 5
    one, other = (fit_discriminants(table, labels, 3) for table in (features, moved))
    np.testing.assert_allclose(one.of_features(features), other.of_features(moved), rtol=1e-3, atol=1e-2)


def test_what_never_varied_has_no_say() -> None:
    features, labels = pieces(2)
    features[:, 6] = 0.5 + 1e-16 * np.arange(len(labels))
    model = fit_discriminants(features, labels, 2)
    before = model.of_features(features)
    features[:, 5:7] = 1e3
    np.testing.assert_array_equal(model.of_features(features), before)


def test_no_feature_answers_alone() -> None:
    """However far off it lies: ten deviations are the farthest."""
    features, labels = pieces(2)
    model = fit_discriminants(features, labels, 2)
    there, beyond = features[:1].copy(), features[:1].copy()
    there[0, 0], beyond[0, 0] = 1e3, 1e9
    np.testing.assert_array_equal(model.of_features(there), model.of_features(beyond))


def test_rounding_is_no_trait() -> None:
    """Steady tunes have one gap and one tempo, to the last bits that their deviations come out at."""
    music = [Tokenizer().encode(tune(n, dance)).ids for n in range(8) for dance in ("waltz", "reel")]
    model = fit_discriminants(feature_matrix(music), np.tile([0, 1], 8), 2)
    steady = [feature_names().index(name) for name in ("tempo_log_sd", "gap_log_sd", "gap_change")]
    assert not feature_matrix(music)[:, steady].any()
    assert not model.weights()[:, steady].any()


def test_a_class_without_pieces_is_never_answered() -> None:
    features, labels = pieces(2)
    model = fit_discriminants(features, 2 * labels, 4)
    assert np.isneginf(model.of_features(features)[:, [1, 3]]).all()
    assert model.known.tolist() == [True, False, True, False]
    assert np.isfinite(model.weights()).all()
    alone = fit_discriminants(features, np.ones(len(features), dtype=np.int64), 3)
    assert set(alone.of_features(features).argmax(axis=1)) == {1}


def test_reasons_account_for_the_answer() -> None:
    """Together with the classes' own bias, what all features add is how far the answer lies above the mean."""
    music = [Tokenizer().encode(tune(n, dance)).ids for n in range(12) for dance in ("waltz", "reel")]
    model = fit_discriminants(feature_matrix(music), np.tile([0, 1], 12), 2)
    features, bias = feature_matrix(music[3:4]), model.linear.bias
    logits = model.of_features(features)[0]
    for answer in range(2):
        reasons = model.reasons(features, answer, most=len(feature_names()))
        above = (logits[answer] - logits.mean()) - (bias[answer] - bias.mean())
        assert sum(reason.weight for reason in reasons) == pytest.approx(above, rel=1e-4)
        sizes = [abs(reason.weight) for reason in reasons]
        assert sizes == sorted(sizes, reverse=True)
        assert model.reasons(features, answer, most=2) == reasons[:2]
