"""Adapters of a wanted size: by their share of the backbone, so that methods are compared at equal cost."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict
from typing import Any

import torch

from symbolic.adapters import METHODS
from symbolic.adapters.contract import AdapterMethod, build_method
from symbolic.backbone import Backbone
from symbolic.errors import ConfigError


def trained(backbone: Backbone, method: str, **options: Any) -> int:
    """How many numbers a method would train on a backbone; the backbone is left as it is.

    Raises:
        ConfigError: If the method or an option is unknown or wrong.
    """
    return sum(_by_block(backbone, build_method(method, **options)).values())


def options_for(backbone: Backbone, method: str, share: float, **options: Any) -> dict[str, Any]:
    """Options with the largest size that trains no more than a share of the backbone's numbers.

    Args:
        backbone: Without an adapter.
        method: Name of a registered method that has a size.
        share: Of the backbone's parameters, as in 0.005.
        **options: Further options of the method.

    Raises:
        ConfigError: If the method has no size, or even its smallest is larger; says then what can be had.
    """
    build_method(method)  # refuses an unknown one
    name = METHODS[method].size
    if not name:
        raise ConfigError(
            f"Adapter method {method!r} has one size only. Compare it as it is, without a share."
        )
    total = sum(parameter.numel() for parameter in backbone.parameters())
    step = int(options.get("heads", getattr(METHODS[method], "heads", 1)))  # a rank must be shared out evenly

    def count(size: int) -> int:
        return trained(backbone, method, **{**options, name: size * step})

    def fits(size: int) -> bool:
        return count(size) <= share * total

    if not fits(1):
        smallest = build_method(method, **{**options, name: step})
        needed = math.ceil(1e5 * count(1) / total) / 1e5  # never rounded to a share that is refused again
        raise ConfigError(
            f"Adapter method {method!r} cannot be as small as {share:.3%} of this backbone: it trains {count(1):,} "
            f"numbers at least, which are {needed:.3%}. {_what_can(backbone, smallest, share * total)}"
        )
    # The largest that fits lies at `low` or above and below `high`.
    low, high = 1, METHODS[method].largest(backbone) // step + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return {**options, name: low * step}


def _by_block(backbone: Backbone, method: AdapterMethod) -> Counter[str]:
    """How many numbers it would train in each block; under "" what stands in none."""
    with torch.device("meta"):  # shapes are enough: no memory, and no draws that a seed would have to count
        replacements = method.replacements(backbone)
    found: Counter[str] = Counter()
    for replacement in replacements:
        place, _, path = replacement.module_path.partition(".")
        block = path.partition(".")[0] if place == "blocks" else ""
        found[block] += sum(parameter.numel() for parameter in replacement.own.values())
    return found


def _what_can(backbone: Backbone, method: AdapterMethod, limit: float) -> str:
    """What to ask for in place of a share that even the smallest exceeds: more, fewer layers, or another form."""
    blocks, kept = _by_block(backbone, method), method.kept()
    ways = ["Ask for that share or a larger one"]
    if "" not in blocks and (most := int(limit // max(blocks.values()))):
        ways.append(f"name {most} of the {len(blocks)} layers at most")
    if kept != method and sum(_by_block(backbone, kept).values()) <= limit:
        before, after = asdict(method), asdict(kept)
        ways.append(
            "set " + ", ".join(f"{name}={after[name]}" for name in after if after[name] != before[name])
        )
    return ", or ".join(ways) + "."
