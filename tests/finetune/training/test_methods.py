"""Methods by name, size and share."""

from __future__ import annotations

from typing import Any

import pytest

from data.toolkit.loggers import EXTRAS
from finetune.settings import LEARNING_RATES, LOGGERS, METHODS, FinetuneSettings
from finetune.tasks.data import TaskData
from finetune.training.model import build_model
from finetune.training.run import method_options
from finetune.training.weights import InitialWeights, open_weights
from symbolic.adapters import METHODS as ADAPTERS
from symbolic.backbone import BACKBONES, KINDS
from symbolic.checkpoint.bundled import shipped_models
from symbolic.errors import ConfigError


def test_names_are_those_of_adapters_and_backbones() -> None:
    assert all(method.name == name for name, method in ADAPTERS.items())
    assert set(LEARNING_RATES) == set(METHODS) - {"probe"}
    assert list(BACKBONES) == list(KINDS)


def test_loggers_are_those_of_the_toolkit() -> None:
    assert set(LOGGERS) == set(EXTRAS)


def test_flags_reach_the_adapter(dances: TaskData, source: InitialWeights) -> None:
    settings = FinetuneSettings.of(method="lora", layers="last", size=3, options="scale=2,rslora=true")
    options = method_options(settings)
    assert options == {"layers": "last", "rank": 3, "scale": 2, "rslora": True}
    model = build_model(source.backbone(), dances.task, "lora", options)
    assert {name.split(".")[1] for name in model.backbone.adapter.named_parameters()} == {"1"}


def test_a_share_bounds_what_an_adapter_trains(dances: TaskData, source: InitialWeights) -> None:
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
        ({"method": "probe", "lr": 0.1}, "--lr 0.1: a probe"),
        ({"backbone": "perceiver"}, "--backbone perceiver"),
        ({"checkpoint": "x", "backbone": "conformer"}, "--backbone conformer.*--from scratch"),
        ({"preset": "base"}, "--preset base.*'tiny'.*--from scratch"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        FinetuneSettings.of(**changes)


@pytest.mark.parametrize(
    "changes", [{"method": "bitfit", "size": 4}, {"method": "lora", "options": "magic=1"}]
)
def test_what_an_adapter_does_not_have_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"one size|no option"):
        method_options(FinetuneSettings.of(**changes))


def test_training_begins_from_a_model_that_comes_along_unless_told_otherwise() -> None:
    assert FinetuneSettings().model.checkpoint in shipped_models()
    fresh = FinetuneSettings.of(checkpoint="scratch")
    assert fresh.model.checkpoint is None
    assert open_weights(fresh.model.checkpoint, fresh.model.preset).name == "scratch-tiny"


def test_a_fresh_conformer_is_named_as_one() -> None:
    fresh = open_weights(None, "tiny", "conformer")
    assert fresh.config.kind == "conformer"
    assert fresh.name == "scratch-conformer-tiny"
