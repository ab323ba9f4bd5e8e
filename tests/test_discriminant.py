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


WIDTH = len(feature_names())


def pieces(classes: int, each: int = 12, apart: float = 1.0, draw: int = 0) -> tuple[Any, Any]:
    """(P, F) and (P,): random features whose means differ from class to class, and one that never varies."""
    random = np.random.default_rng(draw)
    labels = np.repeat(np.arange(classes), each)
    means = apart * np.random.default_rng(100).normal(size=(classes, WIDTH))
    features = 3 + means[labels] + 2 * random.normal(size=(len(labels), WIDTH))
    features[:, 5] = 7.0  # as the metre of a corpus in one metre
    return features, labels


def right(model: FeatureClassifier, features: Any, labels: Any) -> float:
    return float((model.of_features(features).argmax(axis=1) == labels).mean())


def test_it_finds_what_the_library_finds() -> None:
    """Ours shrinks the covariance of a class as a whole, scikit-learn each feature to its own variance."""
    (features, labels), (unheard, truth) = pieces(4, apart=0.4), pieces(4, each=100, apart=0.4, draw=1)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    scaler = StandardScaler().fit(features)
    expected = theirs.fit(scaler.transform(features), labels).score(scaler.transform(unheard), truth)
    assert 0.7 < expected < 1
    assert right(FeatureClassifier.fit(features, labels, 4), unheard, truth) >= expected - 0.03


@pytest.mark.parametrize("each", [1, 2, 3, 5])
def test_few_pieces_are_enough_where_classes_lie_far_apart(each: int) -> None:
    features, labels = pieces(3, each, apart=2.0)
    model = FeatureClassifier.fit(features, labels, 3)
    assert right(model, *pieces(3, each=50, apart=2.0, draw=1)) > 0.9
    assert np.abs(model.of_features(features)).max() < 1e4


def test_scale_and_place_of_a_feature_change_nothing() -> None:
    features, labels = pieces(3)
    moved = features * np.geomspace(1e-3, 1e3, WIDTH) + 5
    one, other = (FeatureClassifier.fit(table, labels, 3) for table in (features, moved))
    np.testing.assert_allclose(one.of_features(features), other.of_features(moved), rtol=1e-3, atol=1e-2)


def test_what_never_varied_has_no_say() -> None:
    features, labels = pieces(2)
    features[:, 6] = 0.5 + 1e-16 * np.arange(len(labels))
    model = FeatureClassifier.fit(features, labels, 2)
    before = model.of_features(features)
    features[:, 5:7] = 1e3
    np.testing.assert_array_equal(model.of_features(features), before)


def test_no_feature_answers_alone() -> None:
    """However far off it lies: ten deviations are the farthest."""
    features, labels = pieces(2)
    model = FeatureClassifier.fit(features, labels, 2)
    there, beyond = features[:1].copy(), features[:1].copy()
    there[0, 0], beyond[0, 0] = 1e3, 1e9
    np.testing.assert_array_equal(model.of_features(there), model.of_features(beyond))


def test_rounding_is_no_trait() -> None:
    """Steady tunes have one gap and one tempo, to the last bits that their deviations come out at."""
    music = [Tokenizer().encode(tune(n, dance)).rows for n in range(8) for dance in ("waltz", "reel")]
    model = FeatureClassifier.fit(feature_matrix(music), np.tile([0, 1], 8), 2)
    steady = [feature_names().index(name) for name in ("tempo_log_sd", "gap_log_sd", "gap_change")]
    assert not feature_matrix(music)[:, steady].any()
    assert not model.weights()[:, steady].any()


def test_a_class_without_pieces_is_never_answered() -> None:
    features, labels = pieces(2)
    model = FeatureClassifier.fit(features, 2 * labels, 4)
    assert np.isneginf(model.of_features(features)[:, [1, 3]]).all()
    assert model.known.tolist() == [True, False, True, False]
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
    assert {record["settings"][name] for name in ("lr", "epochs", "preset", "rows_per_batch")} == {None}
    assert record["leaks"]["leaky"] is False
    cost = record["seeds"][0]["cost"]
    assert cost["trained_parameters"] == 2 * (WIDTH + 1)
    page = (run / "report.html").read_text()
    assert "features, 2 seeds" in page
    assert "from scratch" not in page
    assert "What speaks for each class" in page


def test_it_has_a_row_in_the_table_of_results(run: Path, tmp_path: Path) -> None:
    """Beside a run that has a backbone, to which it is no random initialisation."""
    tunes = str(run.parent / "tunes")
    probe = ["sequence", tunes, "--method", "probe", "--epochs", "1", "--jobs", "0", "--accelerator", "cpu"]
    assert main([*probe, "--out", str(run.parent / "probe")]) == 0
    assert main(["report", str(run.parent), "--out", str(tmp_path / "RESULTS.md"), "--figures"]) == 0
    page = (tmp_path / "RESULTS.md").read_text()
    assert "| features, 2 seeds |" in page
    assert "| probe, from tiny, 1 seed |" in page


def test_classes_and_pieces_can_be_few(run: Path, tmp_path: Path, capsys: Any) -> None:
    """One piece a class; then a class that stands on the test side alone."""
    tunes = run.parent / "tunes"
    few = ["sequence", str(tunes), *RUN, "--out", str(tmp_path / "few")]
    assert main([*few, "--budget", "0.01"]) == 0
    table = (tunes / "labels.csv").read_text().splitlines()
    rare = [line.replace("reel,test", "polka,test") for line in table]
    (tmp_path / "rare.csv").write_text("\n".join(rare) + "\n")
    assert (
        main(
            [
                "sequence",
                str(tunes),
                *RUN,
                "--labels",
                str(tmp_path / "rare.csv"),
                "--out",
                str(tmp_path / "r"),
            ]
        )
        == 0
    )
    assert "no training piece" in (tmp_path / "r" / "report.html").read_text()


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
        TrainSettings(method=FEATURES, checkpoint="mine", preset="tiny", epochs=2, lr=0.1, patience=2)
    said = [problem.split(":")[0] for problem in refused.value.problems if "fitted at once" in problem]
    assert said == ["--from", "--preset", "--epochs", "--lr", "--patience"]
    assert TrainSettings(method=FEATURES).checkpoint is None
