"""Deal small classes onto sides each by itself, where a hash could leave a side without one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

SMALL = 500
"""A class with fewer pieces is dealt by itself. In a larger one a hash of each piece chooses its side."""


class Bundle(NamedTuple):
    """Pieces that stay together.

    Attributes:
        label: Their class. "" where they have none.
        size: Their number.
        mark: Content hash of one of them. It sets the order of dealing.
    """

    label: str
    size: int
    mark: int


def dealt_in_classes(bundles: Sequence[Bundle], fractions: Mapping[str, float]) -> list[str]:
    """Deal bundles so that each class has its proportion on each side, and one bundle at least.

    Classes with too few bundles for that are dealt together. The order of names and files has no influence.

    Args:
        bundles: The pieces.
        fractions: Proportion of each side, the largest first. They add to 1.

    Returns:
        The side of each bundle. All are on the first side if there are too few.
    """
    strata: dict[str, list[int]] = defaultdict(list)
    for index, bundle in enumerate(bundles):
        strata[bundle.label].append(index)
    first, *others = fractions
    rare = [label for label, members in strata.items() if len(members) <= len(others)]
    together = [index for label in rare for index in strata.pop(label)]
    sides = [first] * len(bundles)
    for members in (*strata.values(), together):
        if len(members) <= len(others):
            continue
        left = sorted(members, key=lambda index: dealing_hash(bundles[index].mark))
        total = sum(bundles[index].size for index in members)
        for side in reversed(others):
            wanted, least = max(1, round(total * fractions[side])), others.index(side) + 1
            while wanted > 0 and len(left) > least:
                fitting = [index for index in left if bundles[index].size <= wanted]
                # Where each bundle is larger than the side, the side gets the smallest and no second one.
                taken = fitting[0] if fitting else min(left, key=lambda index: bundles[index].size)
                if not fitting and side in {sides[index] for index in members}:
                    break
                sides[taken] = side
                left.remove(taken)
                wanted -= bundles[taken].size
    return sides


def dealing_hash(identity: str | int) -> bytes:
    """Return the 8 bytes by which pieces are dealt."""
    return blake2b(f"{type(identity).__name__}:{identity}".encode(), digest_size=8).digest()
