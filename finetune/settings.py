"""Settings of the commands."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from data.preparation.settings import PrepareSettings
from data.toolkit.command import setting
from finetune.training.options import read_options
from symbolic.errors import ConfigError

ACCELERATORS = ("cpu", "gpu", "auto")
PRESET_NAMES = ("tiny", "mini", "small", "base")
"""Those of `symbolic.backbone`, which costs an import of torch."""
BACKBONE_NAMES = ("transformer", "conformer")
"""Also those of `symbolic.backbone`."""
ADAPTER_NAMES = (
    *("adapter", "bitfit", "conv", "ia3", "lora", "parallel", "prefix", "prompt", "reft"),
    *("ssf", "transformer", "two_parallel"),
)
"""Also those of `symbolic.adapters`."""
METHODS = ("full", "probe", *ADAPTER_NAMES)
FEATURES = "features"
"""In the place of a method: no backbone, but hand-made features of pieces."""
USUAL_CHECKPOINT = "tiny"
"""Where training begins unless it is told: a model that comes along."""
SCRATCH = "scratch"
"""In the place of a checkpoint: a backbone from random initialisation."""
USUAL_PRESET = "tiny"
"""Size of that backbone unless it is told."""
PROBES = ("all", "last")
PRECISIONS = ("32-true", "bf16-mixed")
SCRATCH_RATE = 1e-3
LEARNING_RATES = {
    "full": {"tiny": 5e-4, "mini": 3e-4, "small": 2e-4, "base": 5e-5},
    **{name: {"tiny": 2e-3, "mini": 1e-3, "small": 1e-3, "base": 5e-4} for name in ADAPTER_NAMES},
}
"""Peak learning rates by method and size of the backbone."""


_OF_BACKBONES = (
    *("checkpoint", "preset", "backbone", "epochs", "lr"),
    *("tokens_per_batch", "patience", "precision", "note_features", "ensemble"),
)
"""Settings that say nothing to what has no backbone and is fitted at once."""


def share_of(text: str) -> float:
    """The number in "0.5%" or "0.005"; NaN where there is none."""
    number, percent = (text[:-1], 0.01) if text.endswith("%") else (text, 1.0)
    try:
        return float(number) * percent
    except ValueError:
        return math.nan


@dataclass(kw_only=True)
class TrainSettings(PrepareSettings):
    """What every fine-tuning run depends on; kept with it as `settings.json`.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    checkpoint: str | None = setting(
        USUAL_CHECKPOINT,
        f"checkpoint; {USUAL_CHECKPOINT} comes along; {SCRATCH} for none",
        group="model",
        flag="from",
    )
    preset: str | None = setting(
        None,
        f"size with --from {SCRATCH}: {', '.join(PRESET_NAMES)} (default: {USUAL_PRESET})",
        group="model",
        rare=True,
    )
    # None and not its name: a run begun before there was this choice can then go on.
    backbone: str | None = setting(
        None,
        f"kind with --from {SCRATCH}: {', '.join(BACKBONE_NAMES)} (default: transformer)",
        group="model",
        rare=True,
    )
    method: str = setting("full", f"trained: {', '.join(METHODS)}; {FEATURES}: no network", group="model")
    probe: str | None = setting(
        None,
        "layers a probe reads: all, last, or the number of one (default: all)",
        group="model",
        rare=True,
    )
    layers: str | None = setting(
        None,
        "blocks that an adapter stands in: all, mid, last, upper50%%, or as in 0,2-5 (default: all)",
        group="model",
        rare=True,
    )
    size: int | None = setting(None, "rank, width or length of an adapter", group="model", rare=True)
    share: str | None = setting(
        None, "size an adapter by its share of the backbone, as in 0.5%%", group="model", rare=True
    )
    options: str | None = setting(
        None, "further options of an adapter, as in scale=2,targets=[query,value]", group="model", rare=True
    )

    note_features: bool = setting(
        False, "let the network hear hand-made features of notes too", group="model"
    )
    ensemble: bool = setting(False, "the same, and let boosted trees of them vote with it", group="model")

    epochs: float | None = setting(None, "passes over the training set (default: by task)", group="training")
    lr: float | None = setting(None, "peak learning rate (default: by method and size)", group="training")
    tokens_per_batch: int = setting(4096, "tokens in a batch, padding included", group="training")
    patience: int = setting(
        5, "validations without a better one before stopping", group="training", rare=True
    )
    budget: float = setting(1.0, "share of the training labels, of each class alike", group="training")
    seeds: int = setting(1, "fine-tuning runs; tables need 5", group="training")
    seed: int = setting(0, "first of the seeds", group="training", rare=True)
    accelerator: str = setting("auto", "cpu, gpu or auto", group="training")
    # None where a run begun before there was this choice can go on.
    precision: str | None = setting(
        None, f"{' or '.join(PRECISIONS)} (default: bf16 on a GPU)", group="training", rare=True
    )
    out: str | None = setting(None, "run folder (default: runs/finetune/...)", group="run")
    results: str | None = setting(
        None, "folder of records that tables are made of: copy this one", group="run"
    )
    resume: bool = setting(False, "go on with the run in that folder, or the latest", group="run")
    allow_leaks: bool = setting(
        False, "score even if pretraining saw test pieces; marked leaky", group="run", rare=True
    )

    def __post_init__(self) -> None:
        if self.checkpoint == SCRATCH or (self.method, self.checkpoint) == (FEATURES, USUAL_CHECKPOINT):
            self.checkpoint = None
        self.note_features = self.note_features or self.ensemble
        if problems := self.problems():
            raise ConfigError(problems)

    def problems(self) -> list[str]:
        """One sentence for each wrong setting."""
        problems = self.prepare_problems()
        if self.preset not in (None, *PRESET_NAMES):
            problems.append(f"--preset {self.preset}: choose one of {', '.join(PRESET_NAMES)}.")
        if self.method not in (*METHODS, FEATURES):
            problems.append(f"--method {self.method}: choose one of {', '.join((*METHODS, FEATURES))}.")
        if self.accelerator not in ACCELERATORS:
            problems.append(f"--accelerator {self.accelerator}: choose one of {', '.join(ACCELERATORS)}.")
        if self.precision not in (None, *PRECISIONS):
            problems.append(f"--precision {self.precision}: choose one of {', '.join(PRECISIONS)}.")
        problems += self._method_problems()
        for name in ("epochs", "lr", "tokens_per_batch", "patience", "seeds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                problems.append(f"--{name} {value}: must be positive.")
        if not 0 < self.budget <= 1:
            problems.append(f"--budget {self.budget}: must be above 0 and at most 1.")
        if self.seed < 0:
            problems.append(f"--seed {self.seed}: must not be negative.")
        return problems

    def _method_problems(self) -> list[str]:
        problems = []
        if self.backbone not in (None, *BACKBONE_NAMES):
            problems.append(f"--backbone {self.backbone}: choose one of {', '.join(BACKBONE_NAMES)}.")
        problems += [
            f"--{name} {getattr(self, name)}: checkpoint '{self.checkpoint}' has a {what} of its own. "
            f"Leave it out, or begin with --from {SCRATCH}."
            for name, what in (("preset", "size"), ("backbone", "kind"))
            if self.checkpoint and getattr(self, name)
        ]
        if not (self.probe in (None, *PROBES) or self.probe.isdecimal()):
            problems.append(f"--probe {self.probe}: choose {', '.join(PROBES)}, or the number of a layer.")
        if self.probe and self.method != "probe":
            problems.append(f"--probe {self.probe}: goes with --method probe.")
        if self.method == "probe":
            problems += (
                [] if self.lr is None else [f"--lr {self.lr}: a probe has no learning rate. Leave it out."]
            )
        if self.note_features and self.method == "probe":
            problems.append(
                f"{self.note_feature_flag}: a probe hears layers as they are. Choose another --method, or leave it out."
            )
        if self.method == FEATURES:
            usual = {one.name: one.default for one in fields(self)} | {"checkpoint": None}
            problems += [
                f"--{'from' if name == 'checkpoint' else name}: --method {FEATURES} has no backbone and is fitted at "
                "once. Leave it out."
                for name in _OF_BACKBONES
                if getattr(self, name) != usual[name]
            ]
        given = [name for name in ("layers", "size", "share", "options") if getattr(self, name) is not None]
        if self.method not in ADAPTER_NAMES:
            problems += [f"--{name}: goes with an adapter as --method." for name in given]
        if self.size is not None and (self.share is not None or self.size < 1):
            problems.append(f"--size {self.size}: must be positive, and goes without --share.")
        if self.share is not None and not 0 < share_of(self.share) < 1:
            problems.append(f"--share {self.share}: say a share above 0 and below 1, as in 0.5% or 0.005.")
        try:
            read_options(self.options or "")
        except ConfigError as error:
            problems += error.problems
        return problems

    @property
    def note_feature_flag(self) -> str:
        """The flag by which note features were asked for."""
        return "--ensemble" if self.ensemble else "--note_features"

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that make a run what it is, as JSON values; a resumed run must have the same."""
        free = {"out", "results", "resume", "root", "accelerator", "seeds", "allow_leaks", *self.FREE}
        values = {name: value for name, value in asdict(self).items() if name not in free}
        # As if unsaid: a run begun before there was this choice can go on.
        values |= {"note_features": self.note_features or None, "ensemble": self.ensemble or None}
        if self.method == FEATURES:
            return {name: None if name in _OF_BACKBONES else value for name, value in values.items()}
        # As runs noted it that were begun when the size had no other value.
        return {**values, "preset": self.preset or USUAL_PRESET}


@dataclass(kw_only=True)
class CorpusSettings(TrainSettings):
    """A task on a named corpus."""

    root: str | None = setting(None, "folder of data sets (default: $COUNTERPOINT_DATA)", group="data")
    protocol: str | None = setting(None, "how the corpus is divided (default: the first)", group="data")


@dataclass(kw_only=True)
class FolderSettings(TrainSettings):
    """A user's own music."""

    folder: str = setting(..., "folder of music files", positional=True)

    def __post_init__(self) -> None:
        # Spelled one way, so that a run begun with a trailing slash is resumed without.
        self.folder = str(Path(self.folder))
        super().__post_init__()


@dataclass(kw_only=True)
class SequenceSettings(FolderSettings):
    """A user's labels of pieces."""

    labels: str | None = setting(
        None, "CSV: file, label, and optionally split, group (default: labels.csv in FOLDER)", group="data"
    )


@dataclass(kw_only=True)
class NoteSettings(FolderSettings):
    """Labels of notes from track names."""

    tracks: str = setting(..., "track names that are the classes, with commas between", group="data")

    def problems(self) -> list[str]:
        """Also the names of tracks."""
        names = self.track_names
        wrong = len(names) < 2 or len({name.casefold() for name in names}) < len(names)
        return super().problems() + (
            ["--tracks: name at least two different tracks, as in MELODY,PIANO."] if wrong else []
        )

    @property
    def track_names(self) -> list[str]:
        """The names one by one."""
        return [name.strip() for name in self.tracks.split(",") if name.strip()]


@dataclass(kw_only=True)
class PredictSettings:
    """Trained runs on new files."""

    run: str = setting(
        ..., "run folder, a checkpoint in it, or a model that comes along: melody", positional=True
    )
    files: list[str] = setting(
        ..., "music files, and folders to walk; before them, further runs", positional=True
    )
    out: str = setting("predictions", "folder for MIDI files (note-level tasks)")
    csv: str | None = setting(None, "also write the table as CSV (tasks of pieces, and keys)")
    json: str | None = setting(None, "also write all as JSON: of each note onset, class, confidence; reasons")
    accelerator: str = setting("auto", "cpu, gpu or auto")

    def __post_init__(self) -> None:
        if self.accelerator not in ACCELERATORS:
            raise ConfigError(f"--accelerator {self.accelerator}: choose one of {', '.join(ACCELERATORS)}.")


@dataclass(kw_only=True)
class TransferSettings(PrepareSettings):
    """A trained run on another task.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    run: str = setting(..., "run folder", positional=True)
    task: str = setting(
        ...,
        "a task that asks the same: one of `finetune tasks`, or melody_files, velocity_files",
        positional=True,
    )
    root: str | None = setting(None, "folder of data sets (default: $COUNTERPOINT_DATA)", group="data")
    protocol: str | None = setting(None, "how the corpus is divided (default: the first)", group="data")
    accelerator: str = setting("auto", "cpu, gpu or auto")
    results: str | None = setting(None, "folder of records that tables are made of: copy this one")
    allow_leaks: bool = setting(False, "score even if training saw test pieces; marked leaky")

    def __post_init__(self) -> None:
        problems = self.prepare_problems()
        if self.accelerator not in ACCELERATORS:
            problems.append(f"--accelerator {self.accelerator}: choose one of {', '.join(ACCELERATORS)}.")
        if problems:
            raise ConfigError(problems)


@dataclass(kw_only=True)
class ExportSettings:
    """A trained run to hand on."""

    run: str = setting(..., "folder of a finished run", positional=True)
    out: str = setting(..., "folder to write; its name is that of the model", positional=True)
    licence: str | None = setting(None, "of the weights, in a line (default: as of the model it began from)")
    terms: str | None = setting(None, "file with the licence's text (default: as of the model it began from)")
    scores: str | None = setting(None, "folder of records of `finetune transfer`, for the card")


@dataclass(kw_only=True)
class BaselinesSettings(PrepareSettings):
    """The baselines of a task, without any training of networks.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    task: str = setting(..., "one of `finetune tasks`", positional=True)
    root: str | None = setting(None, "folder of data sets (default: $COUNTERPOINT_DATA)", group="data")
    protocol: str | None = setting(None, "how the corpus is divided (default: the first)", group="data")
    budget: float = setting(1.0, "share of the training labels, of each class alike", group="data")
    seed: int = setting(0, "which labels, where the budget is below 1", group="data")
    results: str | None = setting(None, "folder of records that tables are made of: keep the baselines there")

    def __post_init__(self) -> None:
        problems = self.prepare_problems()
        if not 0 < self.budget <= 1:
            problems.append(f"--budget {self.budget}: must be above 0 and at most 1.")
        if self.seed < 0:
            problems.append(f"--seed {self.seed}: must not be negative.")
        if problems:
            raise ConfigError(problems)


@dataclass(kw_only=True)
class TasksSettings:
    """What there is to learn."""

    root: str | None = setting(None, "folder of data sets (default: $COUNTERPOINT_DATA)")


@dataclass(kw_only=True)
class ReportSettings:
    """Records to a table."""

    folder: str = setting(..., "folder that holds runs, at any depth", positional=True)
    out: str | None = setting(None, "where to write the table (default: RESULTS.md in FOLDER)")
    figures: bool = setting(False, "also draw figures, into `figures` beside the table")
