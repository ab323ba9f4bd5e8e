"""A probe first, then training (LP-FT): the probe is a candidate, all layers are read, and runs resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from finetune_helpers import NANO, PLAN, trained_in_two_goes

from finetune.settings import FinetuneSettings
from finetune.tasks.data import TaskData
from finetune.training.result import SeedResult
from finetune.training.seed import train_seed
from finetune.training.weights import InitialWeights
from symbolic.errors import ConfigError
from symbolic.predict.layers import window_statistics
from symbolic.predict.network import load_model

pytestmark = pytest.mark.usefixtures("own_cache")
FIRST = replace(PLAN, probe_first=True, epochs=2)


@pytest.fixture(params=["notes", "dances"])
def data(request: Any) -> TaskData:
    found: TaskData = request.getfixturevalue(request.param)
    return found


def test_training_starts_from_the_probe(data: TaskData, source: InitialWeights, tmp_path: Path) -> None:
    probe = train_seed(data, source, replace(PLAN, method="probe"), 0, tmp_path / "probe", {})
    result = train_seed(data, source, FIRST, 0, tmp_path / "first", {})
    start = result.summary["history"][0]
    assert start["step"] == 0
    assert "train_loss" not in start
    assert start["valid_accuracy"] == pytest.approx(probe.summary["history"][0]["valid_accuracy"])
    assert len(result.summary["history"]) == 3


def test_training_that_harms_keeps_the_probe(data: TaskData, source: InitialWeights, tmp_path: Path) -> None:
    probe = train_seed(data, source, replace(PLAN, method="probe"), 0, tmp_path / "probe", {})
    result = train_seed(data, source, replace(FIRST, lr=1e-9), 0, tmp_path / "first", {})
    assert (result.counts["test"] == probe.counts["test"]).all()
    before, after = (load_model(tmp_path / name / "checkpoint")[0] for name in ("probe", "first"))
    assert before.layers == after.layers == tuple(range(NANO.layers + 1))
    assert torch.equal(before.head.output.weight, after.head.output.weight)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_backbone_is_trained_too(
    method: str, data: TaskData, source: InitialWeights, tmp_path: Path
) -> None:
    plan = replace(FIRST, method=method)
    result = train_seed(data, source, plan, 0, tmp_path, {})
    model, _, _ = load_model(tmp_path / "checkpoint")
    assert (data.evaluate(model.classes, "test") == result.counts["test"]).all()
    head = sum(parameter.numel() for parameter in model.head.parameters())
    assert result.summary["cost"]["trained_parameters"] > head


def test_an_interrupted_run_ends_alike(notes: TaskData, source: InitialWeights, tmp_path: Path) -> None:
    whole: SeedResult = train_seed(notes, source, FIRST, 0, tmp_path / "whole", {})
    resumed = trained_in_two_goes(notes, source, FIRST, tmp_path / "seed", validations=2)
    assert resumed.summary["history"] == whole.summary["history"]


def test_a_window_of_one_token_has_a_gradient() -> None:
    state = torch.randn(1, 1, 4, requires_grad=True)
    window_statistics([state], None).sum().backward()
    assert state.grad is not None
    assert state.grad.isfinite().all()


@pytest.mark.parametrize("other", [{"method": "probe"}, {"method": "features"}, {"note_features": True}])
def test_what_it_does_not_go_with_is_refused(other: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="--probe_first: goes without"):
        FinetuneSettings.of(task="melody", probe_first=True, **other)
