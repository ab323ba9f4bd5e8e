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
from symbolic.documents import RECOPY, fields, number, read_json, require, text, truth, whole, write_json
from symbolic.errors import CheckpointError, ConfigError
from symbolic.storage import read_tensors, write_tensors

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
_LAYER = re.compile(r"blocks\.(\d+)\.")
_READ = {"peft_type", "r", "lora_alpha", "use_rslora", "target_modules", "feedforward_modules"}
"""Settings that are honoured."""
_HARMLESS = {
    *("auto_mapping", "base_model_name_or_path", "exclude_modules", "inference_mode", "layers_pattern"),
    *("layers_to_transform", "lora_dropout", "peft_version", "revision", "runtime_config", "task_type"),
    *("eva_config", "qalora_group_size", "init_ia3_weights", "megatron_core"),
}
"""Settings that change nothing of a trained adapter: where it came from, how it was found and trained."""
_INITIALISATIONS = (True, False, "gaussian", "orthogonal", "eva")
"""Values of `init_lora_weights` that leave the weights of the backbone as they were.

PiSSA, OLoRA, CorDA, LoftQ and others change them, and an adapter trained on changed weights fits no others.
"""
_SCHEMA = fields(
    {"peft_type": text()},
    {"r": whole(1, 1 << 14), "lora_alpha": number(-1e6, 1e6), "use_rslora": truth},
    more=True,
)


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
        tensors: dict[str, Tensor] = {_their_name(name): parameter for name, parameter in parameters.items()}
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
            _their_name(name): _ia3_shaped(name.rpartition(".")[0], parameter)
            for name, parameter in parameters.items()
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

    peft does not record the weights that an adapter was trained on. So these cannot be checked.

    Args:
        directory: Directory with both files.
        backbone: A backbone without an adapter.

    Raises:
        CheckpointError: If the files are missing or damaged, or do not fit the backbone.
    """
    directory = Path(directory)
    config, tensors = read_json(directory / CONFIG), read_tensors(directory / TENSORS)
    require(directory / CONFIG, config, _SCHEMA)
    _refuse_other_settings(directory, config)
    module_paths = {_module_path(name) for name in tensors}
    if unknown := sorted(module_paths - set(backbone.linears())):
        raise CheckpointError(
            f"{directory} adapts {unknown[0]}, which is no linear layer of this backbone. Use the backbone that it "
            "was trained on."
        )
    method = _method_of(directory, config, module_paths)
    adapter = Adapter(method, backbone)
    parameters = {_their_name(name): parameter for name, parameter in adapter.named_parameters().items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if shapes != {name: tuple(_shaped(name, parameter).shape) for name, parameter in parameters.items()}:
        raise CheckpointError(
            f"{directory} adapts other layers than ours would, or otherwise: all of its targets must be adapted in "
            "every layer that it names, with one rank, and without biases."
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name].reshape(parameter.shape))
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
        if missing := [name for name in ("r", "lora_alpha") if name not in config]:
            raise CheckpointError(f"{directory / CONFIG} lacks {', '.join(missing)}. {RECOPY}")
        rslora, rank = bool(config.get("use_rslora")), config["r"]
        return build_method(
            "lora",
            layers=layers,
            rank=rank,
            rslora=rslora,
            scale=config["lora_alpha"] / (1 if rslora else rank),
            targets=",".join(sorted({module_path.rpartition(".")[2] for module_path in module_paths})),
        )
    raise CheckpointError(f"{directory} holds a peft adapter of kind {kind}; LORA and IA3 can be read.")


def _refuse_other_settings(directory: Path, config: Mapping[str, Any]) -> None:
    """Refuse settings that change what an adapter computes and that we cannot honour, by name."""
    other = [
        name
        for name, value in config.items()
        if name not in _READ | _HARMLESS | {"init_lora_weights", "bias"} and value
    ]
    if config.get("bias", "none") != "none":
        other.append("bias")
    initialisation = config.get("init_lora_weights", True)
    if initialisation not in _INITIALISATIONS:
        other.append(f"init_lora_weights {initialisation!r}")
    if other:
        raise CheckpointError(
            f"{directory} was made with {', '.join(sorted(other))}, which is not read here: it would compute something "
            "else. Convert it to plain LoRA or IA3 with peft, or train it without."
        )


def _their_name(ours: str) -> str:
    module_path, _, name = ours.rpartition(".")
    return (
        f"{_PREFIX}{module_path}."
        + {"lora_a": "lora_A.weight", "lora_b": "lora_B.weight", "factors": "ia3_l"}[name]
    )


def _shaped(name: str, parameter: Tensor) -> Tensor:
    """Give a parameter the shape that it has in peft's files."""
    return _ia3_shaped(_module_path(name), parameter) if name.endswith(".ia3_l") else parameter


def _module_path(theirs: str) -> str:
    return re.sub(r"\.(lora_[AB]\.weight|ia3_l)$", "", theirs.removeprefix(_PREFIX))


def _ia3_shaped(module_path: str, factors: Tensor) -> Tensor:
    """Reshape factors to peft's: a row for inputs, a column for outputs."""
    return factors[None] if module_path.endswith(".down") else factors[:, None]
