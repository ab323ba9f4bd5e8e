"""Networks on windows of arrays, and features from the layers of a frozen backbone: the input of a probe."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from symbolic.predict.windows import WindowFunction

TensorFunction = Callable[[Tensor, Tensor | None], Tensor]
"""A `WindowFunction` of tensors."""


def on_tensors(function: TensorFunction, device: torch.device | str = "cpu") -> WindowFunction:
    """Make a function of arrays of a function of tensors.

    Args:
        function: Such as a network in eval mode. No gradients are kept.
        device: Where it computes.
    """

    @torch.inference_mode()
    def read(ids: NDArray[np.int64], attention_mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        mask = None if attention_mask is None else torch.from_numpy(attention_mask).to(device)
        found = function(torch.from_numpy(ids).to(device), mask)
        return np.asarray(found.float().cpu().numpy())

    return read


def note_states(states: Sequence[Tensor]) -> Tensor:
    """Concatenate layers, each token's state normed, so that layers compare.

    Args:
        states: S tensors (B, L, D).

    Returns:
        (B, L, S * D).
    """
    width = int(states[0].shape[-1])  # ONNX has no norm over a width that is an input
    return torch.cat([F.layer_norm(state, (width,)) for state in states], dim=-1)


def window_statistics(states: Sequence[Tensor], attention_mask: Tensor | None) -> Tensor:
    """Compute the mean and the deviation over tokens of normed layers (Snyder et al., X-vectors, ICASSP 2018).

    Args:
        states: S tensors (B, L, D).
        attention_mask: (B, L) bool or None if no token is padding.

    Returns:
        (B, 2 * S * D), all means first.
    """
    found = note_states(states)
    mask = found.new_ones(found.shape[:2]) if attention_mask is None else attention_mask
    weights = mask / mask.sum(-1, keepdim=True)
    mean = torch.einsum("bl,blf->bf", weights, found)
    variance = torch.einsum("bl,blf->bf", weights, (found - mean[:, None]).square())
    # Not quite 0, where the gradient of a root is infinite.
    return torch.cat([mean, variance.clamp(min=1e-12).sqrt()], dim=-1)
