"""The files of a checkpoint. Folders and files that are none are refused by name."""

from __future__ import annotations

from pathlib import Path

from symbolic.checkpoint.bundled import ATTRIBUTION, CARD, LICENCE, require_model, shipped_models
from symbolic.errors import CheckpointError
from symbolic.storage import ADAPTER_SETTINGS, ADAPTER_TENSORS

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
PROVENANCE, PRETRAINED_ON = "provenance.json", "pretrained_on.safetensors"
NETWORK = "network.onnx"
REQUIRED = (CONFIG, WEIGHTS, TOKENIZER, PROVENANCE)
FILES = {*REQUIRED, PRETRAINED_ON, ADAPTER_SETTINGS, ADAPTER_TENSORS, CARD, LICENCE, ATTRIBUTION, NETWORK}


def refuse_foreign(path: Path) -> None:
    """Refuse what is not a complete checkpoint folder and name what it is instead."""
    if path.is_file():
        raise CheckpointError(
            f"{path} is a file, and a checkpoint is a directory of safetensors and JSON. Pickled files (.pt, "
            ".ckpt, .bin, .pkl) can run code when they are opened and are never loaded: give the directory "
            "that `save_checkpoint` or a training run wrote."
        )
    if not path.is_dir():
        require_model(path)
    missing = [name for name in REQUIRED if not (path / name).is_file()]
    if missing:
        hides = len(path.parts) == 1 and path.name in shipped_models()
        raise CheckpointError(
            f"{path} is not a complete checkpoint: it lacks {', '.join(missing)}. "
            + (
                "This folder hides the bundled model of that name: rename it, or work elsewhere."
                if hides
                else "Give the directory that `save_checkpoint` or a training run wrote."
            )
        )


def refuse_other_content(path: Path) -> None:
    """Refuse to replace anything but an empty folder, or a checkpoint and nothing else."""
    there = {entry.name for entry in path.iterdir()} if path.is_dir() else {""} if path.exists() else set()
    if there and not {CONFIG} <= there <= FILES:
        raise CheckpointError(f"{path} holds other things than a checkpoint. Save under another name.")
