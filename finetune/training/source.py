"""Where a run's backbone comes from, and whether it has seen what it is to be tested on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.settings import FEATURES, USUAL_PRESET
from symbolic.backbone import Backbone, BackboneConfig, build_backbone, preset
from symbolic.checkpoint.bundled import model_name
from symbolic.checkpoint.format import load_checkpoint
from symbolic.predict.network import NOTE_FEATURES
from symbolic.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False)
class Source:
    """A pretrained checkpoint, or a fresh backbone.

    Attributes:
        name: For folder names and tables.
        config: Shape of the backbone.
        tokenizer: What it reads.
        backbone: Makes a new copy of it, as the random state stands.
        pretrained_on: (P,) int64 note fingerprints of the pieces seen.
        recorded: Whether `pretrained_on` is known.
        description: For records, as JSON values.
        reads_note_features: Whether it was trained with note features beside its tokens.
    """

    name: str
    config: BackboneConfig
    tokenizer: Tokenizer
    backbone: Callable[[], Backbone]
    pretrained_on: NDArray[np.int64]
    recorded: bool
    description: dict[str, Any]
    reads_note_features: bool = False


def open_source(
    checkpoint: str | Path | None, preset_name: str | None = None, kind: str | None = None
) -> Source:
    """The checkpoint if one is given, else the preset from random initialisation.

    Args:
        checkpoint: A run or a checkpoint, or the name of one that comes along.
        preset_name: Size when there is none; by default `USUAL_PRESET`.
        kind: Architecture when there is none; by default the preset's.

    Raises:
        CheckpointError: If the checkpoint is not one.
        ConfigError: If there is no such preset.
    """
    nothing = np.empty(0, dtype=np.int64)
    if checkpoint is None:
        preset_name = preset_name or USUAL_PRESET
        usual, tokenizer = preset(preset_name), Tokenizer()
        config = replace(usual, kind=kind or usual.kind)
        return Source(
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
    return Source(
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
    )


def no_backbone() -> Source:
    """Where hand-made features come from: the tokenizer of a fresh backbone, of which nothing else is used."""
    return replace(open_source(None), name="", description={"source": FEATURES})
