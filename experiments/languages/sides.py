"""Scale the states of a side and predict from them: moments and frozen heads, from unpaired music alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from tqdm import tqdm

from experiments.languages.maps import Heads, Segments
from experiments.languages.pools import KEYS
from experiments.languages.states import SEGMENT, SIGNATURES, Paired, Side
from symbolic.heads import FieldHeads
from symbolic.predict.layers import on_tensors
from symbolic.predict.pretrained import PretrainedModel
from symbolic.predict.windows import Cut, predict_tokens
from symbolic.tokens.vocabulary import FIELDS, MASK

WRITTEN = ("pitch", "position", "duration", "time_signature")
PLAYED = ("pitch", "duration", "velocity")
"""Fields that a map is to carry to the other side. Bars and positions of a performance mean nothing."""
_UNPAIRED = 400
"""Most pieces of a pool that moments and heads are taken from."""
_HIDDEN = 1 / 3


class Language(NamedTuple):
    """A backbone with what unpaired music tells of its states.

    Attributes:
        model: The backbone.
        unpaired: (N, D) float32 states of notes of its pool, in segments of `SEGMENT` notes.
        hidden: (N, D) float32 states of the same notes while a third of all fields is hidden.
        heads: Frozen heads over scaled states.
    """

    model: PretrainedModel
    unpaired: Tensor
    hidden: Tensor
    heads: Heads

    def scaled(self, states: Tensor) -> Tensor:
        """Return states with mean 0 and deviation 1 over the pool."""
        return (states - self.unpaired.mean(0)) / self.unpaired.std(0)


def language(model: PretrainedModel, pool: Path, fields: Sequence[str], with_key: bool) -> Language:
    """Read states of the pool of a backbone and make its heads.

    Args:
        model: The backbone, pretrained on the pool.
        pool: Folder of its music.
        fields: Fields to predict by its own heads of pretraining.
        with_key: Whether a head for key signatures is fitted to the pool.
    """
    keys: dict[str, int] = json.loads((pool.parent / KEYS).read_text()) if with_key else {}
    names = sorted(keys) or sorted(path.stem for path in pool.glob("*.mid"))
    chosen = names[:: max(len(names) // _UNPAIRED, 1)][:_UNPAIRED]
    states, hidden, means, labels = [], [], [], []
    for name in tqdm(chosen, pool.name, leave=False, disable=None):
        ids = model.tokenizer(pool / f"{name}.mid").ids
        found = _segments(model, ids)
        part = len(found) // 4 + 1
        states.append(found[:part].reshape(-1, found.shape[-1]))
        hidden.append(_segments(model, ids[: part * SEGMENT], _HIDDEN).reshape(-1, found.shape[-1]))
        means.append(found.mean(1))
        labels += [keys.get(name, 0) % SIGNATURES] * len(found)
    unpaired, partly = (torch.from_numpy(np.concatenate(one)) for one in (states, hidden))
    mean, deviation = unpaired.mean(0), unpaired.std(0)
    own = model.heads["fields"]
    assert isinstance(own, FieldHeads)
    weights, biases = (torch.split(one, own.sizes) for one in (own.projection.weight, own.projection.bias))
    notes = {
        field: _linear(weights[at] * deviation, biases[at] + weights[at] @ mean)
        for at, field in ((FIELDS.index(field), field) for field in fields)
    }
    segments = {}
    if with_key:
        scaled = (np.concatenate(means) - mean.numpy()) / deviation.numpy()
        segments["key"] = _probe(scaled, np.array(labels))
    heads = Heads(notes, segments)
    heads.requires_grad_(False)
    return Language(model, unpaired, partly, heads)


def _segments(model: PretrainedModel, ids: NDArray[np.integer], hidden: float = 0.0) -> NDArray[np.float32]:
    """Return (S, `SEGMENT`, D) states of a piece in the order of tokens, one segment or more.

    Args:
        model: The backbone.
        ids: (N, 8) tokens of the piece.
        hidden: Share of the fields that are masked.
    """
    random = torch.Generator().manual_seed(0)

    def read(tokens: Tensor, attention_mask: Tensor | None) -> Tensor:
        masked = torch.rand(tokens.shape, generator=random) < hidden
        states: Tensor = model.backbone(tokens.masked_fill(masked, MASK), attention_mask)
        return states

    cut = Cut.by_half(model.backbone.config.window, model.backbone.sizes)
    states = predict_tokens(on_tensors(read, torch.device("cpu")), [ids], cut)[0]
    count = max(len(states) // SEGMENT, 1)
    return np.resize(states, (count, SEGMENT, states.shape[1]))


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer


def _probe(states: NDArray[np.float32], labels: NDArray[np.int64]) -> nn.Linear:
    """Fit a head that reads the key signature from the mean state of a segment."""
    found = LogisticRegression(C=0.1, max_iter=300).fit(states, labels)
    weight, bias = np.zeros((SIGNATURES, states.shape[1])), np.full(SIGNATURES, -20.0)
    weight[found.classes_], bias[found.classes_] = found.coef_, found.intercept_
    return _linear(torch.from_numpy(weight), torch.from_numpy(bias))


def segments_of(pieces: Sequence[Paired], source: Language, target: Language, to_score: bool) -> Segments:
    """Return the segments of pieces for one direction.

    Args:
        pieces: The pieces, one or more.
        source: The side to map from.
        target: The side to map to.
        to_score: Whether that is the score.
    """
    sides: list[tuple[Side, Side]] = [
        (one.performance, one.score) if to_score else (one.score, one.performance) for one in pieces
    ]
    ids = np.concatenate([there.ids for _, there in sides])
    labels = {name: torch.from_numpy(ids[..., FIELDS.index(name)]) for name in target.heads.notes}
    if target.heads.segments:
        labels["key"] = torch.from_numpy(np.concatenate([one.key for one in pieces]))
    return Segments(
        source.scaled(torch.from_numpy(np.concatenate([here.states for here, _ in sides]))),
        target.scaled(torch.from_numpy(np.concatenate([there.states for _, there in sides]))),
        labels,
    )
