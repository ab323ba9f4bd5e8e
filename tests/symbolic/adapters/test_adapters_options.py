"""The options of the component study and of the study of bodies and places: each under one name for every method."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from adapter_helpers import CONFIG, REAL, ROWS, SIZES, output, small, stir
from torch import Tensor

from symbolic.adapters import METHODS, Adapter, attach, load_adapter
from symbolic.adapters.bodies import Body, ConvBody, TransformerBody
from symbolic.adapters.bottleneck_method import PLACES, BottleneckMethod
from symbolic.adapters.places import layers_of
from symbolic.backbone import KINDS, Backbone, build_backbone
from symbolic.backbone.attention import rotary_angles
from symbolic.errors import ConfigError

BODIED = sorted(name for name, method in METHODS.items() if issubclass(method, BottleneckMethod))
BODIES = {
    "transformer": {"feedforward": 1, "attention+feedforward": 2, "sublayers": 2, "layers": 1},
    "conformer": {"feedforward": 2, "attention+feedforward": 3, "sublayers": 4, "layers": 1},
}
"""Of one layer."""
VARIANTS: list[dict[str, Any]] = [
    *({"place": place} for place in PLACES),
    *({"activation": name} for name in ("relu", "silu", "tanh")),
    {"norm": True},
    {"init": "near_zero"},
    {"init": "default"},
    {"zero_bias": False},
    {"scale": 4},
    {"learn_scale": True, "scale": 2},
]

every_body = pytest.mark.parametrize("method", BODIED)


@pytest.fixture(params=KINDS)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return small(request.param)


def bodies(adapter: Adapter) -> int:
    return sum(name.endswith("body.up.weight") for name in adapter.named_parameters())


def change(backbone: Backbone, method: str, **options: Any) -> float:
    """How far a fresh adapter is from none, at most."""
    before = output(backbone)
    torch.manual_seed(2)
    adapter = attach(backbone, method, **options)
    after = output(backbone)
    adapter.detach()
    return float((after - before).abs().max())


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: ",".join(f"{k}={v[k]}" for k in v))
@every_body
def test_every_option_trains_and_is_saved(
    method: str, variant: dict[str, Any], backbone: Backbone, tmp_path: Path
) -> None:
    plain = copy.deepcopy(backbone)
    adapter = attach(backbone, method, **variant)
    stir(adapter)
    backbone(ROWS, REAL)[REAL].square().sum().backward()
    with_gradient = {id(p) for p in backbone.parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert with_gradient == {id(p) for p in adapter.parameters()}
    adapter.save(tmp_path, "tok")
    assert load_adapter(tmp_path, plain, "tok").method == adapter.method
    assert torch.equal(output(plain), output(backbone))


@every_body
def test_places_norms_and_factors_add_their_parameters(method: str, backbone: Backbone) -> None:
    def of(**options: Any) -> tuple[int, int]:
        adapter = attach(backbone, method, **options)
        adapter.detach()
        return bodies(adapter), adapter.count()

    for place, count in BODIES[backbone.config.kind].items():
        assert of(place=place)[0] == 2 * count
    count, plain = of()
    assert of(norm=True) == (count, plain + count * 2 * 16)
    assert of(learn_scale=True) == (count, plain + count)


@every_body
def test_up_projections_start_as_the_options_say(method: str, backbone: Backbone) -> None:
    assert change(backbone, method, init="zero", zero_bias=True) < 1e-6
    largest = {}
    for init in ("near_zero", "default"):
        assert change(backbone, method, init=init, zero_bias=True) > 1e-3
        parameters = attach(backbone, method, init=init).named_parameters()
        backbone.adapter.detach()
        largest[init] = max(p.abs().max() for n, p in parameters.items() if n.endswith("body.up.weight"))
    assert 0.01 < largest["near_zero"] <= 0.02
    assert 0.2 < largest["default"] <= 0.25  # one over the root of the rank
    assert change(backbone, method, init="zero", zero_bias=False) > 1e-3


def test_two_parallel_adapters_are_the_papers_equations() -> None:
    """Chen et al. (arXiv 2306.08131), equations 2 to 5, on a Conformer; on a Transformer beside its one branch."""
    torch.manual_seed(0)
    x = torch.randn(2, 6, 16)
    rotation = rotary_angles(6, 8, x.device)
    for kind in KINDS:
        backbone = build_backbone(replace(CONFIG, kind=kind), SIZES).eval()
        adapter = attach(backbone, "two_parallel", rank=5)
        stir(adapter)
        own, block = iter(adapter.parameters()), backbone.blocks[0]

        def body(u: Tensor, own: Any = own) -> Tensor:
            down, down_bias, up, up_bias = (next(own) for _ in range(4))
            return torch.relu(u @ down.T + down_bias) @ up.T + up_bias

        if kind == "conformer":
            h = x + 0.5 * (block.first(block.first_norm(x)) + body(x))
            h = h + block.attention(block.attention_norm(h), rotation)
            h = h + block.convolution(block.convolution_norm(h))
            wanted = block.norm(h + 0.5 * (block.second(block.second_norm(h)) + body(h)))
        else:
            h = x + block.attention(block.attention_norm(x), rotation)
            wanted = h + block.feedforward(block.feedforward_norm(h)) + body(h)
        torch.testing.assert_close(block(x, rotation), wanted)


@every_body
def test_the_factor_is_the_same_whether_fixed_or_learnt(method: str, backbone: Backbone) -> None:
    options = {"init": "default", "scale": 3.0}
    assert change(backbone, method, **options) == pytest.approx(
        change(backbone, method, **options, learn_scale=True), rel=1e-4
    )
    assert change(backbone, method, **options) > 1.05 * change(backbone, method, init="default")


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "tanh"])
def test_activations_differ(activation: str, backbone: Backbone) -> None:
    rest = {"relu", "gelu", "silu", "tanh"} - {activation}
    own = change(backbone, "two_parallel", init="default", activation=activation)
    assert all(change(backbone, "two_parallel", init="default", activation=other) != own for other in rest)


@every_body
def test_all_wrong_options_are_named_at_once(method: str, backbone: Backbone) -> None:
    with pytest.raises(ConfigError, match=r"(?s)rank is 0.*place is 'top'.*activation is 'x'.*init is 'one'"):
        attach(backbone, method, rank=0, place="top", activation="x", init="one")
    with pytest.raises(ConfigError, match=r"(?s)norm is 1; .* type bool.*rank is 'two'; .* type int"):
        attach(backbone, method, norm=1, rank="two")


@pytest.mark.parametrize(
    ("layers", "found"),
    [("all", [0, 1, 2, 3, 4]), ("mid", [2]), ("last", [4]), ("0,3-4", [0, 3, 4]), ("2", [2])],
)
def test_layers_are_named_in_words_numbers_and_ranges(layers: str, found: list[int]) -> None:
    assert layers_of(layers, 5) == found


@pytest.mark.parametrize(
    ("share", "counts"),
    [("25", [1, 2, 3]), ("50", [2, 3, 6]), ("75", [3, 5, 9]), ("100", [4, 6, 12]), ("0.1", [1, 1, 1])],
)
def test_upper_layers_are_a_share_of_any_depth(share: str, counts: list[int]) -> None:
    for depth, count in zip((4, 6, 12), counts, strict=True):
        assert layers_of(f"upper{share}%", depth) == list(range(depth))[-count:]


@pytest.mark.parametrize(
    "layers", ["", "top", "1-9", "3-1", "5", "1;2", "upper", "upper0%", "upper101%", "0,upper50%"]
)
def test_layers_that_are_not_there_are_refused(layers: str) -> None:
    with pytest.raises(ConfigError, match="layers"):
        layers_of(layers, 5)


def test_convolution_mixes_near_tokens_and_attention_all(backbone: Backbone) -> None:
    """What a change of the first token moves, through the adapter alone."""
    stream = torch.randn(1, 80, 16, generator=torch.manual_seed(0))
    moved = stream.clone()
    moved[:, 0] += 1.0
    reach = {}
    for name, body in (
        ("linear", Body(16, 8)),
        ("conv", ConvBody(16, 8)),
        ("transformer", TransformerBody(16, 8)),
    ):
        torch.nn.init.normal_(body.up.weight)
        if name == "conv":  # its gate averages over the window, so it is opened
            body.gate = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Sigmoid()).requires_grad_(False)
            body.gate.apply(lambda part: [torch.nn.init.zeros_(p) for p in part.parameters()] and None)
        difference = (body(moved) - body(stream)).abs().amax(-1)[0]
        reach[name] = int((difference > 1e-7).nonzero().max())
    assert reach == {"linear": 0, "conv": 1 + 2 + 4 + 8, "transformer": 79}
