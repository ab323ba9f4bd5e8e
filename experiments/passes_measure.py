"""Measure models on songs while they are trained, and compare arms at the pass where each was best."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import lightning
import numpy as np
import torch
from numpy.typing import NDArray

from data.batches import StepBatches
from data.shards import Shards
from data.windows import make_windows
from finetune.tasks.metrics import mean_sd
from pretrain.objective.masked import Objective
from symbolic.documents import fields, mapped, number, text, whole
from symbolic.masking.losses import recover
from symbolic.masking.randomness import generator_of
from symbolic.tokens.vocabulary import BAR, DURATION, MASK, PITCH, POSITION, TEMPO, TIME_SIGNATURE, VELOCITY

Floats = NDArray[np.float64]
SIDES = ("train", "valid", "test")
NOTE_FIELDS = (BAR, POSITION, PITCH, DURATION, VELOCITY)
"""What differs from note to note. A piece has one program, and mostly one time signature and tempo."""
PIECE_FIELDS = (TIME_SIGNATURE, TEMPO)
CONTROL = "uniform"
LINE = fields(
    {
        "arm": text(),
        "noise": number(0, 1),
        "seed": whole(0, 2**31),
        "corpus": text(),
        "size": text(),
        "notes": whole(1, 2**40),
        "passes": whole(1, 10**6),
        "steps": whole(1, 10**9),
        "songs": mapped(text(), number(0, 1e9)),
    },
    more=True,
)
"""The part of a record by which runs are found and compared."""
_MASKED, _WINDOWS, _MEASURED, _RESAMPLES = 0.15, 2, 7919, 4000
"""Share of the tokens masked, windows of a song, part of the key of the randomness, resamples of an interval."""


class Curve(lightning.Callback):
    """Measure the songs of every side before training and at every `every`-th step.

    Args:
        shards: The music.
        sides: Indices of the songs on each of `SIDES`.
        window: Tokens in a window.
        budget: Tokens in a batch.
        every: Steps between measurements.

    Attributes:
        seconds: Processor time of the measurements.
    """

    def __init__(
        self, shards: Shards, sides: Mapping[str, NDArray[np.integer]], window: int, budget: int, every: int
    ) -> None:
        self.every, self.seconds = every, 0.0
        self._sides = {side: _sampled(shards, pieces, window, budget) for side, pieces in sides.items()}
        self._songs = [shards.pieces[place].key for place in sides["test"]]
        self._steps: list[int] = []
        self._found: list[dict[str, Floats]] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Measure the initial weights, which may know other music."""
        self._measure(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure if it is time."""
        if trainer.global_step % self.every == 0:
            self._measure(trainer, pl_module)

    def _measure(self, trainer: Any, pl_module: Any) -> None:
        begin = time.process_time()
        pl_module.eval()
        self._steps.append(trainer.global_step)
        self._found.append(
            {side: song_losses(pl_module.objective, batches) for side, batches in self._sides.items()}
        )
        pl_module.train()
        self.seconds += time.process_time() - begin

    def summary(self) -> dict[str, Any]:
        """Return the curves, the step where the side "valid" is best, and the loss of each test song there."""
        notes, pieces = (
            {side: [_mean(found[side], of) for found in self._found] for side in SIDES}
            for of in (NOTE_FIELDS, PIECE_FIELDS)
        )
        best = int(np.argmin([loss.mean() for loss in notes["valid"]]))
        rounded = {
            name: {side: [round(float(loss.mean()), 4) for loss in losses] for side, losses in curves.items()}
            for name, curves in (("note_fields", notes), ("piece_fields", pieces))
        }
        losses = np.round(notes["test"][best], 4).tolist()
        by_field = np.round(self._found[best]["test"].mean(0), 4).tolist()
        return {
            "curve": {"step": self._steps, **rounded},
            "best": best,
            "by_field": by_field,
            "songs": dict(zip(self._songs, losses, strict=True)),
        }


def _sampled(shards: Shards, pieces: NDArray[np.integer], window: int, budget: int) -> StepBatches:
    """Return a few windows of each piece, evenly spread."""
    windows = make_windows(shards, pieces, window)
    first = np.searchsorted(windows[:, 2], windows[:, 2])
    size = np.searchsorted(windows[:, 2], windows[:, 2], side="right") - first
    place = np.arange(len(windows)) - first
    chosen = windows[place * _WINDOWS // size != (place - 1) * _WINDOWS // size]
    return StepBatches(shards, chosen, budget, shuffle=False)


@torch.no_grad()
def song_losses(objective: Objective, batches: StepBatches) -> Floats:
    """Return (S, 8) the mean loss in nats of each field of each piece, with 15 % of the tokens masked at random.

    The same tokens are masked at every call, whatever the model.

    Args:
        objective: Backbone and heads, in evaluation mode.
        batches: Windows of S pieces. They are read once.
    """
    pieces = np.unique(batches.windows[:, 2])
    total = np.zeros((len(pieces), 8))
    count = np.zeros_like(total)
    for k in range(batches.per_epoch):
        batch = batches[k]
        random = torch.rand(
            batch.attention_mask.shape, generator=generator_of(batch.tokens.device, _MEASURED, k)
        )
        masked = (random < _MASKED) & batch.attention_mask
        states = objective.backbone(batch.tokens.masked_fill(masked[..., None], MASK), batch.attend)
        recovery = recover(objective.heads(states[masked]), batch.tokens[masked])
        rows = np.searchsorted(pieces, batch.piece[:, None].expand(masked.shape)[masked].numpy())
        np.add.at(total, rows, recovery.loss.double().numpy())
        np.add.at(count, rows, recovery.counted.double().numpy())
    return np.asarray(total / np.maximum(count, 1))


def _mean(losses: Floats, of: tuple[int, ...]) -> Floats:
    """Return (S,) the mean over some fields."""
    return np.asarray(losses[:, list(of)].mean(axis=1))


class Group(NamedTuple):
    """The settings that the runs of an arm share, whatever their seeds."""

    corpus: str
    size: str
    notes: int
    passes: int
    steps: int
    noise: float
    arm: str


def result_rows(records: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return heads, and a row for every arm at every share of noise.

    Losses are in nats a field of a note. "loss" is that of the test songs at the pass where the songs for stopping were
    best. The difference from uniform masks on the same music has its 95 % interval and the difference of each seed.

    Args:
        records: Records of runs.
    """
    runs: dict[Group, dict[int, Mapping[str, Any]]] = {}
    for record in records:
        group = Group(*(record[name] for name in Group._fields))
        runs.setdefault(group, {})[record["seed"]] = record
    header = [
        "corpus", "size", "notes", "steps", "noise", "arm", "seeds", "loss", "above uniform", "by seed", "best pass",
        "at the end", "training songs then", "time signature and tempo", "seconds",
    ]  # fmt: skip
    return header, [
        _row(group, mine, runs) for group, mine in sorted(runs.items(), key=lambda one: one[0][:6])
    ]


def _row(
    group: Group, mine: Mapping[int, Mapping[str, Any]], runs: Mapping[Group, Mapping[int, Mapping[str, Any]]]
) -> list[str]:
    ends = list(mine.values())
    control = runs.get(group._replace(arm=CONTROL), {})
    gaps = [] if group.arm == CONTROL else song_gaps(mine, control)
    curves = [run["curve"] for run in ends]
    best = [run["passes_made"] * run["curve"]["step"][run["best"]] / run["curve"]["step"][-1] for run in ends]
    return [
        group.corpus,
        group.size,
        f"{group.notes:,}",
        f"{group.steps:,}",
        f"{group.noise:.0%}",
        group.arm,
        str(len(ends)),
        _spread([float(np.mean(list(run["songs"].values()))) for run in ends]),
        "{:+.3f} ({:+.3f} to {:+.3f})".format(*nested_interval(gaps)) if gaps else "",
        ", ".join(f"{gap.mean():+.3f}" for gap in gaps),
        f"{np.mean(best):.0f} of {np.mean([run['passes_made'] for run in ends]):.0f}",
        _spread([curve["note_fields"]["test"][-1] for curve in curves]),
        _spread([curve["note_fields"]["train"][-1] for curve in curves]),
        _spread(
            [curve["piece_fields"]["test"][run["best"]] for run, curve in zip(ends, curves, strict=True)]
        ),
        f"{np.mean([run['seconds'] for run in ends]):.0f}",
    ]


def song_gaps(ours: Mapping[int, Mapping[str, Any]], theirs: Mapping[int, Mapping[str, Any]]) -> list[Floats]:
    """Return for each seed that both have the differences of the losses, song by song."""
    return [
        np.array([ours[seed]["songs"][song] - loss for song, loss in theirs[seed]["songs"].items()])
        for seed in sorted(ours.keys() & theirs.keys())
    ]


def nested_interval(gaps: Sequence[Floats]) -> tuple[float, float, float]:
    """Return the mean with its 95 % interval. Seeds are resampled, and the songs of each.

    Args:
        gaps: (S,) differences of each seed. Each seed counts alike.
    """
    random = np.random.default_rng(0)
    means = np.array(
        [gap[random.integers(len(gap), size=(_RESAMPLES, len(gap)))].mean(axis=1) for gap in gaps]
    )
    seeds = random.integers(len(gaps), size=(_RESAMPLES, len(gaps)))
    resampled = means[seeds, np.arange(_RESAMPLES)[:, None]].mean(axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(np.mean([gap.mean() for gap in gaps])), float(low), float(high)


def _spread(values: Sequence[float]) -> str:
    mean, deviation = mean_sd(values)
    return f"{mean:.3f}" + (f" ± {deviation:.3f}" if len(values) > 1 else "")
