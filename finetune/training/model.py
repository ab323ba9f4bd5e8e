"""Build the network of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finetune.tasks import Task
from symbolic.adapters import attach
from symbolic.adapters.budget import options_for
from symbolic.backbone import Backbone
from symbolic.heads import NoteHead, SequenceHead
from symbolic.predict.layer_mix import LayerMix
from symbolic.predict.network import TaskModel
from symbolic.predict.note_features import NoteFeatureEmbedding


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
