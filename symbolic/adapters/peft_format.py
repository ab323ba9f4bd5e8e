"""Read and write LoRA and IA3 adapters in the files of Hugging Face's peft.

    adapter_config.json         kind, rank, factor, names of layers
    adapter_model.safetensors   tensors under `base_model.model.<path of the layer>`

peft itself is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from symbolic.adapters.base import Adapter
from symbolic.adapters.contract import AdapterMethod, build_method
from symbolic.adapters.ia3 import Ia3
from symbolic.adapters.lora import Lora
from symbolic.backbone import Backbone
from symbolic.errors import CheckpointError, ConfigError
from symbolic.storage import read_json, read_tensors, write_json, write_tensors

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
_LAYER = re.compile(r"blocks\.(\d+)\.")


def save_as_peft(adapter: Adapter, directory: Path | str) -> None:
    """Write an adapter in peft's format.

    Raises:
        ConfigError: If peft has no such method.
    """
    directory, method = Path(directory), adapter.method
    parameters = adapter.named_parameters()
    if isinstance(method, Lora):
        module_paths = sorted({name.rpartition(".")[0] for name in parameters})
        config = {
            "peft_type": "LORA",
            "r": method.rank,
            "lora_alpha": method.scale * (1 if method.rslora else method.rank),
            "use_rslora": method.rslora,
            "lora_dropout": 0.0,
            "fan_in_fan_out": False,
            "bias": "none",
            "target_modules": module_paths,
        }
        tensors: dict[str, Tensor] = {_lora_name(name): parameter for name, parameter in parameters.items()}
    elif isinstance(method, Ia3):
        module_paths = sorted(name.rpartition(".")[0] for name in parameters)
        config = {
            "peft_type": "IA3",
            "target_modules": module_paths,
            "feedforward_modules": [
                module_path for module_path in module_paths if module_path.endswith(".down")
            ],
            "fan_in_fan_out": False,
        }
        tensors = {
            f"{_PREFIX}{module_path}.ia3_l": _ia3_shaped(module_path, parameters[f"{module_path}.factors"])
            for module_path in module_paths
        }
    else:
        raise ConfigError(f"peft has no file for adapter method {method.name!r}; it has lora and ia3.")
    directory.mkdir(parents=True, exist_ok=True)
    write_tensors(directory / TENSORS, {name: tensor.contiguous() for name, tensor in tensors.items()})
    base = {
        "task_type": None,
        "base_model_name_or_path": None,
        "inference_mode": True,
        "modules_to_save": None,
    }
    write_json(directory / CONFIG, {**base, **config})


def load_from_peft(directory: Path | str, backbone: Backbone) -> Adapter:
    """Load an adapter in peft's format and attach it.

    peft does not record the weights that an adapter was trained on, so these cannot be checked.

    Args:
        directory: Directory with both files.
        backbone: A backbone without an adapter.

    Raises:
        CheckpointError: If the files are missing or damaged, or do not fit the backbone.
    """
    directory = Path(directory)
    config, tensors = read_json(directory / CONFIG), read_tensors(directory / TENSORS)
    module_paths = {_module_path(name) for name in tensors}
    if unknown := sorted(module_paths - set(backbone.linears())):
        raise CheckpointError(
            f"{directory} adapts {unknown[0]}, which is no linear layer of this backbone. Use the backbone that it "
            "was trained on."
        )
    method = _method_of(directory, config, module_paths)
    adapter = Adapter(method, backbone)
    values = {_our_name(name): tensor for name, tensor in tensors.items()}
    parameters = adapter.named_parameters()
    shapes = {name: tensor.numel() for name, tensor in values.items()}
    if shapes != {name: parameter.numel() for name, parameter in parameters.items()}:
        raise CheckpointError(
            f"{directory} adapts other layers than ours would: all of its targets must be adapted in every layer "
            "that it names, with one rank, and without biases."
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(values[name].reshape(parameter.shape))
    adapter.attach()
    return adapter


def _method_of(directory: Path, config: Mapping[str, Any], module_paths: set[str]) -> AdapterMethod:
    kind = config.get("peft_type")
    layers = ",".join(
        sorted({match[1] for module_path in module_paths if (match := _LAYER.match(module_path))}, key=int)
    )
    if kind == "IA3":
        return build_method("ia3", layers=layers)
    if kind == "LORA":
        rslora, rank = bool(config.get("use_rslora")), int(config["r"])
        return build_method(
            "lora",
            layers=layers,
            rank=rank,
            rslora=rslora,
            scale=config["lora_alpha"] / (1 if rslora else rank),
            targets=",".join(sorted({module_path.rpartition(".")[2] for module_path in module_paths})),
        )
    raise CheckpointError(f"{directory} holds a peft adapter of kind {kind}; LORA and IA3 can be read.")


def _lora_name(ours: str) -> str:
    module_path, _, name = ours.rpartition(".")
    return f"{_PREFIX}{module_path}.{'lora_A' if name == 'lora_a' else 'lora_B'}.weight"


def _our_name(theirs: str) -> str:
    module_path = _module_path(theirs)
    if theirs.endswith(".ia3_l"):
        return f"{module_path}.factors"
    return f"{module_path}.{'lora_a' if '.lora_A.' in theirs else 'lora_b'}"


def _module_path(theirs: str) -> str:
    return re.sub(r"\.(lora_[AB]\.weight|ia3_l)$", "", theirs.removeprefix(_PREFIX))


def _ia3_shaped(module_path: str, factors: Tensor) -> Tensor:
    """Reshape factors to peft's: a row for inputs, a column for outputs."""
    return factors[None] if module_path.endswith(".down") else factors[:, None]
