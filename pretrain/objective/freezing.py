"""Frozen tokens. A token that stays hard cannot be inferred from context, and is retired.

At fixed intervals, the top U(10 %, 30 %) of a window's unfrozen tokens by selector score are frozen. A random
U(0, 10 %) of its frozen tokens are unfrozen (arXiv 2407.08306). The state is one bit for each token of the shards in
a file. So it follows the token through every window and transposition.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.toolkit.safewrite import write
from symbolic.errors import CheckpointError


class FreezeBook:
    """Freeze state of all tokens of the shards: one bit each, memory-mapped, in numbered versions.

    A written version never changes. So a killed run finds the version that its checkpoint names.

    Args:
        folder: Folder of the versions.
        tokens: Number of tokens in the shards.
    """

    def __init__(self, folder: str | Path, tokens: int) -> None:
        self.folder, self.tokens = Path(folder), tokens
        self.version = 0
        self._bits: NDArray[np.uint8] = np.zeros(-(-tokens // 8), dtype=np.uint8)

    def frozen(self, start: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
        """Return (B, length) bool, the state of the tokens from each start on. False past the last token."""
        index = start[:, None] + np.arange(length)
        inside = index < self.tokens
        index = np.where(inside, index, 0)
        bits = (self._bits[index >> 3] >> (index & 7).astype(np.uint8)) & 1
        return np.asarray(bits.astype(bool) & inside)

    def share(self) -> float:
        """Return the proportion of frozen tokens."""
        return float(np.bitwise_count(self._bits).sum(dtype=np.int64)) / max(1, self.tokens)

    def revise(self, version: int, starts: NDArray[np.int64], states: list[NDArray[np.bool_]]) -> None:
        """Write a new version and use it.

        Args:
            version: Its number, which is the current step.
            starts: (W,) int64, first token of each window.
            states: (length,) bool for each window, the new state of its tokens.
        """
        unpacked = np.unpackbits(self._bits, bitorder="little")
        for start, state in zip(starts, states, strict=True):
            unpacked[start : start + len(state)] = state
        self.folder.mkdir(parents=True, exist_ok=True)
        write(self._path(version), np.packbits(unpacked, bitorder="little").tobytes())
        self.use(version)

    def use(self, version: int) -> None:
        """Use a version. In version 0 nothing is frozen.

        Raises:
            CheckpointError: If the version is missing or has another size.
        """
        if version:
            path, size = self._path(version), -(-self.tokens // 8)
            if not path.exists() or path.stat().st_size != size:
                raise CheckpointError(
                    f"{path}: the frozen tokens that the checkpoint names are missing, or belong to another corpus. "
                    "Resume with the shards of the run, or start a new run."
                )
            self._bits = np.memmap(path, dtype=np.uint8, mode="r")
        else:
            self._bits = np.zeros(-(-self.tokens // 8), dtype=np.uint8)
        self.version = version

    def _path(self, version: int) -> Path:
        return self.folder / f"frozen-{version:08d}.bits"


def retire(
    scores: Tensor, attention_mask: Tensor, frozen: Tensor, generator: torch.Generator, limit: float = 1.0
) -> Tensor:
    """Return (B, L) bool, the new freeze state of windows.

    Args:
        scores: (B, L) selector scores.
        attention_mask: (B, L) bool. Padding is never frozen.
        frozen: (B, L) bool, the old state.
        generator: On the device of `scores`.
        limit: Largest proportion of a window's tokens that may be frozen, padding excluded. Without a limit, four of
            five tokens are frozen in the end, and the mask rate falls from 14 % to 4 %.
    """
    shares = torch.rand(2, len(scores), 1, device=scores.device, generator=generator)
    unfrozen, held = attention_mask & ~frozen, frozen & attention_mask
    noise = torch.rand(scores.shape, device=scores.device, generator=generator)
    thaw = _top(noise, held, 0.1 * shares[1] * held.sum(1, keepdim=True))
    room = (limit * attention_mask.sum(1, keepdim=True)).floor() - (held & ~thaw).sum(1, keepdim=True)
    wanted = (0.1 + 0.2 * shares[0]) * unfrozen.sum(1, keepdim=True)
    freeze = _top(scores, unfrozen, torch.minimum(wanted, room))
    return ((frozen & ~thaw) | freeze) & attention_mask


def _top(ranking: Tensor, candidates: Tensor, count: Tensor) -> Tensor:
    """Return (B, L) bool, the highest-ranked `count` (B, 1) candidates of each window."""
    order = ranking.masked_fill(~candidates, -torch.inf).argsort(dim=1, descending=True, stable=True)
    place = order.argsort(dim=1, stable=True)
    top: Tensor = candidates & (place < count.round())
    return top
