"""Hand-made features as a model: fitted at once, scored, kept and used like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetune_helpers import tune, write_folder
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

import symbolic
from finetune.cli import main
from finetune.config import FEATURES, TrainSettings
from finetune.features import feature_matrix, feature_names
from finetune.features.classifier import FeatureClassifier
from finetune.forecast import Forecaster
from symbolic.errors import CheckpointError, ConfigError
from symbolic.tokenizer import Tokenizer

RUN = ["--method", FEATURES, "--jobs", "0"]


def pieces(classes: int, each: int = 12) -> tuple[Any, Any]:
    """(P, F) and (P,): random features whose means differ from class to class."""
    random, width = np.random.default_rng(0), len(feature_names())
    labels = np.repeat(np.arange(classes), each)
    means = random.normal(size=(classes, width))
    features = 3 + means[labels] + 2 * random.normal(size=(len(labels), width))
    features[:, 5] = 7.0  # as the metre of a corpus in one metre
    return features, labels


@pytest.mark.parametrize("classes", [2, 4])
def test_it_says_what_the_library_says(classes: int) -> None:
    features, labels = pieces(classes)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    scaled = StandardScaler().fit_transform(features)
    expected = theirs.fit(scaled, labels).predict_proba(scaled)
    logits = FeatureClassifier.fit(features, labels, classes).of_features(features)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(shares / shares.sum(axis=1, keepdims=True), expected, atol=1e-4)
    assert (logits.argmax(axis=1) == labels).mean() > 0.5


def test_a_class_without_pieces_is_never_answered() -> None:
    features, labels = pieces(2)
    model = FeatureClassifier.fit(features, 2 * labels, 4)
    assert np.isneginf(model.of_features(features)[:, [1, 3]]).all()
    assert np.isfinite(model.weights()).all()
    alone = FeatureClassifier.fit(features, np.ones(len(features), dtype=np.int64), 3)
    assert set(alone.of_features(features).argmax(axis=1)) == {1}


def test_reasons_account_for_the_answer() -> None:
    """Together with the classes' own bias, what all features add is how far the answer lies above the mean."""
    music = [Tokenizer().encode(tune(n, dance)).rows for n in range(12) for dance in ("waltz", "reel")]
    model = FeatureClassifier.fit(feature_matrix(music), np.tile([0, 1], 12), 2)
    logits, bias = model.logits(music[3]), model.linear.bias.numpy()
    reasons, answer = model.reasons(music[3], most=len(feature_names())), int(logits.argmax())
    above = (logits[answer] - logits.mean()) - (bias[answer] - bias.mean())
    assert sum(reason.weight for reason in reasons) == pytest.approx(above, rel=1e-4)
    sizes = [abs(reason.weight) for reason in reasons]
    assert sizes == sorted(sizes, reverse=True)
    assert model.reasons(music[3], most=2) == reasons[:2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run on tunes of two dances, in two seeds."""
    base = tmp_path_factory.mktemp("features")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERPOINT_CACHE", str(base / "cache"))
        tunes = str(write_folder(base / "tunes"))
        assert main(["sequence", tunes, *RUN, "--seeds", "2", "--out", str(base / "run")]) == 0
        yield base / "run"


def test_it_is_scored_beside_the_floors_and_stands_where_its_own_does(run: Path) -> None:
    record = json.loads((run / "record.json").read_text())
    floors = {floor["name"]: floor["test"]["scores"]["accuracy"]["mean"] for floor in record["floors"]}
    assert record["test"]["accuracy"]["mean"] == floors["features_discriminant"] == 1.0
    assert record["test"]["accuracy"]["sd"] == 0
    assert record["backbone"] == {"source": FEATURES}
    assert record["leaks"]["leaky"] is False
    cost = record["seeds"][0]["cost"]
    assert cost["trained_parameters"] == 2 * len(feature_names()) + 2 * (len(feature_names()) + 1)
    page = (run / "report.html").read_text()
    assert "features, 2 seeds" in page
    assert "from scratch" not in page
    assert "What speaks for each class" in page


def test_it_predicts_and_says_why(run: Path, tmp_path: Path, capsys: Any) -> None:
    songs, answers = run.parent / "tunes", tmp_path / "answers.json"
    assert main(["predict", str(run), str(songs), "--json", str(answers), "--out", str(tmp_path)]) == 0
    found = json.loads(answers.read_text())
    right = [one["prediction"] == ("waltz", "reel")[number % 2] for number, one in enumerate(found)]
    assert len(right) == 24
    assert all(right)
    assert {reason["feature"] for one in found for reason in one["reasons"]} <= set(feature_names())
    assert all(len(one["reasons"]) == 5 for one in found)


def test_it_is_handed_on_as_a_few_kilobytes(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), str(tmp_path / "dances"), "--licence", "mine"]) == 0
    assert (tmp_path / "dances" / "model.safetensors").stat().st_size < 10_000
    ours, theirs = Forecaster.load(tmp_path / "dances", "cpu"), Forecaster.load(run, "cpu")
    np.testing.assert_array_equal(ours.probabilities(tune(100)), theirs.probabilities(tune(100)))
    card = (tmp_path / "dances" / "README.md").read_text()
    assert "hand-made features by linear discriminants, without a backbone" in card


def test_a_run_transfers(run: Path, tmp_path: Path, capsys: Any) -> None:
    """Refused for its classes and not for its kind, which is found out later."""
    assert main(["transfer", str(run), "genre", "--root", str(tmp_path)]) == 2
    assert "has other classes than 'genre'" in capsys.readouterr().err


def test_nothing_is_built_on_it(run: Path, capsys: Any) -> None:
    with pytest.raises(CheckpointError, match="has no backbone"):
        symbolic.load(run / "seed-0")
    assert main(["sequence", str(run.parent / "tunes"), "--from", str(run), "--jobs", "0"]) == 2
    assert "has no backbone" in capsys.readouterr().err


def test_other_features_than_ours_are_refused(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), str(tmp_path / "old"), "--licence", "mine"]) == 0
    config = tmp_path / "old" / "config.json"
    about = json.loads(config.read_text())
    about["task"]["features"][0] = "of_another_release"
    config.write_text(json.dumps(about))
    with pytest.raises(CheckpointError, match="other hand-made features"):
        Forecaster.load(tmp_path / "old", "cpu")


def test_notes_have_no_features(run: Path, capsys: Any) -> None:
    tunes = str(run.parent / "tunes")
    assert main(["note", tunes, "--tracks", "MELODY,PIANO", *RUN]) == 2
    assert "hand-made features are of pieces" in capsys.readouterr().err


def test_what_has_no_meaning_is_refused_all_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        TrainSettings(method=FEATURES, checkpoint="mine", preset="tiny", epochs=2, lr=0.1)
    said = [problem.split(":")[0] for problem in refused.value.problems if "fitted at once" in problem]
    assert said == ["--from", "--preset", "--epochs", "--lr"]
    assert TrainSettings(method=FEATURES).checkpoint is None
