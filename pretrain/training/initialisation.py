"""Initialise a run: at random, or from a checkpoint, which may hold a smaller model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretrain.settings import PretrainSettings
from pretrain.training.expansion import expand, expand_heads, obstacles
from symbolic.backbone import PRESETS, Backbone, BackboneConfig, preset
from symbolic.checkpoint.format import Checkpoint, load_checkpoint
from symbolic.checkpoint.licence import Stage
from symbolic.errors import ConfigError
from symbolic.heads import FieldHeads
from symbolic.relations import RELATIONS
from symbolic.storage import ADAPTER_SETTINGS
from symbolic.tokens.tokenizer import Tokenizer

_HEADS = "fields"


@dataclass(frozen=True, eq=False)
class Initialisation:
    """The initial weights of a run.

    Attributes:
        config: Shape of the backbone.
        checkpoint: The checkpoint with the weights. None for random weights.
    """

    config: BackboneConfig
    checkpoint: Checkpoint | None = None

    def initialise(self, backbone: Backbone, heads: FieldHeads) -> None:
        """Load the weights of the checkpoint if there is one. Heads that it lacks stay random."""
        if self.checkpoint is None:
            return
        saved = self.checkpoint.build_heads().get(_HEADS)
        if self.checkpoint.config != self.config:
            expand(self.checkpoint.build_backbone(), backbone)
            if isinstance(saved, FieldHeads):
                expand_heads(saved, heads)
            return
        self.checkpoint.load_part("backbone", backbone)
        if saved is not None:
            heads.load_state_dict(saved.state_dict())

    @property
    def expands(self) -> bool:
        """Whether the checkpoint holds a smaller model."""
        return self.checkpoint is not None and _size(self.checkpoint.config) != _size(self.config)

    def trained_on(self, now: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return the fingerprints of all pieces trained on, this run included. None if unknown."""
        if self.checkpoint is None:
            return now
        before = self.checkpoint.pretrained_on
        return None if before is None else np.union1d(before, now)

    @property
    def chain(self) -> tuple[Stage, ...]:
        """The licence chain of the checkpoint. Empty without one."""
        return self.checkpoint.chain if self.checkpoint else ()

    @property
    def weights(self) -> str | None:
        """The fingerprint of the checkpoint's weights. None without a checkpoint."""
        return self.checkpoint.fingerprint if self.checkpoint else None

    def describe(self, held_out: NDArray[np.int64]) -> dict[str, Any] | None:
        """Describe the checkpoint for a record as JSON values. None without a checkpoint.

        Args:
            held_out: Fingerprints of the held-out pieces. Those that the checkpoint was trained on prove less.
        """
        if self.checkpoint is None:
            return None
        before = self.checkpoint.pretrained_on
        return {
            "weights": self.weights,
            "pieces": None if before is None else len(before),
            "held_out": len(held_out),
            "held_out_trained_on": None if before is None else int(np.isin(held_out, before).sum()),
            **({"expanded_from": self.checkpoint.config.to_dict()} if self.expands else {}),
        }


def preset_config(settings: PretrainSettings) -> BackboneConfig:
    """Return the backbone shape that the settings name, with all relations by default."""
    model = settings.model
    related = tuple(RELATIONS) if model.related is None else model.related
    assert model.backbone is not None  # `normalise` has named it
    return replace(
        preset(model.preset), kind=model.backbone, relations=related, absolute_pitch=not model.relative_pitch
    )


def load_initialisation(settings: PretrainSettings, tokenizer: Tokenizer) -> Initialisation:
    """Load the initial weights that the settings name.

    Args:
        settings: Settings of the run.
        tokenizer: Tokenizer of the run.

    Raises:
        CheckpointError: If there is no such checkpoint.
        TokenizerMismatch: If the checkpoint has another tokenizer.
        ConfigError: If its model cannot be expanded to the size and kind of the settings, would lose what it embeds
            or has an adapter.
    """
    config = preset_config(settings)
    if settings.model.checkpoint is None:
        return Initialisation(config)
    found = load_checkpoint(settings.model.checkpoint, tokenizer)
    if settings.model.related is None:
        config = replace(config, relations=found.config.relations)
    config = replace(config, absolute_pitch=config.absolute_pitch and found.config.absolute_pitch)
    _refuse_losses(settings.model.checkpoint, found.config, config)
    # Learning rate and batch follow from the preset, so the preset names the size. The rest may differ from it.
    if _size(found.config) == _size(config):
        config = replace(found.config, relations=config.relations)
    elif lacking := obstacles(found.config, config):
        raise ConfigError(
            f"--from {settings.model.checkpoint}: it cannot be expanded to preset '{settings.model.preset}': "
            f"{'; '.join(lacking)}. {_remedy(found.config)}."
        )
    if (found.path / ADAPTER_SETTINGS).is_file():
        raise ConfigError(
            f"--from {settings.model.checkpoint}: it has an adapter. Start from the checkpoint that the adapter "
            "was made on."
        )
    return Initialisation(config, found)


def _refuse_losses(checkpoint: str, before: BackboneConfig, now: BackboneConfig) -> None:
    """Refuse to leave out what a checkpoint's model embeds."""
    if lost := [name for name in before.relations if name not in now.relations]:
        raise ConfigError(
            f"--from {checkpoint}: it was trained with the relations {', '.join(lost)}. Name them in --relations too, "
            "or leave that out."
        )
    if before.absolute_pitch and not now.absolute_pitch:
        raise ConfigError(
            f"--relative_pitch: {checkpoint} was trained with absolute pitch. Leave it out, or start without --from."
        )


def _size(config: BackboneConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in ("kind", "dim", "layers")}


def _remedy(config: BackboneConfig) -> str:
    """Return the flags that would work as a sentence."""
    for name, shape in PRESETS.items():
        if _size(replace(shape, kind=config.kind)) == _size(config):
            return f"Name its own size, --preset {name} --backbone {config.kind}, or a larger one"
    own = f"{config.layers} layers of {config.dim} dimensions"
    return f"No preset has its own size, {own}; name a larger one, and --backbone {config.kind}"
