"""Attach, freeze, count, merge, save and load adapters, in the same way for every method."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from symbolic.adapters.contract import AdapterMethod, build_method
from symbolic.backbone import Backbone
from symbolic.documents import (
    anything,
    fields,
    mapped,
    number,
    read_json,
    require,
    require_fields,
    text,
    write_json,
)
from symbolic.errors import CheckpointError, ConfigError, TokenizerMismatch
from symbolic.shapes import shapes_only
from symbolic.storage import ADAPTER_SETTINGS, ADAPTER_TENSORS, read_tensors, tensor_shapes, write_tensors

FORMAT_VERSION = 1
_OBJECT = mapped(anything, anything)


def _option(place: str, value: Any) -> list[str]:
    """Check the value of an option: text, true or false or a number that a method can compute with."""
    return [] if isinstance(value, str | bool) else number(-1e6, 1e6)(place, value)


_SCHEMA = {
    "method": text(),
    "options": mapped(text(), _option),
    "backbone": _OBJECT,
    "weights": text(),
    "tokenizer": text(),
}


class Adapter:
    """An adapter method applied to a backbone. Use `attach` or `load_adapter` to make one.

    Args:
        method: The method.
        backbone: A backbone without an adapter.

    Attributes:
        method: The method and its options.
        backbone: The backbone.
        merged: Whether the adapter was merged into the backbone.
    """

    def __init__(self, method: AdapterMethod, backbone: Backbone) -> None:
        _refuse_second(backbone)
        self.method = method
        self.backbone = backbone
        self.merged = False
        self._replacements = method.replacements(backbone)
        self._originals = {
            replacement.module_path: backbone.get_submodule(replacement.module_path)
            for replacement in self._replacements
        }

    @property
    def attached(self) -> bool:
        """Whether the adapter is active in the backbone."""
        return self.backbone.adapter is self

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """Return the adapter's parameters by their path in the adapted backbone."""
        return {
            f"{replacement.module_path}.{name}": parameter
            for replacement in self._replacements
            for name, parameter in replacement.parameters.items()
        }

    def parameters(self) -> list[nn.Parameter]:
        """Return the adapter's parameters for an optimiser."""
        return list(self.named_parameters().values())

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the adapter's parameters by their names."""
        return {name: tuple(parameter.shape) for name, parameter in self.named_parameters().items()}

    def count(self) -> int:
        """Return the number of trained values."""
        return sum(parameter.numel() for parameter in self.parameters())

    @torch.no_grad()
    def saved_tensors(self) -> dict[str, Tensor]:
        """Return the tensors that are saved, by their path in the adapted backbone.

        They are the adapter's parameters. Some methods save less.
        """
        return {
            f"{replacement.module_path}.{name}": tensor
            for replacement in self._replacements
            for name, tensor in self.method.saved_tensors(replacement).items()
        }

    def saved_count(self) -> int:
        """Return the number of saved values."""
        return sum(tensor.numel() for tensor in self.saved_tensors().values())

    def attach(self) -> None:
        """Put the adapter's modules into the backbone and freeze all parameters but the adapter's.

        Raises:
            ConfigError: If an adapter is attached already, or this one was merged.
        """
        _refuse_second(self.backbone)
        if self.merged:
            raise ConfigError("This adapter has been merged into its backbone. Attach a new one.")
        self._place({replacement.module_path: replacement.module for replacement in self._replacements})
        self.backbone.adapter = self
        freeze_backbone(self.backbone)

    def detach(self) -> None:
        """Restore the backbone's modules. Its output is as before and it stays frozen."""
        if self.attached:
            self._place(self._originals)
            self.backbone.adapter = None

    def merge(self) -> None:
        """Merge the adapter into the backbone's weights for good and detach it.

        Raises:
            ConfigError: If the method cannot be merged.
        """
        if not self.method.mergeable:
            raise ConfigError(
                f"Adapter method {self.method.name!r} cannot be merged into the backbone's weights. "
                "Keep it attached."
            )
        with torch.no_grad():
            for replacement in self._replacements:
                self.method.merge(replacement.module, self._originals[replacement.module_path])
        self.detach()
        self.merged = True

    def save(self, directory: Path | str, tokenizer_fingerprint: str) -> None:
        """Write the adapter as `adapter.safetensors` and `adapter.json`.

        Args:
            directory: The directory to write to. It is made if it does not exist.
            tokenizer_fingerprint: Fingerprint of the tokenizer that it was trained with.
        """
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        write_tensors(directory / ADAPTER_TENSORS, self.saved_tensors())
        method = self.method.saved_form()
        settings = {
            "format_version": FORMAT_VERSION,
            "method": method.name,
            "options": asdict(method),
            "backbone": self.backbone.config.to_dict(),
            "weights": weights_fingerprint(self.backbone),
            "tokenizer": tokenizer_fingerprint,
        }
        write_json(directory / ADAPTER_SETTINGS, settings)

    def _place(self, modules: Mapping[str, nn.Module]) -> None:
        device = next(self.backbone.parameters()).device
        for module_path, module in modules.items():
            # While out of place, modules missed changes of device and mode.
            training = self.backbone.get_submodule(module_path).training
            self.backbone.set_submodule(module_path, module.to(device).train(training))


def attach(backbone: Backbone, method: str, **options: Any) -> Adapter:
    """Attach a new adapter. The backbone is frozen and only the adapter's parameters train.

    Args:
        backbone: A backbone without an adapter. It is changed in place.
        method: Name of a registered method.
        **options: Options of the method.

    Raises:
        ConfigError: If the method or an option is unknown, or an adapter is attached already.
    """
    adapter = Adapter(build_method(method, **options), backbone)
    adapter.attach()
    return adapter


def load_adapter(directory: Path | str, backbone: Backbone, tokenizer_fingerprint: str) -> Adapter:
    """Load an adapter that `Adapter.save` wrote, and attach it to the backbone it was made for.

    Args:
        directory: Directory with the adapter's files.
        backbone: A backbone without an adapter. It is changed in place.
        tokenizer_fingerprint: Fingerprint of the backbone's tokenizer.

    Raises:
        CheckpointError: If files are missing or damaged, or the adapter was made for another backbone.
        TokenizerMismatch: If it was made for another tokenizer.
        ConfigError: If the method is unknown, or an adapter is attached already.
    """
    adapter = read_adapter(directory, backbone, tokenizer_fingerprint)
    adapter.attach()
    return adapter


def read_adapter(directory: Path | str, backbone: Backbone, tokenizer_fingerprint: str) -> Adapter:
    """Load an adapter as `load_adapter` does without attaching it.

    Raises:
        CounterpointError: As `load_adapter` does.
    """
    path = Path(directory) / ADAPTER_SETTINGS
    settings = read_json(path)
    require_fields(path, settings, tuple(_SCHEMA), FORMAT_VERSION)
    require(path, settings, fields(_SCHEMA, {"format_version": anything}))
    if settings["tokenizer"] != tokenizer_fingerprint:
        raise TokenizerMismatch(
            f"The adapter in {directory} was made for tokenizer {settings['tokenizer']}, "
            f"and the backbone reads tokenizer {tokenizer_fingerprint}. Use the backbone it was trained on."
        )
    config = backbone.config.to_dict()
    differing = [
        f"{name} {settings['backbone'].get(name)!r} and not {value!r}"
        for name, value in config.items()
        if settings["backbone"].get(name) != value
    ]
    # With other weights of the same shape, an adapter would run and give wrong results.
    if not differing and settings["weights"] != weights_fingerprint(backbone):
        differing = ["other weights"]
    if differing:
        raise CheckpointError(
            f"The adapter in {directory} was made for another backbone, with {', '.join(differing)}. "
            "Use the backbone it was trained on."
        )
    return fitted(
        build_method(settings["method"], **settings["options"]), backbone, Path(directory) / ADAPTER_TENSORS
    )


def fitted(method: AdapterMethod, backbone: Backbone, path: Path) -> Adapter:
    """Return an adapter with the tensors of a file. Shapes are compared before any memory is taken.

    Raises:
        CheckpointError: If the names or shapes of the tensors do not match.
    """
    with shapes_only():
        shapes = Adapter(method, backbone).shapes()
    if shapes != tensor_shapes(path):
        raise CheckpointError(
            f"{path} does not hold the tensors of method {method.name!r} with its recorded options. "
            f"Copy it again from its source, together with {ADAPTER_SETTINGS}."
        )
    adapter, tensors = Adapter(method, backbone), read_tensors(path)
    with torch.no_grad():
        for name, parameter in adapter.named_parameters().items():
            parameter.copy_(tensors[name])
    return adapter


def freeze_backbone(backbone: Backbone) -> None:
    """Freeze the backbone's weights. The parameters of an attached adapter still train."""
    backbone.requires_grad_(False)
    if backbone.adapter is not None:
        for parameter in backbone.adapter.parameters():
            parameter.requires_grad_(True)


def unfreeze_backbone(backbone: Backbone) -> None:
    """Let all weights train, those of an attached adapter too."""
    backbone.requires_grad_(True)


@contextmanager
def detached(backbone: Backbone) -> Iterator[Backbone]:
    """Detach the backbone's adapter, if it has one, within a `with` block."""
    adapter = backbone.adapter
    if adapter is None:
        yield backbone
        return
    trained = {name: p.requires_grad for name, p in backbone.named_parameters()}
    adapter.detach()
    try:
        yield backbone
    finally:
        adapter.attach()
        for name, parameter in backbone.named_parameters():
            parameter.requires_grad_(trained[name])


def backbone_state(backbone: Backbone) -> dict[str, Tensor]:
    """Return the backbone's weights, without those of an adapter, under their usual names."""
    with detached(backbone):
        return backbone.state_dict()


def weights_fingerprint(backbone: Backbone) -> str:
    """Return 16 hexadecimal digits that identify the backbone's weights, without an adapter's.

    They are computed in float32, so that weights saved in half precision keep their fingerprint.
    """
    digest = hashlib.sha256()
    for name, tensor in backbone_state(backbone).items():
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().data)
    return digest.hexdigest()[:16]


def _refuse_second(backbone: Backbone) -> None:
    if backbone.adapter is not None:
        raise ConfigError(
            f"The backbone already carries adapter {backbone.adapter.method.name!r}. Detach it first."
        )
