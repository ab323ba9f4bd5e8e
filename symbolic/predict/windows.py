"""A checkpoint at work: load it, and run it over pieces of any length by overlapping windows.

model = load("runs/emotion")
tokens = model.tokenizer("song.mid")
logits = model.sequence_logits(tokens.ids)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from symbolic.backbone import Backbone
from symbolic.checkpoint.format import load_checkpoint
from symbolic.errors import ConfigError
from symbolic.heads import Head, NoteHead, SequenceHead
from symbolic.tokens.tokenizer import Tokenizer, rebase_bars
from symbolic.tokens.vocabulary import BAR, PAD

Window = tuple[int, int]
WindowFunction = Callable[[Tensor, Tensor | None], Tensor]
"""From tokens (B, L, 8) int64 and attention_mask (B, L) bool, or None if no token is padding, to (B, ...)."""


class Model(nn.Module):
    """A backbone with its tokenizer and heads.

    Args:
        backbone: With its adapter attached, if it has one.
        tokenizer: What turns music into the tokens that the backbone reads.
        heads: Heads by name.
        task: What it was trained for.
    """

    def __init__(
        self,
        backbone: Backbone,
        tokenizer: Tokenizer,
        heads: Mapping[str, Head],
        task: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.tokenizer = tokenizer
        self.heads = nn.ModuleDict(heads)
        self.task = dict(task or {})

    def head(self, name: str | None = None) -> Head:
        """A head by name; without a name, the only one there is.

        Raises:
            ConfigError: If there is no such head, or no name and not exactly one head.
        """
        found = [head for key, head in self.heads.items() if name in (None, key)]
        if len(found) != 1:
            wanted = "several heads or none" if name is None else f"no head {name!r}"
            raise ConfigError(
                f"The model has {wanted}; choose by name from: {', '.join(self.heads) or 'none'}."
            )
        head = found[0]
        assert isinstance(head, Head)
        return head

    def hidden(
        self,
        tokens: NDArray[np.integer],
        *,
        length: int | None = None,
        overlap: int | None = None,
        batch: int = 8,
    ) -> NDArray[np.float32]:
        """Hidden state of every token of a piece.

        Args:
            tokens: (N, 8) ids as the tokenizer gives them.
            length: Most tokens in a window; None means those of a training window.
            overlap: Tokens that neighbouring windows share; None means half the length.
            batch: Windows at a time.

        Returns:
            (N, D) float32.
        """
        return predict_tokens(self.backbone, tokens, **self._windows(length, overlap, batch))

    def note_logits(
        self,
        tokens: NDArray[np.integer],
        head: str | None = None,
        *,
        length: int | None = None,
        overlap: int | None = None,
        batch: int = 8,
    ) -> NDArray[np.float32]:
        """Logits of every token of a piece from a note head; arguments as for `hidden`.

        Returns:
            (N, C) float32.

        Raises:
            ConfigError: If the head is not a note head, or the piece is empty.
        """
        note_head = self._head_of(NoteHead, head)
        return predict_tokens(
            lambda ids, attention_mask: note_head(self.backbone(ids, attention_mask)),
            tokens,
            **self._windows(length, overlap, batch),
        )

    def sequence_logits(
        self,
        tokens: NDArray[np.integer],
        head: str | None = None,
        *,
        length: int | None = None,
        overlap: int | None = None,
        batch: int = 8,
    ) -> NDArray[np.float32]:
        """Logits of a whole piece from a sequence head, pooled over windows; arguments as for `hidden`.

        Returns:
            (C,) float32.

        Raises:
            ConfigError: If the head is not a sequence head, or the piece is empty.
        """
        sequence_head = self._head_of(SequenceHead, head)
        return predict_pooled(
            lambda ids, attention_mask: sequence_head(self.backbone(ids, attention_mask), attention_mask),
            tokens,
            **self._windows(length, overlap, batch),
        )

    def _head_of(self, kind: type[Head], name: str | None) -> Head:
        head = self.head(name)
        if not isinstance(head, kind):
            raise ConfigError(f"The model's head is of kind {head.kind!r}, and {kind.kind!r} is asked for.")
        return head

    def _windows(self, length: int | None, overlap: int | None, batch: int) -> dict[str, Any]:
        length = self.backbone.config.window if length is None else length
        return {
            "length": length,
            "overlap": length // 2 if overlap is None else overlap,
            "batch": batch,
            "max_bars": self.tokenizer.vocabulary.max_bars,
            "device": next(self.backbone.parameters()).device,
        }


def load(path: Path | str, device: torch.device | str = "cpu") -> Model:
    """Load a checkpoint for use, in eval mode.

    Args:
        path: A checkpoint directory, or the name of a model that comes with the installation, such as "tiny".
        device: Where the model is to run.

    Raises:
        CheckpointError: If it is not a complete checkpoint of a format that this release reads.
    """
    checkpoint = load_checkpoint(path)
    heads = checkpoint.build_heads()
    model = Model(checkpoint.build_backbone(), checkpoint.tokenizer, heads, checkpoint.task)
    return model.to(device).eval()


def overlapping_windows(
    tokens: NDArray[np.integer], length: int, overlap: int, max_bars: int = 256
) -> list[Window]:
    """Windows that together cover a piece.

    Args:
        tokens: (N, 8) ids in canonical order, bars counted from the piece's start.
        length: Most tokens in a window.
        overlap: Tokens that neighbours share; fewer where the bars make windows short, more at the end.
        max_bars: Most bars in a window.

    Returns:
        (start, stop) of each window, in order. The last one ends with the piece and reaches back as far as a
        window may, so that it is not a scrap. Empty for an empty piece.

    Raises:
        ConfigError: If a number is out of range; names all that are.
    """
    problems = [
        f"{n} is {v}; it must be at least 1."
        for n, v in (("length", length), ("max_bars", max_bars))
        if v < 1
    ]
    if not 0 <= overlap < max(length, 1):
        problems.append(f"overlap is {overlap}; it must be at least 0 and below the length, {length}.")
    if problems:
        raise ConfigError(problems)
    total = len(tokens)
    bars = tokens[:, BAR].astype(np.int64)
    windows: list[Window] = []
    start = 0
    while start < total:
        in_bars = int(np.searchsorted(bars, bars[start] + max_bars))
        stop = min(start + length, in_bars)
        if stop == total:
            earliest = int(np.searchsorted(bars, bars[-1] - max_bars, side="right"))
            windows.append((max(total - length, earliest), total))
            break
        windows.append((start, stop))
        # Where bars cut a window short, the full overlap could stop all progress: half of it at most.
        shared = overlap if stop - start == length else min(overlap, (stop - start) // 2)
        start = stop - shared
    return windows


@torch.inference_mode()
def predict_tokens(
    function: WindowFunction,
    tokens: NDArray[np.integer],
    *,
    length: int,
    overlap: int,
    batch: int = 8,
    max_bars: int = 256,
    device: torch.device | str = "cpu",
) -> NDArray[np.float32]:
    """One output for every token of a piece, each from the window in which the token is most central.

    Memory is bounded by one batch of windows beside the result.

    Args:
        function: Gives (B, L, ...) for a batch of windows, such as a backbone in eval mode.
        tokens: (N, 8) ids as the tokenizer gives them.
        length: Most tokens in a window.
        overlap: Tokens that neighbouring windows share.
        batch: Windows at a time.
        max_bars: Most bars in a window.
        device: Where the function runs.

    Returns:
        (N, ...) float32.

    Raises:
        ConfigError: If the piece is empty or a number is out of range.
    """
    windows = _windows_of(tokens, length, overlap, max_bars)
    owner = _most_central(windows, len(tokens))
    result: NDArray[np.float32] | None = None
    for first, ids, attention_mask in _batches(tokens, windows, batch, device):
        outputs = function(ids, attention_mask).float().cpu().numpy()
        if result is None:
            result = np.empty((len(tokens), *outputs.shape[2:]), dtype=np.float32)
        for index, output in enumerate(outputs, start=first):
            start, stop = windows[index]
            own = owner[start:stop] == index
            result[start:stop][own] = output[: stop - start][own]
    assert result is not None
    return result


@torch.inference_mode()
def predict_pooled(
    function: WindowFunction,
    tokens: NDArray[np.integer],
    *,
    length: int,
    overlap: int,
    batch: int = 8,
    max_bars: int = 256,
    device: torch.device | str = "cpu",
) -> NDArray[np.float32]:
    """One output for a whole piece: the mean over its windows, all weighted alike.

    Args:
        function: Gives (B, ...) for a batch of windows, such as the logits of a sequence head.
        tokens: (N, 8) ids as the tokenizer gives them.
        length: Most tokens in a window.
        overlap: Tokens that neighbouring windows share.
        batch: Windows at a time.
        max_bars: Most bars in a window.
        device: Where the function runs.

    Returns:
        (...) float32.

    Raises:
        ConfigError: If the piece is empty or a number is out of range.
    """
    windows = _windows_of(tokens, length, overlap, max_bars)
    sums = [
        function(ids, attention_mask).float().sum(0).cpu().numpy()
        for _, ids, attention_mask in _batches(tokens, windows, batch, device)
    ]
    return np.asarray(np.sum(sums, axis=0) / len(windows), dtype=np.float32)


def _windows_of(tokens: NDArray[np.integer], length: int, overlap: int, max_bars: int) -> list[Window]:
    windows = overlapping_windows(tokens, length, overlap, max_bars)
    if not windows:
        raise ConfigError("The piece has no notes, so there is nothing to predict. Leave it out.")
    return windows


def _most_central(windows: list[Window], total: int) -> NDArray[np.int64]:
    """(N,) for each token, the window whose nearer edge is farthest from it."""
    owner = np.zeros(total, dtype=np.int64)
    best = np.full(total, -1)
    for index, (start, stop) in enumerate(windows):
        from_start = np.arange(stop - start)
        margin = np.minimum(from_start, from_start[::-1])
        better = margin > best[start:stop]
        owner[start:stop][better] = index
        best[start:stop][better] = margin[better]
    return owner


def _batches(
    tokens: NDArray[np.integer], windows: list[Window], batch: int, device: torch.device | str
) -> Iterator[tuple[int, Tensor, Tensor | None]]:
    """Index of the first window, ids (B, L, 8) int64, and attention_mask (B, L) bool or None, for each batch."""
    for first in range(0, len(windows), batch):
        chosen = windows[first : first + batch]
        lengths = np.array([stop - start for start, stop in chosen])
        ids = np.full((len(chosen), lengths.max(), tokens.shape[1]), PAD, dtype=np.int64)
        for token, (start, stop) in zip(ids, chosen, strict=True):
            token[: stop - start] = rebase_bars(tokens[start:stop])
        attention_mask = None
        if lengths.min() < lengths.max():
            attention_mask = torch.from_numpy(np.arange(lengths.max()) < lengths[:, None]).to(device)
        yield first, torch.from_numpy(ids).to(device), attention_mask
