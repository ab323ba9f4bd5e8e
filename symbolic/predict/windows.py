"""Run a network over pieces of any length by windows that overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError
from symbolic.tokens.tokenizer import rebase_bars
from symbolic.tokens.vocabulary import BAR, PAD, RESERVED

Rows = NDArray[np.integer]
Window = tuple[int, int]
WindowFunction = Callable[[NDArray[np.int64], NDArray[np.bool_] | None], NDArray[np.float32]]
"""From tokens (B, L, 8) and attention_mask (B, L), or None if no token is padding, to (B, ...)."""


@dataclass(frozen=True)
class Cut:
    """Sizes of the windows into which pieces are cut.

    Attributes:
        length: Most tokens in a window.
        overlap: Tokens that neighbouring windows share.
        max_bars: Most bars in a window.
        batch: Windows at a time. A batch can hold windows of several pieces.
    """

    length: int
    overlap: int
    max_bars: int = 256
    batch: int = 8

    @classmethod
    def by_half(cls, length: int, sizes: Sequence[int]) -> Cut:
        """Return windows as in training that overlap by half.

        Args:
            length: Most tokens in a window of training.
            sizes: Size of each field's vocabulary.
        """
        return cls(length, length // 2, sizes[BAR] - RESERVED)


def overlapping_windows(tokens: Rows, length: int, overlap: int, max_bars: int = 256) -> list[Window]:
    """Return windows that together cover a piece.

    Args:
        tokens: (N, 8) ids in canonical order, bars counted from the piece's start.
        length: Most tokens in a window.
        overlap: Tokens that neighbours share. There are fewer where bars make windows short, and more at the end.
        max_bars: Most bars in a window.

    Returns:
        (start, stop) of each window in order. The last window ends with the piece. It reaches back as far as it
        may, so that it is not short. The list is empty for an empty piece.

    Raises:
        ConfigError: If numbers are out of range. The message names all of them.
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
        # A window cut short by its bars shares half of itself at most. More could stop all progress.
        shared = overlap if stop - start == length else min(overlap, (stop - start) // 2)
        start = stop - shared
    return windows


def predict_tokens(
    function: WindowFunction,
    pieces: Sequence[Rows],
    cut: Cut,
) -> list[NDArray[np.float32]]:
    """Return one output for every token, each from the window in which the token is most central.

    Memory is bounded by the result and one batch of windows.

    Args:
        function: Gives (B, L, ...) for a batch of windows such as a backbone in eval mode, by `on_tensors`.
        pieces: (N, 8) ids of each piece as the tokenizer gives them. Further columns pass through.
        cut: How the pieces are cut into windows.

    Returns:
        (N, ...) float32 for each piece.

    Raises:
        ConfigError: If a piece is empty or a number is out of range.
    """
    found: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(pieces)
    for piece, places, outputs in central_outputs(function, pieces, cut):
        if not len(found[piece]):
            found[piece] = np.empty((len(pieces[piece]), *outputs.shape[1:]), dtype=np.float32)
        found[piece][places] = outputs
    return found


def central_outputs(
    function: WindowFunction,
    pieces: Sequence[Rows],
    cut: Cut,
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
    """Yield the outputs of tokens by window. Arguments as for `predict_tokens`.

    Yields:
        The piece's index, (n,) indices of its tokens and their (n, ...) float32 outputs. Every token comes once.
    """
    windows = _windows_of(pieces, cut)
    owners = [_most_central(own, len(tokens)) for own, tokens in zip(windows, pieces, strict=True)]
    for piece, start, stop, index, output in _outputs(function, pieces, windows, cut):
        own = np.flatnonzero(owners[piece][start:stop] == index)
        yield piece, start + own, output[: stop - start][own]


def predict_pooled(
    function: WindowFunction,
    pieces: Sequence[Rows],
    cut: Cut,
) -> list[NDArray[np.float32]]:
    """Return one output for each piece: the mean over its windows, which all weigh the same.

    Args:
        function: Gives (B, ...) for a batch of windows such as the logits of a sequence head.
        pieces: (N, 8) ids of each piece as the tokenizer gives them.
        cut: How the pieces are cut into windows.

    Returns:
        (...) float32 for each piece.

    Raises:
        ConfigError: If a piece is empty or a number is out of range.
    """
    windows = _windows_of(pieces, cut)
    found: list[Any] = [0.0] * len(pieces)
    for piece, _, _, _, output in _outputs(function, pieces, windows, cut):
        found[piece] = found[piece] + output
    return [np.asarray(total / len(own), dtype=np.float32) for total, own in zip(found, windows, strict=True)]


def _windows_of(pieces: Sequence[Rows], cut: Cut) -> list[list[Window]]:
    found = [overlapping_windows(tokens, cut.length, cut.overlap, cut.max_bars) for tokens in pieces]
    if not all(found):
        raise ConfigError("The piece has no notes, so there is nothing to predict. Leave it out.")
    return found


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


def _outputs(
    function: WindowFunction,
    pieces: Sequence[Rows],
    windows: list[list[Window]],
    cut: Cut,
) -> Iterator[tuple[int, int, int, int, NDArray[np.float32]]]:
    """Piece, start, stop, index in the piece and float32 output of every window."""
    flat = [(piece, *window, index) for piece, own in enumerate(windows) for index, window in enumerate(own)]
    if len(pieces) > 1:  # Windows of like length side by side need little padding.
        flat.sort(key=lambda window: window[1] - window[2])
    for first in range(0, len(flat), cut.batch):
        chosen = flat[first : first + cut.batch]
        lengths = np.array([stop - start for _, start, stop, _ in chosen])
        ids = np.full((len(chosen), lengths.max(), pieces[0].shape[1]), PAD, dtype=np.int64)
        for token, (piece, start, stop, _) in zip(ids, chosen, strict=True):
            token[: stop - start] = rebase_bars(pieces[piece][start:stop])
        attention_mask = None
        if lengths.min() < lengths.max():
            attention_mask = np.arange(lengths.max()) < lengths[:, None]
        for window, output in zip(chosen, function(ids, attention_mask), strict=True):
            yield *window, output
