"""Describe pieces by vectors of named numbers: states of a backbone, histograms of relations, hand-made features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import MusicFileError
from symbolic.features import feature_groups
from symbolic.music.conversion import as_music
from symbolic.music.notes import without_notes
from symbolic.predict.model import AnyMusic, MusicModel, named
from symbolic.tokens.tokenizer import Tokenizer

INPUTS = ("states", "relations", "features")
_FARTHEST = 10.0
"""Largest deviation of a number from the mean of the pieces."""
_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, eq=False)
class Vectors:
    """Pieces as vectors.

    Attributes:
        pieces: (P,) names of the pieces that were read.
        columns: Names of the numbers, by input.
        values: (P, F) float64, by input.
        skipped: Why other pieces could not be read, by name.
    """

    pieces: list[str]
    columns: dict[str, list[str]]
    values: dict[str, NDArray[np.float64]]
    skipped: dict[str, str]

    @property
    def table(self) -> tuple[list[str], NDArray[np.float64]]:
        """Names of all columns and the (P, F) numbers, input beside input, as they were measured."""
        names = [name for columns in self.columns.values() for name in columns]
        return names, np.concatenate(list(self.values.values()), axis=1)

    @property
    def standardised(self) -> NDArray[np.float64]:
        """(P, F) in deviations from the mean of these pieces; every input has the same weight, whatever its width."""
        parts = []
        for values in self.values.values():
            deviation = values.std(axis=0)
            moved = (values - values.mean(axis=0)) / np.where(deviation < _LEAST_DEVIATION, np.inf, deviation)
            parts.append(moved.clip(-_FARTHEST, _FARTHEST) / np.sqrt(values.shape[1]))
        return np.concatenate(parts, axis=1)

    def nearest(self, most: int = 5) -> list[list[tuple[int, float]]]:
        """Return for each piece the most similar others: their indices and cosines, by falling cosine."""
        vectors = self.standardised
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        cosines = vectors @ vectors.T
        np.fill_diagonal(cosines, -np.inf)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, : min(most, len(vectors) - 1)]
        return [[(int(j), float(cosines[i, j])) for j in row] for i, row in enumerate(order)]


def vectors_of(
    music: Sequence[AnyMusic],
    inputs: Sequence[str] = INPUTS,
    model: MusicModel | None = None,
    progress: Callable[[Sequence[AnyMusic]], Iterable[AnyMusic]] = iter,
    keys: int = 1,
) -> Vectors:
    """Describe pieces by vectors. A piece that cannot be read is skipped.

    Args:
        music: Pieces, as `symbolic.load("tiny").embed` takes them.
        inputs: Some of `INPUTS`.
        model: The model whose states are wanted; may be None without "states".
        progress: Wraps the pieces, to show a bar.
        keys: In how many keys the model reads each piece, as `embed` does.
    """
    tokenizer = Tokenizer()
    names: list[str] = []
    columns: dict[str, list[str]] = {}
    rows: dict[str, list[list[float]]] = {one: [] for one in inputs}
    skipped: dict[str, str] = {}
    for one in progress(music):
        try:
            found = _described(one, inputs, model, tokenizer, keys)
        except MusicFileError as error:
            skipped[named(one)] = str(error)
            continue
        names.append(named(one))
        for name, numbers in found.items():
            columns[name] = list(numbers)
            rows[name].append(list(numbers.values()))
    values = {name: np.array(found, dtype=np.float64).reshape(len(names), -1) for name, found in rows.items()}
    return Vectors(names, columns, values, skipped)


def _described(
    one: AnyMusic, inputs: Sequence[str], model: MusicModel | None, tokenizer: Tokenizer, keys: int
) -> dict[str, dict[str, float]]:
    """Return the numbers of a piece by name and input."""
    read = as_music(one)
    if not len(read):
        raise MusicFileError(named(one), without_notes(read))
    found: dict[str, dict[str, float]] = {}
    if "states" in inputs:
        assert model is not None
        states = model.embed(read, keys)
        layers = model.backbone.config.layers + 1
        of_layers = [f"{kind}_{layer}" for kind in ("mean", "deviation") for layer in range(layers)]
        width = len(states) // len(of_layers)
        found["states"] = {
            f"state_{name}_{i}": float(states[place * width + i])
            for place, name in enumerate(of_layers)
            for i in range(width)
        }
    if {"relations", "features"} & set(inputs):
        groups = feature_groups(tokenizer.encode(read).ids)
        relations = groups.pop("relations")
        others = {name: value for group in groups.values() for name, value in group.items()}
        found |= {"relations": relations, "features": others}
    return {name: found[name] for name in inputs}
