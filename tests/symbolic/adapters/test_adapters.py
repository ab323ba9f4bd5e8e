"""One matrix for every registered adapter method, then what is particular to one."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from adapter_helpers import REAL, ROWS, SIZES, output, small, stir
from safetensors import safe_open

from symbolic.adapters import (
    METHODS,
    attach,
    backbone_state,
    detached,
    freeze_backbone,
    load_adapter,
    unfreeze_backbone,
    weights_fingerprint,
)
from symbolic.backbone import KINDS, Backbone, build_backbone
from symbolic.errors import CheckpointError, ConfigError, TokenizerMismatch

_DOWN_UP = 2 * (16 * 16 + 16)
_CONV = _DOWN_UP + 4 * (3 * 16 * 16 + 16) + (16 * 4 + 4) + (4 * 16 + 16)
_LAYER = _DOWN_UP + 2 * 2 * 16 + (16 * 48 + 48) + (16 * 16 + 16) + 2 * 16 * 32 + 32 + 16
_PREFIX = 32 * 16 + (16 * 512 + 512) + (512 * 32 + 32)
# Outputs of a layer's linear parts: attention and feed-forward; of a Conformer two feed-forwards, and convolution.
_OUT = {"transformer": 4 * 16 + 32 + 16, "conformer": 4 * 16 + 2 * (32 + 16) + 32 + 16}
EXPECTED_COUNT = {
    "transformer": {
        "adapter": 2 * 2 * (_DOWN_UP + 2 * 16),
        "bitfit": 2 * (_OUT["transformer"] + 2 * 16),
        "conv": 2 * _CONV,
        "ia3": 2 * (16 + 16 + 32),
        "lora": 2 * 2 * (4 * (16 + 16) + 2 * (16 + 32)),
        "parallel": 2 * _DOWN_UP,
        "prefix": 2 * _PREFIX,
        "prompt": 32 * 16,
        "reft": 2 * (2 * 4 * 16 + 4),
        "ssf": 2 * 2 * _OUT["transformer"],
        "transformer": 2 * _LAYER,
        "two_parallel": 2 * _DOWN_UP,
    },
    "conformer": {
        "adapter": 2 * 4 * (_DOWN_UP + 2 * 16),
        "bitfit": 2 * (_OUT["conformer"] + 4 * 16),
        "conv": 2 * _CONV,
        "ia3": 2 * (16 + 16 + 2 * 32),
        "lora": 2 * 2 * (4 * (16 + 16) + 5 * (16 + 32) + (16 + 16)),
        "parallel": 2 * 2 * _DOWN_UP,
        "prefix": 2 * _PREFIX,
        "prompt": 32 * 16,
        "reft": 2 * (2 * 4 * 16 + 4),
        "ssf": 2 * 2 * _OUT["conformer"],
        "transformer": 2 * _LAYER,
        "two_parallel": 2 * 2 * _DOWN_UP,
    },
}
"""By hand from CONFIG and default options; a new method must state its own."""

NEUTRAL: dict[str, dict[str, Any] | None] = {
    "prefix": None,
    "prompt": None,
    "reft": {"neutral": True},
    "ssf": {"deviation": 0.0},
    "two_parallel": {"zero_bias": True},
}
"""Of methods that by default change something at once, the options that make them neutral, if there are any."""

SAVED = {"prefix": 2 * 2 * 32 * 16}
"""Of methods that keep less than they train, what they keep, by hand likewise."""

every_method = pytest.mark.parametrize("method", sorted(METHODS))


@pytest.fixture(params=KINDS)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return small(request.param)


@every_method
def test_a_fresh_adapter_changes_nothing(method: str, backbone: Backbone) -> None:
    before = output(backbone)
    options = NEUTRAL.get(method, {})
    if options is not None:
        attach(backbone, method, **options)
        torch.testing.assert_close(output(backbone), before)
        backbone.adapter.detach()
    attach(backbone, method)
    assert (
        torch.allclose(output(backbone), before) == METHODS[method].starts_neutral == (method not in NEUTRAL)
    )


@every_method
def test_a_trained_adapter_acts_in_eval_and_in_train_mode(method: str, backbone: Backbone) -> None:
    before = output(backbone)
    adapter = attach(backbone, method)
    stir(adapter)
    assert not torch.allclose(output(backbone), before, atol=1e-3)
    assert not any(module.training for module in backbone.modules())
    changed = output(backbone)
    for module in backbone.train().modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    torch.testing.assert_close(output(backbone), changed)


@every_method
def test_gradients_reach_all_adapter_parameters_and_no_others(method: str, backbone: Backbone) -> None:
    adapter = attach(backbone, method)
    stir(adapter)
    backbone(ROWS, REAL)[REAL].square().sum().backward()
    with_gradient = {id(p) for p in backbone.parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert with_gradient == {id(p) for p in adapter.parameters()}


@every_method
def test_the_first_step_moves_more_than_biases(method: str, backbone: Backbone) -> None:
    adapter = attach(backbone, method)
    backbone(ROWS, REAL)[REAL].square().sum().backward()
    # Of methods without matrices, everything moves at once.
    kind = 2 if any(p.ndim > 1 for p in adapter.parameters()) else 1
    assert any(p.grad.abs().max() > 0 for p in adapter.parameters() if p.ndim >= kind and p.grad is not None)


@every_method
def test_the_declared_count_is_the_real_one(method: str, backbone: Backbone) -> None:
    adapter = attach(backbone, method)
    trained = sum(p.numel() for p in backbone.parameters() if p.requires_grad)
    assert adapter.count() == trained == EXPECTED_COUNT[backbone.config.kind][method]


@every_method
def test_the_backbones_weights_keep_their_names_and_values(method: str, backbone: Backbone) -> None:
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    stir(attach(backbone, method))
    after = backbone_state(backbone)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


@every_method
def test_detaching_gives_the_original_back(method: str, backbone: Backbone) -> None:
    before, modules = output(backbone), dict(backbone.named_modules())
    for _ in range(2):
        adapter = attach(backbone, method)
        stir(adapter)
        adapter.detach()
        assert not adapter.attached
        assert torch.equal(output(backbone), before)
    assert dict(backbone.named_modules()) == modules


@every_method
def test_an_adapter_can_be_taken_off_and_put_back(method: str, backbone: Backbone) -> None:
    before = output(backbone)
    adapter = attach(backbone, method)
    stir(adapter)
    adapted = output(backbone)
    trained = {name: p.requires_grad for name, p in backbone.named_parameters()}
    with detached(backbone):
        assert torch.equal(output(backbone), before)
        backbone.train()
    assert torch.equal(output(backbone.eval()), adapted)
    assert {name: p.requires_grad for name, p in backbone.named_parameters()} == trained


@every_method
def test_the_file_holds_its_tensors_and_nothing_else(method: str, backbone: Backbone, tmp_path: Path) -> None:
    adapter = attach(backbone, method)
    adapter.save(tmp_path, "tok")
    with safe_open(tmp_path / "adapter.safetensors", framework="pt") as file:
        found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    adapter.detach()
    loaded = load_adapter(tmp_path, backbone, "tok")
    assert found == {name: tuple(p.shape) for name, p in loaded.named_parameters().items()}
    saved = SAVED.get(method, EXPECTED_COUNT[backbone.config.kind][method])
    assert adapter.saved_count() == loaded.saved_count() == loaded.count() == saved
    assert 4 * saved < (tmp_path / "adapter.safetensors").stat().st_size < 4 * saved + 10_000


@every_method
def test_save_and_load_agree(method: str, backbone: Backbone, tmp_path: Path) -> None:
    plain = copy.deepcopy(backbone)
    adapter = attach(backbone, method)
    stir(adapter)
    adapter.save(tmp_path, "tok")
    loaded = load_adapter(tmp_path, plain, "tok")
    assert loaded.method == adapter.method.saved_form()
    assert loaded.method.saved_form() == loaded.method
    assert torch.equal(output(plain), output(backbone))
    assert all(parameter.requires_grad for parameter in loaded.parameters())


@every_method
def test_merging_equals_not_merging(method: str, backbone: Backbone) -> None:
    names = backbone.state_dict().keys()
    adapter = attach(backbone, method)
    stir(adapter)
    before = output(backbone)
    if not METHODS[method].mergeable:
        with pytest.raises(ConfigError, match=f"'{method}' cannot be merged"):
            adapter.merge()
        return
    adapter.merge()
    torch.testing.assert_close(output(backbone), before, atol=1e-5, rtol=1e-4)
    assert backbone.state_dict().keys() == names
    with pytest.raises(ConfigError, match="has been merged"):
        adapter.attach()


@every_method
def test_padding_never_changes_other_tokens(method: str, backbone: Backbone) -> None:
    stir(attach(backbone, method))
    with torch.no_grad():
        alone = backbone(ROWS[:1, :4])
        padded = backbone(ROWS, REAL)[:1, :4]
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=1e-4)


@every_method
def test_a_copied_backbone_keeps_an_adapter_of_its_own(method: str, backbone: Backbone) -> None:
    attach(backbone, method)
    other = copy.deepcopy(backbone)
    before = output(backbone)
    stir(other.adapter)
    assert not torch.allclose(output(other), before, atol=1e-3)
    assert torch.equal(output(backbone), before)
    other.adapter.detach()
    backbone.adapter.detach()
    assert torch.equal(output(other), output(backbone))


@every_method
def test_another_backbone_or_tokenizer_is_refused_by_name(
    method: str, backbone: Backbone, tmp_path: Path
) -> None:
    attach(backbone, method).save(tmp_path, "tok")
    wider = replace(backbone.config, ffn=64)
    with pytest.raises(CheckpointError, match="ffn 32 and not 64"):
        load_adapter(tmp_path, build_backbone(wider, SIZES), "tok")
    with pytest.raises(CheckpointError, match="other weights"):
        load_adapter(tmp_path, build_backbone(backbone.config, SIZES), "tok")
    backbone.adapter.detach()
    with pytest.raises(TokenizerMismatch, match=r"tokenizer tok\b.*tokenizer other"):
        load_adapter(tmp_path, backbone, "other")
    assert backbone.adapter is None


def test_tensors_of_another_shape_are_refused(backbone: Backbone, tmp_path: Path) -> None:
    adapter = attach(backbone, "lora", rank=2)
    adapter.save(tmp_path, "tok")
    adapter.detach()
    attach(backbone, "lora", rank=3).save(tmp_path / "other", "tok")
    backbone.adapter.detach()
    (tmp_path / "other" / "adapter.safetensors").replace(tmp_path / "adapter.safetensors")
    with pytest.raises(CheckpointError, match="does not hold the tensors of method 'lora'"):
        load_adapter(tmp_path, backbone, "tok")


def test_a_second_adapter_is_refused(backbone: Backbone) -> None:
    attach(backbone, "lora")
    with pytest.raises(ConfigError, match="already carries adapter 'lora'"):
        attach(backbone, "adapter")


def test_unknown_methods_and_options_are_refused(backbone: Backbone) -> None:
    with pytest.raises(ConfigError, match="adapter, bitfit, conv"):
        attach(backbone, "lorra")
    with pytest.raises(ConfigError, match=r"(?s)'alpha'.*layers, rank, scale, rslora.*'dropout'"):
        attach(backbone, "lora", alpha=2, dropout=0.1)
    for method in ("lora", "adapter"):
        with pytest.raises(ConfigError, match="at least 1"):
            attach(backbone, method, rank=0)
    assert backbone.adapter is None


def test_freezing_spares_the_adapter(backbone: Backbone) -> None:
    freeze_backbone(backbone)
    assert not any(p.requires_grad for p in backbone.parameters())
    unfreeze_backbone(backbone)
    assert all(p.requires_grad for p in backbone.parameters())
    adapter = attach(backbone, "lora")
    freeze_backbone(backbone)
    assert {id(p) for p in backbone.parameters() if p.requires_grad} == {id(p) for p in adapter.parameters()}


def test_the_fingerprint_depends_on_weights_not_on_adapters(backbone: Backbone) -> None:
    before = weights_fingerprint(backbone)
    stir(attach(backbone, "adapter"))
    assert weights_fingerprint(backbone) == before
    backbone.adapter.detach()
    with torch.no_grad():
        backbone.norm.bias[0] += 1
    assert weights_fingerprint(backbone) != before


def test_a_prefix_without_a_network_learns_keys_and_values(backbone: Backbone) -> None:
    adapter = attach(backbone, "prefix", length=3, width=0)
    assert adapter.count() == adapter.saved_count() == 2 * 2 * 3 * 16
    backbone(ROWS, REAL)[REAL].square().sum().backward()
    moved = {n.rpartition(".")[2] for n, p in adapter.named_parameters().items() if p.grad.abs().max() > 0}
    assert "values" in moved
    with pytest.raises(ConfigError, match=r"(?s)length is 0.*width is -1"):
        attach(backbone, "prefix", length=0, width=-1)


def test_reft_changes_the_stream_only_within_its_directions(backbone: Backbone) -> None:
    attach(backbone, "reft", rank=3)
    module = backbone.get_submodule(backbone.sublayers([0])[-1].slot)
    with torch.no_grad():
        module.directions.copy_(
            torch.randn(3, 16)
        )  # training makes no promise of orthonormal tokens; `tokens` does
        tokens, x = module.basis(), torch.randn(2, 5, 16)
        changed = module(x)
        torch.testing.assert_close(tokens @ tokens.T, torch.eye(3))
        # Along the tokens the stream is what was wanted; across them it is as it was.
        torch.testing.assert_close(changed @ tokens.T, module.wanted(x))
        torch.testing.assert_close(changed - changed @ tokens.T @ tokens, x - x @ tokens.T @ tokens)
        # A small step makes a small change, wherever it leads.
        module.directions[0, 0] = -1e-6
        before = module.basis()
        module.directions[0, 0] = 1e-6
        torch.testing.assert_close(module.basis(), before, atol=1e-4, rtol=0)
    backbone.adapter.detach()
    with pytest.raises(ConfigError, match="no more than 16 directions"):
        attach(backbone, "reft", rank=17)


def test_norms_train_with_the_bottleneck_by_default(backbone: Backbone) -> None:
    names = attach(backbone, "adapter").named_parameters()
    branch = backbone.sublayers()[-1]
    assert f"{branch.norm}.weight" in names
    assert f"{branch.slot}.body.down.weight" in names
    backbone.adapter.detach()
    assert not any(
        "norm" in name for name in attach(backbone, "adapter", train_norms=False).named_parameters()
    )


@every_method
def test_it_stands_only_in_the_layers_that_are_named(method: str, backbone: Backbone) -> None:
    if method == "prompt":
        with pytest.raises(ConfigError, match="before the first layer"):
            attach(backbone, method, layers="last")
        return
    whole = attach(backbone, method).count()
    backbone.adapter.detach()
    adapter = attach(backbone, method, layers="last")
    assert adapter.count() == whole / 2
    assert {name.split(".")[1] for name in adapter.named_parameters()} == {"1"}


@every_method
def test_it_works_in_half_precision(method: str, backbone: Backbone) -> None:
    stir(attach(backbone, method))
    full = output(backbone)
    backbone.to(torch.bfloat16)
    half = backbone(ROWS, REAL)[REAL]
    assert half.dtype == torch.bfloat16
    assert (half.float() - full).abs().mean() < 0.1 * full.abs().mean()
    half.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in backbone.adapter.parameters())


@every_method
def test_it_can_be_compiled_whole(method: str, backbone: Backbone) -> None:
    stir(attach(backbone, method))
    torch._dynamo.reset()
    compiled = torch.compile(backbone, backend="eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(ROWS, REAL)[REAL], output(backbone))
