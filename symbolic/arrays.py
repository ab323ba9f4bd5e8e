"""Fitted numbers as named numpy arrays: saved and loaded like the weights of a network, without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Arrays:
    """Base of the models that need no network. Attributes that are arrays, or hold arrays, are its numbers.

    Attributes whose names begin with an underscore are not saved.
    """

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name. Those of a part have the part's name and a dot before theirs."""
        return dict(self._named())

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take the values of other arrays in place.

        Args:
            arrays: As from `state_dict`, of the same names and shapes.

        Raises:
            ValueError: If names or shapes differ.
        """
        own = self.state_dict()
        if {name: array.shape for name, array in own.items()} != {
            name: array.shape for name, array in arrays.items()
        }:
            raise ValueError("The arrays have other names or shapes.")
        for name, array in own.items():
            array[...] = arrays[name]

    def _named(self, prefix: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
        for name, value in vars(self).items():
            if name.startswith("_"):
                continue
            if isinstance(value, np.ndarray):
                yield prefix + name, value
            elif isinstance(value, Arrays):
                yield from value._named(f"{prefix}{name}.")


class Linear(Arrays):
    """A linear layer in double precision of weights in single precision.

    Args:
        inputs: Width of the input.
        outputs: Width of the output.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        self.weight = np.zeros((outputs, inputs), dtype=np.float32)
        self.bias = np.zeros(outputs, dtype=np.float32)

    def __call__(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Turn (P, inputs) into (P, outputs)."""
        return np.asarray(values @ self.weight.astype(np.float64).T + self.bias.astype(np.float64))

    @property
    def numbers(self) -> int:
        """Count the weights."""
        return self.weight.size + self.bias.size
