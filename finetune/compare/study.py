"""Studies: tasks, arms, trials and claims as plain values. Reading an experiment imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from data.toolkit.options import written_options
from finetune.report.tables import variant_of
from finetune.settings import AT_ONCE, FEATURES, SCRATCH, TaskSettings

DEFAULT = "default"
"""Name of the checkpoint that arms begin from unless they name another."""


@dataclass(frozen=True)
class TaskUse:
    """A task as the study uses it.

    Args:
        task: One of `finetune tasks` or "sequence" or "note" for a user's own labels.
        protocol: How the corpus is divided. None for the first way.
        budget: Share of the training labels, or above 1 a number of pieces.
        epochs: Passes over the training set, instead of the study's.
        folder: A user's own folder.
        labels: Table of labels if it is not labels.csv in the folder. Without one its subfolders are classes.
        tracks: Names of tracks, of task "note".
    """

    task: str
    protocol: str | None = None
    budget: float = 1.0
    epochs: float | None = None
    folder: str | None = None
    labels: str | None = None
    tracks: str | None = None

    @property
    def name(self) -> str:
        """The name in tables and folders. It leaves out what is usual."""
        own = _fit_for_a_folder(Path(self.folder).name) if self.folder else ""
        budget = "" if self.budget == 1 else f"budget{self.budget:g}"
        return "-".join(filter(None, [self.task, own, self.protocol or "", budget]))

    @property
    def folds(self) -> int:
        """The number of trainings for each seed."""
        from finetune.tasks.folds import task_of

        return task_of(TaskSettings(**self.settings())).protocol(self.protocol).folds

    def settings(self) -> dict[str, Any]:
        """Return the settings of `finetune` that name the task by the names of leaves."""
        return {name: value for name, value in asdict(self).items() if name != "epochs"}


@dataclass(frozen=True, eq=False)
class Arm:
    """One way to learn a task.

    Args:
        method: As `finetune --method` names it.
        checkpoint: Name of one of the study's or `SCRATCH`.
        label: Name in tables. By default made of what is unusual about it.
        like: For random initialisation: name of the checkpoint whose shape it has.
        preset: For random initialisation: its size, instead of `like`.
        layers, size, share, probe, keys, probe_first: As the flags of `finetune`.
        options: Of the adapter.
        rates: As many learning rates to try, instead of the study's factors of the usual one.
        axes: Its place in a grid: value by name of the axis.
    """

    method: str
    checkpoint: str = DEFAULT
    label: str = ""
    like: str = DEFAULT
    preset: str | None = None
    layers: str | None = None
    size: int | None = None
    share: str | None = None
    probe: str | None = None
    keys: int = 1
    probe_first: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    rates: tuple[float, ...] = ()
    axes: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The label or a few words for what is unusual about the arm."""
        if self.label:
            return self.label
        fresh = self.trained and self.checkpoint == SCRATCH
        parts = ["scratch" if fresh and self.method == "full" else self.method]
        parts += [
            value if key in ("options", "probe") else f"{key.replace('_', ' ')} {value}".rstrip()
            for key, value in self._variant().items()
        ]
        parts += ["from scratch"] if fresh and self.method != "full" else []
        stands = DEFAULT if not self.trained else self.like if fresh else self.checkpoint
        return ", ".join([*parts, *([stands] if stands != DEFAULT else [])])

    @property
    def trained(self) -> bool:
        """Whether it has a backbone, from a checkpoint or from random initialisation."""
        return self.method != FEATURES

    @property
    def usual(self) -> bool:
        """Whether place, size and options are the defaults of the method."""
        return not self._variant()

    @property
    def slug(self) -> str:
        """The name as a folder name."""
        return _fit_for_a_folder(self.name.replace("%", "pct"))

    def settings(self) -> dict[str, Any]:
        """Return the settings of `finetune` that make the arm what it is, apart from the checkpoint."""
        given = {"method": self.method, "probe": self.probe, "layers": self.layers, "size": self.size}
        rest = {"share": self.share, "options": written_options(self.options)}
        return {**given, **rest, "keys": self.keys, "probe_first": self.probe_first}

    def _variant(self) -> dict[str, str]:
        return variant_of(self.settings())


@dataclass(frozen=True)
class Claim:
    """A published finding that the study tests.

    Args:
        claim: The claim in words.
        source: The publication.
        better: Names of arms or patterns such as "conv, all, *". Their mean score should be above
        worse: that of these.
        tasks: Names of tasks it is tested on with protocol and budget or without. Empty for all.
    """

    claim: str
    source: str
    better: tuple[str, ...]
    worse: tuple[str, ...]
    tasks: tuple[str, ...] = ()

    def of(self, use: TaskUse) -> bool:
        """Return whether it is tested on that task."""
        return not self.tasks or use.name in self.tasks or use.task in self.tasks


@dataclass(frozen=True)
class Study:
    """A comparison.

    Args:
        title: For people, and for the folder.
        tasks: The tasks.
        arms: The methods that are compared.
        trials: Learning rates to try as factors of a method's usual one: the same number for every arm.
        seeds: Fine-tuning runs with the rate that was chosen.
        epochs: Passes over the training set. None as each task says.
        tokens_per_batch: Tokens in a batch, padding included.
        patience: Validations without a better one before stopping.
        claims: The findings to test.
        checkpoints: Paths by name.
    """

    title: str
    tasks: tuple[TaskUse, ...]
    arms: tuple[Arm, ...]
    trials: tuple[float, ...] = (0.3, 1.0, 3.0)
    seeds: int = 5
    epochs: float | None = None
    tokens_per_batch: int = 4096
    patience: int = 5
    claims: tuple[Claim, ...] = ()
    checkpoints: Mapping[str, str] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The title as a folder name."""
        return re.sub(r"\W+", "-", self.title.lower()).strip("-")

    @property
    def runs(self) -> int:
        """The number of trainings: for every arm and task each rate but the chosen one and each seed and fold."""
        return sum(
            use.folds * (self.rates_of(arm) - 1 + self.seeds_of(arm, use))
            for use in self.tasks
            for arm in self.arms
        )

    def rates_of(self, arm: Arm) -> int:
        """Return the number of learning rates that an arm tries; 1 if it is fitted at once."""
        return 1 if arm.method in AT_ONCE else len(self.trials)

    def seeds_of(self, arm: Arm, use: TaskUse) -> int:
        """Return the number of runs of an arm. Hand-made features fitted to the same labels are the same."""
        return 1 if arm.method == FEATURES and use.budget == 1 else self.seeds

    @property
    def needed(self) -> set[str]:
        """The names of the checkpoints that arms begin from."""
        return {arm.checkpoint for arm in self.arms} - {SCRATCH}

    def matching(self, patterns: Sequence[str]) -> list[str]:
        """Return the names of arms that match any of the patterns."""
        return [arm.name for arm in self.arms if any(fnmatchcase(arm.name, one) for one in patterns)]

    def problems(self) -> list[str]:
        """Return one sentence for everything that does not fit together. Single settings are checked elsewhere."""
        problems = []
        for kind, names, remedy in (
            ("task", [use.name for use in self.tasks], "leave one out, or give it a study of its own"),
            ("arm", [arm.slug for arm in self.arms], "give one of them another label"),
        ):
            if not names:
                problems.append(f"The study names no {kind}; name one at least.")
            twice = sorted({name for name in names if names.count(name) > 1})
            problems += [f"Two {kind}s are called '{name}': {remedy}." for name in twice]
        if self.seeds < 1:
            problems.append(f"seeds: {self.seeds}: one at least is needed, and 5 for a table.")
        if not self.trials or min(self.trials) <= 0:
            problems.append("trials: name factors of the usual learning rate, all above 0, as in 0.3, 1, 3.")
        if len(set(self.trials)) < len(self.trials):
            problems.append("trials: a factor stands there twice; every trial must be another.")
        if SCRATCH in (*self.checkpoints, *self.checkpoints.values()):
            problems.append(f"checkpoints: '{SCRATCH}' is none; name it among the arms, or in --methods.")
        for arm in self.arms:
            problems += self._arm_problems(arm)
        for claim in self.claims:
            problems += [
                f"Claim '{claim.claim}' speaks of '{one}', and no arm is called that."
                for one in (*claim.better, *claim.worse)
                if not self.matching([one])
            ]
            problems += [
                f"Claim '{claim.claim}' speaks of task '{one}', which is not among those of the study."
                for one in claim.tasks
                if one not in {name for use in self.tasks for name in (use.name, use.task)}
            ]
        return problems

    def _arm_problems(self, arm: Arm) -> list[str]:
        problems = []
        if arm.rates and len(set(arm.rates)) != len(self.trials):
            problems.append(
                f"Arm '{arm.name}' has {len(set(arm.rates))} learning rates where others have {len(self.trials)}: "
                "a comparison gives every arm as many trials."
            )
        if arm.rates and arm.method in AT_ONCE:
            problems.append(f"Arm '{arm.name}' is fitted at once and has no learning rate: leave out rates.")
        if arm.rates and min(arm.rates) <= 0:
            problems.append(f"Arm '{arm.name}': learning rates must be above 0.")
        if arm.checkpoint not in (SCRATCH, *self.checkpoints):
            problems.append(
                f"Arm '{arm.name}' begins from a checkpoint: name it with --from {arm.checkpoint}=PATH, "
                f"or write {SCRATCH} where there is to be none."
            )
        shaped = arm.like != DEFAULT
        if arm.checkpoint != SCRATCH and (arm.preset or shaped):
            problems.append(f"Arm '{arm.name}' has the shape of its checkpoint: leave out preset and like.")
        elif arm.preset and shaped:
            problems.append(
                f"Arm '{arm.name}' has the shape of checkpoint '{arm.like}': leave out its preset, and --preset."
            )
        elif shaped and arm.like not in self.checkpoints:
            problems.append(
                f"Arm '{arm.name}' has the shape of a checkpoint: name it with --from {arm.like}=PATH."
            )
        return problems


def _fit_for_a_folder(name: str) -> str:
    return re.sub(r"[^\w.=+-]+", "_", name).strip("_")
