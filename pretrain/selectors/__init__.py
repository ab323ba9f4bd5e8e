"""Selectors by name; one file each.

To add one: write `pretrain/selectors/<name>.py` with a subclass of `Selector`, enter it here, and its name in
`pretrain.settings`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pretrain.selectors.adversarial import AdversarialSelector
from pretrain.selectors.bar import BarSelector
from pretrain.selectors.base import Schedule, Selector, SelectorInput, SelectorOptions
from pretrain.selectors.infilling import InfillingSelector
from pretrain.selectors.learnability import LearnabilitySelector
from pretrain.selectors.loss import LossSelector
from pretrain.selectors.scheduled import ScheduledSelector
from pretrain.selectors.span import SpanSelector
from pretrain.selectors.uniform import UniformSelector
from symbolic.backbone.config import BackboneConfig
from symbolic.errors import ConfigError

SELECTORS: dict[str, type[Selector]] = {
    selector.name: selector
    for selector in (
        AdversarialSelector,
        BarSelector,
        InfillingSelector,
        LearnabilitySelector,
        LossSelector,
        ScheduledSelector,
        SpanSelector,
        UniformSelector,
    )
}

__all__ = ["SELECTORS", "Schedule", "Selector", "SelectorInput", "SelectorOptions", "build_selector"]


def build_selector(
    name: str,
    schedule: Schedule,
    sizes: Sequence[int],
    backbone: BackboneConfig,
    options: SelectorOptions | None = None,
) -> Selector:
    """A selector, freshly initialised.

    Args:
        name: One of `SELECTORS`.
        schedule: How much it may choose.
        sizes: Ids of each field.
        backbone: The backbone it plays against; a small network of a learned selector is a fraction of its size.
        options: How it goes about it.

    Raises:
        ConfigError: If there is no such selector, or it cannot work so.
    """
    if name not in SELECTORS:
        raise ConfigError(f"There is no selector '{name}'; choose one of {', '.join(SELECTORS)}.")
    return SELECTORS[name](schedule, sizes, backbone, options)
