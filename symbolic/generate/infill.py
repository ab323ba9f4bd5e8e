"""Write a passage: window by window, field by field, some values at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from symbolic.backbone import Backbone
from symbolic.commas import HIDDEN_COMMA, CommaField, comma_tensor
from symbolic.generate.canvas import Canvas, open_positions
from symbolic.generate.choices import Choices
from symbolic.generate.constraints import Constraints
from symbolic.generate.donors import Donors
from symbolic.generate.passage import Ints, Passage
from symbolic.generate.piece import Piece
from symbolic.generate.registers import registers
from symbolic.generate.rules import Rules
from symbolic.generate.sampling import Floats, Sampling, still_hidden, turns
from symbolic.generate.variant import Variant, variant_of
from symbolic.generate.voices import most_voices
from symbolic.heads import FieldHeads
from symbolic.music.notes import Music
from symbolic.tokens.tokenizer import Tokens
from symbolic.tokens.vocabulary import BAR, DURATION, FIELDS, PAD, PITCH, POSITION, RESERVED, Vocabulary

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
        comma_field: Draws how far written notes lie off twelve tones, after all else. None: they do not.
    """

    backbone: Backbone
    heads: FieldHeads
    vocabulary: Vocabulary
    sampling: Sampling
    constraints: Constraints
    comma_field: CommaField | None = None

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
        positions = open_positions(music, passage, self.vocabulary)
        voices = most_voices(music, tokens, passage, self.constraints, self.vocabulary)
        own = registers(music, tokens, passage)
        rules = Rules(passage, self.constraints, self.vocabulary, positions, voices, own)
        piece = Piece.of(music, tokens, passage, self.vocabulary)
        choices = Choices(rules, piece, passage, self.vocabulary)
        for first in range(0, number, _TOGETHER):
            chosen = range(first, min(first + _TOGETHER, number))
            randoms = [np.random.default_rng([seed, index]) for index in chosen]
            canvases = [
                Canvas(
                    music,
                    tokens,
                    passage,
                    self.vocabulary,
                    self.constraints.density,
                    voices,
                    donors,
                    positions,
                    random,
                )
                for random in randoms
            ]
            stretches = _stretches(
                canvases, passage, self.backbone.config.window // 2, self.vocabulary.max_bars // 2
            )
            for first_bar, stop_bar in stretches:
                drafts = [
                    _Draft.of(
                        canvas, random, first_bar, stop_bar, self.backbone.config.window, self.vocabulary
                    )
                    for canvas, random in zip(canvases, randoms, strict=True)
                ]
                for sweep in range(self.sampling.sweeps + 1):
                    for draft in drafts if sweep else ():
                        draft.hide_again(self.sampling.share)
                    for field in self.sampling.fields:
                        self._draw_field(drafts, choices, field, sweep)
                if self.comma_field is not None:
                    self._draw_commas(drafts, self.comma_field)
                advance(len(chosen) / number / len(stretches))
            for canvas in canvases:
                yield variant_of(canvas, music, tokens, passage, self.vocabulary)

    def _draw_field(self, drafts: Sequence[_Draft], choices: Choices, field: int, sweep: int) -> None:
        """Draw all hidden values of a field, in steps that all drafts make together."""
        counts = [len(draft.hidden_rows(field)) for draft in drafts]
        for draft in drafts:
            draft.spread(field)
        for step in range(1, self.sampling.steps_for(max(counts), sweep) + 1):
            busy = [index for index, draft in enumerate(drafts) if len(draft.hidden_rows(field))]
            if not busy:
                return
            found = self._logits([drafts[index] for index in busy], field)
            for index, logits in zip(busy, found, strict=True):
                steps = self.sampling.steps_for(counts[index], sweep)
                keep = len(logits) - still_hidden(counts[index], step, steps)
                self._commit(drafts[index], choices, logits, field, keep, step / steps)

    def _commit(
        self,
        draft: _Draft,
        choices: Choices,
        logits: Floats,
        field: int,
        keep: int,
        progress: float,
    ) -> None:
        """Draw the hidden values of a field and keep some. One that disagrees with other notes is drawn again.

        A duration that is too long ends where it must. Where nothing agrees, a new note is dropped. A note of the piece
        stays as it is.
        """
        canvas, random, rows = draft.canvas, draft.random, draft.hidden_rows(field)
        allowed, logits = choices.of_field(canvas, rows, field, draft.near, logits)
        values, sureness = self.sampling.draw(logits, allowed, field, random)
        for place in self.sampling.kept(sureness, canvas.turn[rows], keep, progress, random).tolist():
            row, value, sure = int(rows[place]), values[place], sureness[place]
            canvas.hidden[row, field] = False
            agreeing = choices.among_notes(canvas, row, field, draft.near) & allowed[place]
            if not agreeing.any():
                canvas.dropped[row] |= canvas.new[row]
                continue
            if not agreeing[value] and field == DURATION:
                value = int(np.flatnonzero(agreeing)[-1])
            elif not agreeing[value]:
                (value,), (sure,) = self.sampling.draw(
                    logits[place : place + 1], agreeing[None], field, random
                )
            canvas.values[row, field], canvas.sureness[row, field] = value, sure
        canvas.sort(draft.low, draft.high)

    @torch.inference_mode()
    def _logits(self, drafts: Sequence[_Draft], field: int) -> list[Floats]:
        """Return for each draft (M, V) logits of its hidden values of a field, without those of reserved ids."""
        found = []
        for states, draft in zip(self._states(drafts), drafts, strict=True):
            places = torch.from_numpy(draft.hidden_rows(field) - draft.start).to(states.device)
            found.append(self.heads(states[places])[field][:, RESERVED:].double().cpu().numpy())
        return found

    @torch.inference_mode()
    def _draw_commas(self, drafts: Sequence[_Draft], comma_field: CommaField) -> None:
        """Draw all hidden commas as pitches are drawn, in steps that all drafts make together."""
        counts = [len(draft.hidden_commas()) for draft in drafts]
        for step in range(1, self.sampling.steps_for(max(counts)) + 1):
            for states, draft, count in zip(self._states(drafts), drafts, counts, strict=True):
                rows = draft.hidden_commas()
                if not len(rows):
                    continue
                places = torch.from_numpy(rows - draft.start).to(states.device)
                pitch = torch.from_numpy(draft.canvas.values[rows, PITCH] + RESERVED).to(states.device)
                logits = comma_field.logits(states[places], pitch).double().cpu().numpy()
                allowed = np.ones(logits.shape, dtype=bool)
                values, sureness = self.sampling.draw(logits, allowed, PITCH, draft.random)
                steps = self.sampling.steps_for(count)
                keep = len(rows) - still_hidden(count, step, steps)
                kept = self.sampling.kept(
                    sureness, draft.random.random(len(rows)), keep, step / steps, draft.random
                )
                draft.canvas.commas[rows[kept]] = values[kept] + 1

    def _states(self, drafts: Sequence[_Draft]) -> torch.Tensor:
        """Return (B, L, dim) states of the windows of drafts."""
        device = next(self.backbone.parameters()).device
        lengths = np.array([draft.stop - draft.start for draft in drafts])
        ids = np.full((len(drafts), lengths.max(), len(FIELDS)), PAD, dtype=np.int64)
        for draft, row in zip(drafts, ids, strict=True):
            row[: draft.stop - draft.start] = draft.canvas.window(draft.start, draft.stop)
        there = np.arange(lengths.max()) < lengths[:, None]
        attention_mask = None if there.all() else torch.from_numpy(there).to(device)
        extra = None
        if self.comma_field is not None:
            commas = (draft.canvas.commas[draft.start : draft.stop] for draft in drafts)
            extra = self.comma_field(comma_tensor(commas, ids.shape[1]).to(device))
        states: torch.Tensor = self.backbone(torch.from_numpy(ids).to(device), attention_mask, extra)
        return states


@dataclass(frozen=True, eq=False)
class _Draft:
    """A stretch of bars of a canvas, and the window in which the backbone reads it.

    Attributes:
        canvas: The piece.
        random: Source of randomness.
        low: First token of the stretch.
        high: Token after the last of the stretch.
        start: First token of the window.
        stop: Token after the last of the window.
        near: Tokens that may sound in the stretch: those of the window, and those before it that are long enough.
    """

    canvas: Canvas
    random: np.random.Generator
    low: int
    high: int
    start: int
    stop: int
    near: Ints

    @classmethod
    def of(
        cls,
        canvas: Canvas,
        random: np.random.Generator,
        first_bar: int,
        stop_bar: int,
        window: int,
        vocabulary: Vocabulary,
    ) -> _Draft:
        """Return the bars from `first_bar` to `stop_bar`, with as many tokens before them as after them."""
        bars, most = canvas.values[:, BAR], vocabulary.max_bars
        low, high = (int(at) for at in np.searchsorted(bars, [first_bar, stop_bar]))
        spare = max(window - (high - low), 0)
        before = min(low, max(spare // 2, spare - (len(canvas) - high)))
        # A window spans no more bars than the model counts.
        start = max(low - before, min(int(np.searchsorted(bars, stop_bar - most // 2)), low))
        stop = min(high + spare - (low - start), len(canvas))
        if start < stop:
            stop = min(stop, int(np.searchsorted(bars, bars[start] + most)))
        lasting = np.maximum(canvas.lasting[:start], vocabulary.durations[canvas.values[:start, DURATION]])
        first = canvas.onset[low] if low < high else 0
        held = np.flatnonzero(canvas.onset[:start] + lasting > first)
        return cls(canvas, random, low, high, start, stop, np.append(held, np.arange(start, stop)))

    def hidden_rows(self, field: int) -> Ints:
        """Return the tokens of the stretch in which a field is hidden."""
        return self.low + np.flatnonzero(self.canvas.hidden[self.low : self.high, field])

    def spread(self, field: int) -> None:
        """Give the hidden values of a field turns, so that neighbours are drawn far from one another."""
        rows = self.hidden_rows(field)
        self.canvas.turn[rows] = turns(len(rows), self.random.random())

    def hidden_commas(self) -> Ints:
        """Return the tokens of the stretch in which the comma is hidden."""
        return self.low + np.flatnonzero(self.canvas.commas[self.low : self.high] == HIDDEN_COMMA)

    def hide_again(self, share: float) -> None:
        """Hide the least sure of the drawn values of each field.

        A note that is moved has its duration drawn again too, because that depends on the notes that follow.
        """
        canvas, own = self.canvas, slice(self.low, self.high)
        for field in np.flatnonzero(canvas.drawn[own].any(axis=0)).tolist():
            rows = self.low + np.flatnonzero(canvas.drawn[own, field])
            least = np.argsort(canvas.sureness[rows, field], kind="stable")[: round(share * len(rows))]
            canvas.hidden[rows[least], field] = True
        canvas.hidden[own, DURATION] |= canvas.hidden[own, POSITION] & canvas.drawn[own, DURATION]


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
