"""Probes: fitted to frozen states at once, saved as arrays, blind to test pieces and padding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finetune_helpers import NANO, PLAN

from finetune.settings import FinetuneSettings
from finetune.tasks.data import TaskData
from finetune.training.model import build_model
from finetune.training.probe import fit_probe
from finetune.training.readings import COPIES, Readings
from finetune.training.result import window_accuracy
from finetune.training.run import method_options
from finetune.training.seed import train_seed
from finetune.training.weights import InitialWeights
from symbolic.errors import ConfigError
from symbolic.predict.layers import note_states, window_statistics
from symbolic.predict.network import load_model
from symbolic.tokens.transposition import transpose

pytestmark = pytest.mark.usefixtures("own_cache")
PROBE = replace(PLAN, method="probe")


@pytest.fixture(params=["notes", "dances"])
def data(request: Any) -> TaskData:
    found: TaskData = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("layers", ["all", "last", "0"])
def test_a_saved_probe_scores_and_predicts_as_fitted(
    layers: str, data: TaskData, source: InitialWeights, tmp_path: Path
) -> None:
    result = train_seed(data, source, replace(PROBE, options={"layers": layers}), 0, tmp_path / "seed", {})
    model, _, _ = load_model(tmp_path / "seed" / "checkpoint")
    numbers = {"all": range(NANO.layers + 1), "last": [NANO.layers], "0": [0]}[layers]
    assert list(model.layers) == list(numbers) == result.summary["probe"]["layers"]
    for split in ("valid", "test"):
        assert (data.evaluate(model.classes, split) == result.counts[split]).all()
        if data.task.level == "sequence":
            assert result.summary[split]["window_accuracy"] == window_accuracy(model, data, split)
    probe = result.summary["probe"]
    assert max(probe["valid_accuracy"].values()) == probe["valid_accuracy"][probe["classifier"]]
    assert result.summary["history"][0]["valid_accuracy"] == max(probe["valid_accuracy"].values())
    trained = len(numbers) * NANO.dim * (2 if data.task.level == "sequence" else 1) * 2 + 2
    assert result.summary["cost"]["trained_parameters"] == trained
    found = sorted(path.name for path in (tmp_path / "seed").iterdir())
    assert found == ["checkpoint", "counts.npz", "predictions.csv", "result.json"]


def test_a_probe_learns(data: TaskData, source: InitialWeights, tmp_path: Path) -> None:
    result = train_seed(data, source, PROBE, 0, tmp_path, {})
    assert result.summary["test"]["accuracy"] > 0.9


def test_the_backbone_stays_as_it_was(data: TaskData, source: InitialWeights, tmp_path: Path) -> None:
    train_seed(data, source, PROBE, 0, tmp_path, {})
    model, _, _ = load_model(tmp_path / "checkpoint")
    assert not model.backbone.train().training or not model.train().backbone.training
    for ours, theirs in zip(model.backbone.parameters(), source.backbone().parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_one_seed_gives_one_probe_and_another_another(data: TaskData, source: InitialWeights) -> None:
    def fitted(seed: int) -> torch.Tensor:
        model = build_model(source.backbone(), data.task, "probe")
        fit_probe(model, data, Readings([data], seed), 1024)
        return model.head.output.weight

    first = fitted(0)
    assert torch.equal(first, fitted(0))
    assert not torch.equal(first, fitted(1))


def test_test_labels_do_not_change_a_probe(data: TaskData, source: InitialWeights, tmp_path: Path) -> None:
    labels = data.labels.copy()
    for piece in data.splits["test"]:
        extent = slice(int(data.shards.offsets[piece]), int(data.shards.offsets[piece + 1]))
        place = extent if data.task.level == "note" else piece
        labels[place] = np.where(labels[place] >= 0, 1 - labels[place], -1)
    true, false = (
        train_seed(one, source, PROBE, 0, tmp_path / name, {})
        for name, one in (("true", data), ("false", replace(data, labels=labels)))
    )
    assert true.summary["probe"] == false.summary["probe"]
    assert true.summary["history"] == false.summary["history"]
    assert true.summary["test"]["accuracy"] == pytest.approx(1 - false.summary["test"]["accuracy"])


def test_only_training_windows_are_transposed(dances: TaskData, source: InitialWeights) -> None:
    model = build_model(source.backbone(), dances.task, "probe")
    train = Readings([dances], 0).examples(model, dances, "train", 1024)
    windows = len(train.labels) // COPIES
    plain, moved = train.features[:windows], train.features[windows:]
    assert (train.labels.reshape(COPIES, -1) == train.labels[:windows]).all()
    assert not any(np.allclose(plain, copy, atol=1e-3) for copy in np.split(moved, COPIES - 1))
    unmoved = replace(dances, task=replace(dances.task, transposition=0))
    still = Readings([unmoved], 0).examples(model, unmoved, "train", 1024)
    np.testing.assert_allclose(still.features, plain, atol=1e-5)
    first, other = (Readings([dances], seed).examples(model, dances, "valid", 1024) for seed in (0, 1))
    np.testing.assert_array_equal(first.features, other.features)


def test_folds_share_what_is_read(dances: TaskData, source: InitialWeights) -> None:
    turned = {"train": dances.splits["valid"], "valid": dances.splits["test"], "test": dances.splits["train"]}
    folds, still = [dances, replace(dances, splits=turned)], replace(dances.task, transposition=0)
    model = build_model(source.backbone(), dances.task, "probe")
    read, of = list[int](), model.layer_features
    model.layer_features = lambda tokens, attend: read.append(len(tokens)) or of(tokens, attend)
    shared = Readings(folds, 0)
    for data in folds:
        for split in ("train", "valid"):
            found = shared.examples(model, data, split, 1024)
            assert set(found.pieces) == set(data.splits[split])
            assert (found.labels == data.labels[found.pieces]).all()
            alone = Readings([data], 0).examples(model, replace(data, task=still), split, 1024)
            mine = slice(len(alone.labels))
            np.testing.assert_array_equal(found.pieces[mine], alone.pieces)
            np.testing.assert_allclose(found.features[mine], alone.features, atol=1e-5)
    before = len(read)
    shared.examples(model, dances, "train", 1024)
    shared.examples(model, folds[1], "valid", 1024)
    assert len(read) == before


def test_a_class_without_examples_is_never_predicted(dances: TaskData, source: InitialWeights) -> None:
    one = dances.splits["train"][dances.labels[dances.splits["train"]] == 1]
    model = build_model(source.backbone(), dances.task, "probe")
    data = replace(dances, splits={**dances.splits, "train": one})
    about = fit_probe(model, data, Readings([data], 0), 1024)
    assert about["classifier"] == "majority class"
    assert all(model.classes(tokens) == 1 for tokens, _ in dances.pieces("test"))


def test_a_probe_of_the_last_layer_reads_no_other(dances: TaskData, source: InitialWeights) -> None:
    states = [torch.randn(2, 5, NANO.dim, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    last, every = (
        build_model(source.backbone(), dances.task, "probe", {"layers": name}) for name in ("last", "all")
    )
    for model, same in ((last, True), (every, False)):
        model.backbone.states = lambda *_: states
        before = model.layer_features(torch.zeros(2, 5, 8), None)
        model.backbone.states = lambda *_: [states[0] + torch.arange(NANO.dim), states[1], states[2]]
        assert torch.equal(before, model.layer_features(torch.zeros(2, 5, 8), None)) is same


def test_padding_does_not_change_window_statistics() -> None:
    random = torch.Generator().manual_seed(0)
    states = [torch.randn(2, 5, 4, generator=random) for _ in range(3)]
    attention_mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    found = window_statistics(states, attention_mask)
    short = note_states([state[1:, :3] for state in states])[0]
    assert torch.allclose(found[1, :12], short.mean(0), atol=1e-6)
    assert torch.allclose(found[1, 12:], short.std(0, correction=0), atol=1e-6)
    assert torch.allclose(window_statistics(states, None)[0], found[0], atol=1e-6)


def test_a_probe_of_several_keys_is_saved_and_tested_so(
    dances: TaskData, source: InitialWeights, tmp_path: Path
) -> None:
    plan = replace(PROBE, options={"layers": "all", "keys": 3})
    result = train_seed(dances, source, plan, 0, tmp_path, {})
    model, _, _ = load_model(tmp_path / "checkpoint")
    assert model.keys == 3
    assert (dances.evaluate(model.classes, "test") == result.counts["test"]).all()


def test_twelve_keys_halve_what_a_key_changes(dances: TaskData, source: InitialWeights) -> None:
    torch.manual_seed(0)
    model = build_model(source.backbone(), dances.task, "probe", {"keys": 12})
    torch.nn.init.normal_(model.head.output.weight)
    tokens, _ = next(iter(dances.pieces("test")))

    def moved_by(keys: int) -> float:
        model.keys = keys
        return float(np.abs(model.logits(transpose(tokens, 1)) - model.logits(tokens)).max())

    assert moved_by(12) < moved_by(1) / 2


def test_what_is_fitted_in_several_keys_is_their_mean(data: TaskData, source: InitialWeights) -> None:
    one, three = (build_model(source.backbone(), data.task, "probe", {"keys": keys}) for keys in (1, 3))
    found = Readings([data], 0).examples(three, data, "valid", 1024)
    by_key, plain = [], one.layer_features
    for shift in (0, 4, -4):
        one.layer_features = lambda tokens, attend, shift=shift: plain(
            torch.from_numpy(transpose(tokens.numpy(), shift)), attend
        )
        by_key.append(Readings([data], 0).examples(one, data, "valid", 1024).features)
    np.testing.assert_allclose(found.features, np.mean(by_key, axis=0), atol=1e-4)


def test_several_keys_are_for_probes_and_for_labels_that_no_key_changes(
    dances: TaskData, source: InitialWeights
) -> None:
    assert method_options(FinetuneSettings.of(method="probe", keys=6)) == {"layers": "all", "keys": 6}
    with pytest.raises(ConfigError, match="--keys 6: goes with --method probe"):
        FinetuneSettings.of(method="lora", keys=6)
    with pytest.raises(ConfigError, match="--keys 6: labels of sequence depend on the key"):
        build_model(source.backbone(), replace(dances.task, transposition=0), "probe", {"keys": 6})


def test_an_absent_layer_is_refused(dances: TaskData, source: InitialWeights) -> None:
    assert method_options(FinetuneSettings.of(method="probe", probe="1")) == {"layers": "1"}
    with pytest.raises(ConfigError, match="--probe 3: choose all, last, or the number of a layer, 0 to 2"):
        build_model(source.backbone(), dances.task, "probe", {"layers": "3"})
