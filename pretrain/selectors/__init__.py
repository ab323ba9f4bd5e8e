"""Selectors by name; one file each.

To add one: write `pretrain/selectors/<name>.py` with a subclass of `Selector` and enter it here.
"""

from __future__ import annotations

from collections.abc import Sequence

from pretrain.selectors.adversarial import AdversarialSelector
from pretrain.selectors.base import Schedule, Selector
from pretrain.selectors.scheduled import ScheduledSelector
from pretrain.selectors.uniform import UniformSelector
from symbolic.backbone.config import BackboneConfig
from symbolic.errors import ConfigError

SELECTORS: dict[str, type[Selector]] = {
    s.name: s for s in (AdversarialSelector, ScheduledSelector, UniformSelector)
}

__all__ = ["SELECTORS", "Schedule", "Selector", "build_selector"]


def build_selector(
    name: str, schedule: Schedule, sizes: Sequence[int], backbone: BackboneConfig, exploration: float = 1.0
) -> Selector:
    """A selector, freshly initialised.

    Args:
        name: One of `SELECTORS`.
        schedule: How many rows it may choose.
        sizes: Ids of each field.
        backbone: The backbone it plays against; a learned selector is a fraction of its size.
        exploration: How far a learned selector strays from its own ranking; 0 always takes the top.

    Raises:
        ConfigError: If there is no such selector.
    """
    if name not in SELECTORS:
        raise ConfigError(f"There is no selector '{name}'; choose one of {', '.join(SELECTORS)}.")
    return SELECTORS[name](schedule, sizes, backbone, exploration)
