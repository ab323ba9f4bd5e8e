"""Settings of the commands; those of a run are nested by what they speak of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.preparation.settings import PrepareSettings
from data.toolkit.options import read_options, written_options
from data.toolkit.settings import (
    ACCELERATORS,
    LOGGERS,
    POSITIVE,
    SEEDS,
    Group,
    Settings,
    group,
    leaves,
    nested,
    setting,
)
from finetune.budgets import budget_problem
from symbolic.adapters import METHODS as ADAPTERS
from symbolic.backbone.config import KINDS, PRESETS
from symbolic.checkpoint.bundled import require_model
from symbolic.errors import ConfigError

METHODS = ("full", "probe", *ADAPTERS)
FEATURES = "features"
"""In the place of a method: no backbone, but hand-made features of pieces."""
AT_ONCE = ("probe", FEATURES)
"""Methods that are fitted at once, without a learning rate."""
USUAL_CHECKPOINT = "tiny"
"""The checkpoint that training starts from by default: a bundled model."""
SCRATCH = "scratch"
"""In the place of a checkpoint: a backbone from random initialisation."""
USUAL_PRESET = "tiny"
"""The default size of that backbone."""
PROBES = ("all", "last")
PRECISIONS = ("32-true", "bf16-mixed")
SCRATCH_RATE = 1e-3
LEARNING_RATES = {
    "full": {"tiny": 5e-4, "mini": 3e-4, "small": 2e-4, "base": 5e-5},
    **{name: {"tiny": 2e-3, "mini": 1e-3, "small": 1e-3, "base": 5e-4} for name in ADAPTERS},
}
"""Peak learning rates by method and size of the backbone."""
SEQUENCE, NOTE = "sequence", "note"
"""Tasks of a user's own labels."""


_OF_BACKBONES = (
    *("checkpoint", "preset", "backbone", "epochs", "lr"),
    *("tokens_per_batch", "patience", "precision", "note_features", "ensemble", "probe_first"),
)
"""Settings that mean nothing without a backbone."""
_ROOT = "folder of data sets (default: $COUNTERPOINT_DATA)"


def share_of(text: str) -> float:
    """Return the number in "0.5%" or "0.005"; NaN where there is none."""
    number, percent = (text[:-1], 0.01) if text.endswith("%") else (text, 1.0)
    try:
        return float(number) * percent
    except ValueError:
        return math.nan


def _options_text(value: Any) -> Any:
    """Options of an adapter as text; YAML may have them as a mapping."""
    return written_options(value) if isinstance(value, Mapping) else value


@dataclass(kw_only=True)
class TaskSettings(PrepareSettings):
    """The task and its music."""

    task: str = setting("", "one of `finetune tasks`", positional=True)
    folder: str | None = setting(None, "folder of music files", positional=True)
    root: str | None = setting(None, _ROOT, free=True)
    protocol: str | None = setting(None, "how the corpus is divided (default: the first)")
    labels: str | None = setting(
        None,
        "CSV: file, label, split, group (default: FOLDER/labels.csv, or by subfolder)",
    )
    tracks: str | None = setting(None, "track names that are the classes, with commas between")
    budget: float = setting(
        1.0, "share of the training labels, by class; above 1 a number of pieces", within=POSITIVE
    )

    def normalise(self) -> None:
        """Write a folder in one way, so that a trailing slash makes no other run."""
        self.folder = str(Path(self.folder)) if self.folder else None

    def problems(self) -> list[str]:
        """Return one sentence for each setting that is wrong or absent."""
        problems = super().problems()
        if self.budget > 0 and (problem := budget_problem(self.budget)):
            problems.append(f"--{problem}")
        names = self.track_names
        if self.tracks is not None and (
            len(names) < 2 or len({name.casefold() for name in names}) < len(names)
        ):
            problems.append("--tracks: name at least two different tracks, as in MELODY,PIANO.")
        return problems

    @property
    def track_names(self) -> list[str]:
        """The names of tracks one by one."""
        return [name.strip() for name in (self.tracks or "").split(",") if name.strip()]

    @property
    def place(self) -> str | None:
        """The user's own folder, or the folder of data sets."""
        return self.folder or self.root


@dataclass(kw_only=True)
class ModelSettings(Group):
    """The backbone."""

    checkpoint: str | None = setting(
        USUAL_CHECKPOINT,
        f"checkpoint: a path, a bundled model, or {SCRATCH} for random weights",
        flag="from",
        none=SCRATCH,
    )
    preset: str | None = setting(
        None,
        f"size with --from {SCRATCH}: {', '.join(PRESETS)} (default: {USUAL_PRESET})",
        choices=tuple(PRESETS),
        rare=True,
    )
    backbone: str | None = setting(
        None,
        f"kind with --from {SCRATCH}: {', '.join(KINDS)} (default: {KINDS[0]})",
        choices=KINDS,
        rare=True,
    )

    def problems(self) -> list[str]:
        """Return one sentence for each setting that a checkpoint contradicts."""
        return [
            f"--{name} {getattr(self, name)}: checkpoint '{self.checkpoint}' has its own {what}. "
            f"Leave it out, or start with --from {SCRATCH}."
            for name, what in (("preset", "size"), ("backbone", "kind"))
            if self.checkpoint and getattr(self, name)
        ]


@dataclass(kw_only=True)
class AdapterSettings(Group):
    """The parts of the model that are trained."""

    method: str = setting(
        "full", f"{', '.join(METHODS)}; {FEATURES}: no network", choices=(*METHODS, FEATURES)
    )
    probe: str | None = setting(
        None,
        "layers a probe reads: all, last, or the number of one (default: all)",
        rare=True,
    )
    keys: int = setting(
        1,
        "keys in which a probe reads a piece; 6 tells more in six times the time",
        within="[1, 12]",
        rare=True,
    )
    layers: str | None = setting(
        None, "blocks of an adapter: all, mid, last, upper50%, or as in 0,2-5 (default: all)", rare=True
    )
    size: int | None = setting(None, "rank, width or length of an adapter", within=POSITIVE, rare=True)
    share: str | None = setting(None, "size of an adapter as a share of the backbone, as in 0.5%", rare=True)
    options: str | None = setting(
        None,
        "further options of an adapter, as in scale=2,targets=[query,value]",
        rare=True,
        convert=_options_text,
    )
    note_features: bool = setting(False, "give the network hand-made features of notes too")
    ensemble: bool = setting(False, "the same, and combine it with boosted trees on these features")
    probe_first: bool = setting(False, "start from a fitted probe of all layers: for few labels", rare=True)

    def normalise(self) -> None:
        """An ensemble has note features."""
        self.note_features = self.note_features or self.ensemble

    def problems(self) -> list[str]:
        """Return one sentence for each setting that does not fit the method."""
        problems = []
        if self.probe and self.method != "probe":
            problems.append(f"--probe {self.probe}: goes with --method probe.")
        if not (self.probe in (None, *PROBES) or self.probe.isdecimal()):
            problems.append(f"--probe {self.probe}: choose {', '.join(PROBES)}, or the number of a layer.")
        if self.keys > 1 and self.method != "probe":
            problems.append(f"--keys {self.keys}: goes with --method probe.")
        if self.note_features and self.method == "probe":
            problems.append(
                f"{self.note_feature_flag}: a probe reads frozen layers only. Choose another --method, or leave it out."
            )
        if self.probe_first and (self.method in AT_ONCE or self.note_features):
            other = self.note_feature_flag if self.note_features else f"--method {self.method}"
            problems.append(f"--probe_first: goes without {other}. Leave one of them out.")
        if self.method not in ADAPTERS:
            given = ("layers", "size", "share", "options")
            problems += [
                f"--{name}: goes with an adapter as --method."
                for name in given
                if getattr(self, name) is not None
            ]
        if self.size is not None and self.share is not None:
            problems.append(f"--size {self.size}: goes without --share.")
        if self.share is not None and not 0 < share_of(self.share) < 1:
            problems.append(f"--share {self.share}: write a share above 0 and below 1, as in 0.5% or 0.005.")
        try:
            read_options(self.options or "")
        except ConfigError as error:
            problems += error.problems
        return problems

    @property
    def note_feature_flag(self) -> str:
        """The flag by which note features were asked for."""
        return "--ensemble" if self.ensemble else "--note_features"


@dataclass(kw_only=True)
class TrainingSettings(Group):
    """Settings of training."""

    epochs: float | None = setting(None, "passes over the training set (default: by task)", within=POSITIVE)
    lr: float | None = setting(None, "peak learning rate (default: by method and size)", within=POSITIVE)
    tokens_per_batch: int = setting(4096, "tokens in a batch, padding included", within=POSITIVE, rare=True)
    patience: int = setting(5, "validations without a better one before stopping", within=POSITIVE, rare=True)
    seeds: int = setting(1, "number of runs; tables need 5", within=POSITIVE, free=True)
    seed: int = setting(0, "first of the seeds", within=SEEDS, rare=True)
    accelerator: str = setting("auto", "cpu, gpu or auto", choices=ACCELERATORS, free=True)
    precision: str | None = setting(
        None,
        f"{' or '.join(PRECISIONS)} (default: bf16 where the processor has it)",
        choices=PRECISIONS,
        rare=True,
    )

    def problems(self) -> list[str]:
        """Refuse seeds beyond the largest."""
        last = self.seed + self.seeds - 1
        return (
            [f"--seeds {self.seeds}: the last seed would be {last}, not below {2**32}."]
            if last >= 2**32
            else []
        )


@dataclass(kw_only=True)
class RunSettings(Group):
    """Settings of the run folder."""

    out: str | None = setting(None, "run folder (default: runs/finetune/...)", free=True)
    results: str | None = setting(
        None, "folder of records for tables: copy this run's record there", free=True
    )
    resume: bool = setting(False, "go on with RUN, with --out, or with the latest run", free=True)
    allow_leaks: bool = setting(
        False, "score even if pretraining saw test pieces; marked leaky", rare=True, free=True
    )
    logger: str | None = setting(
        None, f"also log to {' or '.join(LOGGERS)} (CSV always)", choices=LOGGERS, rare=True, free=True
    )


@dataclass(kw_only=True)
class FinetuneSettings(Settings):
    """Everything a fine-tuning run depends on.

    Build it from groups, as in `FinetuneSettings(data=TaskSettings(task="melody"))`, or from leaves, as in
    `FinetuneSettings.of(task="melody", lr=1e-3)`.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    data: TaskSettings = group(TaskSettings)
    model: ModelSettings = group(ModelSettings)
    adapter: AdapterSettings = group(AdapterSettings)
    training: TrainingSettings = group(TrainingSettings)
    run: RunSettings = group(RunSettings)

    def normalise(self) -> None:
        """No checkpoint is one way to write "from scratch"; hand-made features have none."""
        usual = (FEATURES, USUAL_CHECKPOINT)
        if self.model.checkpoint == SCRATCH or (self.adapter.method, self.model.checkpoint) == usual:
            self.model.checkpoint = None

    def problems(self) -> list[str]:
        """Return one sentence for each setting that has no meaning for the method."""
        if self.adapter.method == "probe" and self.training.lr is not None:
            return [f"--lr {self.training.lr}: a probe has no learning rate. Leave it out."]
        if self.adapter.method != FEATURES:
            return []
        known, values = leaves(type(self)), self.flat()
        return [
            f"{known[name].flag}: --method {FEATURES} has no backbone and is fitted at once. Leave it out."
            for name in _OF_BACKBONES
            if values[name] != (None if name == "checkpoint" else known[name].default)
        ]

    def check_sources(self) -> None:
        """Refuse a checkpoint that does not exist, before torch is imported.

        Raises:
            CheckpointError: If there is no such checkpoint.
        """
        if self.model.checkpoint is not None:
            require_model(self.model.checkpoint)

    @property
    def command(self) -> list[str]:
        """The words of the command that does by itself what these settings say; --from is always written."""
        places = [self.data.folder] if self.data.folder else []
        words = ["finetune", self.data.task, *places, "--from", self.model.checkpoint or SCRATCH]
        unsaid = {"task", "folder", "checkpoint", "out", "resume", "results", "jobs"}
        values = self.flat()
        for name, leaf in leaves(type(self)).items():
            value = values[name]
            if name not in unsaid and value != leaf.default:
                text = f"{value:g}" if isinstance(value, float) else str(value)
                words += [leaf.flag] if value is True else [leaf.flag, text]
        return words

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that make a run what it is, nested by group; a resumed run must have the same."""
        found = super().identity
        if self.adapter.method != FEATURES:
            return found
        return nested(
            type(self),
            {
                name: None if name in _OF_BACKBONES else value
                for part in found.values()
                for name, value in part.items()
            },
        )


@dataclass(kw_only=True)
class TransferSettings(Settings):
    """A trained run on another task.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    run: str = setting(..., "run folder", positional=True)
    data: TaskSettings = group(TaskSettings)
    accelerator: str = setting("auto", "cpu, gpu or auto", choices=ACCELERATORS)
    results: str | None = setting(None, "folder of records for tables: copy this one there")
    allow_leaks: bool = setting(False, "score even if training saw test pieces; marked leaky")


@dataclass(kw_only=True)
class ExportSettings(Settings):
    """A trained run to export."""

    run: str = setting(..., "folder of a finished run", positional=True)
    out: str = setting(..., "folder to write; its name is that of the model", positional=True)
    licence: str | None = setting(
        None, "terms of your own music, in a line (default: unstated); the model's licence follows"
    )
    terms: str | None = setting(None, "file with the text of these terms")
    scores: str | None = setting(None, "folder of records of `finetune transfer`, for the card")
    onnx: bool = setting(False, "write the network for ONNX Runtime too, which starts without torch")


@dataclass(kw_only=True)
class BaselinesSettings(Settings):
    """The baselines of a task. No network is trained.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    data: TaskSettings = group(TaskSettings)
    seed: int = setting(0, "seed of the choice of labels, for a part of them", within=SEEDS)
    results: str | None = setting(None, "folder of records for tables: keep the baselines there")


@dataclass(kw_only=True)
class TasksSettings(Settings):
    """The tasks to list."""

    root: str | None = setting(None, _ROOT)


@dataclass(kw_only=True)
class ReportSettings(Settings):
    """Records to a table."""

    folder: str = setting(..., "folder that holds runs, at any depth", positional=True)
    out: str | None = setting(None, "file of the table (default: RESULTS.md in FOLDER)")
