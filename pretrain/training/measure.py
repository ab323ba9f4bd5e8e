"""Measurements of backbone and selector (docs/evaluation.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from symbolic.masking.losses import Recovery, all_reduce
from symbolic.tokens.vocabulary import FIELDS

if TYPE_CHECKING:
    from pretrain.objective.masked import Step


class TrainingMeter(nn.Module):
    """Sum over training steps on the device, so that counting never waits for it.

    Args:
        auxiliary: Names of the auxiliary losses.
    """

    counts: Tensor
    losses: Tensor
    fields: Tensor

    def __init__(self, auxiliary: Sequence[str] = ()) -> None:
        super().__init__()
        self.auxiliary = tuple(auxiliary)
        self.register_buffer("counts", torch.zeros(6, dtype=torch.int64), persistent=False)
        self.register_buffer("losses", torch.zeros(2 + len(self.auxiliary)), persistent=False)
        self.register_buffer("fields", torch.zeros(3, len(FIELDS)), persistent=False)

    @torch.no_grad()
    def update(self, attention_mask: Tensor, frozen: Tensor, step: Step) -> None:
        """Add a step, given the (B, L) masks of its tokens that are not padding and of its frozen tokens."""
        chosen, padding = step.chosen, ~attention_mask[..., None]
        one = torch.ones_like(self.counts[0])
        sums = (attention_mask, frozen & attention_mask, chosen & ~padding, chosen & padding, chosen.any(-1))
        self.counts += torch.stack([one, *(values.sum() for values in sums)])
        self.losses += torch.stack(
            [step.loss, step.selector_loss, *(step.auxiliary[name] for name in self.auxiliary)]
        ).float()
        cells, recovery = step.choice.cells, step.recovery
        by_field = (cells & recovery.counted, recovery.loss * cells, recovery.correct & cells)
        self.fields += torch.stack([values.sum((0, 1)).float() for values in by_field])

    def flush(self) -> dict[str, Any]:
        """Return the means since the last flush over all processes and reset the sums."""
        for buffer in (self.counts, self.losses, self.fields):
            all_reduce(buffer)
        batches, attention_mask, frozen, cells, padded, tokens = self.counts.tolist()
        loss, selector_loss, *auxiliary = (self.losses / max(batches, 1)).tolist()
        counted, losses, correct = self.fields.cpu().numpy()
        counted = np.maximum(counted, 1)
        result = {
            "loss": loss,
            "selector_loss": selector_loss,
            "auxiliary": dict(zip(self.auxiliary, auxiliary, strict=True)),
            "mask_rate": cells / max(attention_mask * len(FIELDS), 1),
            "tokens_touched": tokens / max(attention_mask, 1),
            "padding_share": padded / max(cells + padded, 1),
            "frozen_share": frozen / max(attention_mask, 1),
            "chosen_loss": _by_field(losses / counted),
            "chosen_accuracy": _by_field(correct / counted),
        }
        for buffer in (self.counts, self.losses, self.fields):
            buffer.zero_()
        return result


class HeldOut:
    """Results on held-out tokens that were masked at random, whatever the selector would have chosen.

    Only a random mask shows whether the scores rank the losses. Among tokens that the selector chose, low scores are
    missing.
    """

    def __init__(self) -> None:
        self._columns: list[tuple[NDArray[Any], ...]] = []
        self._entropy: list[NDArray[np.float64]] = []
        self._windows = 0

    def __len__(self) -> int:
        """Return the number of windows."""
        return self._windows

    def add(
        self, scores: Tensor | None, attention_mask: Tensor, would_choose: Tensor, index: Tensor, valid: Tensor,
        recovery: Recovery,
    ) -> None:  # fmt: skip
        """Add a batch.

        Args:
            scores: (B, L) scores of a learned selector on clean tokens or None.
            attention_mask: (B, L) bool.
            would_choose: (B, L) bool, the tokens with the highest scores.
            index: (B, K) int64, the masked tokens.
            valid: (B, K) bool. False where a window has fewer of them.
            recovery: Recovery of the masked tokens, (B, K, 8).
        """
        window = torch.arange(len(attention_mask), device=attention_mask.device)[:, None].expand(index.shape)
        ranked = (
            torch.zeros(attention_mask.shape, device=attention_mask.device)
            if scores is None
            else scores.float()
        )
        columns = (
            window + self._windows,
            window % 2,
            ranked.gather(1, index),
            would_choose.gather(1, index),
            recovery.loss,
            recovery.correct,
            recovery.counted,
        )
        self._columns.append(tuple(c[valid].cpu().numpy() for c in columns))
        self._windows += len(attention_mask)
        if scores is not None:
            log = ranked.masked_fill(~attention_mask, -torch.inf).log_softmax(1)
            entropy = (
                -(log.exp() * log.masked_fill(~attention_mask, 0.0)).sum(1)
                / attention_mask.sum(1).clamp(min=2).log()
            )
            self._entropy.append(entropy.cpu().double().numpy())

    def summary(self) -> dict[str, Any]:
        """Return accuracy and loss of each field and how well the selector's scores predict the loss."""
        if not self._columns:
            return {}
        joined = [np.concatenate(c) for c in zip(*self._columns, strict=True)]
        window, parity, score, would, loss, correct, counted = joined
        seen = np.maximum(counted.sum(0), 1)
        result: dict[str, Any] = {
            "tokens": len(window),
            "accuracy": _by_field(correct.sum(0) / seen),
            "loss": _by_field(loss.sum(0) / seen),
        }
        if self._entropy:
            total = loss.sum(1)
            overlap, chance = _overlap(window, score, total)
            result["selector"] = {
                "correlation": spearman(score, total),
                "correlation_even": spearman(score[parity == 0], total[parity == 0]),
                "correlation_odd": spearman(score[parity == 1], total[parity == 1]),
                "correlation_within_windows": _within(window, score, total),
                "overlap_with_hardest": overlap,
                "overlap_by_chance": chance,
                "entropy": float(np.concatenate(self._entropy).mean()),
                "loss_of_chosen": _by_field(loss[would].mean(0)) if would.any() else None,
                "loss_of_unchosen": _by_field(loss[~would].mean(0)) if (~would).any() else None,
            }
        return result

    def tokens(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (N,) score and (N,) summed loss of every masked token."""
        score = np.concatenate([c[2] for c in self._columns])
        return score.astype(np.float64), np.concatenate([c[4].sum(1) for c in self._columns]).astype(
            np.float64
        )


def spearman(x: NDArray[Any], y: NDArray[Any]) -> float | None:
    """Return Spearman's rank correlation with ties at their mean rank. None if a side does not vary.

    Args:
        x: (N,).
        y: (N,).
    """
    if len(x) < 2:
        return None
    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else None


def _ranks(x: NDArray[Any]) -> NDArray[np.float64]:
    _, inverse, count = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[inverse])


def _within(window: NDArray[Any], x: NDArray[Any], y: NDArray[Any]) -> float | None:
    """Return the mean of the rank correlations within windows of at least five masked tokens."""
    found = [
        spearman(x[tokens], y[tokens])
        for tokens in np.split(np.arange(len(window)), np.flatnonzero(np.diff(window)) + 1)
        if len(tokens) >= 5
    ]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def _overlap(
    window: NDArray[Any], score: NDArray[Any], loss: NDArray[Any], share: float = 0.3
) -> tuple[float, float]:
    """Return the overlap of the top `share` by score and by loss in each window and the overlap by chance.

    Chance is near `share` in long windows only. With one masked token the overlap is always whole.
    """
    hits = total = 0
    chance = 0.0
    for tokens in np.split(np.arange(len(window)), np.flatnonzero(np.diff(window)) + 1):
        count = max(1, round(share * len(tokens)))
        best = [set(np.argsort(-values[tokens], kind="stable")[:count].tolist()) for values in (score, loss)]
        hits += len(best[0] & best[1])
        total += count
        chance += count**2 / len(tokens)
    return hits / max(total, 1), chance / max(total, 1)


def _by_field(values: NDArray[Any]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(FIELDS, values, strict=True)}
