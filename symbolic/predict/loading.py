"""Load a model for use. `symbolic.load` returns one of three classes.

symbolic.load("melody")         # NotePredictor: a class for each note
symbolic.load("runs/dances")    # PiecePredictor: a class for the piece
symbolic.load("tiny")           # PretrainedModel: vectors and distributions of hidden fields
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from symbolic.checkpoint.bundled import MODELS, model_name
from symbolic.checkpoint.format import Checkpoint, load_checkpoint
from symbolic.documents import read_json
from symbolic.errors import ConfigError
from symbolic.predict.onnx_network import OnnxNetwork, runs_by_onnx
from symbolic.predict.parts import FEATURES, hand_made, open_task
from symbolic.predict.predictor import AnyModel, NotePredictor, PiecePredictor
from symbolic.storage import ADAPTER_SETTINGS
from symbolic.tokens.vocabulary import PITCH

if TYPE_CHECKING:
    import torch

    from symbolic.adapters.adapter_set import AdapterSet
    from symbolic.backbone import Backbone
    from symbolic.commas import CommaField
    from symbolic.predict.pretrained import PretrainedModel


def load(
    path: str | Path, device: torch.device | str = "cpu"
) -> PretrainedModel | NotePredictor | PiecePredictor:
    """Load a model for use in eval mode.

    Args:
        path: The name of a bundled model such as "tiny", or the folder of a run, a checkpoint or an export. Of a
            fine-tuning run, the seed that is best on validation is loaded.
        device: Where it computes, as torch names devices, or "auto" or "gpu". Models of hand-made features need none.

    Returns:
        A `NotePredictor` or `PiecePredictor` for a model of a task, else a `PretrainedModel`.

    Raises:
        CheckpointError: If it is not a complete checkpoint of a format that this release reads.
        ConfigError: If the device is not on this machine.
    """
    checkpoint = load_checkpoint(path)
    if "classes" in checkpoint.task:
        return _predictor(model_name(path), checkpoint, _model(checkpoint, device))
    from symbolic.predict.network import device_named
    from symbolic.predict.pretrained import PretrainedModel

    device = device_named(device)
    backbone = checkpoint.build_backbone().to(device)
    return PretrainedModel(
        model_name(path), checkpoint, backbone, checkpoint.build_heads(), _comma_field(checkpoint)
    )


def _comma_field(checkpoint: Checkpoint) -> CommaField | None:
    """Build the field of commas of a style, if it has one."""
    from symbolic.commas import PART, CommaField

    if PART not in checkpoint.parts:
        return None
    pitches = checkpoint.tokenizer.vocabulary.sizes[PITCH]
    return checkpoint.build(PART, lambda: CommaField(checkpoint.config.dim, pitches))


def load_predictors(
    paths: Sequence[str | Path], device: torch.device | str = "cpu"
) -> list[NotePredictor | PiecePredictor]:
    """Load several models of tasks. Adapters made for the same weights share one backbone, which is read once.

    Args:
        paths: As for `load`.
        device: Where they compute, as for `load`.

    Returns:
        The predictors. Each is named after its task or after its folder where several have the same task.

    Raises:
        CounterpointError: If one is not a model of a task.
    """
    checkpoints = [open_task(path) for path in paths]
    adapter_sets: dict[tuple[str, str], AdapterSet] = {}
    found = []
    for name, checkpoint in zip(_names(paths, checkpoints), checkpoints, strict=True):
        adapted = (
            len(paths) > 1 and (checkpoint.path / ADAPTER_SETTINGS).is_file() and not runs_by_onnx(checkpoint)
        )
        adapter_set = _with_adapter(name, checkpoint, adapter_sets, device) if adapted else None
        model = _model(checkpoint, device, None if adapter_set is None else adapter_set.backbone)
        found.append(_predictor(name, checkpoint, model, adapter_set))
    return found


def _model(checkpoint: Checkpoint, device: torch.device | str, backbone: Backbone | None = None) -> AnyModel:
    """Build the model of a task. Torch, which takes seconds to import, is imported for networks alone."""
    if FEATURES in checkpoint.parts:
        return hand_made(checkpoint)
    if str(device) in ("cpu", "auto") and runs_by_onnx(checkpoint):
        return OnnxNetwork(checkpoint)
    from symbolic.predict.network import device_named, network_model

    return network_model(checkpoint, backbone).to(device_named(device)).eval()


def _predictor(
    name: str, checkpoint: Checkpoint, model: AnyModel, adapter_set: AdapterSet | None = None
) -> NotePredictor | PiecePredictor:
    kind = NotePredictor if checkpoint.task["level"] == "note" else PiecePredictor
    return kind(name, checkpoint, model, adapter_set)


def _with_adapter(
    name: str,
    checkpoint: Checkpoint,
    adapter_sets: dict[tuple[str, str], AdapterSet],
    device: torch.device | str,
) -> AdapterSet:
    """The adapter set of the weights that a checkpoint's adapter was made for, with the adapter added."""
    tokenizer = checkpoint.tokenizer
    made_for = (str(read_json(checkpoint.path / ADAPTER_SETTINGS).get("weights")), tokenizer.fingerprint)
    if made_for not in adapter_sets:
        from symbolic.adapters.adapter_set import AdapterSet
        from symbolic.predict.network import device_named

        backbone = checkpoint.build_backbone(adapter=False).to(device_named(device)).eval()
        adapter_sets[made_for] = AdapterSet(backbone, tokenizer.fingerprint)
    adapter_sets[made_for].load(name, checkpoint.path)
    return adapter_sets[made_for]


def _names(paths: Sequence[str | Path], checkpoints: Sequence[Checkpoint]) -> list[str]:
    """Names of bundled models, else of the tasks. Those of the folders where several have the same."""
    tasks = [
        checkpoint.path.name if checkpoint.path.parent == MODELS else str(checkpoint.task["name"])
        for checkpoint in checkpoints
    ]
    often = Counter(tasks)
    names = [
        task if often[task] == 1 else Path(path).resolve().name
        for path, task in zip(paths, tasks, strict=True)
    ]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"Several runs of one task are called {', '.join(twice)}. Give them one at a time, or rename the folders."
        )
    return names
