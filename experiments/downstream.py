"""Ways of pretraining held against one another by what is learnt from their checkpoints, on the validation side.

A sweep is a list of runs: each a setting and a seed, its held-out loss, and how a task learnt from it fared on every
validation group. Nothing of the test side goes in, so that a setting can be chosen by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from data.toolkit.records import portable_command
from data.toolkit.runs import read_record
from finetune.tasks.metrics import Counts, Difference, accuracy, mean_sd, paired_bootstrap, unpack_counts
from symbolic.checkpoint.bundled import RECORD
from symbolic.errors import ConfigError

_MEASURED = ("loss", "accuracy", "selector")
_RUN = re.compile(r"(?P<setting>.+)-(?P<seed>\d+)")


@dataclass(frozen=True, eq=False)
class Judged:
    """One setting, of every seed.

    Attributes:
        name: Of the setting.
        seeds: Of pretraining and of what was learnt from it.
        loss: At the end, of each seed: held-out cross-entropy in nats, mean of the eight fields; none where there was
            no pretraining.
        correlation: At the end, of each seed of a learned selector: of its score and the loss, by rank.
        counts: By task, (S, G, C, C) of the validation groups.
    """

    name: str
    seeds: list[int]
    loss: list[float]
    correlation: list[float]
    counts: dict[str, Counts]

    def scores(self, task: str) -> list[float]:
        """(S,) accuracy of each seed, in per cent."""
        return list(100 * accuracy(self.counts[task].sum(axis=1)))

    def paired(self, other: Judged, task: str) -> tuple[Counts, Counts]:
        """Their counts and those of another setting, of the seeds that both have.

        Raises:
            ConfigError: If the two share no seed.
        """
        shared = sorted(set(self.seeds) & set(other.seeds))
        if not shared:
            raise ConfigError(
                f"{self.name} and {other.name} have no seed in common. Judge both with the same."
            )
        ours, theirs = (one.counts[task][[one.seeds.index(seed) for seed in shared]] for one in (self, other))
        return ours, theirs

    def above(self, other: Judged, task: str) -> Difference:
        """How far this setting is above another, in points, pieces and seeds both paired.

        Raises:
            ConfigError: If the two share no seed.
            ValueError: If they were not scored on the same pieces.
        """
        ours, theirs = self.paired(other, task)
        gap = paired_bootstrap([ours], [theirs], accuracy)
        return Difference(100 * gap.mean, 100 * gap.low, 100 * gap.high, gap.p)


def gather(folder: str | Path, tasks: Sequence[str]) -> list[dict[str, Any]]:
    """The runs of a sweep that all judges have seen, as JSON values.

    Args:
        folder: Holds SETTING-SEED/pretrain, unless there was none, and SETTING-SEED/TASK of every judge.
        tasks: The judges.

    Raises:
        ConfigError: If a run was scored before validation counts were kept.
    """
    runs = []
    for place in sorted(Path(folder).iterdir()):
        found = _RUN.fullmatch(place.name)
        if found is None or not all((place / task / RECORD).is_file() for task in tasks):
            continue
        run: dict[str, Any] = {"setting": found["setting"], "seed": int(found["seed"])}
        if (place / "pretrain" / RECORD).is_file():
            record = read_record(place / "pretrain", {"history", "command"}, "pretrain")
            run["command"] = portable_command(record["command"])
            run["history"] = [
                {"step": entry["step"], **{name: entry["held_out"].get(name) for name in _MEASURED}}
                for entry in record["history"]
            ]
        run["valid_counts"] = {
            task: read_record(place / task, {"valid_counts"}, "finetune")["valid_counts"] for task in tasks
        }
        runs.append(run)
    return runs


def judged(runs: Sequence[Mapping[str, Any]]) -> list[Judged]:
    """Settings of a sweep, in the order in which they were begun.

    Args:
        runs: From `gather`.
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
        told = [end["selector"]["correlation"] for end in ends if end["selector"]]
        correlation = [value for value in told if value is not None]
        settings.append(Judged(name, [run["seed"] for run in mine], loss, correlation, counts))
    return settings


def control_of(settings: Sequence[Judged], name: str) -> Judged:
    """The setting that others are held against.

    Raises:
        ConfigError: If there is none of that name.
    """
    for one in settings:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in settings) or "none yet"
    raise ConfigError(f"{name} has not been judged. Hold the others against one of: {known}.")


def ranked(settings: Sequence[Judged], control: str) -> list[Judged]:
    """The best first, by the points above the control on seeds in common, mean over tasks.

    Scores themselves would not do where settings differ in their seeds: some draws of the labels are worse than others.
    """
    against = control_of(settings, control)

    def behind(one: Judged) -> float:
        pairs = [one.paired(against, task) for task in against.counts]
        return float(np.mean([np.diff([accuracy(c.sum(axis=1)).mean() for c in pair]) for pair in pairs]))

    return sorted(settings, key=behind)


def verdict_rows(settings: Sequence[Judged], control: str) -> tuple[list[str], list[list[str]]]:
    """Heads, and a row for every setting.

    Held-out loss of a field in nats, of rows masked at random; of a learned selector the rank correlation of its score
    and that loss; of every task accuracy in per cent, then on seeds in common the points above the control and their
    interval.
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


def _cell(one: Judged, control: Judged, task: str) -> str:
    text = _spread(one.scores(task), 1)
    if one is control:
        return text
    gap = one.above(control, task)
    return f"{text}; {gap.mean:+.1f} ({gap.low:+.1f} to {gap.high:+.1f})"


def _spread(values: Sequence[float], digits: int) -> str:
    """Mean and deviation, as far as there are values for them."""
    words = [f"{value:.{digits}f}" for value in (mean_sd(values) if values else ())]
    return " ± ".join(words[: len(values)])


def verdict_picture(settings: Sequence[Judged], control: str) -> Figure:
    """How far every setting is above the control, with its interval; a panel for every task."""
    against = control_of(settings, control)
    others = [one for one in reversed(ranked(settings, control)) if one is not against]
    tasks = list(against.counts)
    figure = Figure(figsize=(3.5 + 3 * len(tasks), 1.2 + 0.32 * len(others)), layout="constrained")
    for axes, task in zip(figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0], tasks, strict=True):
        for place, one in enumerate(others):
            gap = one.above(against, task)
            told = gap.low > 0 or gap.high < 0
            axes.plot([gap.low, gap.high], [place, place], color="C0" if told else "0.6")
            axes.plot(gap.mean, place, "o", color="C0" if told else "0.6")
        axes.axvline(0, color="0.3", linewidth=0.8)
        axes.set(title=task, xlabel=f"points above {control}", yticks=range(len(others)))
        axes.set_yticklabels([one.name for one in others])
    return figure
