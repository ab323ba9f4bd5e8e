"""Downstream evaluation of pretraining settings: tasks are learnt from their checkpoints and scored on validation.

A sweep is a list of runs. Each has a setting, a seed, its held-out loss, and the validation counts of every task. It
has nothing of the test side, so a setting can be chosen by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from data.toolkit.record_schema import Kind
from data.toolkit.records import portable_command
from data.toolkit.runs import read_record
from finetune.tasks.metrics import Counts, Difference, accuracy, mean_sd, paired_bootstrap, unpack_counts
from symbolic.checkpoint.bundled import RECORD
from symbolic.documents import anything
from symbolic.errors import ConfigError

_PRETRAINED = Kind("pretrain", frozenset({"history", "command"}), anything)
_SCORED = Kind("finetune", frozenset({"valid_counts"}), anything)
_MEASURED = ("loss", "accuracy", "selector")
_RUN = re.compile(r"(?P<setting>.+)-(?P<seed>\d+)")


@dataclass(frozen=True, eq=False)
class Evaluated:
    """One setting with all its seeds.

    Attributes:
        name: Name of the setting.
        seeds: Seeds of pretraining and of the tasks learnt from it.
        loss: Final held-out cross-entropy of each seed in nats, mean of the eight fields; empty without pretraining.
        correlation: Final rank correlation of score and loss, of each seed of a learned selector.
        counts: (S, G, C, C) confusion counts of seeds and validation groups, by task.
    """

    name: str
    seeds: list[int]
    loss: list[float]
    correlation: list[float]
    counts: dict[str, Counts]

    def scores(self, task: str) -> list[float]:
        """Return (S,) the accuracy of each seed in per cent."""
        return list(100 * accuracy(self.counts[task].sum(axis=1)))

    def paired(self, other: Evaluated, task: str) -> tuple[Counts, Counts]:
        """Return the counts of this setting and of another one, for the seeds that both have.

        Raises:
            ConfigError: If the two share no seed.
        """
        shared = sorted(set(self.seeds) & set(other.seeds))
        if not shared:
            raise ConfigError(
                f"{self.name} and {other.name} have no seed in common. Run both with the same seeds."
            )
        ours, theirs = (one.counts[task][[one.seeds.index(seed) for seed in shared]] for one in (self, other))
        return ours, theirs

    def above(self, other: Evaluated, task: str) -> Difference:
        """Return the gain over another setting in points, with pieces and seeds paired.

        Raises:
            ConfigError: If the two share no seed.
            ValueError: If they were not scored on the same pieces.
        """
        ours, theirs = self.paired(other, task)
        gap = paired_bootstrap([ours], [theirs], accuracy)
        return Difference(100 * gap.mean, 100 * gap.low, 100 * gap.high, gap.p)


def gather(folder: str | Path, tasks: Sequence[str]) -> list[dict[str, Any]]:
    """Return the runs of a sweep that have all tasks, as JSON values.

    Args:
        folder: Holds SETTING-SEED/pretrain, unless there was none, and SETTING-SEED/TASK for every task.
        tasks: The downstream tasks.

    Raises:
        ConfigError: If a record has no validation counts.
    """
    runs = []
    for place in sorted(Path(folder).iterdir()):
        found = _RUN.fullmatch(place.name)
        if found is None or not all((place / task / RECORD).is_file() for task in tasks):
            continue
        run: dict[str, Any] = {"setting": found["setting"], "seed": int(found["seed"])}
        if (place / "pretrain" / RECORD).is_file():
            record = read_record(place / "pretrain", _PRETRAINED)
            run["command"] = portable_command(record["command"])
            run["history"] = [
                {"step": entry["step"], **{name: entry["held_out"].get(name) for name in _MEASURED}}
                for entry in record["history"]
            ]
        run["valid_counts"] = {task: read_record(place / task, _SCORED)["valid_counts"] for task in tasks}
        runs.append(run)
    return runs


def evaluate(runs: Sequence[Mapping[str, Any]]) -> list[Evaluated]:
    """Return the settings of a sweep, in their first order.

    Args:
        runs: The runs, from `gather`.
    """
    settings = []
    for name in dict.fromkeys(run["setting"] for run in runs):
        mine = sorted((run for run in runs if run["setting"] == name), key=lambda run: run["seed"])
        counts = {
            task: np.concatenate([unpack_counts(run["valid_counts"][task]) for run in mine])
            for task in mine[0]["valid_counts"]
        }
        ends = [run["history"][-1] for run in mine if "history" in run]
        loss = [float(np.mean(list(end["loss"].values()))) for end in ends]
        values = [end["selector"]["correlation"] for end in ends if end["selector"]]
        correlation = [value for value in values if value is not None]
        settings.append(Evaluated(name, [run["seed"] for run in mine], loss, correlation, counts))
    return settings


def control_of(settings: Sequence[Evaluated], name: str) -> Evaluated:
    """Return the setting that others are compared with.

    Raises:
        ConfigError: If there is none of that name.
    """
    for one in settings:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in settings) or "none yet"
    raise ConfigError(f"{name} has no runs. Compare with one of: {known}.")


def ranked(settings: Sequence[Evaluated], control: str) -> list[Evaluated]:
    """Return the settings by their mean gain over the control on common seeds, best first.

    Scores themselves cannot be compared between different seeds, because some label subsets are harder than others.
    """
    against = control_of(settings, control)

    def behind(one: Evaluated) -> float:
        pairs = [one.paired(against, task) for task in against.counts]
        return float(np.mean([np.diff([accuracy(c.sum(axis=1)).mean() for c in pair]) for pair in pairs]))

    return sorted(settings, key=behind)


def result_rows(settings: Sequence[Evaluated], control: str) -> tuple[list[str], list[list[str]]]:
    """Return heads, and a row for every setting.

    A row has the held-out loss of a field in nats, of tokens masked at random. For a learned selector it has the rank
    correlation of score and loss. For every task it has the accuracy in per cent, then the gain over the control on
    common seeds with its interval.
    """
    against = control_of(settings, control)
    tasks = list(against.counts)
    header = [
        "setting",
        "seeds",
        "held-out loss",
        "score and loss",
        *(f"{task}, above {control}" for task in tasks),
    ]
    return header, [
        [
            one.name,
            str(len(one.seeds)),
            _spread(one.loss, 2),
            _spread(one.correlation, 2),
            *(_cell(one, against, task) for task in tasks),
        ]
        for one in ranked(settings, control)
    ]


def _cell(one: Evaluated, control: Evaluated, task: str) -> str:
    text = _spread(one.scores(task), 1)
    if one is control:
        return text
    gap = one.above(control, task)
    return f"{text}; {gap.mean:+.1f} ({gap.low:+.1f} to {gap.high:+.1f})"


def _spread(values: Sequence[float], digits: int) -> str:
    """Return mean and deviation, if there are enough values."""
    words = [f"{value:.{digits}f}" for value in (mean_sd(values) if values else ())]
    return " ± ".join(words[: len(values)])


def result_picture(settings: Sequence[Evaluated], control: str) -> Figure:
    """Draw the gain of every setting over the control with its interval, in a panel for every task."""
    against = control_of(settings, control)
    others = [one for one in reversed(ranked(settings, control)) if one is not against]
    tasks = list(against.counts)
    figure = Figure(figsize=(3.5 + 3 * len(tasks), 1.2 + 0.32 * len(others)), layout="constrained")
    for axes, task in zip(figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0], tasks, strict=True):
        for place, one in enumerate(others):
            gap = one.above(against, task)
            clear = gap.low > 0 or gap.high < 0
            axes.plot([gap.low, gap.high], [place, place], color="C0" if clear else "0.6")
            axes.plot(gap.mean, place, "o", color="C0" if clear else "0.6")
        axes.axvline(0, color="0.3", linewidth=0.8)
        axes.set(title=task, xlabel=f"points above {control}", yticks=range(len(others)))
        axes.set_yticklabels([one.name for one in others])
    return figure
