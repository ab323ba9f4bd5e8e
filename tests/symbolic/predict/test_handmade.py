"""Hand-made features as a model: discriminants and trees of pieces and stretches, kept and used like any other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetune_helpers import tune, write_folder
from sklearn.ensemble import ExtraTreesClassifier

import symbolic
from data.toolkit.settings import flatten
from finetune.baselines.forest import FEWEST, TREES, fit_forest
from finetune.baselines.memory import remembered, remembered_stretches
from finetune.baselines.pieces import fit_pairs, fit_piece_classifier
from finetune.baselines.products import fit_products
from finetune.cli import main
from finetune.settings import FEATURES, FinetuneSettings
from symbolic.errors import CheckpointError, ConfigError
from symbolic.features import feature_matrix, feature_names
from symbolic.features.stats import softmax
from symbolic.features.stretches import stretch_matrix, stretches
from symbolic.predict.classifiers.forest import Forest
from symbolic.predict.classifiers.pieces import FeatureClassifier
from symbolic.predict.network import load_model, save_model
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import BAR, RESERVED

RUN = ["--method", FEATURES, "--jobs", "0"]


def encoded(count: int) -> tuple[list[Any], Any]:
    """Tokens of waltzes and reels in turn, and which they are."""
    music = [Tokenizer().encode(tune(n, dance)).ids for n in range(count) for dance in ("waltz", "reel")]
    return music, np.tile([0, 1], count)


@pytest.mark.parametrize("classes", [2, 5])
def test_kept_trees_say_what_the_librarys_say(classes: int) -> None:
    """To the rounding of half precision, on the tokens that they grew from and beside their thresholds."""
    random = np.random.default_rng(0)
    features = random.normal(size=(300, 6)).astype(np.float32).astype(np.float64)
    labels = 2 * (features[:, 0] > 0) + (features[:, 1] > random.normal(size=300)) * (classes > 2)
    theirs = ExtraTreesClassifier(20, min_samples_leaf=FEWEST, random_state=0).fit(features, labels)
    forest = fit_forest(features, labels, classes + 1, trees=20)
    asked = [features, random.normal(size=(200, 6))]
    for tree in theirs.estimators_:
        inner = tree.tree_.feature >= 0
        edge = np.zeros((inner.sum(), 6))
        edge[np.arange(len(edge)), tree.tree_.feature[inner]] = tree.tree_.threshold[inner]
        asked += [edge, np.nextafter(edge.astype(np.float32), np.float32(np.inf))]
    found, expected = forest.probabilities(np.concatenate(asked)), theirs.predict_proba(np.concatenate(asked))
    np.testing.assert_allclose(found[:, theirs.classes_], expected, atol=1e-3)
    unseen = np.setdiff1d(np.arange(classes + 1), theirs.classes_)
    assert not found[:, unseen].any()


def test_trees_take_the_room_that_their_size_says() -> None:
    features = np.random.default_rng(1).normal(size=(60, 3))
    forest = fit_forest(features, np.arange(60) % 2, 2)
    assert forest.size.trees == TREES
    assert forest.size.nodes == 2 * forest.size.leaves - TREES
    again = Forest(2, forest.size)
    again.load_state_dict(forest.state_dict())
    np.testing.assert_array_equal(again.probabilities(features), forest.probabilities(features))


@pytest.mark.parametrize(("notes", "parts"), [(1, 1), (95, 1), (96, 3), (191, 3), (192, 7), (1000, 7)])
def test_a_piece_is_cut_into_halves_and_quarters_where_it_is_long_enough(notes: int, parts: int) -> None:
    tokens = np.full((notes, 8), RESERVED, dtype=np.uint16)
    tokens[:, BAR] += np.arange(notes, dtype=np.uint16) // 8
    found = stretches(tokens)
    assert len(found) == len(stretch_matrix(tokens)) == parts
    assert np.array_equal(found[0], tokens)
    assert all(part[0, BAR] == RESERVED for part in found)
    for first, count in ((1, 2), (3, 4)):
        if parts > first:
            joined = np.concatenate(found[first : first + count])
            assert np.array_equal(joined[:, 1:], tokens[:, 1:])
            lengths = [len(part) for part in found[first : first + count]]
            assert max(lengths) - min(lengths) <= 1


def test_what_is_remembered_is_what_is_computed() -> None:
    music, _ = encoded(2)
    for _ in range(2):
        for one, tokens in zip(remembered_stretches(music), music, strict=True):
            np.testing.assert_array_equal(one, stretch_matrix(tokens))
        np.testing.assert_array_equal(remembered(music), feature_matrix(music))


def test_an_answer_is_the_geometric_mean_of_two_voices_over_stretches() -> None:
    music, labels = encoded(8)
    model = fit_piece_classifier([stretch_matrix(tokens) for tokens in music], labels, 2)
    long = Tokenizer().encode(tune(50, bars=120)).ids
    features = stretch_matrix(long)
    assert len(features) == 7
    shares = [voice.probabilities(features).mean(axis=0) for voice in (model.discriminants, model.forest)]
    expected = np.sqrt(np.prod([share + 1e-3 for share in shares], axis=0))
    np.testing.assert_allclose(np.exp(model.logits(long)), expected, rtol=1e-6)
    together = model.of_pieces([stretch_matrix(music[0]), features], [music[0], long])
    np.testing.assert_allclose(together[1], model.logits(long))
    np.testing.assert_allclose(together[0], model.logits(music[0]))


def test_pairs_are_a_third_voice_that_is_saved(tmp_path: Path) -> None:
    music, labels = encoded(8)
    model = fit_piece_classifier([stretch_matrix(tokens) for tokens in music], labels, 2)
    model.pairs = fit_pairs(music, labels, 2)
    assert model.pairs
    tokens = Tokenizer().encode(tune(50, bars=120)).ids
    stretch = stretch_matrix(tokens)
    shares = [voice.probabilities(stretch).mean(axis=0) for voice in (model.discriminants, model.forest)]
    shares.append(model.pairs.probabilities(tokens))
    expected = np.prod([share + 1e-3 for share in shares], axis=0) ** (1 / 3)
    np.testing.assert_allclose(np.exp(model.logits(tokens)), expected, rtol=1e-6)
    task = {"name": "d", "title": "", "label": "dance", "level": "sequence", "hide": [], "one_piano": True}
    save_model(tmp_path / "model", model, Tokenizer(), {**task, "classes": ["waltz", "reel"]})
    again, _, _ = load_model(tmp_path / "model")
    assert isinstance(again, FeatureClassifier)
    np.testing.assert_array_equal(again.logits(tokens), model.logits(tokens))
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["parts"]["features"]["pairs"]["width"] += 1
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="features"):
        load_model(tmp_path / "model")


def test_pairs_are_those_of_the_discriminants_of_numbers() -> None:
    """Fitted from inner products in half precision, beside the covariance itself of a few columns."""
    music, labels = encoded(12)
    model = fit_pairs(music, labels, 3)
    assert model
    rows = [model.matrix(tokens) for tokens in music]
    owners = np.repeat(np.arange(len(rows)), [len(one) for one in rows])
    centred = np.concatenate(rows) - np.concatenate(rows).mean(0)
    products = (centred @ centred.T).astype(np.float32)
    weights, biases = fit_products(products, centred.shape[1], labels[owners], owners)
    logits = (products @ weights + biases).astype(np.float64)
    first = np.searchsorted(owners, np.arange(len(rows)))
    expected = np.add.reduceat(softmax(logits), first) / np.bincount(owners)[:, None]
    found = np.stack([model.probabilities(tokens) for tokens in music])
    np.testing.assert_allclose(found[:, :2], expected, atol=0.02)
    assert not found[:, 2].any()


def test_pairs_of_many_pieces_are_fitted_to_fewer_stretches() -> None:
    music = [Tokenizer().encode(tune(n, bars=120)).ids for n in range(6)]
    labels = np.arange(6) % 2
    found = [fit_pairs(music, labels, 2, most=most) for most in (42, 41, 17, 5)]
    assert [one and one.rows for one in found] == [7, 3, 1, None]


def test_a_class_without_pieces_is_never_answered() -> None:
    music, labels = encoded(4)
    model = fit_piece_classifier([stretch_matrix(tokens) for tokens in music], 2 * labels, 4)
    assert np.isneginf(model.logits(music[0])[[1, 3]]).all()
    assert [int(model.classes(tokens)) for tokens in music] == (2 * labels).tolist()


def test_what_is_kept_has_learnt_from_validation_pieces_too(run: Path) -> None:
    """And its validation score is of one that has not."""
    record = json.loads((run / "record.json").read_text())
    seen = symbolic.checkpoint.format.load_checkpoint(run / "seed-0" / "checkpoint").pretrained_on
    assert len(seen) == record["split"]["train"] + record["split"]["valid"]
    assert record["seeds"][0]["history"][0]["valid_accuracy"] == record["seeds"][0]["valid"]["accuracy"]
    assert "validation pieces were trained on too" in (run / "report.html").read_text()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run on tunes of two dances."""
    base = tmp_path_factory.mktemp("features")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERPOINT_CACHE", str(base / "cache"))
        tunes = str(write_folder(base / "tunes"))
        assert main(["sequence", tunes, *RUN, "--out", str(base / "run")]) == 0
        yield base / "run"


def test_it_is_scored_beside_the_floors_and_stands_where_its_own_does(run: Path) -> None:
    record = json.loads((run / "record.json").read_text())
    baselines = {
        baseline["name"]: baseline["test"]["scores"]["accuracy"]["mean"] for baseline in record["baselines"]
    }
    assert record["test"]["accuracy"]["mean"] == baselines["features_together"] == 1.0
    assert record["test"]["accuracy"]["sd"] == 0
    assert record["backbone"] == {"source": FEATURES}
    assert {flatten(record["settings"])[name] for name in ("lr", "epochs", "preset", "tokens_per_batch")} == {
        None
    }
    assert record["leaks"]["leaky"] is False
    about = json.loads((run / "seed-0" / "checkpoint" / "config.json").read_text())["parts"]["features"][
        "forest"
    ]
    assert about[0] == TREES
    page = (run / "report.html").read_text()
    assert "features (of validation pieces too), 1 seed" in page
    assert "from scratch" not in page
    assert "Features for and against each class" in page


def test_it_has_a_row_in_the_table_of_results(run: Path, tmp_path: Path) -> None:
    """Beside a run that has a backbone, to which it is no random initialisation."""
    tunes = str(run.parent / "tunes")
    probe = ["sequence", tunes, "--method", "probe", "--epochs", "1", "--jobs", "0", "--accelerator", "cpu"]
    assert main([*probe, "--out", str(run.parent / "probe")]) == 0
    assert main(["report", str(run.parent), "--out", str(tmp_path / "RESULTS.md")]) == 0
    page = (tmp_path / "RESULTS.md").read_text()
    assert "| features (of validation pieces too), 1 seed |" in page
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
    assert "the test side has nothing of class reel" in capsys.readouterr().out


def test_it_predicts_and_says_why(run: Path, tmp_path: Path, capsys: Any) -> None:
    songs, answers = run.parent / "tunes", tmp_path / "answers.json"
    assert main(["predict", str(run), str(songs), "--json", str(answers), "--out", str(tmp_path)]) == 0
    found = json.loads(answers.read_text())
    right = [one["prediction"] == ("waltz", "reel")[number % 2] for number, one in enumerate(found)]
    assert len(right) == 24
    assert all(right)
    assert {reason["feature"] for one in found for reason in one["reasons"]} <= set(feature_names())
    assert all(len(one["reasons"]) == 5 for one in found)


def test_it_is_handed_on_in_little_room(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), str(tmp_path / "dances"), "--licence", "mine"]) == 0
    assert (tmp_path / "dances" / "model.safetensors").stat().st_size < 100_000
    ours, theirs = symbolic.load(tmp_path / "dances"), symbolic.load(run)
    assert ours(tune(100)).probabilities == theirs(tune(100)).probabilities
    card = (tmp_path / "dances" / "README.md").read_text()
    assert "hand-made features by discriminants and trees, without a backbone" in card


def test_a_run_transfers(run: Path, tmp_path: Path, capsys: Any) -> None:
    """Refused for its classes and not for its kind, which is found out later."""
    assert main(["transfer", str(run), "genre", "--root", str(tmp_path)]) == 2
    assert "has other classes than 'genre'" in capsys.readouterr().err


def test_nothing_is_built_on_it(run: Path, capsys: Any) -> None:
    with pytest.raises(CheckpointError, match="has no backbone"):
        symbolic.load(run / "seed-0").embed(tune(0))
    assert main(["sequence", str(run.parent / "tunes"), "--from", str(run), "--jobs", "0"]) == 2
    assert "has no backbone" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["a feature", "no forest"])
def test_what_was_fitted_otherwise_is_refused(run: Path, tmp_path: Path, change: str) -> None:
    assert main(["export", str(run), str(tmp_path / "old"), "--licence", "mine"]) == 0
    config = tmp_path / "old" / "config.json"
    about = json.loads(config.read_text())
    if change == "a feature":
        about["parts"]["features"]["features"][0] = "of_another_release"
    else:
        del about["parts"]["features"]["forest"]
    config.write_text(json.dumps(about))
    with pytest.raises(CheckpointError, match="other hand-made features"):
        symbolic.load(tmp_path / "old")


def test_a_seed_that_an_earlier_release_finished_is_fitted_again(run: Path, tmp_path: Path) -> None:
    """It had learnt from the training side alone, and would stand among others as if it had not."""
    shutil.copytree(run, tmp_path / "run")
    path = tmp_path / "run" / "seed-0" / "result.json"
    result = json.loads(path.read_text())
    assert result.pop("learnt_from") == ["train", "valid"]
    path.write_text(json.dumps({**result, "best_step": 77}))
    again = ["sequence", str(run.parent / "tunes"), *RUN, "--out", str(tmp_path / "run"), "--resume"]
    assert main(again) == 0
    assert json.loads(path.read_text())["best_step"] == 1
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert all("learnt_from" in seed for seed in record["seeds"])


def test_there_is_no_chance_in_it_that_seeds_could_tell(run: Path, capsys: Any) -> None:
    assert main(["sequence", str(run.parent / "tunes"), *RUN, "--seeds", "2"]) == 2
    assert "what is fitted to the same labels is the same" in capsys.readouterr().err


def test_what_has_no_meaning_is_refused_all_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        FinetuneSettings.of(method=FEATURES, checkpoint="mine", preset="tiny", epochs=2, lr=0.1, patience=2)
    said = [problem.split(":")[0] for problem in refused.value.problems if "fitted at once" in problem]
    assert said == ["--from", "--preset", "--epochs", "--lr", "--patience"]
    assert FinetuneSettings.of(method=FEATURES).model.checkpoint is None
