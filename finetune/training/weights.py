"""Load the initial weights of a run and check that pretraining did not include its test pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.leaks import check_leaks
from data.sources import task_source
from finetune.settings import FEATURES, USUAL_PRESET, FinetuneSettings
from finetune.tasks.data import TaskData
from symbolic.backbone import Backbone, BackboneConfig, build_backbone, preset
from symbolic.checkpoint.bundled import model_name
from symbolic.checkpoint.format import load_checkpoint
from symbolic.checkpoint.licence import FINE_TUNING, Stage
from symbolic.errors import LeakError
from symbolic.predict.parts import NOTE_FEATURES
from symbolic.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False)
class InitialWeights:
    """Initial weights: a pretrained checkpoint or random initialisation.

    Attributes:
        name: For folder names and tables.
        config: Shape of the backbone.
        tokenizer: What it reads.
        backbone: Makes a new copy of it as the random state stands.
        pretrained_on: (P,) int64 note fingerprints of the pieces seen.
        recorded: Whether `pretrained_on` is known.
        description: For records, as JSON values.
        reads_note_features: Whether it was trained with note features beside its tokens.
        chain: Its licence chain. Empty for random initialisation.
    """

    name: str
    config: BackboneConfig
    tokenizer: Tokenizer
    backbone: Callable[[], Backbone]
    pretrained_on: NDArray[np.int64]
    recorded: bool
    description: dict[str, Any]
    reads_note_features: bool = False
    chain: tuple[Stage, ...] = ()


def open_weights(
    checkpoint: str | Path | None, preset_name: str | None = None, kind: str | None = None
) -> InitialWeights:
    """Open a checkpoint or a preset with random initialisation.

    Args:
        checkpoint: A run or a checkpoint or the name of a bundled one.
        preset_name: Size when there is none. By default `USUAL_PRESET`.
        kind: Architecture when there is none. By default the preset's.

    Raises:
        CheckpointError: If the checkpoint is not one.
        ConfigError: If there is no such preset.
    """
    nothing = np.empty(0, dtype=np.int64)
    if checkpoint is None:
        preset_name = preset_name or USUAL_PRESET
        usual, tokenizer = preset(preset_name), Tokenizer()
        config = replace(usual, kind=kind or usual.kind)
        return InitialWeights(
            "-".join(["scratch", *([] if config == usual else [config.kind]), preset_name]),
            config,
            tokenizer,
            lambda: build_backbone(config, tokenizer.vocabulary.sizes),
            nothing,
            True,
            {"source": "random initialisation", "preset": preset_name, "config": config.to_dict()},
        )
    found = load_checkpoint(checkpoint)
    seen = found.pretrained_on
    return InitialWeights(
        model_name(checkpoint),
        found.config,
        found.tokenizer,
        found.build_backbone,
        nothing if seen is None else seen,
        seen is not None,
        {
            "source": "checkpoint",
            "path": str(checkpoint),
            "weights": found.fingerprint,
            "config": found.config.to_dict(),
            "task": found.task.get("name"),
            "provenance": dict(found.provenance),
        },
        NOTE_FEATURES in found.parts,
        found.chain,
    )


def no_weights() -> InitialWeights:
    """Return initial weights for hand-made features, which use the tokenizer alone."""
    return replace(open_weights(None), name="", description={"source": FEATURES})


def training_chain(data: TaskData, weights: InitialWeights, pieces: NDArray[np.int64]) -> tuple[Stage, ...]:
    """Return the licence chain of a model that is trained on pieces of a task.

    Args:
        data: The task's pieces.
        weights: What it starts from.
        pieces: Indices of the pieces that it is trained on.
    """
    notes = int(np.diff(data.shards.offsets)[pieces].sum())
    source = task_source(data.shards.manifest["corpus"], data.task.label, len(pieces), notes)
    return (*weights.chain, Stage(data.task.name, FINE_TUNING, (source,)))


def weights_of(settings: FinetuneSettings) -> InitialWeights:
    """Open the initial weights that the settings of a run name.

    Raises:
        CounterpointError: As `open_weights`.
    """
    if settings.adapter.method == FEATURES:
        return no_weights()
    model = settings.model
    return open_weights(model.checkpoint, model.preset, model.backbone)


def check_pretraining(data: TaskData, weights: InitialWeights, allow: bool) -> dict[str, Any]:
    """Refuse test pieces that pretraining was trained on (docs/evaluation.md).

    Returns:
        For the record: whether the score is leaky (None if that cannot be known) and the pieces.

    Raises:
        LeakError: If there are any, or the checkpoint does not say what it has seen, and leaks are not allowed.
    """
    if not weights.recorded:
        if not allow:
            raise LeakError(
                f"Checkpoint '{weights.name}' does not record which pieces it was pretrained on, so no score can be "
                "trusted. Use a checkpoint that `pretrain` wrote, or go on with --allow_leaks."
            )
        return {"leaky": None, "pieces": []}
    held_out = [
        (data.shards.pieces[piece].key + mark, int(data.shards.fingerprints[piece]))
        for split, mark in (("test", ""), ("valid", " (validation)"))
        for piece in data.splits[split]
    ]
    pieces = check_leaks(weights.pretrained_on, held_out, allow)
    return {
        "leaky": bool(pieces),
        "pieces": pieces,
        "checked": len(held_out),
        "seen": len(weights.pretrained_on),
    }


def merged_leaks(leaks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Merge the results of `check_pretraining` for every fold for the record."""
    if len(leaks) == 1:
        return leaks[0]
    pieces = sorted({piece for one in leaks for piece in one["pieces"]})
    unknown = any(one["leaky"] is None for one in leaks)
    return {**leaks[0], "leaky": None if unknown else bool(pieces), "pieces": pieces, "folds": len(leaks)}
