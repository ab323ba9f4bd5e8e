"""Checkpoints: a directory of safetensors and JSON that alone rebuilds its model.

    model.safetensors           weights, each under the name of its part: backbone., heads., and others
    config.json                 format version, backbone, tokenizer fingerprint, heads, parts, task
    tokenizer.json              the tokenizer
    provenance.json             how it came about
    pretrained_on.safetensors   note fingerprints of the pieces seen in training, if recorded
    adapter.*                   the adapter attached to the backbone, if one was
    README.md, LICENSE          what it is, and on what terms, for those who get it

One that was made on a model that comes with the installation can name it as its base, and leave its backbone out; one
that hears music in another way has no backbone at all.
Nothing else is ever loaded: a pickled file can run code when it is opened.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from symbolic.adapters import backbone_state, load_adapter, weights_fingerprint
from symbolic.adapters.base import SETTINGS as ADAPTER_SETTINGS
from symbolic.adapters.base import TENSORS as ADAPTER_TENSORS
from symbolic.backbone import Backbone, BackboneConfig, build_backbone
from symbolic.checkpoint.bundled import MODELS, find_model, shipped_models
from symbolic.errors import CheckpointError, ConfigError, TokenizerMismatch
from symbolic.heads import Head, build_head
from symbolic.storage import (
    RECOPY,
    read_json,
    read_tensors,
    require_fields,
    write_json,
    write_tensors,
)
from symbolic.tokens.tokenizer import Tokenizer

FORMAT_VERSION = 1
WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
PROVENANCE, PRETRAINED_ON = "provenance.json", "pretrained_on.safetensors"
CARD, LICENCE = "README.md", "LICENSE"
REQUIRED = (CONFIG, WEIGHTS, TOKENIZER, PROVENANCE)
FILES = {*REQUIRED, PRETRAINED_ON, ADAPTER_SETTINGS, ADAPTER_TENSORS, CARD, LICENCE}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint says of itself; weights are read when asked for.

    Attributes:
        path: The directory.
        shape: Of the backbone; None where there is none.
        tokenizer: The tokenizer it was trained with.
        heads: Description of each head, by name.
        parts: Names of all parts that have weights.
        task: What it was trained for; empty after pretraining.
        provenance: How it came about.
        pretrained_on: (P,) int64 sorted note fingerprints of the pieces seen; None if not recorded.
        base: The model that comes with the installation and has its backbone, as "model", and the fingerprint of that
            as "weights"; empty where it has a backbone of its own.
    """

    path: Path
    shape: BackboneConfig | None
    tokenizer: Tokenizer
    heads: Mapping[str, Mapping[str, Any]]
    parts: tuple[str, ...]
    task: Mapping[str, Any]
    provenance: Mapping[str, Any]
    pretrained_on: NDArray[np.int64] | None
    base: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> BackboneConfig:
        """Shape of the backbone.

        Raises:
            CheckpointError: If there is none.
        """
        if self.shape is None:
            raise CheckpointError(
                f"{self.path} has no backbone: it answers what it was made for (`finetune predict`), and nothing can "
                "be built on it. For that use a checkpoint that `pretrain` wrote, or a model that comes along."
            )
        return self.shape

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that tell these weights from any others, an adapter's included; settings have no part."""
        digest = hashlib.sha256(self.base.get("weights", "").encode())
        for name in (WEIGHTS, ADAPTER_TENSORS):
            if (self.path / name).is_file():
                with (self.path / name).open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]

    def build_backbone(self) -> Backbone:
        """The backbone with its weights, and with its adapter attached if it was saved with one.

        Raises:
            CheckpointError: If weights do not fit the description, or the adapter does not fit the backbone.
        """
        backbone = build_backbone(self.config, self.tokenizer.vocabulary.sizes)
        self.load_part("backbone", backbone)
        if (self.path / ADAPTER_SETTINGS).exists():
            load_adapter(self.path, backbone, self.tokenizer.fingerprint)
        return backbone

    def build_heads(self) -> dict[str, Head]:
        """All heads with their weights, by name; empty if it has none.

        Raises:
            CheckpointError: If weights do not fit the descriptions.
        """
        heads = {name: build_head(description) for name, description in self.heads.items()}
        if heads:
            self.load_part("heads", nn.ModuleDict(heads))
        return heads

    def load_part(self, name: str, module: nn.Module) -> None:
        """Load the weights of one part into a module of the same shape.

        Args:
            name: One of `parts`.
            module: Changed in place; must have the part's tensors and no others.

        Raises:
            CheckpointError: If there is no such part, the tensors do not fit, or the base is another than it was.
        """
        if name not in self.parts:
            raise CheckpointError(f"{self.path} has no part {name!r}; it has {', '.join(self.parts)}.")
        based = name == "backbone" and bool(self.base)
        try:
            module.load_state_dict(read_tensors((self._home if based else self.path) / WEIGHTS, f"{name}."))
        except RuntimeError as error:
            raise CheckpointError(
                f"The weights of part {name!r} in {self.path} do not fit what they are loaded into. "
                f"Use a module made with the same settings. {error}"
            ) from error
        if based and weights_fingerprint(cast(Backbone, module)) != self.base["weights"]:
            raise CheckpointError(
                f"{self.path} was made on another model '{self.base['model']}' than the one that comes with this "
                "installation. Use the release that it was made with, or train it again."
            )

    @property
    def _home(self) -> Path:
        """The folder of the base."""
        if self.base["model"] not in shipped_models():
            raise CheckpointError(
                f"{self.path} was made on the model '{self.base['model']}', which does not come with this "
                f"installation; it has {', '.join(shipped_models())}. Use the release that it was made with."
            )
        return MODELS / self.base["model"]


def save_checkpoint(
    path: Path | str,
    backbone: Backbone | None,
    tokenizer: Tokenizer,
    *,
    heads: Mapping[str, Head] | None = None,
    parts: Mapping[str, nn.Module] | None = None,
    task: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    pretrained_on: ArrayLike | None = None,
    texts: Mapping[str, str] | None = None,
    base: str = "",
) -> Path:
    """Write a checkpoint whole or not at all; one that stands there already is replaced.

    Args:
        path: The directory.
        backbone: If it carries an adapter, that is saved too, in files of its own. None where the parts do without.
        tokenizer: The tokenizer that the backbone reads.
        heads: Heads by name.
        parts: Other modules worth keeping, such as a selector, by name.
        task: What a later reader must know of the task, as JSON values.
        provenance: How the weights came about, as JSON values.
        pretrained_on: Integer note fingerprints of every piece seen in training.
        texts: What else is to stand there, by file: `CARD`, `LICENCE`.
        base: The model that comes with the installation and has these very weights as its backbone, which then are
            left out.

    Returns:
        The directory.

    Raises:
        CheckpointError: If something stands at the path that is not a checkpoint.
        ConfigError: If a part takes the name of the backbone or the heads, or its name has a dot; if the base has
            other weights, or none of its own.
    """
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
    tensors = {f"backbone.{name}": tensor for name, tensor in own.items()}
    for part, module in {**parts, "heads": nn.ModuleDict(heads)}.items():
        tensors |= {f"{part}.{name}": tensor for name, tensor in module.state_dict().items()}
    config = {
        "format_version": FORMAT_VERSION,
        "backbone": None if backbone is None else backbone.config.to_dict(),
        "tokenizer": tokenizer.fingerprint,
        "heads": {name: head.describe() for name, head in heads.items()},
        "parts": [*([] if backbone is None else ["backbone"]), *(["heads"] if heads else []), *parts],
        "task": dict(task or {}),
        **({"base": {"model": base, "weights": weights}} if base else {}),
    }
    with _replacing(path) as new:
        write_tensors(new / WEIGHTS, tensors)
        write_json(new / CONFIG, config)
        write_json(new / PROVENANCE, dict(provenance or {}))
        tokenizer.save(new / TOKENIZER)
        if pretrained_on is not None:
            seen = np.unique(np.asarray(pretrained_on, dtype=np.int64))
            write_tensors(new / PRETRAINED_ON, {"fingerprints": torch.from_numpy(seen)})
        if backbone is not None and backbone.adapter is not None:
            backbone.adapter.save(new, tokenizer.fingerprint)
        for name, text in (texts or {}).items():
            (new / name).write_text(text, encoding="utf-8")
    return path


def load_checkpoint(path: Path | str, tokenizer: Tokenizer | None = None) -> Checkpoint:
    """Read a checkpoint's description.

    Args:
        path: The directory, that of a run which holds it as `checkpoint`, or the name of a model that comes with the
            installation.
        tokenizer: The tokenizer it must have been trained with; None if any will do.

    Raises:
        CheckpointError: If it is not a complete checkpoint of a format that this release reads.
        TokenizerMismatch: If it was trained with another tokenizer than the one given.
    """
    path = find_model(path)
    _refuse_foreign(path)
    values = read_json(path / CONFIG)
    require_fields(path / CONFIG, values, ("backbone", "tokenizer", "heads", "parts", "task"), FORMAT_VERSION)
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
        seen = read_tensors(path / PRETRAINED_ON)["fingerprints"].numpy()
    return Checkpoint(
        path=path,
        shape=None if values["backbone"] is None else BackboneConfig.from_dict(values["backbone"]),
        tokenizer=own,
        heads=values["heads"],
        parts=tuple(values["parts"]),
        task=values["task"],
        provenance=read_json(path / PROVENANCE),
        pretrained_on=seen,
        base=values.get("base", {}),
    )


def _refuse_foreign(path: Path) -> None:
    """Refuse what is not a complete checkpoint directory, and say what it is instead."""
    if path.is_file():
        raise CheckpointError(
            f"{path} is a file, and a checkpoint is a directory of safetensors and JSON. Pickled files (.pt, "
            ".ckpt, .bin, .pkl) can run code when they are opened and are never loaded: give the directory "
            "that `save_checkpoint` or a training run wrote."
        )
    if not path.is_dir():
        names = ", ".join(shipped_models())
        raise CheckpointError(
            f"{path} does not exist. Check the path of the checkpoint, or name a model that comes with the "
            f"installation: {names}."
        )
    missing = [name for name in REQUIRED if not (path / name).is_file()]
    if missing:
        hides = len(path.parts) == 1 and path.name in shipped_models()
        raise CheckpointError(
            f"{path} is not a complete checkpoint: it lacks {', '.join(missing)}. "
            + (
                "This folder hides the model of that name that comes along: rename it, or work elsewhere."
                if hides
                else "Give the directory that `save_checkpoint` or a training run wrote."
            )
        )


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A new directory that takes the place of `path` once the block has filled it."""
    # Only what is a checkpoint and nothing else may be deleted to make room, or an empty folder.
    there = {entry.name for entry in path.iterdir()} if path.is_dir() else {""} if path.exists() else set()
    if there and not {CONFIG} <= there <= FILES:
        raise CheckpointError(f"{path} holds other things than a checkpoint. Save under another name.")
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    new.mkdir(parents=True)
    try:
        yield new
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    if path.exists():
        path.rename(old)
    new.rename(path)
    shutil.rmtree(old, ignore_errors=True)
