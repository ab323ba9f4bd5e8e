"""How a probe hears a backbone: layers normed, pooled, standardised and weighed."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEAST_DEVIATION = 5e-3
"""A feature that varies less than half precision can tell is not blown up to unit variance."""


class LayerMix(nn.Module):
    """A learned softmax-weighted sum of layers (as in ELMo, arXiv 1802.05365), each feature standardised first.

    What layers say of music varies little beside its mean, so that a linear head on it hardly learns at the rates of
    gradient descent; standardised by the training windows it does (as the batch norm without weights of masked
    autoencoders' linear probes, arXiv 2111.06377).

    Args:
        states: Number of layers, the embedding included.
        width: Features of a layer: its width, or of pooled layers twice that.
        only: All weight is on this layer and stays there.
    """

    centre: Tensor
    deviation: Tensor

    def __init__(self, states: int, width: int, only: int | None = None) -> None:
        super().__init__()
        self.only = only
        self.weights = nn.Parameter(torch.zeros(states), requires_grad=only is None)
        if only is not None:
            self.weights.data[torch.arange(states) != only] = -torch.inf
        self.register_buffer("centre", torch.zeros(states, width))
        self.register_buffer("deviation", torch.ones(states, width))

    @property
    def heard(self) -> list[int]:
        """Numbers of the layers that it needs."""
        return list(range(len(self.weights))) if self.only is None else [self.only]

    def standardise(self, features: Iterable[Tensor]) -> None:
        """Take the mean and deviation of training features.

        Args:
            features: In parts of any size, (N, S, F), of the layers that are heard.
        """
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for part in features:
            part = part.double()
            count += len(part)
            total, squares = total + part.sum(0), squares + part.square().sum(0)
        mean = total / count
        self.centre[self.heard] = mean.float()
        variance = (squares / count - mean.square()).clamp_min(_LEAST_DEVIATION**2)
        self.deviation[self.heard] = variance.sqrt().float()

    def forward(self, features: Tensor) -> Tensor:
        """Features of the layers that are heard, (B, S, F) or (B, S, L, F) -> (B, F) or (B, L, F)."""
        shape = (len(self.heard), *(1,) * (features.dim() - 3), -1)
        centre, deviation = (moment[self.heard].view(shape) for moment in (self.centre, self.deviation))
        weights = self.weights.softmax(0)[self.heard]
        return torch.einsum("s,bs...->b...", weights, (features - centre) / deviation)


def normed(states: list[Tensor]) -> Tensor:
    """Layers (B, L, D) -> (B, S, L, D), each token normed, so that layers compare."""
    return torch.stack([F.layer_norm(state, state.shape[-1:]) for state in states], dim=1)


def pooled(states: list[Tensor], attention_mask: Tensor | None) -> Tensor:
    """Layers (B, L, D), (B, L) bool or None -> (B, S, 2 D), mean and deviation over tokens that are not padding of each normed layer.

    The deviation tells how music moves where the mean tells where it stands (statistics pooling: Snyder et al.,
    X-vectors, ICASSP 2018).
    """
    found = normed(states)
    attention_mask = (
        found.new_ones(found.shape[0], found.shape[2]) if attention_mask is None else attention_mask
    )
    weights = attention_mask / attention_mask.sum(-1, keepdim=True)
    mean = torch.einsum("bl,bsld->bsd", weights, found)
    variance = torch.einsum("bl,bsld->bsd", weights, (found - mean[:, :, None]).square())
    return torch.cat([mean, variance.sqrt()], dim=-1)
