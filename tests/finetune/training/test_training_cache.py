"""Kept states of a probe: the same answers, computed once, whoever asks; and methods by name, size and share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finetune_helpers import NANO, PLAN, counted_windows, trained_in_two_goes

from finetune.settings import ADAPTER_NAMES, BACKBONE_NAMES, LEARNING_RATES, METHODS, TrainSettings
from finetune.tasks.data import TaskData
from finetune.training import cache
from finetune.training.cache import probed
from finetune.training.draws import DRAWS
from finetune.training.model import build_model
from finetune.training.outcome import window_accuracy
from finetune.training.run import method_options
from finetune.training.seed import train_seed
from finetune.training.source import Source, open_source
from symbolic.adapters import METHODS as ADAPTERS
from symbolic.backbone import KINDS
from symbolic.checkpoint.bundled import shipped_models
from symbolic.errors import ConfigError
from symbolic.predict.network import load_model

PROBE = replace(PLAN, method="probe")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))


def test_kept_states_answer_as_the_rows_would(dances: TaskData, source: Source, tmp_path: Path) -> None:
    result = train_seed(dances, source, PROBE, 0, tmp_path / "seed", {})
    model, _, _ = load_model(tmp_path / "seed" / "checkpoint")
    kept = probed(model, dances, CPU)
    for piece in dances.splits["test"]:
        windows = kept.overlapping.of(np.array([piece]))
        ours = cache._logits(model, kept.overlapping, windows).mean(0)
        assert np.allclose(ours, model.logits(dances.tokens(int(piece))), atol=2e-3)  # half precision
    for split in ("valid", "test"):
        assert (dances.evaluate(model.classes, split) == result.counts[split]).all()
        assert result.summary[split]["window_accuracy"] == window_accuracy(model, dances, split)


def test_a_second_seed_a_smaller_budget_and_another_fold_compute_nothing(
    dances: TaskData, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counted_windows(monkeypatch)
    train_seed(dances, source, PROBE, 0, tmp_path / "first", {})
    assert sum(calls) > 0
    calls.clear()
    train_seed(dances, source, PROBE, 1, tmp_path / "second", {})
    train_seed(dances.thinned(0.5, 0), source, PROBE, 0, tmp_path / "third", {})
    assert calls == []
    # Of pieces that change sides only the draws that are missing are computed.
    sides = {**dances.splits, "train": dances.splits["valid"], "valid": dances.splits["train"]}
    train_seed(replace(dances, splits=sides), source, PROBE, 0, tmp_path / "fourth", {})
    kept = probed(build_model(source.backbone(), dances.task, "probe"), dances, CPU)
    moved, new = (len(kept.plain.of(dances.splits[side])) for side in ("valid", "train"))
    overlapping = len(kept.overlapping.of(dances.splits["train"]))
    assert sum(calls) == moved * (DRAWS - 1) + overlapping
    assert new > 0


def test_other_weights_have_other_states(dances: TaskData, source: Source) -> None:
    first = build_model(source.backbone(), dances.task, "probe")
    second = build_model(source.backbone(), dances.task, "probe")
    with torch.no_grad():
        second.backbone.norm.weight[0] += 1
    ours, theirs = (probed(model, dances, CPU).plain for model in (first, second))
    windows = ours.of(dances.splits["train"])
    assert not np.array_equal(ours.get(windows), theirs.get(windows))


def test_only_training_windows_are_transposed(dances: TaskData, source: Source) -> None:
    model = build_model(source.backbone(), dances.task, "probe")
    kept = probed(model, dances, CPU)
    train, test = (kept.plain.of(dances.splits[side]) for side in ("train", "test"))
    assert not np.array_equal(kept.plain.get(train, 0), kept.plain.get(train, 1))
    assert not kept.plain.get(test, 1).any()  # never computed
    batches = kept.batches(dances, "test", 4, seed=0)
    seen = torch.cat([batches[k].features for k in range(len(batches))]).numpy()
    assert np.array_equal(seen, kept.plain.get(test))


def test_an_interrupted_probe_ends_as_if_never_interrupted(
    dances: TaskData, source: Source, tmp_path: Path
) -> None:
    whole = train_seed(dances, source, PROBE, 0, tmp_path / "whole", {})
    resumed = trained_in_two_goes(dances, source, PROBE, tmp_path / "seed", validations=2)
    assert resumed.summary["history"] == whole.summary["history"]


def test_a_probe_of_the_last_layer_hears_no_other(dances: TaskData, source: Source) -> None:
    model = build_model(source.backbone(), dances.task, "probe", {"only": -1})
    mixed = build_model(source.backbone(), dances.task, "probe", {})
    pooled = torch.randn(2, NANO.layers + 1, 2 * NANO.dim, generator=torch.Generator().manual_seed(0))
    changed = pooled.clone()
    changed[:, :-1] += 1
    assert torch.equal(model.of_pooled(pooled), model.of_pooled(changed))
    assert not torch.equal(mixed.of_pooled(pooled), mixed.of_pooled(changed))
    assert len(model.trained()) == len(mixed.trained()) - 1


def test_names_are_those_of_adapters_and_backbones() -> None:
    assert set(ADAPTER_NAMES) == set(ADAPTERS)
    assert set(LEARNING_RATES) == set(METHODS)
    assert set(BACKBONE_NAMES) == set(KINDS)


def test_flags_reach_the_adapter(dances: TaskData, source: Source) -> None:
    settings = TrainSettings(method="lora", layers="last", size=3, options="scale=2,rslora=true")
    options = method_options(settings)
    assert options == {"layers": "last", "rank": 3, "scale": 2, "rslora": True}
    model = build_model(source.backbone(), dances.task, "lora", options)
    assert {name.split(".")[1] for name in model.backbone.adapter.named_parameters()} == {"1"}


def test_a_share_bounds_what_an_adapter_trains(dances: TaskData, source: Source) -> None:
    total = sum(p.numel() for p in source.backbone().parameters())
    small, large = (
        build_model(source.backbone(), dances.task, "lora", None, share).backbone.adapter.count()
        for share in (0.02, 0.06)
    )
    assert small <= 0.02 * total < large <= 0.06 * total


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "lora", "share": "half"}, "--share half"),
        ({"method": "lora", "share": "1%", "size": 4}, "--size 4"),
        ({"method": "full", "size": 4}, "--size"),
        ({"method": "lora", "options": "norm"}, "key=value"),
        ({"method": "full", "probe": "last"}, "--probe last"),
        ({"method": "probe", "probe": "first"}, "--probe first"),
        ({"backbone": "perceiver"}, "--backbone perceiver"),
        ({"checkpoint": "x", "backbone": "conformer"}, "--backbone conformer.*--from scratch"),
        ({"preset": "base"}, "--preset base.*'tiny'.*--from scratch"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TrainSettings(**changes)


@pytest.mark.parametrize(
    "changes", [{"method": "bitfit", "size": 4}, {"method": "lora", "options": "magic=1"}]
)
def test_what_an_adapter_does_not_have_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"one size|no option"):
        method_options(TrainSettings(**changes))


def test_training_begins_from_a_model_that_comes_along_unless_told_otherwise() -> None:
    assert TrainSettings().checkpoint in shipped_models()
    fresh = TrainSettings(checkpoint="scratch")
    assert fresh.checkpoint is None
    assert fresh.identity["preset"] == "tiny"
    assert open_source(fresh.checkpoint, fresh.preset).name == "scratch-tiny"


def test_a_fresh_conformer_is_named_as_one() -> None:
    fresh = open_source(None, "tiny", "conformer")
    assert fresh.config.kind == "conformer"
    assert fresh.name == "scratch-conformer-tiny"
