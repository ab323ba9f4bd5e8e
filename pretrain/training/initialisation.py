"""Where a run begins: from random initialisation, or from what another has learnt, if need be in a smaller model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretrain.settings import PretrainSettings
from pretrain.training.expansion import expand, expand_heads, obstacles
from symbolic.adapters.base import SETTINGS as ADAPTER_SETTINGS
from symbolic.backbone import PRESETS, Backbone, BackboneConfig, preset
from symbolic.checkpoint.format import Checkpoint, load_checkpoint
from symbolic.errors import ConfigError
from symbolic.heads import FieldHeads
from symbolic.tokens.tokenizer import Tokenizer

_HEADS = "fields"


@dataclass(frozen=True, eq=False)
class Initialisation:
    """What a run begins with.

    Attributes:
        config: Shape of the backbone.
        checkpoint: Whose weights it has; None where they are random.
    """

    config: BackboneConfig
    checkpoint: Checkpoint | None = None

    def fill(self, backbone: Backbone, heads: FieldHeads) -> None:
        """Give backbone and heads the weights of the checkpoint, if there is one; heads that it lacks stay random."""
        if self.checkpoint is None:
            return
        theirs = self.checkpoint.build_heads().get(_HEADS)
        if self.grows:
            expand(self.checkpoint.build_backbone(), backbone)
            if isinstance(theirs, FieldHeads):
                expand_heads(theirs, heads)
            return
        self.checkpoint.load_part("backbone", backbone)
        if theirs is not None:
            heads.load_state_dict(theirs.state_dict())

    @property
    def grows(self) -> bool:
        """Whether the checkpoint is of a smaller model."""
        return self.checkpoint is not None and _size(self.checkpoint.config) != _size(self.config)

    def heard(self, now: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Fingerprints of all pieces heard once those of a run are added; None where earlier ones are not known."""
        if self.checkpoint is None:
            return now
        before = self.checkpoint.pretrained_on
        return None if before is None else np.union1d(before, now)

    @property
    def weights(self) -> str | None:
        """What tells the checkpoint's weights from others; None where there is no checkpoint."""
        return self.checkpoint.fingerprint if self.checkpoint else None

    def describe(self, held_out: NDArray[np.int64]) -> dict[str, Any] | None:
        """For records, as JSON values; None where there is nothing to tell.

        Args:
            held_out: Fingerprints of the pieces by which the run is measured; those that were heard before prove less.
        """
        if self.checkpoint is None:
            return None
        before = self.checkpoint.pretrained_on
        return {
            "weights": self.weights,
            "pieces": None if before is None else len(before),
            "held_out": len(held_out),
            "held_out_trained_on": None if before is None else int(np.isin(held_out, before).sum()),
            **({"expanded_from": self.checkpoint.config.to_dict()} if self.grows else {}),
        }


def preset_config(settings: PretrainSettings) -> BackboneConfig:
    """The shape that the settings name."""
    return replace(preset(settings.preset), kind=settings.backbone)


def load_initialisation(settings: PretrainSettings, tokenizer: Tokenizer) -> Initialisation:
    """Where a run with these settings begins.

    Args:
        settings: Of the run.
        tokenizer: What made its tokens.

    Raises:
        CheckpointError: If the checkpoint is none.
        TokenizerMismatch: If it reads other tokens.
        ConfigError: If what it holds cannot grow into the size and kind that the settings say, or it has an adapter.
    """
    config = preset_config(settings)
    if settings.checkpoint is None:
        return Initialisation(config)
    found = load_checkpoint(settings.checkpoint, tokenizer)
    # Rates and batches follow from the preset, so it says the size; of that size a checkpoint may differ in the rest.
    if _size(found.config) == _size(config):
        config = found.config
    elif lacking := obstacles(found.config, config):
        raise ConfigError(
            f"--from {settings.checkpoint}: it cannot grow into preset '{settings.preset}': {'; '.join(lacking)}. "
            f"{_remedy(found.config)}."
        )
    if (found.path / ADAPTER_SETTINGS).is_file():
        raise ConfigError(
            f"--from {settings.checkpoint}: it has an adapter. Begin from the checkpoint that the adapter was made on."
        )
    return Initialisation(config, found)


def _size(config: BackboneConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in ("kind", "dim", "layers")}


def _remedy(config: BackboneConfig) -> str:
    """What to ask for instead."""
    for name, shape in PRESETS.items():
        if _size(replace(shape, kind=config.kind)) == _size(config):
            return f"Name its own size, --preset {name} --backbone {config.kind}, or a larger one"
    own = f"{config.layers} layers of {config.dim} dimensions"
    return f"No preset has its own size, {own}; name a larger one, and --backbone {config.kind}"
