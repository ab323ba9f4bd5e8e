"""Write passages: windows over a piece, fields in order, the surest values first, the least sure again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from symbolic.backbone import Backbone
from symbolic.generate.canvas import Canvas
from symbolic.generate.constraints import Constraints
from symbolic.generate.donors import Donors
from symbolic.generate.passage import Ints, Passage
from symbolic.generate.rules import Rules
from symbolic.generate.sampling import Floats, Sampling, still_hidden
from symbolic.generate.variant import Variant, variant_of
from symbolic.heads import FieldHeads
from symbolic.music.notes import Music
from symbolic.tokens.tokenizer import Tokens
from symbolic.tokens.vocabulary import BAR, DURATION, PAD, POSITION, RESERVED, Vocabulary

_TOGETHER = 8
"""Variants that are written at a time, in one batch."""


@dataclass(frozen=True, eq=False)
class Writer:
    """A backbone that writes.

    Args:
        backbone: In eval mode. It computes relations of notes anew in each step from the fields that are visible.
        heads: Its heads for fields.
        vocabulary: Meaning of its tokens.
        sampling: How values are drawn.
        constraints: Rules for the notes.
    """

    backbone: Backbone
    heads: FieldHeads
    vocabulary: Vocabulary
    sampling: Sampling
    constraints: Constraints

    def write(
        self,
        music: Music,
        tokens: Tokens,
        passage: Passage,
        number: int,
        seed: int,
        advance: Callable[[float], object] = lambda share: None,
    ) -> Iterator[Variant]:
        """Yield variants of a piece, each with another draw of the passage.

        Args:
            music: The piece.
            tokens: Its tokens.
            passage: What is to be written.
            number: How many variants.
            seed: Seed of all that is random. Variant k has a source of randomness of its own.
            advance: Is called with the share of the work that was done since the last call.
        """
        donors = Donors(music, tokens, passage, self.vocabulary) if passage.anew else None
        rules = Rules(music, passage, self.constraints, self.vocabulary)
        for first in range(0, number, _TOGETHER):
            chosen = range(first, min(first + _TOGETHER, number))
            randoms = [np.random.default_rng([seed, index]) for index in chosen]
            canvases = [
                Canvas(music, tokens, passage, self.vocabulary, self.constraints, donors, random)
                for random in randoms
            ]
            stretches = _stretches(
                canvases, passage, self.backbone.config.window // 2, self.vocabulary.max_bars // 2
            )
            for low, high in stretches:
                self._fill(canvases, randoms, rules, low, high)
                advance(len(chosen) / number / len(stretches))
            for canvas in canvases:
                yield variant_of(canvas, music, tokens, passage, self.vocabulary)

    def _fill(
        self,
        canvases: Sequence[Canvas],
        randoms: Sequence[np.random.Generator],
        rules: Rules,
        first: int,
        stop: int,
    ) -> None:
        """Draw the bars from `first` to `stop` in each canvas."""
        inner = [_rows_of(canvas, first, stop) for canvas in canvases]
        outer = [
            _window(canvas, *rows, self.backbone.config.window, self.vocabulary.max_bars)
            for canvas, rows in zip(canvases, inner, strict=True)
        ]
        for sweep in range(self.sampling.sweeps + 1):
            if sweep:
                for canvas, rows in zip(canvases, inner, strict=True):
                    _hide_again(canvas, *rows, self.sampling.share)
            for field in self.sampling.fields:
                self._draw_field(canvases, randoms, rules, inner, outer, field, sweep)

    def _draw_field(
        self,
        canvases: Sequence[Canvas],
        randoms: Sequence[np.random.Generator],
        rules: Rules,
        inner: Sequence[tuple[int, int]],
        outer: Sequence[tuple[int, int]],
        field: int,
        sweep: int,
    ) -> None:
        """Draw all hidden values of a field, in steps that all canvases make together."""
        counts = [
            int(canvas.hidden[low:high, field].sum())
            for canvas, (low, high) in zip(canvases, inner, strict=True)
        ]
        for step in range(1, self.sampling.steps_for(max(counts), sweep) + 1):
            rows = [
                low + np.flatnonzero(canvas.hidden[low:high, field])
                for canvas, (low, high) in zip(canvases, inner, strict=True)
            ]
            busy = [index for index, own in enumerate(rows) if len(own)]
            if not busy:
                return
            windows = [canvases[index].window(*outer[index]) for index in busy]
            places = [rows[index] - outer[index][0] for index in busy]
            for index, logits in zip(busy, self._logits(windows, places, field), strict=True):
                steps = self.sampling.steps_for(counts[index], sweep)
                keep = len(rows[index]) - still_hidden(counts[index], step, steps)
                self._commit(
                    canvases[index], rules, rows[index], logits, field, keep, step / steps, randoms[index]
                )
                canvases[index].sort(*inner[index])

    def _commit(
        self,
        canvas: Canvas,
        rules: Rules,
        rows: Ints,
        logits: Floats,
        field: int,
        keep: int,
        progress: float,
        random: np.random.Generator,
    ) -> None:
        """Draw values for tokens and keep the surest. One that disagrees with those kept before is drawn again.

        Where nothing agrees, a new note is dropped. A note of the piece stays as it is.
        """
        allowed = rules.of_field(canvas, rows, field)
        values, sureness = self.sampling.draw(logits, allowed, field, random)
        for place in self.sampling.surest(sureness, keep, progress, random).tolist():
            row, value, sure = int(rows[place]), values[place], sureness[place]
            canvas.hidden[row, field] = False
            agreeing = rules.among_notes(canvas, row, field) & allowed[place]
            if not agreeing.any():
                canvas.dropped[row] |= canvas.new[row]
                continue
            if not agreeing[value]:
                (value,), (sure,) = self.sampling.draw(
                    logits[place : place + 1], agreeing[None], field, random
                )
            canvas.values[row, field], canvas.sureness[row, field] = value, sure

    @torch.inference_mode()
    def _logits(self, windows: Sequence[Ints], places: Sequence[Ints], field: int) -> list[Floats]:
        """Return (M, V) logits of a field, without those of reserved ids, at places of windows."""
        device = next(self.backbone.parameters()).device
        lengths = np.array([len(window) for window in windows])
        ids = np.full((len(windows), lengths.max(), windows[0].shape[1]), PAD, dtype=np.int64)
        for window, row in zip(windows, ids, strict=True):
            row[: len(window)] = window
        there = np.arange(lengths.max()) < lengths[:, None]
        attention_mask = None if there.all() else torch.from_numpy(there).to(device)
        hidden = self.backbone(torch.from_numpy(ids).to(device), attention_mask)
        found = []
        for states, own in zip(hidden, places, strict=True):
            logits = self.heads(states[torch.from_numpy(own).to(device)])[field]
            found.append(logits[:, RESERVED:].double().cpu().numpy())
        return found


def _rows_of(canvas: Canvas, first: int, stop: int) -> tuple[int, int]:
    """Return the rows of the bars from `first` to `stop`."""
    low, high = np.searchsorted(canvas.values[:, BAR], [first, stop])
    return int(low), int(high)


def _stretches(canvases: Sequence[Canvas], passage: Passage, rows: int, bars: int) -> list[tuple[int, int]]:
    """Cut a passage into stretches of bars, each of few enough tokens in every canvas. Each has a bar at least."""
    edges = np.arange(passage.first, passage.stop + 1)
    before = np.stack([np.searchsorted(canvas.values[:, BAR], edges) for canvas in canvases])
    found, first = [], 0
    for bar in range(1, len(edges)):
        full = bar - first > 1 and ((before[:, bar] - before[:, first]).max() > rows or bar - first > bars)
        if full:
            found.append((int(edges[first]), int(edges[bar - 1])))
            first = bar - 1
    return [*found, (int(edges[first]), int(edges[-1]))]


def _window(canvas: Canvas, low: int, high: int, most: int, bars: int) -> tuple[int, int]:
    """Return the rows of a window around some rows: as many before them as after, where there are as many."""
    spare = max(most - (high - low), 0)
    before, after = low, len(canvas) - high
    left = min(before, max(spare // 2, spare - after))
    right = min(after, spare - left)
    if low == high:
        return low - left, high + right
    of_bar = canvas.values[:, BAR]
    earliest = int(np.searchsorted(of_bar, of_bar[high - 1] - bars // 2))
    start = max(low - left, min(earliest, low))
    return start, min(high + right, int(np.searchsorted(of_bar, of_bar[start] + bars)))


def _hide_again(canvas: Canvas, low: int, high: int, share: float) -> None:
    """Hide the least sure of the drawn values of each field.

    A note that is moved has its duration drawn again too, because that depends on the notes that follow.
    """
    for field in np.flatnonzero(canvas.drawn[low:high].any(axis=0)).tolist():
        rows = low + np.flatnonzero(canvas.drawn[low:high, field])
        least = rows[np.argsort(canvas.sureness[rows, field], kind="stable")[: round(share * len(rows))]]
        canvas.hidden[least, field] = True
    moved = canvas.hidden[low:high, POSITION] & canvas.drawn[low:high, DURATION]
    canvas.hidden[low:high, DURATION] |= moved
