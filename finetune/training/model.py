"""Build the network of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finetune.tasks.base import Task
from symbolic.adapters import attach
from symbolic.adapters.budget import options_for
from symbolic.backbone import Backbone
from symbolic.errors import ConfigError
from symbolic.heads import NoteHead, SequenceHead
from symbolic.predict.network import TaskModel
from symbolic.predict.note_features import NoteFeatureEmbedding
from symbolic.predict.parts import PROBE


def build_model(
    backbone: Backbone,
    task: Task,
    method: str,
    options: Mapping[str, Any] | None = None,
    share: float | None = None,
    note_features: NoteFeatureEmbedding | None = None,
    *,
    every_layer: bool = False,
) -> TaskModel:
    """Add a head and the trained parameters of a method to a backbone in place.

    Args:
        backbone: Pretrained or fresh.
        task: Says the level and the classes.
        method: "full", "probe" or the name of an adapter method.
        options: Of the adapter. A probe has `layers`: "all", "last" or the number of one; and `keys`.
        share: Train at most this share of the backbone's parameters by the adapter's size.
        note_features: Note features that the network reads too. Not for a probe.
        every_layer: Let the head read all layers, as that of a probe does. Not with note features.

    Raises:
        ConfigError: If the adapter has no such option, or none of that share; if a probe should read labels that
            depend on the key in several.
    """
    by_note, options = task.level == "note", dict(options or {})
    dim, classes = backbone.config.dim, len(task.classes)
    if method not in ("full", PROBE):
        if share is not None:
            options = options_for(backbone, method, share, **options)
        attach(backbone, method, **options)
    if method == PROBE or every_layer:
        layers = probe_layers(
            str(options["layers"]) if method == PROBE and "layers" in options else "all", len(backbone.blocks)
        )
        width, keys = len(layers) * dim, int(options.get("keys", 1))
        if keys > 1 and not task.transposition:
            raise ConfigError(f"--keys {keys}: labels of {task.name} depend on the key. Leave it out.")
        head = NoteHead(width, classes, 0.0) if by_note else SequenceHead(2 * width, classes, 0.0, "mean")
        return TaskModel(backbone, head, layers, frozen=method == PROBE, keys=keys)
    return TaskModel(
        backbone, (NoteHead if by_note else SequenceHead)(dim, classes), note_features=note_features
    )


def probe_layers(text: str, blocks: int) -> tuple[int, ...]:
    """Return the layers that a probe reads, 0 the embedding.

    Args:
        text: "all", "last" or the number of one.
        blocks: Of the backbone.

    Raises:
        ConfigError: If there is no such layer.
    """
    if text == "all":
        return tuple(range(blocks + 1))
    if text == "last":
        return (blocks,)
    if not text.isdecimal() or int(text) > blocks:
        raise ConfigError(f"--probe {text}: choose all, last, or the number of a layer, 0 to {blocks}.")
    return (int(text),)
