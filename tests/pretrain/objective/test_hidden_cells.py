"""What is hidden stays hidden: no input of the network depends on it, relations included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pretrain_helpers import SHAPE, SIZES, as_batch, generator
from synthetic import unruly

from pretrain.objective.masked import Objective
from pretrain.selectors import Schedule, SelectorOptions, build_selector
from symbolic.backbone import build_backbone
from symbolic.heads import FieldHeads
from symbolic.masking import CORRUPTION_NAMES
from symbolic.masking.corruption import build_corruption
from symbolic.relations import RELATIONS
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import MASK, RESERVED


def made(unit: str, corruption: str) -> Objective:
    shape = replace(SHAPE, relations=tuple(RELATIONS))
    torch.manual_seed(0)
    backbone = build_backbone(shape, SIZES)
    torch.nn.init.normal_(backbone.embedding.relations.weight)
    selector = build_selector("uniform", Schedule(0.3, 0.6, 0.3), SIZES, shape, SelectorOptions(unit))
    return Objective(
        backbone, FieldHeads(shape.dim, SIZES), selector, build_corruption(corruption, SIZES)
    ).eval()


def embedded(objective: Objective, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the tokens that the network reads in a step, and their embedding."""
    found = []
    hook = objective.backbone.embedding.register_forward_hook(
        lambda _, read, out: found.append((read[0], out))
    )
    real = torch.ones(tokens.shape[:2], dtype=torch.bool)
    with torch.no_grad():
        objective(as_batch(tokens, real), ~real, generator(5))
    hook.remove()
    return found[0]


@pytest.mark.parametrize("corruption", CORRUPTION_NAMES)
@pytest.mark.parametrize("unit", ["token", "field"])
def test_no_input_depends_on_a_hidden_field(unit: str, corruption: str) -> None:
    objective = made(unit, corruption)
    ids = np.stack([Tokenizer()(unruly(seed, 60)).ids[:48] for seed in range(4)]).astype(np.int64)
    tokens = torch.from_numpy(ids)
    read, before = embedded(objective, tokens)
    hidden = read == MASK
    assert hidden.any()
    for seed in range(5):
        noise = torch.rand(tokens.shape, generator=generator(seed))
        anything = RESERVED + (noise * (torch.tensor(SIZES) - RESERVED)).long()
        again, after = embedded(objective, torch.where(hidden, anything, tokens))
        assert torch.equal(again, read)
        assert torch.equal(after, before)
