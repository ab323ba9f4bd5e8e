"""LoRA's own arithmetic, beside the plain operations that it stands for; peft's opinion is in test_peft.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.adapters import attach
from symbolic.adapters.lora import LoraLinear
from symbolic.backbone import KINDS, Backbone, BackboneConfig, build_backbone

SIZES = (12, 10, 9, 11, 8, 7, 6, 8)
CONFIG = BackboneConfig(dim=16, layers=2, heads=2, ffn=32, window=16)


@pytest.fixture(params=KINDS)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    torch.manual_seed(0)
    return build_backbone(replace(CONFIG, kind=request.param), SIZES).eval()


@pytest.fixture
def layer() -> LoraLinear:
    torch.manual_seed(0)
    made = LoraLinear(nn.Linear(6, 5), rank=3, scale=0.7)
    nn.init.normal_(made.lora_b)
    return made


def plain(layer: LoraLinear, x: Tensor) -> Tensor:
    change = F.linear(F.linear(x, layer.lora_a), layer.lora_b)
    return F.linear(x, layer.weight, layer.bias) + layer.scale * change


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("stream", [True, False], ids=["in the stack", "at its foot"])
def test_outputs_and_gradients_equal_the_plain_operations(
    frozen: bool, stream: bool, layer: LoraLinear
) -> None:
    layer.weight.requires_grad_(not frozen)
    layer.bias.requires_grad_(not frozen)
    x = torch.randn(4, 2, 6).transpose(0, 1).requires_grad_(stream)  # not contiguous
    leaves = [p for p in (x, *layer.parameters()) if p.requires_grad]
    assert len(leaves) == 2 + stream + 2 * (not frozen)
    weights = torch.randn(2, 4, 5)
    ours, theirs = layer(x), plain(layer, x)
    torch.testing.assert_close(ours, theirs)
    found, wanted = (torch.autograd.grad((out * weights).sum(), leaves) for out in (ours, theirs))
    torch.testing.assert_close(found, wanted)


def test_autocast_computes_in_half_with_float32_gradients(layer: LoraLinear) -> None:
    x = torch.randn(2, 4, 6)
    wanted = torch.autograd.grad(plain(layer, x).square().sum(), list(layer.parameters()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(x)
    found = torch.autograd.grad(out.float().square().sum(), list(layer.parameters()))
    assert out.dtype == torch.bfloat16
    assert all(gradient.dtype == torch.float32 for gradient in found)
    torch.testing.assert_close(found, wanted, atol=0.05 * float(wanted[0].abs().max()), rtol=0.05)


def test_rslora_divides_by_the_root_of_the_rank(backbone: Backbone) -> None:
    attach(backbone, "lora", rank=16, scale=2.0, rslora=True)
    assert backbone.get_submodule("blocks.0.attention.query").scale == pytest.approx(0.5)
