"""Build the network of a task, and save it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from finetune.tasks import Task
from symbolic.adapters import attach
from symbolic.adapters.budget import options_for
from symbolic.backbone import Backbone
from symbolic.checkpoint.format import save_checkpoint
from symbolic.heads import NoteHead, SequenceHead
from symbolic.predict.layer_mix import LayerMix
from symbolic.predict.network import ENSEMBLE, FEATURES, HEARD_BESIDE, PROBE, HandMade, TaskModel
from symbolic.predict.note_features import EMBEDDED_FEATURES, NoteFeatureEmbedding
from symbolic.tokens.tokenizer import Tokenizer


def build_model(
    backbone: Backbone,
    task: Task,
    method: str,
    options: Mapping[str, Any] | None = None,
    share: float | None = None,
    note_features: NoteFeatureEmbedding | None = None,
) -> TaskModel:
    """A fresh head, and what the method trains, on a backbone; the backbone is changed in place.

    A probe of pieces classifies statistics of layers, which can be kept for each window (`finetune.training.cache`).

    Args:
        backbone: Pretrained or fresh.
        task: Says the level and the classes.
        method: "full", "probe", or the name of an adapter method.
        options: Of the adapter; a probe has `only`, the one layer that it hears, negative ones from the last.
        share: Train at most this share of the backbone's parameters, by the adapter's size.
        note_features: What is heard beside the notes; not by a probe.

    Raises:
        ConfigError: If the adapter has no such option, or none of that share.
    """
    by_note, options = task.level == "note", dict(options or {})
    dim, classes = backbone.config.dim, len(task.classes)
    if method == "probe":
        head = NoteHead(dim, classes, 0.0) if by_note else SequenceHead(2 * dim, classes, 0.0, "mean")
        states, only = len(backbone.blocks) + 1, options.get("only")
        only = None if only is None else only % states
        return TaskModel(backbone, head, LayerMix(states, head.arguments["dim"], only))
    if method != "full":
        if share is not None:
            options = options_for(backbone, method, share, **options)
        attach(backbone, method, **options)
    return TaskModel(
        backbone, (NoteHead if by_note else SequenceHead)(dim, classes), note_features=note_features
    )


def save_model(
    path: Path,
    model: TaskModel | HandMade,
    tokenizer: Tokenizer,
    task: dict[str, Any],
    provenance: dict[str, Any],
    seen: Any,
    texts: Mapping[str, str] | None = None,
    base: str = "",
) -> Path:
    """Write a checkpoint that predictions need and nothing else.

    Args:
        path: The directory.
        model: To be saved.
        tokenizer: What it reads.
        task: From `Task.describe`.
        provenance: How it came about.
        seen: Note fingerprints of all pieces that its weights have seen.
        texts: As of `save_checkpoint`.
        base: Likewise.

    Returns:
        The directory.
    """
    backbone, heads, parts = None, {}, dict[str, nn.Module]()
    task = {**task, "head": None}
    if isinstance(model, HandMade):
        parts[FEATURES] = model
        task |= model.describe()
    else:
        backbone = model.backbone
        if beside := [part for part in (model.mix, model.note_features) if part is not None]:
            parts[PROBE if model.note_features is None else HEARD_BESIDE] = nn.ModuleList(
                [*beside, model.head]
            )
            task["head"] = model.head.describe()
            task |= {} if model.note_features is None else {HEARD_BESIDE: EMBEDDED_FEATURES}
            if model.ensemble is not None:
                parts[ENSEMBLE] = model.ensemble
                task[ENSEMBLE] = model.ensemble.trees.describe()
        else:
            heads[task["name"]] = model.head
    return save_checkpoint(
        path,
        backbone,
        tokenizer,
        heads=heads,
        parts=parts,
        task=task,
        provenance=provenance,
        pretrained_on=seen,
        texts=texts,
        base=base,
    )
