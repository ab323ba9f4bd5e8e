"""Measure the information content of tokens: hide each note and read how likely its values are to the model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symbolic.errors import ConfigError
from symbolic.heads import FieldHeads
from symbolic.predict.network import Encoder
from symbolic.predict.surprise import CONTEXTS
from symbolic.predict.windows import Rows, WindowFunction, predict_tokens
from symbolic.tokens.vocabulary import (
    BAR,
    DURATION,
    FIELDS,
    MASK,
    PITCH,
    POSITION,
    PROGRAM,
    RESERVED,
    VELOCITY,
)

Some = tuple[NDArray[np.int64], NDArray[np.float32]]
"""(M,) indices of tokens and their (M, 5) bits, a column for each of `SURPRISES`."""
AFTER = 16
"""Hidden notes that follow the one that is predicted from the past. A masked model predicts worse at the end of a
window, as if the music ended there. Their number is the same everywhere, so it tells nothing.
"""
_TOGETHER = 512
"""Notes whose windows are made at a time."""
_BATCH = 32


def check_context(encoder: Encoder, context: str, memory: int, every: int) -> None:
    """Refuse settings of `bits_from_past` and `bits_from_both_sides` that do not fit.

    Raises:
        ConfigError: Names every setting that is wrong.
    """
    most = encoder.cut.length - AFTER - 1
    problems = [f"context is {context!r}; choose {' or '.join(CONTEXTS)}."] if context not in CONTEXTS else []
    if not 1 <= memory <= most:
        problems.append(f"memory is {memory}; this model can read from 1 to {most} notes before each.")
    if every < 1:
        problems.append(f"every is {every}; it must be at least 1.")
    if problems:
        raise ConfigError(problems)


def bits_from_past(encoder: Encoder, head: FieldHeads, tokens: Rows, memory: int) -> Iterator[Some]:
    """Yield the bits of notes in canonical order, some at a time, each predicted from the notes before it.

    Args:
        encoder: In eval mode.
        head: Its heads for fields.
        tokens: (N, 8) ids of a piece as the tokenizer gives them.
        memory: Most notes before each that are read. `AFTER` + 1 more must fit into a window.
    """
    read, cut = _reader(encoder, head), replace(encoder.cut, batch=_BATCH)
    bars = tokens[:, BAR].astype(np.int64)
    # A window counts its bars from its first note, so notes too many bars ago are left out.
    first = np.maximum(np.arange(len(tokens)) - memory, np.searchsorted(bars, bars - cut.max_bars + 1))
    for chosen in np.array_split(np.arange(len(tokens)), -(-len(tokens) // _TOGETHER)):
        windows = [_past_window(tokens, first[note], note) for note in chosen]
        found = predict_tokens(read, windows, cut)
        at = chosen - first[chosen]
        yield chosen, np.stack([bits[place] for bits, place in zip(found, at, strict=True)])


def bits_from_both_sides(encoder: Encoder, head: FieldHeads, tokens: Rows, every: int) -> Iterator[Some]:
    """Yield the bits of every so many notes, each predicted from the notes on both sides.

    Args:
        encoder: In eval mode.
        head: Its heads for fields.
        tokens: (N, 8) ids of a piece as the tokenizer gives them.
        every: Notes that are hidden in one pass lie so many notes apart.
    """
    read, places = _reader(encoder, head), np.arange(len(tokens))
    for first in range(min(every, len(tokens))):
        hidden = (places % every == first).astype(tokens.dtype)
        bits = predict_tokens(read, [np.column_stack([tokens, hidden])], encoder.cut)[0]
        yield places[first::every], bits[first::every]


def _past_window(tokens: Rows, first: int, note: int) -> Rows:
    """Return (M, 9) tokens from `first` on, those from `note` on hidden. The last column says which are hidden."""
    shown = tokens[first : note + 1]
    window = np.concatenate([shown, np.repeat(shown[-1:], AFTER, axis=0)])
    hidden = (np.arange(len(window)) >= note - first).astype(tokens.dtype)
    return np.column_stack([window, hidden])


def _reader(encoder: Encoder, head: FieldHeads) -> WindowFunction:
    """Return a function of windows (B, L, 9) whose last column hides notes. It gives these notes their bits."""

    def read(inputs: Tensor, attention_mask: Tensor | None) -> Tensor:
        ids, hidden = inputs[..., : len(FIELDS)], inputs[..., len(FIELDS)].bool()
        states = encoder.forward(ids.masked_fill(hidden[..., None], MASK), attention_mask)
        bits = [
            # Reserved ids are no values, so they have no share of the probability.
            one.float()[:, RESERVED:].log_softmax(-1).gather(1, value[:, None] - RESERVED)[:, 0]
            / -math.log(2)
            for one, value in zip(head(states[hidden]), ids[hidden].unbind(-1), strict=True)
        ]
        named = [bits[BAR] + bits[POSITION], *(bits[field] for field in (PROGRAM, PITCH, DURATION, VELOCITY))]
        found = torch.zeros((*hidden.shape, len(named)), device=ids.device)
        found[hidden] = torch.stack(named, dim=-1)
        return found

    return read
