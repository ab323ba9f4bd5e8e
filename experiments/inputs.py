"""Describe pieces and their halves and quarters: by features, histograms, pairs of values, and states of backbones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from experiments.discriminants import of_numbers, of_products
from symbolic.backbone.parts import FeedForward
from symbolic.features import feature_groups
from symbolic.features.pairs import pair_histograms
from symbolic.features.stats import Floats
from symbolic.features.stretches import edges, stretches
from symbolic.predict.layers import note_states, on_tensors
from symbolic.predict.model import MusicModel
from symbolic.predict.windows import Cut, predict_tokens
from symbolic.tokens.transposition import in_keys

Rows = NDArray[np.integer]
_GROUP = 4
"""Pieces that a model reads at a time."""


class Input(NamedTuple):
    """Numbers that describe E stretches.

    Attributes:
        numbers: (E, F) numbers, or the (E, E) inner products of more numbers than are worth keeping.
        width: How many numbers there are.
    """

    numbers: NDArray[np.floating]
    width: int

    def log_posteriors(
        self, labels: NDArray[np.integer], pieces: NDArray[np.integer], train: NDArray[np.bool_], classes: int
    ) -> Floats:
        """Return (P, C) log-probabilities of pieces, as `of_numbers` does."""
        if self.numbers.shape[1] == self.width:
            return of_numbers(self.numbers.astype(np.float64), labels, pieces, train, classes)
        return of_products(self.numbers, self.width, labels, pieces, train, classes)


def stretch_owners(pieces: Sequence[Rows]) -> NDArray[np.int64]:
    """Return (E,) the piece of each stretch."""
    return np.repeat(np.arange(len(pieces)), [len(edges(len(tokens))) for tokens in pieces])


def counted(pieces: Sequence[Rows], pitch_classes: bool) -> dict[str, Input]:
    """Return what is counted without learning: "features", "histograms" of relations, "pairs" of their values.

    Args:
        pieces: (N, 8) ids of each piece.
        pitch_classes: Let pairs depend on the key.
    """
    features, histograms = [], []
    for tokens in tqdm(pieces, "features", leave=False, disable=None):
        for part in stretches(tokens):
            groups = feature_groups(part)
            histograms.append(list(groups.pop("relations").values()))
            features.append([value for group in groups.values() for value in group.values()])
    named = {"features": np.array(features), "histograms": np.array(histograms)}
    inputs = {name: Input(numbers, numbers.shape[1]) for name, numbers in named.items()}
    return {**inputs, "pairs": _pairs(pieces, pitch_classes)}


def _pairs(pieces: Sequence[Rows], pitch_classes: bool) -> Input:
    """Return the inner products of all histograms of pairs."""
    histograms = [
        pair_histograms(tokens, pitch_classes=pitch_classes)
        for tokens in tqdm(pieces, "pairs", leave=False, disable=None)
    ]
    products, width = np.float32(0), 0
    for name in list(histograms[0]):
        block = np.concatenate([one.pop(name) for one in histograms])
        block -= block.mean(0)  # discriminants do not depend on it, and single precision suffices
        products, width = products + block @ block.T, width + block.shape[1]
    return Input(np.asarray(products), width)


def states(model: MusicModel, pieces: Sequence[Rows], keys: int = 1) -> dict[str, Input]:
    """Describe stretches by what a network computes of their notes.

    Args:
        model: The model.
        pieces: (N, 8) ids of each piece.
        keys: In how many keys, evenly spaced over the octave, each piece is read. Means over the keys count.

    Returns:
        "states": the mean and the deviation over notes of normed states, all layers; "last states": those of the last
        layer; "moments": "states", their third moments and their changes from note to note; "units": the mean
        activation of every feed-forward unit.
    """
    moved = zip(*(in_keys(one, keys) for one in pieces), strict=True)
    found = [_in_one_key(model, one_key) for one_key in moved]
    moments, units = (np.mean(one, axis=0) for one in zip(*found, strict=True))
    named = {
        "states": moments[:, :2],
        "last states": moments[:, :2, -model.backbone.config.dim :],
        "moments": moments,
        "units": units,
    }
    return {name: Input(flat := one.reshape(len(one), -1), flat.shape[1]) for name, one in named.items()}


def _in_one_key(model: MusicModel, pieces: Sequence[Rows]) -> tuple[Floats, Floats]:
    """Return (E, 4, F) moments of all layers and (E, U) activations of feed-forward units."""
    backbone = model.backbone.eval()
    config = backbone.config
    moments, units, width = [], [], (config.layers + 1) * config.dim
    with _feedforward_units(backbone) as activations:

        def of_notes(ids: Tensor, attention_mask: Tensor | None) -> Tensor:
            activations.clear()
            return torch.cat([note_states(backbone.states(ids, attention_mask)), *activations], dim=-1)

        for start in tqdm(
            range(0, len(pieces), _GROUP), f"states of {model.name}", leave=False, disable=None
        ):
            group = pieces[start : start + _GROUP]
            for output in predict_tokens(on_tensors(of_notes), group, Cut(config.window, 0)):
                for part in (output[a:b] for a, b in edges(len(output))):
                    moments.append(_moments(part[:, :width]))
                    units.append(part[:, width:].mean(0, np.float64))
    return np.array(moments), np.array(units)


@contextmanager
def _feedforward_units(backbone: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the activations (B, L, ffn) of all feed-forward layers that run."""
    found: list[Tensor] = []
    layers = [module for module in backbone.modules() if isinstance(module, FeedForward)]
    hooks = [one.down.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0])) for one in layers]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _moments(notes: NDArray[np.float32]) -> Floats:
    """Return (4, F) of (N, F) numbers: mean, deviation, root of the third moment, root mean square of steps."""
    mean = notes.mean(0, np.float64)
    centred = notes - mean
    steps = np.square(np.diff(notes, axis=0)).sum(0, np.float64) / len(notes)
    return np.stack([mean, centred.std(0), np.cbrt((centred**3).mean(0)), np.sqrt(steps)])


def together(posteriors: Mapping[str, Floats], inputs: Sequence[str]) -> Floats:
    """Return (P, C) sums of the log-probabilities of several inputs: all have the same say."""
    return np.asarray(sum(posteriors[name] for name in inputs))
