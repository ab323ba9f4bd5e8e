"""Selectors by name. One file each.

To add one: write `pretrain/selectors/<name>.py` with a subclass of `Selector` and enter it here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from symbolic.backbone.config import BackboneConfig
from symbolic.errors import ConfigError, did_you_mean
from symbolic.registry import Registry, lazy_names

if TYPE_CHECKING:
    from pretrain.selectors.base import Schedule, Selector, SelectorInput, SelectorOptions

SELECTORS: Registry[type[Selector]] = Registry(
    "pretrain.selectors",
    {
        "adversarial": "adversarial:AdversarialSelector",
        "infilling": "infilling:InfillingSelector",
        "learnability": "learnability:LearnabilitySelector",
        "scheduled": "scheduled:ScheduledSelector",
        "span": "span:SpanSelector",
        "uniform": "uniform:UniformSelector",
        "voice": "voice:VoiceSelector",
    },
)
"""The selectors by name. Its names cost no import of torch."""
NETWORK_NAMES = ("small", "exit", "shared_exit", "full")
"""The keys of `pretrain.selectors.network.NETWORKS`, without an import of torch."""

__all__ = [
    "NETWORK_NAMES",
    "SELECTORS",
    "Schedule",
    "Selector",
    "SelectorInput",
    "SelectorOptions",
    "build_selector",
]

__getattr__ = lazy_names(
    __name__, dict.fromkeys(("Schedule", "Selector", "SelectorOptions", "SelectorInput"), "base")
)


def build_selector(
    name: str,
    schedule: Schedule,
    sizes: Sequence[int],
    backbone: BackboneConfig,
    options: SelectorOptions | None = None,
) -> Selector:
    """Build a freshly initialised selector.

    Args:
        name: One of `SELECTORS`.
        schedule: How much it may choose.
        sizes: Ids of each field.
        backbone: The backbone it plays against. A small network of a learned selector is a fraction of its size.
        options: How it goes about it.

    Raises:
        ConfigError: If there is no such selector, or it cannot work so.
    """
    if name not in SELECTORS:
        raise ConfigError(
            f"There is no selector '{name}'; {did_you_mean(name, SELECTORS)}choose one of {', '.join(SELECTORS)}."
        )
    return SELECTORS[name](schedule, sizes, backbone, options)
