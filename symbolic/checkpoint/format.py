"""Checkpoints: a folder of safetensors and JSON that alone rebuilds its model.

    model.safetensors           weights, each under the name of its part: backbone., heads., and others
    config.json                 format version, backbone, tokenizer fingerprint, heads, parts, task, licence chain
    tokenizer.json              the tokenizer
    provenance.json             how it was made
    pretrained_on.safetensors   note fingerprints of the training pieces, if recorded
    adapter.*                   the adapter attached to the backbone, if there is one
    network.onnx                the network of a task for ONNX Runtime, if it was exported so
    README.md, LICENSE, ATTRIBUTION.md          the model card, the terms and the sources

A checkpoint made on a bundled model can name it as its base and leave its backbone out. One of hand-made features
has no backbone at all. Nothing else is ever loaded: a pickled file can run code when it is opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symbolic.arrays import Arrays
from symbolic.backbone import BackboneConfig, build_backbone
from symbolic.checkpoint.bundled import MODELS, find_model, model_name, shipped_models
from symbolic.checkpoint.files import (
    CONFIG,
    PRETRAINED_ON,
    PROVENANCE,
    TOKENIZER,
    WEIGHTS,
    refuse_foreign,
    refuse_other_content,
)
from symbolic.checkpoint.licence import UNRECORDED, Chain, Stage, chain_values, read_chain
from symbolic.checkpoint.schema import FORMAT_VERSION, check_config, check_provenance
from symbolic.documents import RECOPY, read_json, write_json
from symbolic.errors import CheckpointError, ConfigError, TokenizerMismatch
from symbolic.replacing import replacing_folder
from symbolic.storage import (
    ADAPTER_SETTINGS,
    ADAPTER_TENSORS,
    read_arrays,
    read_tensors,
    tensor_shapes,
    write_tensors,
)
from symbolic.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from torch import nn

    from symbolic.backbone import Backbone
    from symbolic.heads import Head

Part = TypeVar("Part", bound="nn.Module")
Fitted = TypeVar("Fitted", bound=Arrays)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The description of a checkpoint. Weights are read when they are asked for.

    Attributes:
        path: The folder.
        shape: Shape of the backbone. None where there is none.
        tokenizer: The tokenizer it was trained with.
        heads: Description of each head by name.
        others: Description of each further part that has weights, by name.
        task: Name, classes and reading of its task. Empty after pretraining.
        provenance: How it was made.
        pretrained_on: (P,) int64 sorted note fingerprints of the training pieces. None if not recorded.
        base: The bundled model that has its backbone, as "model", and the fingerprint of that backbone, as "weights".
            Empty where the checkpoint has a backbone of its own.
        chain: Its trainings with the terms of their music, the first one first. One unrecorded stage if it has none.
    """

    path: Path
    shape: BackboneConfig | None
    tokenizer: Tokenizer
    heads: Mapping[str, Mapping[str, Any]]
    others: Mapping[str, Mapping[str, Any]]
    task: Mapping[str, Any]
    provenance: Mapping[str, Any]
    pretrained_on: NDArray[np.int64] | None
    base: Mapping[str, str] = field(default_factory=dict)
    chain: tuple[Stage, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of all parts that have weights."""
        own = [("backbone", self.shape is not None), ("heads", bool(self.heads))]
        return (*(name for name, there in own if there), *self.others)

    def describe(self, part: str) -> Mapping[str, Any]:
        """Return what a part was saved with. See `save_checkpoint`.

        Raises:
            CheckpointError: If there is no such part.
        """
        if part not in self.others:
            raise CheckpointError(f"{self.path} has no part {part!r}; it has {', '.join(self.parts)}.")
        return self.others[part]

    @property
    def config(self) -> BackboneConfig:
        """Shape of the backbone.

        Raises:
            CheckpointError: If there is none.
        """
        if self.shape is None:
            raise CheckpointError(
                f"{self.path} has no backbone: it can predict (`finetune predict`), and nothing can be built on it. "
                "Use a checkpoint that `pretrain` wrote, or a bundled model."
            )
        return self.shape

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that identify the weights and those of an adapter, but not the settings."""
        digest = hashlib.sha256(self.base.get("weights", "").encode())
        for name in (WEIGHTS, ADAPTER_TENSORS):
            if (self.path / name).is_file():
                with (self.path / name).open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]

    def build_backbone(self, adapter: bool = True) -> Backbone:
        """Build the backbone with its weights.

        Args:
            adapter: Attach the adapter that it was saved with if any.

        Raises:
            CheckpointError: If weights do not fit the description, or the adapter does not fit the backbone.
        """
        config, sizes = self.config, self.tokenizer.vocabulary.sizes
        backbone = self.build("backbone", lambda: build_backbone(config, sizes))
        if adapter and (self.path / ADAPTER_SETTINGS).exists():
            from symbolic.adapters import load_adapter

            load_adapter(self.path, backbone, self.tokenizer.fingerprint)
        return backbone

    def build_heads(self) -> dict[str, Head]:
        """Build all heads with their weights by name.

        Raises:
            CheckpointError: If weights do not fit the descriptions.
        """
        if not self.heads:
            return {}
        from torch import nn

        from symbolic.heads import build_head

        described = self.heads.items()
        heads = self.build(
            "heads", lambda: nn.ModuleDict({name: build_head(about) for name, about in described})
        )
        return {name: cast("Head", heads[name]) for name in self.heads}

    def build(self, name: str, make: Callable[[], Part]) -> Part:
        """Build a part of a network and load its weights. Shapes are compared before any memory is taken.

        Args:
            name: One of `parts`.
            make: Builds the module.

        Raises:
            CheckpointError: If nothing can be built, or the weights do not fit.
            ConfigError: If `make` refuses the settings.
        """
        from symbolic.shapes import shapes_only

        with shapes_only():
            self._made(name, make)
        module = make()
        self.load_part(name, module)
        return module

    def build_arrays(self, name: str, make: Callable[[], Fitted]) -> Fitted:
        """Build a part that is no network, as `build` does. Torch is not imported."""
        part: Fitted = self._made(name, make)  # zeros take no memory until they are written to
        part.load_state_dict(read_arrays(self._weights_of(name), f"{name}."))
        return part

    def _made(self, name: str, make: Callable[[], Any]) -> Any:
        """Build a part and compare its shapes with those of the weights."""
        path = self._weights_of(name)
        try:
            part = make()
            wanted = {key: tuple(value.shape) for key, value in part.state_dict().items()}
        except (TypeError, ValueError, RuntimeError, OverflowError, KeyError, MemoryError) as error:
            raise CheckpointError(
                f"{self.path / CONFIG} describes no part {name!r} ({error}). {RECOPY}"
            ) from error
        if wanted != tensor_shapes(path, f"{name}."):
            raise self._misfit(name)
        return part

    def load_part(self, name: str, module: nn.Module) -> None:
        """Load the weights of one part into a module of the same shape.

        Args:
            name: One of `parts`.
            module: Changed in place. It must have the part's tensors and no others.

        Raises:
            CheckpointError: If there is no such part, the tensors do not fit or the base has changed.
        """
        from symbolic.adapters import weights_fingerprint

        tensors = read_tensors(self._weights_of(name), f"{name}.")
        try:
            module.load_state_dict(tensors)
        except RuntimeError as error:
            raise self._misfit(name) from error
        if (
            name == "backbone"
            and self.base
            and weights_fingerprint(cast("Backbone", module)) != self.base["weights"]
        ):
            raise CheckpointError(
                f"{self.path} was made on another model '{self.base['model']}' than the one that is bundled with "
                "this release. Use the release that it was made with, or train it again."
            )

    def _weights_of(self, name: str) -> Path:
        """Return the file with the weights of a part."""
        if name not in self.parts:
            raise CheckpointError(f"{self.path} has no part {name!r}; it has {', '.join(self.parts)}.")
        return (self._home if name == "backbone" and self.base else self.path) / WEIGHTS

    def _misfit(self, name: str) -> CheckpointError:
        return CheckpointError(
            f"The weights of part {name!r} in {self.path} do not fit what they are loaded into. "
            "Use a module made with the same settings."
        )

    @property
    def _home(self) -> Path:
        """The folder of the base."""
        if self.base["model"] not in shipped_models():
            raise CheckpointError(
                f"{self.path} was made on the model '{self.base['model']}', which is not bundled with this release. "
                f"Bundled are {', '.join(shipped_models())}. Use the release that it was made with."
            )
        return MODELS / self.base["model"]


def save_checkpoint(
    path: Path | str,
    backbone: Backbone | None,
    tokenizer: Tokenizer,
    *,
    heads: Mapping[str, Head] | None = None,
    parts: Mapping[str, nn.Module | Arrays] | None = None,
    descriptions: Mapping[str, Mapping[str, Any]] | None = None,
    task: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    pretrained_on: ArrayLike | None = None,
    texts: Mapping[str, str] | None = None,
    base: str = "",
    chain: Chain = (),
) -> Path:
    """Write a checkpoint, whole or not at all. An existing checkpoint is replaced.

    Args:
        path: The folder.
        backbone: Its adapter is saved too, if it has one, in files of its own. None where the parts need no backbone.
        tokenizer: The tokenizer that the backbone reads.
        heads: Heads by name.
        parts: Other modules, such as a selector, by name.
        descriptions: What is needed to build a part again as JSON values by its name.
        task: Name, classes and reading of the task, as JSON values.
        provenance: How the weights were made as JSON values.
        pretrained_on: Integer note fingerprints of every training piece.
        texts: Further files by name: `CARD`, `LICENCE`, `ATTRIBUTION`.
        base: A bundled model that has these very weights as its backbone. They are left out then.
        chain: All trainings of these weights.

    Returns:
        The folder.

    Raises:
        CheckpointError: If the path holds something that is not a checkpoint.
        ConfigError: If a part takes the name of the backbone or the heads, or its name has a dot. If the base has
            other weights, or none of its own.
    """
    from torch import nn

    from symbolic.adapters import backbone_state, weights_fingerprint

    path, heads, parts = Path(path), heads or {}, parts or {}
    wrong = [name for name in parts if name in ("backbone", "heads") or "." in name]
    if wrong:
        raise ConfigError(f"{', '.join(wrong)} cannot name a part of a checkpoint; choose a plain name.")
    weights = ""
    if base:
        if backbone is None:
            raise ConfigError(
                f"Without a backbone there is none to be left out: save it without the base '{base}'."
            )
        weights = weights_fingerprint(backbone)
        model = load_checkpoint(MODELS / base)
        if model.base:
            home = model.base["model"]
            raise ConfigError(f"'{base}' has no backbone of its own; name '{home}', on which it was made.")
        if weights != weights_fingerprint(model.build_backbone()):
            raise ConfigError(f"The backbone is not that of the model '{base}'. Save it without a base.")
    own = {} if base or backbone is None else backbone_state(backbone)
    tensors: dict[str, Any] = {f"backbone.{name}": tensor for name, tensor in own.items()}
    for part, module in {**parts, "heads": nn.ModuleDict(heads)}.items():
        tensors |= {f"{part}.{name}": tensor for name, tensor in module.state_dict().items()}
    config = {
        "format_version": FORMAT_VERSION,
        "tokenizer": tokenizer.fingerprint,
        "backbone": None if backbone is None else backbone.config.to_dict(),
        "heads": {name: head.describe() for name, head in heads.items()},
        "parts": {name: dict((descriptions or {}).get(name, {})) for name in parts},
        "task": dict(task or {}),
        **({"base": {"model": base, "weights": weights}} if base else {}),
        **({"chain": chain_values(chain)} if chain else {}),
    }
    refuse_other_content(path)
    with replacing_folder(path) as new:
        write_tensors(new / WEIGHTS, tensors)
        write_json(new / CONFIG, config)
        check_config(new / CONFIG, read_json(new / CONFIG))
        write_json(new / PROVENANCE, dict(provenance or {}))
        tokenizer.save(new / TOKENIZER)
        if pretrained_on is not None:
            seen = np.unique(np.asarray(pretrained_on, dtype=np.int64))
            write_tensors(new / PRETRAINED_ON, {"fingerprints": seen})
        if backbone is not None and backbone.adapter is not None:
            backbone.adapter.save(new, tokenizer.fingerprint)
        for name, text in (texts or {}).items():
            (new / name).write_text(text, encoding="utf-8", errors="backslashreplace")
    return path


def load_checkpoint(path: Path | str, tokenizer: Tokenizer | None = None) -> Checkpoint:
    """Read the description of a checkpoint.

    Args:
        path: A checkpoint's folder, a run's folder or the name of a bundled model.
        tokenizer: The tokenizer it must have been trained with. None if any will do.

    Raises:
        CheckpointError: If it is not a complete checkpoint of a format that this release reads.
        TokenizerMismatch: If it was trained with another tokenizer than the one given.
    """
    path = find_model(path)
    refuse_foreign(path)
    values = read_json(path / CONFIG)
    check_config(path / CONFIG, values)
    own = Tokenizer.load(path / TOKENIZER)
    if own.fingerprint != values["tokenizer"]:
        raise CheckpointError(
            f"{path / TOKENIZER} has fingerprint {own.fingerprint}, but {CONFIG} asks for "
            f"{values['tokenizer']}: they are of different checkpoints. {RECOPY}"
        )
    if tokenizer is not None and tokenizer.fingerprint != own.fingerprint:
        raise TokenizerMismatch(
            f"{path} was trained with tokenizer {own.fingerprint}, and the data is of tokenizer "
            f"{tokenizer.fingerprint}. Prepare the data with {path / TOKENIZER}, or use another checkpoint."
        )
    seen = None
    if (path / PRETRAINED_ON).exists():
        seen = _fingerprints(path / PRETRAINED_ON)
    provenance = read_json(path / PROVENANCE)
    check_provenance(path / PROVENANCE, provenance)
    return Checkpoint(
        path=path,
        shape=None if values["backbone"] is None else BackboneConfig.from_dict(values["backbone"]),
        tokenizer=own,
        heads=values["heads"],
        others=values["parts"],
        task=values["task"],
        provenance=provenance,
        pretrained_on=seen,
        base=values.get("base", {}),
        chain=read_chain(values.get("chain", [])) or (Stage(model_name(path), UNRECORDED),),
    )


def _fingerprints(path: Path) -> NDArray[np.int64]:
    """Read the note fingerprints of the training pieces."""
    found = read_arrays(path).get("fingerprints")
    if found is None or found.ndim != 1 or found.dtype != np.int64:
        raise CheckpointError(f"{path} holds no fingerprints. {RECOPY}")
    return found
