"""How a probe hears layers: standardised by what it was trained on, weighed, pooled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from finetune_helpers import PLAN

from finetune.tasks.data import TaskData
from finetune.training.model import build_model
from finetune.training.seed import _batches
from finetune.training.source import Source
from symbolic.predict.layer_mix import LayerMix, normed, pooled

STATES, WIDTH = 3, 4


def _features(count: int, seed: int = 0) -> torch.Tensor:
    """(count, STATES, WIDTH), each feature with a mean and a deviation of its own."""
    random = torch.Generator().manual_seed(seed)
    scale = torch.arange(1.0, STATES * WIDTH + 1).view(STATES, WIDTH) / 10
    return 5 * scale + scale * torch.randn(count, STATES, WIDTH, generator=random)


@pytest.mark.parametrize("only", [None, 1])
@torch.no_grad()
def test_training_features_come_out_standardised_whatever_the_parts(only: int | None) -> None:
    whole, parts = LayerMix(STATES, WIDTH, only), LayerMix(STATES, WIDTH, only)
    features = _features(500)[:, whole.heard]
    whole.standardise([features])
    parts.standardise(features.split(7))
    assert torch.allclose(whole.centre, parts.centre, atol=1e-5)
    assert torch.allclose(whole.deviation, parts.deviation, atol=1e-5)
    layer = LayerMix(STATES, WIDTH, 1) if only is None else whole
    layer.standardise([_features(500)[:, [1]]])
    heard = layer(_features(500)[:, [1]])
    assert torch.allclose(heard.mean(0), torch.zeros(WIDTH), atol=1e-4)
    assert torch.allclose(heard.std(0, correction=0), torch.ones(WIDTH), atol=1e-4)


def test_a_feature_that_hardly_varies_is_not_blown_up() -> None:
    mix = LayerMix(STATES, WIDTH, 0)
    mix.standardise([torch.full((10, 1, WIDTH), 3.0)])
    assert mix(torch.full((1, 1, WIDTH), 3.001)).abs().max() < 1


@torch.no_grad()
def test_notes_and_pieces_are_weighed_alike() -> None:
    mix = LayerMix(STATES, WIDTH)
    mix.weights.copy_(torch.tensor([0.5, -1.0, 2.0]))
    mix.standardise([_features(50)])
    features = _features(6, seed=1)
    notes = features.transpose(0, 1)[None]  # six windows of one note, or one window of six
    assert torch.allclose(mix(notes)[0], mix(features), atol=1e-6)


def test_padding_has_no_part_in_the_statistics() -> None:
    random = torch.Generator().manual_seed(0)
    states = [torch.randn(2, 5, WIDTH, generator=random) for _ in range(STATES)]
    attention_mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    found = pooled(states, attention_mask)
    short = normed([state[1:, :3] for state in states])[0]
    assert torch.allclose(found[1, :, :WIDTH], short.mean(1), atol=1e-6)
    assert torch.allclose(found[1, :, WIDTH:], short.std(1, correction=0), atol=1e-6)
    assert torch.allclose(pooled(states, None)[0], found[0], atol=1e-6)


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("level", ["notes", "dances"])
def test_only_what_is_trained_on_standardises(level: str, source: Source, request: Any) -> None:
    data: TaskData = request.getfixturevalue(level)

    def mixed(data: TaskData) -> LayerMix:
        model = build_model(source.backbone(), data.task, "probe")
        _batches(data, model, replace(PLAN, method="probe"), 0, torch.device("cpu"))
        assert model.mix is not None
        return model.mix

    first, second = (data.splits[side] for side in ("test", "valid"))
    swapped = replace(data, splits={**data.splits, "test": second[:1], "valid": first})
    whole, same, fewer = mixed(data), mixed(swapped), mixed(data.thinned(0.5, 0))
    assert torch.equal(whole.centre, same.centre)
    assert torch.equal(whole.deviation, same.deviation)
    assert not torch.equal(whole.centre, fewer.centre)
