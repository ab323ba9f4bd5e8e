"""Where a run begins: from random initialisation, or from what another has learnt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretrain.config import PretrainSettings
from symbolic.adapters.base import SETTINGS as ADAPTER_SETTINGS
from symbolic.backbone import Backbone, BackboneConfig, preset
from symbolic.checkpoint import Checkpoint, load_checkpoint
from symbolic.errors import ConfigError
from symbolic.heads import FieldHeads
from symbolic.tokenizer import Tokenizer

_HEADS = "fields"


@dataclass(frozen=True, eq=False)
class Beginning:
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
        self.checkpoint.load_part("backbone", backbone)
        if _HEADS in self.checkpoint.heads:
            heads.load_state_dict(self.checkpoint.build_heads()[_HEADS].state_dict())

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
            "held_out_heard": None if before is None else int(np.isin(held_out, before).sum()),
        }


def shape_of(settings: PretrainSettings) -> BackboneConfig:
    """The shape that the settings name."""
    return replace(preset(settings.preset), kind=settings.backbone)


def beginning(settings: PretrainSettings, tokenizer: Tokenizer) -> Beginning:
    """Where a run with these settings begins.

    Args:
        settings: Of the run.
        tokenizer: What made its rows.

    Raises:
        CheckpointError: If the checkpoint is none.
        TokenizerMismatch: If it reads other rows.
        ConfigError: If it is of another size or kind than the settings say, or has an adapter.
    """
    config = shape_of(settings)
    if settings.checkpoint is None:
        return Beginning(config)
    found = load_checkpoint(settings.checkpoint, tokenizer)
    # Rates and batches follow from the preset, so another size than it says must not slip in.
    named = {
        name for name in ("dim", "layers", "kind") if getattr(found.config, name) != getattr(config, name)
    }
    if named:
        sizes = ", ".join(f"{name} {getattr(found.config, name)}" for name in sorted(named))
        raise ConfigError(
            f"--from {settings.checkpoint}: it has {sizes}, and that is not preset '{settings.preset}' as a "
            f"{settings.backbone}. Name its own by --preset and --backbone."
        )
    if (found.path / ADAPTER_SETTINGS).is_file():
        raise ConfigError(
            f"--from {settings.checkpoint}: it has an adapter. Begin from the checkpoint that the adapter was made on."
        )
    return Beginning(found.config, found)
