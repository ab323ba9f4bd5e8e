"""Draw values and choose which of them are kept: temperature, top-p, order and the cosine schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError
from symbolic.generate.passage import DRAWN_NAMES
from symbolic.tokens.vocabulary import FIELDS

Floats = NDArray[np.float64]
_NEVER = -np.inf


TOP_P: Mapping[str, float] = {"position": 0.95, "pitch": 0.9, "duration": 1.0, "velocity": 0.95}
"""The usual share by field. An unlikely pitch is a wrong note. An unlikely duration is only a long one."""


@dataclass(frozen=True)
class Sampling:
    """Settings of drawing: field by field, in each some values a step (MaskGIT, arXiv 2202.04200).

    Random order draws from the model's distribution of whole passages (arXiv 2110.02037). The surest values first
    repeat what is usual, until notes pile up in the usual places.

    Args:
        temperature: Above 1 more surprising, below 1 less, 0 always the most likely. One number, or one by field.
        top_p: Share of the probability that the most likely values must hold; others are never drawn (Holtzman et al.,
            arXiv 1904.09751). One number, or one by field; fields that are not named have that of `TOP_P`.
        order: Fields in the order in which they are drawn.
        steps: Steps for each field. In each the model reads what the steps before have written.
        noise: The surest values are kept first, with so much Gumbel noise in the confidence at the start of a field. It
            falls to 0 at its end. By default values are kept in random order.
        sweeps: Times that the least sure values are hidden again (Mask-Predict, arXiv 1904.09324).
        share: Share of each field's values that a sweep hides.

    Raises:
        ConfigError: If values are out of range. All are named.
    """

    temperature: float | Mapping[str, float] = 1.0
    top_p: float | Mapping[str, float] | None = None
    order: tuple[str, ...] = DRAWN_NAMES
    steps: int = 6
    noise: float | None = None
    sweeps: int = 0
    share: float = 0.25

    def __post_init__(self) -> None:
        problems = []
        for name in ("temperature", "top_p"):
            given = getattr(self, name)
            if given is None:
                continue
            by_field = given if isinstance(given, Mapping) else {"": given}
            known = not isinstance(given, Mapping) or set(given) <= set(DRAWN_NAMES)
            if not known:
                problems.append(f"{name} names other fields than {', '.join(DRAWN_NAMES)}.")
            low, high = (0, 10) if name == "temperature" else (1e-6, 1)
            for value in by_field.values():
                if not low <= value <= high:
                    problems.append(
                        f"{name} {value}: must lie in {'0 to 10' if name == 'temperature' else '(0, 1]'}."
                    )
        if sorted(self.order) != sorted(DRAWN_NAMES):
            problems.append(f"order {', '.join(self.order)}: name each of {', '.join(DRAWN_NAMES)} once.")
        for name, low, high in (("steps", 1, 1000), ("noise", 0, 1000), ("sweeps", 0, 100), ("share", 0, 1)):
            given = getattr(self, name)
            if given is not None and not low <= given <= high:
                problems.append(f"{name} {given}: must lie in {low} to {high:,}.")
        if problems:
            raise ConfigError(problems)

    @property
    def fields(self) -> tuple[int, ...]:
        """The fields in the order in which they are drawn."""
        return tuple(FIELDS.index(name) for name in self.order)

    def temperature_of(self, field: int) -> float:
        """Return the temperature of a field."""
        return _of(self.temperature, field, {})

    def top_p_of(self, field: int) -> float:
        """Return the share of a field."""
        return _of(TOP_P if self.top_p is None else self.top_p, field, TOP_P)

    def steps_for(self, count: int, sweep: int = 0) -> int:
        """Return the steps in which so many values are drawn: not more than there are. Sweeps take half as many."""
        return min(self.steps if sweep == 0 else -(-self.steps // 2), count)

    def draw(
        self, logits: Floats, allowed: NDArray[np.bool_], field: int, random: np.random.Generator
    ) -> tuple[NDArray[np.int64], Floats]:
        """Draw values of a field.

        Args:
            logits: (M, V) of the model.
            allowed: (M, V) bool. Other values are never drawn. Each row has one at least.
            field: The field, one of `DRAWN`.
            random: Source of randomness.

        Returns:
            (M,) values, and (M,) their log probabilities by the model among the allowed ones.
        """
        scores = log_softmax(np.where(allowed, logits, _NEVER))
        temperature = self.temperature_of(field)
        if temperature == 0:
            values = scores.argmax(axis=1)
        else:
            kept = nucleus(log_softmax(scores / temperature), self.top_p_of(field))
            values = (kept + random.gumbel(size=kept.shape)).argmax(axis=1)
        return values, np.take_along_axis(scores, values[:, None], axis=1)[:, 0]

    def kept(
        self, sureness: Floats, turn: Floats, keep: int, progress: float, random: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the places of the `keep` values that are kept in a step.

        Args:
            sureness: (M,) log probabilities.
            turn: (M,) when each is kept beside the others, unless the surest come first.
            keep: How many.
            progress: Completed part of the field, 0 to 1.
            random: Source of randomness.
        """
        if self.noise is None:
            return np.argsort(turn, kind="stable")[:keep]
        noisy = sureness + self.noise * (1 - progress) * random.gumbel(size=len(sureness))
        return np.argsort(-noisy, kind="stable")[:keep]


def _of(given: float | Mapping[str, float], field: int, usual: Mapping[str, float]) -> float:
    name = FIELDS[field]
    return float(given.get(name, usual.get(name, 1.0)) if isinstance(given, Mapping) else given)


def still_hidden(count: int, step: int, steps: int) -> int:
    """Return how many of `count` values are hidden after a step, counted from 1: the cosine schedule of MaskGIT."""
    return 0 if step >= steps else int(count * math.cos(math.pi / 2 * step / steps))


def turns(count: int, first: float) -> Floats:
    """Return (count,) numbers from 0 to 1, in whose order neighbours are far from one another.

    Successive ones are a golden section of a circle apart. So values that are taken together are nearly evenly spread.

    Args:
        count: How many.
        first: The first number.
    """
    return np.asarray((first + (5**0.5 - 1) / 2 * np.arange(count)) % 1)


def nucleus(log_probabilities: Floats, top_p: float) -> Floats:
    """Return (M, V) log probabilities where values outside the most likely `top_p` are -inf. One always stays."""
    order = np.argsort(-log_probabilities, axis=1, kind="stable")
    ordered = np.exp(np.take_along_axis(log_probabilities, order, axis=1))
    before = ordered.cumsum(axis=1) - ordered
    kept = np.zeros(log_probabilities.shape, dtype=bool)
    np.put_along_axis(kept, order, (before < top_p) & (ordered > 0), axis=1)
    kept[np.arange(len(kept)), order[:, 0]] = True
    return np.where(kept, log_probabilities, _NEVER)


def log_softmax(logits: Floats) -> Floats:
    """Return log probabilities along the last axis. Each row has a finite number at least."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
