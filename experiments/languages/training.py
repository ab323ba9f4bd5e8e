"""Train maps through the frozen heads of the other side, from pairs, from unpaired music or from both."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.languages.maps import Heads, Labels, Segments

STEPS, _BATCH, _EVERY = 400, 16, 50
"""Usual steps of training, segments of a batch, and most steps between validations."""
_RATE = 1e-3
_TEMPERATURE = 0.1


def train(
    network: nn.Module,
    heads: Heads,
    pairs: Segments | None,
    valid: Segments,
    paired: bool,
    generator: torch.Generator,
    further: Callable[[Segments | None], Tensor] | None = None,
    steps: int = STEPS,
) -> None:
    """Train a map, and heads that are not frozen, and keep the state that is best on validation.

    The loss is the cross-entropy of the labels through the heads. With `paired` the segment of the other side must
    also be found among those of the batch (InfoNCE). Without pairs the last state is kept, for validation has pairs.

    Args:
        network: The map.
        heads: Of the target side.
        pairs: To learn from. None: from `further` alone.
        valid: To select by.
        paired: Whether states of the target side are to be reached.
        generator: Draws batches.
        further: Gives a further loss for the batch of a step. Its parameters are trained too if it is a module.
        steps: Steps of training.
    """
    modules = nn.ModuleList([network, heads])
    trained = [*modules, further] if isinstance(further, nn.Module) else [*modules]
    free = [one for module in trained for one in module.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(free, lr=_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps, pct_start=0.1)
    best, kept = torch.inf, {name: one.clone() for name, one in modules.state_dict().items()}
    for step in range(steps):
        batch, loss = None, torch.zeros(())
        if pairs is not None:
            batch = pairs[torch.randperm(len(pairs.source), generator=generator)[:_BATCH]]
            mapped = network(batch.source)
            loss = sum(label_losses(heads(mapped), batch.labels).values(), loss)
            if paired:
                loss = loss + _contrast(mapped, batch.target)
        if further is not None:
            loss = loss + further(batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if pairs is not None and (step + 1) % min(_EVERY, steps // 4) == 0:
            with torch.no_grad():
                now = float(sum(label_losses(heads(network(valid.source)), valid.labels).values()))
            if now < best:
                best, kept = now, {name: one.clone() for name, one in modules.state_dict().items()}
    if pairs is not None:
        modules.load_state_dict(kept)


def label_losses(logits: Labels, labels: Labels) -> Labels:
    """Return the mean cross-entropy of each label in nats."""
    return {name: F.cross_entropy(logits[name].flatten(0, -2), one.flatten()) for name, one in labels.items()}


def _contrast(mapped: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy of finding the other side of each segment, both ways."""
    found, true = (F.normalize(one.mean(1), dim=-1) for one in (mapped, target))
    scores = found @ true.T / _TEMPERATURE
    own = torch.arange(len(scores))
    return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2
