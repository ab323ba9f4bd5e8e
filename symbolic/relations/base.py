"""State what a relation is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from symbolic.relations.arrays import Array
from symbolic.relations.notes import Notes

UNKNOWN = 0
"""The id of a relation that cannot be known: the note is padding or a drum, or a field that it needs is hidden."""


@dataclass(frozen=True)
class Relation:
    """One small integer for each note: how it stands to its neighbours.

    Attributes:
        name: What users call it.
        about: One line for people.
        values: What the ids from 1 on mean, for names of features.
        ids: Function from `Notes` to (B, L) int64 ids in 0..size-1. Must depend on visible fields alone.
    """

    name: str
    about: str
    values: tuple[str, ...]
    ids: Callable[[Notes], Array]

    @property
    def size(self) -> int:
        """Number of ids, `UNKNOWN` among them."""
        return 1 + len(self.values)


def relation(
    name: str, about: str, values: Iterable[object]
) -> Callable[[Callable[[Notes], Array]], Relation]:
    """Return a decorator that makes a relation of the function of its ids."""

    def made(ids: Callable[[Notes], Array]) -> Relation:
        return Relation(name, about, tuple(map(str, values)), ids)

    return made


def known(where: Array, ids: Array) -> Array:
    """Return (B, L) ids where they are known, else `UNKNOWN`."""
    return ids * where
