"""Several adapters on one backbone, and adapters of a wanted size."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from symbolic.adapters import METHODS, attach
from symbolic.adapters.adapter_set import AdapterSet
from symbolic.adapters.budget import options_for, trained
from symbolic.backbone import KINDS, Backbone, BackboneConfig, build_backbone, preset
from symbolic.errors import ConfigError
from symbolic.tokens.vocabulary import Vocabulary

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
        other = copy.deepcopy(backbone)
        adapter = attach(other, method)
        with torch.no_grad():
            for parameter in adapter.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        adapter.save(tmp_path / method, "tok")
        wanted[method] = output(other)
    adapter_set = AdapterSet(backbone, "tok")
    for method in METHODS:
        adapter_set.load(method, tmp_path / method)
        adapter_set.use(method)  # the next is hung up while this one is at work
    assert list(adapter_set) == list(METHODS)
    for method in [*METHODS, *reversed([*METHODS])]:
        assert torch.equal(output(adapter_set.use(method)), wanted[method])
    assert torch.equal(output(adapter_set.use(None)), plain)


def test_names_are_kept_apart(backbone: Backbone, tmp_path: Path) -> None:
    attach(backbone, "lora").save(tmp_path, "tok")
    backbone.adapter.detach()
    adapter_set = AdapterSet(backbone, "tok")
    with pytest.raises(ConfigError, match="holds none"):
        adapter_set.use("a")
    adapter_set.load("a", tmp_path)
    with pytest.raises(ConfigError, match="already holds an adapter 'a'"):
        adapter_set.load("a", tmp_path)
    with pytest.raises(ConfigError, match="no adapter 'b'; it holds a"):
        adapter_set.use("b")


@pytest.mark.parametrize("method", SIZED)
def test_a_budget_is_used_and_never_exceeded(method: str, backbone: Backbone) -> None:
    limit = 0.6 * sum(p.numel() for p in backbone.parameters())
    options = options_for(backbone, method, 0.6, **({"width": 8} if method == "prefix" else {}))
    size, count = METHODS[method].size, trained(backbone, method, **options)
    assert count <= limit
    step = getattr(METHODS[method], "heads", 1)
    if options[size] < METHODS[method].largest(backbone):
        assert trained(backbone, method, **{**options, size: options[size] + step}) > limit
    assert attach(backbone, method, **options).count() == count


def test_a_share_that_is_too_small_names_alternatives(backbone: Backbone) -> None:
    total = sum(p.numel() for p in backbone.parameters())
    with pytest.raises(ConfigError, match="one size only"):
        options_for(backbone, "bitfit", 0.01)
    with pytest.raises(ConfigError, match="no adapter method"):
        options_for(backbone, "nonesuch", 0.1)
    least = trained(backbone, "conv", rank=1)
    with pytest.raises(ConfigError, match=rf"trains {least:,} numbers.*name 2 of the 3 layers at most\.$"):
        options_for(backbone, "conv", (least - 1) / total)
    with pytest.raises(ConfigError, match=r"Ask for that share or a larger one\.$"):
        options_for(backbone, "prompt", 1 / total)
    share = trained(backbone, "prefix", length=1, width=0) / total
    with pytest.raises(ConfigError, match=r"larger one, or set width=0\.$"):
        options_for(backbone, "prefix", share)
    assert options_for(backbone, "prefix", share, width=0)["length"] == 1


@pytest.mark.parametrize("preset_name", ["tiny", "base"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", ["all", "mid", "last"])
@pytest.mark.parametrize("body", ["adapter", "conv", "transformer"])
def test_bottlenecks_have_every_size_at_every_place(
    body: str, layers: str, kind: str, preset_name: str
) -> None:
    """0.1 % to 3.5 % of the backbone (arXiv 2506.21298), to within a step of the rank."""
    with torch.device("meta"):
        backbone = build_backbone(replace(preset(preset_name), kind=kind), Vocabulary().sizes)
    total = sum(p.numel() for p in backbone.parameters())
    options = {"layers": layers, "place": "layers", **({"train_norms": False} if body == "adapter" else {})}
    for share in (0.001, 0.004, 0.01, 0.02, 0.035):
        # In every layer of `tiny` the smallest of some bodies is larger than a thousandth.
        if share == 0.001 and (preset_name, layers) == ("tiny", "all"):
            continue
        found = trained(backbone, body, **options_for(backbone, body, share, **options))
        assert (0.6 if preset_name == "tiny" else 0.85) * share <= found / total <= share
