"""Several adapters on one backbone, and adapters of a wanted size."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from symbolic.adapters import METHODS, attach
from symbolic.adapters.budget import options_for, trained
from symbolic.adapters.rack import Rack
from symbolic.backbone import KINDS, Backbone, BackboneConfig, build_backbone
from symbolic.errors import ConfigError

SIZES = (12, 10, 9, 11, 8, 7, 6, 8)
CONFIG = BackboneConfig(dim=32, layers=3, heads=2, ffn=64, window=16)
ROWS = torch.stack([torch.randint(4, size, (2, 6), generator=torch.manual_seed(1)) for size in SIZES], dim=-1)
SIZED = sorted(name for name, method in METHODS.items() if method.size)


@pytest.fixture(params=KINDS)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    torch.manual_seed(0)
    return build_backbone(replace(CONFIG, kind=request.param), SIZES).eval()


def output(backbone: Backbone) -> Tensor:
    with torch.no_grad():
        return backbone(ROWS)


def test_adapters_take_turns_on_one_backbone(backbone: Backbone, tmp_path: Path) -> None:
    wanted, plain = {}, output(backbone)
    for method in METHODS:
        twin = copy.deepcopy(backbone)
        adapter = attach(twin, method)
        with torch.no_grad():
            for parameter in adapter.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        adapter.save(tmp_path / method, "tok")
        wanted[method] = output(twin)
    rack = Rack(backbone, "tok")
    for method in METHODS:
        rack.load(method, tmp_path / method)
        rack.use(method)  # the next is hung up while this one is at work
    assert list(rack) == list(METHODS)
    for method in [*METHODS, *reversed(METHODS)]:
        assert torch.equal(output(rack.use(method)), wanted[method])
    assert torch.equal(output(rack.use(None)), plain)


def test_names_are_kept_apart(backbone: Backbone, tmp_path: Path) -> None:
    attach(backbone, "lora").save(tmp_path, "tok")
    backbone.adapter.detach()
    rack = Rack(backbone, "tok")
    with pytest.raises(ConfigError, match="holds none"):
        rack.use("a")
    rack.load("a", tmp_path)
    with pytest.raises(ConfigError, match="already holds an adapter 'a'"):
        rack.load("a", tmp_path)
    with pytest.raises(ConfigError, match="no adapter 'b'; it holds a"):
        rack.use("b")


@pytest.mark.parametrize("method", SIZED)
def test_a_budget_is_used_and_never_exceeded(method: str, backbone: Backbone) -> None:
    limit = 0.6 * sum(p.numel() for p in backbone.parameters())
    options = options_for(backbone, method, 0.6, **({"width": 8} if method == "prefix" else {}))
    size, count = METHODS[method].size, trained(backbone, method, **options)
    assert count <= limit
    step = getattr(METHODS[method], "heads", 1)
    assert trained(backbone, method, **{**options, size: options[size] + step}) > limit
    assert attach(backbone, method, **options).count() == count


def test_budgets_that_cannot_be_kept_are_refused(backbone: Backbone) -> None:
    with pytest.raises(ConfigError, match="one size only"):
        options_for(backbone, "bitfit", 0.01)
    with pytest.raises(ConfigError, match="at least, more than"):
        options_for(backbone, "prefix", 0.001)
    with pytest.raises(ConfigError, match="no adapter method"):
        options_for(backbone, "nonesuch", 0.1)
