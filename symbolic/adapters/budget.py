"""Adapters of a wanted size: by their share of the backbone, so that methods are compared at equal cost."""

from __future__ import annotations

from typing import Any

from symbolic.adapters.contract import METHODS, build_method
from symbolic.backbone import Backbone
from symbolic.errors import ConfigError

_MOST = 1 << 14


def trained(backbone: Backbone, method: str, **options: Any) -> int:
    """How many numbers a method would train on a backbone; the backbone is left as it is."""
    grafts = build_method(method, **options).grafts(backbone)
    return sum(parameter.numel() for graft in grafts for parameter in graft.own.values())


def options_for(backbone: Backbone, method: str, share: float, **options: Any) -> dict[str, Any]:
    """Options with the largest size that trains no more than a share of the backbone's numbers.

    Args:
        backbone: Without an adapter.
        method: Name of a registered method that has a size.
        share: Of the backbone's parameters, as in 0.005.
        **options: Further options of the method.

    Raises:
        ConfigError: If the method has no size, or even its smallest is larger.
    """
    build_method(method)  # refuses an unknown one
    name = METHODS[method].size
    if not name:
        raise ConfigError(
            f"Adapter method {method!r} has one size only. Compare it as it is, without a budget."
        )
    limit = share * sum(parameter.numel() for parameter in backbone.parameters())
    step = int(options.get("heads", getattr(METHODS[method], "heads", 1)))  # a rank must be shared out evenly

    def fits(count: int) -> bool:
        return trained(backbone, method, **{**options, name: count * step}) <= limit

    if not fits(1):
        raise ConfigError(
            f"Adapter method {method!r} trains {trained(backbone, method, **{**options, name: step}):,} numbers at "
            f"least, more than the {limit:,.0f} of a budget of {share:.2%}. Raise the budget, or name fewer layers."
        )
    low, high = 1, 2
    while high < _MOST and fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return {**options, name: low * step}
