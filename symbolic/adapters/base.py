"""Methods at work on a backbone: attaching, freezing, counting, merging, saving and loading, alike for every one."""

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
from symbolic.errors import CheckpointError, ConfigError, TokenizerMismatch
from symbolic.storage import read_json, read_tensors, require_fields, write_json, write_tensors

FORMAT_VERSION = 1
TENSORS, SETTINGS = "adapter.safetensors", "adapter.json"


class Adapter:
    """A method at work on one backbone. Made by `attach` and `load_adapter`.

    Args:
        method: The method.
        backbone: The backbone, without an adapter.

    Attributes:
        method: The method and its options.
        backbone: The backbone.
        merged: Whether `merge` has ended this adapter's life.
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
        """Whether the backbone computes with this adapter now."""
        return self.backbone.adapter is self

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """The adapter's own parameters, by their path in the adapted backbone."""
        return {
            f"{g.module_path}.{name}": parameter
            for g in self._replacements
            for name, parameter in g.own.items()
        }

    def parameters(self) -> list[nn.Parameter]:
        """The adapter's own parameters: what an optimiser should be given."""
        return list(self.named_parameters().values())

    def count(self) -> int:
        """How many numbers the method trains."""
        return sum(parameter.numel() for parameter in self.parameters())

    @torch.no_grad()
    def kept_tensors(self) -> dict[str, Tensor]:
        """What a file holds of it, by path in the adapted backbone: its own parameters, or less where that does."""
        return {
            f"{replacement.module_path}.{name}": tensor
            for replacement in self._replacements
            for name, tensor in self.method.kept_tensors(replacement).items()
        }

    def kept_count(self) -> int:
        """How many numbers a file holds of it."""
        return sum(tensor.numel() for tensor in self.kept_tensors().values())

    def attach(self) -> None:
        """Put the modules in place and freeze all but the adapter's own parameters.

        Raises:
            ConfigError: If an adapter is attached already, or this one has been merged.
        """
        _refuse_second(self.backbone)
        if self.merged:
            raise ConfigError("This adapter has been merged into its backbone. Attach a new one.")
        self._place({replacement.module_path: replacement.module for replacement in self._replacements})
        self.backbone.adapter = self
        freeze_backbone(self.backbone)

    def detach(self) -> None:
        """Put the backbone's own modules back; it computes as it did before, and stays frozen."""
        if self.attached:
            self._place(self._originals)
            self.backbone.adapter = None

    def merge(self) -> None:
        """Fold the adapter into the backbone's weights for good and detach.

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
                self.method.fold(replacement.module, self._originals[replacement.module_path])
        self.detach()
        self.merged = True

    def save(self, directory: Path | str, tokenizer_fingerprint: str) -> None:
        """Write what is kept of the adapter, and what it was made for, into a directory.

        Args:
            directory: Made if it is not there; gets `adapter.safetensors` and `adapter.json`.
            tokenizer_fingerprint: Of the tokenizer that it was trained with.
        """
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        write_tensors(directory / TENSORS, self.kept_tensors())
        kept = self.method.kept()
        settings = {
            "format_version": FORMAT_VERSION,
            "method": kept.name,
            "options": asdict(kept),
            "backbone": self.backbone.config.to_dict(),
            "weights": weights_fingerprint(self.backbone),
            "tokenizer": tokenizer_fingerprint,
        }
        write_json(directory / SETTINGS, settings)

    def load_tensors(self, path: Path) -> None:
        """Take the values of the adapter's own parameters from a file.

        Raises:
            CheckpointError: If the file holds other tensors than the method has.
        """
        own, found = self.named_parameters(), read_tensors(path)
        shapes = {name: tuple(p.shape) for name, p in own.items()}
        if shapes != {name: tuple(tensor.shape) for name, tensor in found.items()}:
            raise CheckpointError(
                f"{path} does not hold the tensors of method {self.method.name!r} with its recorded options. "
                f"Copy it again from its source, together with {SETTINGS}."
            )
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(found[name])

    def _place(self, modules: Mapping[str, nn.Module]) -> None:
        device = next(self.backbone.parameters()).device
        for module_path, module in modules.items():
            # Modules out of place miss what was done to the backbone in the meantime: catch up.
            training = self.backbone.get_submodule(module_path).training
            self.backbone.set_submodule(module_path, module.to(device).train(training))


def attach(backbone: Backbone, method: str, **options: Any) -> Adapter:
    """Attach a fresh adapter: the backbone freezes, and only the adapter's own parameters train.

    Args:
        backbone: A backbone without an adapter; changed in place.
        method: Name of a registered method.
        **options: The method's options.

    Raises:
        ConfigError: If the method or an option is unknown, or an adapter is attached already.
    """
    adapter = Adapter(build_method(method, **options), backbone)
    adapter.attach()
    return adapter


def load_adapter(directory: Path | str, backbone: Backbone, tokenizer_fingerprint: str) -> Adapter:
    """Attach an adapter that `Adapter.save` wrote to the backbone it was made for.

    Raises:
        CheckpointError: If files are missing or damaged, or it was made for another backbone.
        TokenizerMismatch: If it was made for another tokenizer.
        ConfigError: If this release lacks the method, or an adapter is attached already.
    """
    adapter = read_adapter(directory, backbone, tokenizer_fingerprint)
    adapter.attach()
    return adapter


def read_adapter(directory: Path | str, backbone: Backbone, tokenizer_fingerprint: str) -> Adapter:
    """An adapter as `load_adapter` reads it, made for the backbone but not attached yet.

    Raises:
        CounterpointError: As `load_adapter` does.
    """
    path = Path(directory) / SETTINGS
    settings = read_json(path)
    require_fields(path, settings, ("method", "options", "backbone", "weights", "tokenizer"), FORMAT_VERSION)
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
    # The same shape is not enough: on other weights an adapter would answer, wrongly and without a word.
    if not differing and settings["weights"] != weights_fingerprint(backbone):
        differing = ["other weights"]
    if differing:
        raise CheckpointError(
            f"The adapter in {directory} was made for another backbone, with {', '.join(differing)}. "
            "Use the backbone it was trained on."
        )
    adapter = Adapter(build_method(settings["method"], **settings["options"]), backbone)
    adapter.load_tensors(Path(directory) / TENSORS)
    return adapter


def freeze_backbone(backbone: Backbone) -> None:
    """Stop the backbone's weights from training; an attached adapter's own parameters train on."""
    backbone.requires_grad_(False)
    if backbone.adapter is not None:
        for parameter in backbone.adapter.parameters():
            parameter.requires_grad_(True)


def unfreeze_backbone(backbone: Backbone) -> None:
    """Let every weight train, an attached adapter's included."""
    backbone.requires_grad_(True)


@contextmanager
def detached(backbone: Backbone) -> Iterator[Backbone]:
    """The backbone as it is without its adapter, if it has one, for the length of a block."""
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
    """The backbone's own weights under the names they have without an adapter."""
    with detached(backbone):
        return backbone.state_dict()


def weights_fingerprint(backbone: Backbone) -> str:
    """16 hexadecimal digits of the backbone's own weights, on whatever device.

    Taken in float32, so that weights saved in half precision and loaded into a full-precision backbone agree.
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
