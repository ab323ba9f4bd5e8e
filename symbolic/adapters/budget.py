"""Find the options with which an adapter has a wanted size, to compare methods at equal cost."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict
from typing import Any

from symbolic.adapters import METHODS
from symbolic.adapters.contract import AdapterMethod, build_method
from symbolic.backbone import Backbone
from symbolic.errors import ConfigError
from symbolic.shapes import shapes_only


def trained(backbone: Backbone, method: str, **options: Any) -> int:
    """Count the values that a method would train on a backbone. The backbone is not changed.

    Raises:
        ConfigError: If the method or an option is unknown or wrong.
    """
    return sum(_by_block(backbone, build_method(method, **options)).values())


def options_for(backbone: Backbone, method: str, share: float, **options: Any) -> dict[str, Any]:
    """Find the largest size of a method that trains at most a share of the backbone's parameters.

    Args:
        backbone: A backbone without an adapter.
        method: Name of a registered method that has a size.
        share: Share of the backbone's parameters as in 0.005.
        **options: Further options of the method.

    Returns:
        The options with the size.

    Raises:
        ConfigError: If the method has no size, or its smallest is too large. The message names alternatives.
    """
    build_method(method)  # refuses an unknown one
    name = METHODS[method].size
    if not name:
        raise ConfigError(
            f"Adapter method {method!r} has one size only. Compare it as it is, without a share."
        )
    total = sum(parameter.numel() for parameter in backbone.parameters())
    step = int(options.get("heads", getattr(METHODS[method], "heads", 1)))  # heads must divide the rank

    def count(size: int) -> int:
        return trained(backbone, method, **{**options, name: size * step})

    def fits(size: int) -> bool:
        return count(size) <= share * total

    if not fits(1):
        smallest = build_method(method, **{**options, name: step})
        needed = math.ceil(1e5 * count(1) / total) / 1e5  # rounded up, so that it is not refused again
        raise ConfigError(
            f"Adapter method {method!r} cannot be as small as {share:.3%} of this backbone: it trains {count(1):,} "
            f"numbers at least, which are {needed:.3%}. {_alternatives(backbone, smallest, share * total)}"
        )
    # low <= the largest that fits < high
    low, high = 1, METHODS[method].largest(backbone) // step + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return {**options, name: low * step}


def _by_block(backbone: Backbone, method: AdapterMethod) -> Counter[str]:
    """Count the values that a method would train in each block. Those outside of blocks are counted under ""."""
    with shapes_only():
        replacements = method.replacements(backbone)
    found: Counter[str] = Counter()
    for replacement in replacements:
        place, _, path = replacement.module_path.partition(".")
        block = path.partition(".")[0] if place == "blocks" else ""
        found[block] += sum(parameter.numel() for parameter in replacement.parameters.values())
    return found


def _alternatives(backbone: Backbone, method: AdapterMethod, limit: float) -> str:
    """Return advice for a share that is too small: a larger one, fewer layers or other options."""
    blocks, saved = _by_block(backbone, method), method.saved_form()
    ways = ["Ask for that share or a larger one"]
    if "" not in blocks and (most := int(limit // max(blocks.values()))):
        ways.append(f"name {most} of the {len(blocks)} layers at most")
    if saved != method and sum(_by_block(backbone, saved).values()) <= limit:
        before, after = asdict(method), asdict(saved)
        ways.append(
            "set " + ", ".join(f"{name}={after[name]}" for name in after if after[name] != before[name])
        )
    return ", or ".join(ways) + "."
