"""An ensemble of a network and boosted trees."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetune_helpers import PLAN, tune

from finetune.report.tables import variant_of
from finetune.settings import FinetuneSettings
from finetune.tasks.data import TaskData
from finetune.training import seed as training
from finetune.training.result import SeedResult
from finetune.training.seed import train_seed
from finetune.training.weights import InitialWeights
from symbolic.checkpoint.format import load_checkpoint
from symbolic.documents import read_json, write_json
from symbolic.errors import CheckpointError, ConfigError
from symbolic.features.notes import note_matrix
from symbolic.predict.ensemble import Ensemble
from symbolic.predict.loading import load
from symbolic.predict.network import TaskModel, load_model

pytestmark = pytest.mark.usefixtures("own_cache")
ENSEMBLED = replace(PLAN, note_features=True, ensemble=True)
ROWS = np.arange(6)
TRUTH = np.array([0, 0, 1, 1, -1, 1])
SURE, DOUBT = 4.0, 0.5


class FixedTrees:
    """Trees that predict given logits."""

    def __init__(self, first: list[float]) -> None:
        self.first = first

    def logits(self, tokens: Any, features: Any = None) -> Any:
        return np.stack([np.array(self.first), np.zeros(len(self.first))], axis=1)


def ensemble(first: list[float]) -> Ensemble:
    return Ensemble(FixedTrees(first))  # type: ignore[arg-type]


def network(first: list[float]) -> Any:
    return np.stack([np.array(first), np.zeros(len(first))], axis=1).astype(np.float32)


def right(logits: Any) -> int:
    return int((logits.argmax(axis=1) == TRUTH)[TRUTH >= 0].sum())


def test_the_surer_member_decides() -> None:
    ours = network([SURE, -DOUBT, -SURE, DOUBT, 0, -SURE])
    jury = ensemble([-DOUBT, SURE, DOUBT, -SURE, 0, -SURE])
    jury.weigh([ROWS], [ours], [TRUTH])
    assert right(ours) == right(jury.trees.logits(ROWS)) == 3
    assert 0 < float(jury.share) < 1
    assert right(jury.joined(ROWS, ours)) == 5


def test_a_member_that_is_always_wrong_has_no_weight() -> None:
    good, bad = [SURE, SURE, -SURE, -SURE, 0, -SURE], [-SURE, -SURE, SURE, SURE, 0, SURE]
    for ours, theirs, share in ((good, bad, 0.0), (bad, good, 1.0)):
        jury = ensemble(theirs)
        jury.weigh([ROWS], [network(ours)], [TRUTH])
        assert float(jury.share) == share


def test_no_member_can_rule_out_a_class() -> None:
    jury = ensemble([-np.inf] * 6)
    jury.share[...] = 0.5
    joined = jury.joined(ROWS, network([40.0] * 6))
    assert np.isfinite(joined).all()


@pytest.fixture(scope="module")
def ensembled(
    notes: TaskData, source: InitialWeights, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SeedResult, Path]:
    folder = tmp_path_factory.mktemp("ensembled") / "seed-0"
    return train_seed(notes, source, ENSEMBLED, 0, folder, {}), folder


def test_a_saved_ensemble_is_no_worse_on_validation(
    ensembled: tuple[SeedResult, Path], notes: TaskData, source: InitialWeights, tmp_path: Path
) -> None:
    result, folder = ensembled
    model, _, _ = load_model(folder / "checkpoint")
    assert isinstance(model, TaskModel)
    assert model.ensemble is not None
    assert load_checkpoint(folder / "checkpoint").describe("ensemble") == model.ensemble.trees.describe()
    for split in ("valid", "test"):
        assert (notes.evaluate(model.classes, split) == result.counts[split]).all()
    music = tune(41)
    forecast = load(folder / "checkpoint")(music)
    assert (forecast.classes == (music.notes["track"] != 0)).mean() > 0.9
    numbers = model.ensemble.trees.numbers
    assert result.summary["cost"]["trained_parameters"] > numbers > 0

    alone = train_seed(notes, source, replace(ENSEMBLED, ensemble=False), 0, tmp_path / "alone", {})
    assert alone.summary["history"] == result.summary["history"]
    assert result.summary["valid"]["accuracy"] >= alone.summary["valid"]["accuracy"]
    tokens = notes.tokens(0)
    zeros = np.zeros((len(tokens), len(notes.task.classes)), dtype=np.float32)
    known = model.ensemble.joined(tokens, zeros, note_matrix(tokens))
    np.testing.assert_array_equal(known, model.ensemble.joined(tokens, zeros))
    model.ensemble = None
    assert (notes.evaluate(model.classes, "test") == alone.counts["test"]).all()


def test_resuming_among_trees_does_not_train_the_network_again(
    ensembled: tuple[SeedResult, Path],
    notes: TaskData,
    source: InitialWeights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cut_off(*_: Any) -> Any:
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(training, "fitted_trees", cut_off)
        with pytest.raises(InterruptedError):
            train_seed(notes, source, ENSEMBLED, 0, tmp_path, {})
    monkeypatch.setattr(training, "_train", cut_off)
    result = train_seed(notes, source, ENSEMBLED, 0, tmp_path, {})
    assert result.summary["test"] == ensembled[0].summary["test"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(p.name for p in ensembled[1].iterdir())


def test_an_ensemble_works_with_an_adapter(notes: TaskData, source: InitialWeights, tmp_path: Path) -> None:
    result = train_seed(notes, source, replace(ENSEMBLED, method="lora"), 0, tmp_path, {})
    model, _, _ = load_model(tmp_path / "checkpoint")
    assert isinstance(model, TaskModel)
    assert model.backbone.adapter is not None
    assert model.ensemble is not None
    assert (notes.evaluate(model.classes, "test") == result.counts["test"]).all()


def test_trees_of_another_release_are_refused(ensembled: tuple[SeedResult, Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ensembled[1] / "checkpoint", copy)
    about = read_json(copy / "config.json")
    about["parts"]["ensemble"]["features"][0] = "of_another_release"
    write_json(copy / "config.json", about)
    with pytest.raises(CheckpointError, match="other hand-made features"):
        load_model(copy)


def test_the_flag_implies_note_features_and_is_refused_like_them() -> None:
    settings = FinetuneSettings.of(ensemble=True)
    assert (settings.adapter.note_features, settings.adapter.ensemble) == (True, True)
    assert FinetuneSettings.of(note_features=True).adapter.ensemble is False
    assert variant_of(settings.flat()) == {"note_features": "", "ensemble": ""}
    with pytest.raises(ConfigError, match="--ensemble: a probe"):
        FinetuneSettings.of(method="probe", ensemble=True)
    with pytest.raises(ConfigError, match="--ensemble: --method features"):
        FinetuneSettings.of(method="features", ensemble=True)
