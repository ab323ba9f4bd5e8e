"""Parse the option `layers`, which chooses blocks of the backbone."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from symbolic.errors import ConfigError

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_UPPER = re.compile(r"upper(\d+(?:\.\d+)?)%")


def layers_of(layers: str, count: int) -> list[int]:
    """Return the indices of blocks, counted from 0 at the bottom.

    Args:
        layers: "all", "mid" (the middle one), "last", an upper share rounded up, as in "upper75%", or numbers and
            ranges, as in "0,2-5".
        count: Number of blocks.

    Raises:
        ConfigError: If `layers` is malformed, or names a block that does not exist.
    """
    named = {"all": list(range(count)), "mid": [(count - 1) // 2], "last": [count - 1]}
    if layers in named:
        return named[layers]
    if match := _UPPER.fullmatch(layers):
        share = Fraction(match[1]) / 100
        if not 0 < share <= 1:
            raise ConfigError(f"layers {layers!r}: the share must be above 0% and at most 100%.")
        return list(range(count - math.ceil(share * count), count))
    found: set[int] = set()
    for part in layers.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise ConfigError(
                f"layers {layers!r}: use all, mid, last, the upper share of them as in upper75%, or numbers and "
                "ranges as in 0,2-5."
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < count:
            raise ConfigError(f"layers {layers!r}: the backbone has layers 0 to {count - 1}.")
        found.update(range(first, last + 1))
    return sorted(found)
