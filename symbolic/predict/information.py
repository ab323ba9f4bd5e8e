"""Measure the information content of tokens: hide each note and read how likely its values are to the model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symbolic.errors import ConfigError
from symbolic.heads import FieldHeads
from symbolic.predict.layers import on_tensors
from symbolic.predict.network import Encoder
from symbolic.predict.surprise import BOTH, CONTEXTS, PAST, SURPRISES
from symbolic.predict.windows import Cut, Rows, WindowFunction, predict_tokens
from symbolic.tokens.vocabulary import (
    BAR,
    FIELDS,
    MASK,
    RESERVED,
)

Some = tuple[NDArray[np.int64], NDArray[np.float32]]
"""(M,) indices of tokens and their (M, 5) bits, a column for each of `SURPRISES`; more from several temperatures."""
MEMORY, EVERY = 64, 8
TEMPERATURES: Mapping[str, Mapping[str, float]] = {PAST: {"onset": 1.1, "pitch": 1.2}, BOTH: {}}
"""Logits are divided by these. From the past alone, masked models are too sure of themselves: docs/surprise.md."""
AFTER = 16
"""Hidden notes that follow the one that is predicted from the past. A masked model predicts worse at the end of a
window, as if the music ended there. Their number is the same everywhere, so it tells nothing.
"""
_COLUMNS = ("onset", "onset", "program", "pitch", "duration", "velocity", "", "")
"""The one of `SURPRISES` that each of `FIELDS` belongs to. Bar and position together are the onset."""
_ASKED, _HIDDEN = 1, 2
_TOGETHER = 512
"""Notes whose windows are made at a time."""
_BATCH = 32


def check_surprise(
    cut: Cut, context: str, memory: int, every: int, temperatures: Mapping[str, float]
) -> None:
    """Refuse settings that do not fit a model.

    Raises:
        ConfigError: Names every setting that is wrong.
    """
    most = cut.length - AFTER - 1
    problems = [f"context is {context!r}; choose {' or '.join(CONTEXTS)}."] if context not in CONTEXTS else []
    if not 1 <= memory <= most:
        problems.append(f"memory is {memory}; this model can read from 1 to {most} notes before each.")
    if every < 1:
        problems.append(f"every is {every}; it must be at least 1.")
    problems += [
        f"There is no surprise of {one!r}; choose among {', '.join(SURPRISES)}."
        for one in temperatures
        if one not in SURPRISES
    ]
    problems += [
        f"The temperature of {one} is {value}; it must be above 0."
        for one, value in temperatures.items()
        if not value > 0
    ]
    if problems:
        raise ConfigError(problems)


def bits_of(
    reader: WindowFunction, cut: Cut, tokens: Rows, context: str, memory: int = MEMORY, every: int = EVERY
) -> Iterator[Some]:
    """Yield the bits of the notes of a piece, some at a time.

    Args:
        reader: From `bit_reader`.
        cut: How the model cuts pieces into windows.
        tokens: (N, 8) ids as the tokenizer gives them.
        context: One of `CONTEXTS`.
        memory: With "past", the most notes before each that are read. `AFTER` + 1 more must fit into a window.
        every: With "both", notes that are hidden in one pass lie so many notes apart.
    """
    return (
        _from_past(reader, cut, tokens, memory) if context == PAST else _from_both(reader, cut, tokens, every)
    )


def _from_past(reader: WindowFunction, cut: Cut, tokens: Rows, memory: int) -> Iterator[Some]:
    cut = replace(cut, batch=_BATCH)
    bars = tokens[:, BAR].astype(np.int64)
    # A window counts its bars from its first note, so notes too many bars ago are left out.
    first = np.maximum(np.arange(len(tokens)) - memory, np.searchsorted(bars, bars - cut.max_bars + 1))
    for chosen in np.array_split(np.arange(len(tokens)), -(-len(tokens) // _TOGETHER)):
        windows = [_past_window(tokens, first[note], note) for note in chosen]
        found = predict_tokens(reader, windows, cut)
        at = chosen - first[chosen]
        yield chosen, np.stack([bits[place] for bits, place in zip(found, at, strict=True)])


def _from_both(reader: WindowFunction, cut: Cut, tokens: Rows, every: int) -> Iterator[Some]:
    places = np.arange(len(tokens))
    for first in range(min(every, len(tokens))):
        fate = ((places % every == first) * _ASKED).astype(tokens.dtype)
        bits = predict_tokens(reader, [np.column_stack([tokens, fate])], cut)[0]
        yield places[first::every], bits[first::every]


def bit_reader(encoder: Encoder, head: FieldHeads, *temperatures: Mapping[str, float]) -> WindowFunction:
    """Return a function that measures the bits of notes in windows, (B, L, 9).

    The last column is `_ASKED` for notes that are hidden and measured, and `_HIDDEN` for notes that are only hidden.

    Args:
        encoder: In eval mode.
        head: Its heads for fields.
        temperatures: What the logits of some of `SURPRISES` are divided by. Each mapping gives 5 columns of bits.
    """

    def read(inputs: Tensor, attention_mask: Tensor | None) -> Tensor:
        ids, fate = inputs[..., : len(FIELDS)], inputs[..., len(FIELDS)]
        states = encoder.forward(ids.masked_fill((fate > 0)[..., None], MASK), attention_mask)
        asked = fate == _ASKED
        bits = torch.zeros(int(asked.sum()), len(temperatures), len(SURPRISES), device=ids.device)
        for name, logits, value in zip(_COLUMNS, head(states[asked]), ids[asked].unbind(-1), strict=True):
            if not name:
                continue
            for number, temperature in enumerate(temperatures):
                # Reserved ids are no values, so they have no share of the probability.
                log = (logits.float()[:, RESERVED:] / temperature.get(name, 1.0)).log_softmax(-1)
                own = log.gather(1, value[:, None] - RESERVED)[:, 0]
                bits[:, number, SURPRISES.index(name)] -= own / math.log(2)
        columns = bits.flatten(1)
        found = columns.new_zeros(*asked.shape, columns.shape[1])
        found[asked] = columns
        return found

    return on_tensors(read, encoder.device)


def _past_window(tokens: Rows, first: int, note: int) -> Rows:
    """Return (M, 9) tokens from `first` to `note`, which is asked for, and hidden ones after it."""
    shown = tokens[first : note + 1]
    window = np.concatenate([shown, np.repeat(shown[-1:], AFTER, axis=0)])
    fate = np.full(len(window), _HIDDEN, dtype=tokens.dtype)
    fate[: note - first], fate[note - first] = 0, _ASKED
    return np.column_stack([window, fate])
