"""Hugging Face's peft as the second opinion on LoRA and IA3, and as the other side of their files."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from variants import variants_of_json

from symbolic.adapters import attach
from symbolic.adapters.peft_format import TENSORS, load_from_peft, save_as_peft
from symbolic.backbone import KINDS, Backbone, BackboneConfig, build_backbone
from symbolic.documents import read_json, write_json
from symbolic.errors import CheckpointError, ConfigError, CounterpointError
from symbolic.storage import read_tensors, write_tensors

peft = pytest.importorskip("peft", reason="peft is not installed; it is in the extra [dev]")

SIZES = (12, 10, 9, 11, 8, 7, 6, 8)
CONFIG = BackboneConfig(dim=16, layers=2, heads=2, ffn=32, window=16)
ROWS = torch.stack([torch.randint(4, size, (2, 6), generator=torch.manual_seed(1)) for size in SIZES], dim=-1)


@pytest.fixture(params=KINDS)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    torch.manual_seed(0)
    return build_backbone(replace(CONFIG, kind=request.param), SIZES).eval()


def theirs(backbone: Backbone, method: str, **options: Any) -> Any:
    """A peft model on a copy of the backbone, its parameters stirred."""
    backbone = copy.deepcopy(backbone)
    config: Any
    if method == "lora":
        config = peft.LoraConfig(target_modules=backbone.linears(), lora_dropout=0.0, **options)
    else:
        module_paths = [s for s in backbone.linears() if s.rpartition(".")[2] in ("key", "value", "down")]
        down = [s for s in module_paths if s.endswith(".down")]
        config = peft.IA3Config(target_modules=module_paths, feedforward_modules=down)
    model = peft.get_peft_model(backbone, config).eval()
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def gradients(model: torch.nn.Module) -> dict[str, Tensor]:
    """Of a loss, by our names."""
    (model(ROWS) * torch.randn(CONFIG.dim, generator=torch.manual_seed(3))).sum().backward()
    renamed = {
        "base_model.model.": "",
        ".lora_A.default.weight": ".lora_a",
        ".lora_B.default.weight": ".lora_b",
        ".ia3_l.default": ".factors",
    }
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            for old, new in renamed.items():
                name = name.replace(old, new)
            found[name] = parameter.grad.flatten()
    return found


CASES = [
    ("lora", {"r": 2, "lora_alpha": 3}),
    ("lora", {"r": 4, "lora_alpha": 8, "use_rslora": True}),
    ("ia3", {}),
]


@pytest.mark.parametrize(("method", "options"), CASES)
def test_adapters_trained_by_peft_give_the_same_results_here(
    method: str, options: dict[str, Any], backbone: Backbone, tmp_path: Path
) -> None:
    model = theirs(backbone, method, **options)
    model.save_pretrained(tmp_path)
    adapter = load_from_peft(tmp_path, backbone)
    assert adapter.count() == sum(p.numel() for p in model.parameters() if p.requires_grad)
    torch.testing.assert_close(backbone(ROWS), model(ROWS))
    torch.testing.assert_close(gradients(backbone), gradients(model))


@pytest.mark.parametrize(
    ("method", "options"), [("lora", {"rank": 3, "scale": 0.5}), ("lora", {"rslora": True}), ("ia3", {})]
)
def test_adapters_trained_here_give_the_same_results_in_peft(
    method: str, options: dict[str, Any], backbone: Backbone, tmp_path: Path
) -> None:
    plain = copy.deepcopy(backbone)
    adapter = attach(backbone, method, **options)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    save_as_peft(adapter, tmp_path)
    model = peft.PeftModel.from_pretrained(plain, str(tmp_path)).eval()
    torch.testing.assert_close(model(ROWS), backbone(ROWS))


def test_some_layers_and_some_targets_come_back(backbone: Backbone, tmp_path: Path) -> None:
    adapter = attach(backbone, "lora", rank=3, layers="last", targets="query,value")
    save_as_peft(adapter, tmp_path)
    names = adapter.named_parameters().keys()
    adapter.detach()
    assert load_from_peft(tmp_path, backbone).named_parameters().keys() == names


def test_unknown_methods_and_foreign_files_are_refused(backbone: Backbone, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="peft has no file for adapter method 'adapter'"):
        save_as_peft(attach(backbone, "adapter"), tmp_path)
    backbone.adapter.detach()
    save_as_peft(attach(backbone, "lora"), tmp_path)
    backbone.adapter.detach()
    with pytest.raises(CheckpointError, match=r"adapts blocks\.1\."):
        load_from_peft(tmp_path, build_backbone(replace(backbone.config, layers=1), SIZES))


OTHERS: dict[str, dict[str, Any]] = {
    "alpha_pattern": {"alpha_pattern": {"query": 9}},
    "rank_pattern": {"rank_pattern": {"query": 4}},
    "use_dora": {"use_dora": True},
    "lora_bias": {"lora_bias": True},
    "bias": {"bias": "all"},
    "fan_in_fan_out": {"fan_in_fan_out": True},
    "modules_to_save": {"modules_to_save": ["norm"]},
    "init_lora_weights 'pissa'": {"init_lora_weights": "pissa"},
    "init_lora_weights 'pissa_niter_4'": {"init_lora_weights": "pissa_niter_4"},
    "init_lora_weights 'olora'": {"init_lora_weights": "olora"},
    "init_lora_weights 'corda'": {"init_lora_weights": "corda"},
    "init_lora_weights 'loftq'": {"init_lora_weights": "loftq"},
    "of_the_future": {"of_the_future": {"a": 1}},
}


@pytest.mark.parametrize("named", OTHERS)
def test_settings_that_change_the_result_are_refused_by_name(named: str, tmp_path: Path) -> None:
    backbone = build_backbone(CONFIG, SIZES)
    theirs(backbone, "lora", r=2, lora_alpha=3).save_pretrained(tmp_path)
    config = read_json(tmp_path / "adapter_config.json")
    load_from_peft(tmp_path, copy.deepcopy(backbone))
    write_json(tmp_path / "adapter_config.json", {**config, **OTHERS[named]})
    with pytest.raises(CheckpointError, match=re.escape(f"was made with {named}")):
        load_from_peft(tmp_path, backbone)


@pytest.mark.parametrize("initialisation", ["gaussian", "orthogonal"])
def test_initialisations_that_keep_the_backbone_are_read(initialisation: str, tmp_path: Path) -> None:
    backbone = build_backbone(CONFIG, SIZES)
    model = theirs(backbone, "lora", r=2, lora_alpha=3, init_lora_weights=initialisation)
    model.save_pretrained(tmp_path)
    load_from_peft(tmp_path, backbone)
    torch.testing.assert_close(backbone.eval()(ROWS), model(ROWS))


def test_factors_of_the_other_side_are_refused(tmp_path: Path) -> None:
    """A square layer has as many inputs as outputs: only the shape tells which are scaled."""
    backbone = build_backbone(replace(CONFIG, ffn=CONFIG.dim), SIZES)
    save_as_peft(attach(backbone, "ia3"), tmp_path)
    tensors = {name: tensor.T for name, tensor in read_tensors(tmp_path / TENSORS).items()}
    backbone.adapter.detach()
    load_from_peft(tmp_path, backbone).detach()
    write_tensors(tmp_path / TENSORS, tensors)
    with pytest.raises(CheckpointError, match="adapts other layers than ours would, or otherwise"):
        load_from_peft(tmp_path, backbone)


def test_variants_of_the_settings_are_read_or_refused(tmp_path: Path) -> None:
    backbone = build_backbone(CONFIG, SIZES)
    save_as_peft(attach(backbone, "lora"), tmp_path)
    backbone.adapter.detach()
    for name, variant in list(variants_of_json(read_json(tmp_path / "adapter_config.json")))[::5]:
        (tmp_path / "adapter_config.json").write_bytes(variant)
        try:
            load_from_peft(tmp_path, backbone).detach()
        except CounterpointError:
            pass
        except Exception as error:
            raise AssertionError(f"{name} is a traceback") from error
