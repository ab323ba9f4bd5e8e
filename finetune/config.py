"""Settings of the commands."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from data.command import setting
from data.settings import PrepareSettings
from symbolic.errors import ConfigError

ACCELERATORS = ("cpu", "gpu", "auto")
PRESET_NAMES = ("tiny", "small", "base")
"""Those of `symbolic.backbone`, which costs an import of torch."""
METHODS = ("full", "probe", "lora", "adapter")
SCRATCH_RATE = 1e-3
LEARNING_RATES = {
    "full": {"tiny": 5e-4, "small": 2e-4, "base": 5e-5},
    "lora": {"tiny": 2e-3, "small": 1e-3, "base": 5e-4},
    "adapter": {"tiny": 2e-3, "small": 1e-3, "base": 5e-4},
    "probe": {"tiny": 5e-3, "small": 3e-3, "base": 1e-3},
}
"""Peak learning rates by method and size of the backbone."""


@dataclass(kw_only=True)
class TrainSettings(PrepareSettings):
    """What every fine-tuning run depends on; kept with it as `settings.json`.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    checkpoint: str | None = setting(
        None, "pretrained checkpoint (default: from scratch)", group="model", flag="from"
    )
    preset: str = setting("tiny", f"size when from scratch: {', '.join(PRESET_NAMES)}", group="model")
    method: str = setting("full", f"what is trained: {', '.join(METHODS)}", group="model")

    epochs: float | None = setting(None, "passes over the training set (default: by task)", group="training")
    lr: float | None = setting(None, "peak learning rate (default: by method and size)", group="training")
    rows_per_batch: int = setting(4096, "rows in a batch, padding included", group="training")
    patience: int = setting(
        5, "validations without a better one before stopping", group="training", rare=True
    )
    budget: float = setting(1.0, "share of the training labels, of each class alike", group="training")
    seeds: int = setting(1, "fine-tuning runs; tables need 5", group="training")
    seed: int = setting(0, "first of the seeds", group="training", rare=True)
    accelerator: str = setting("auto", "cpu, gpu or auto", group="training")

    out: str | None = setting(None, "run folder (default: runs/finetune/...)", group="run")
    results: str | None = setting(
        None, "folder of records that tables are made of: copy this one", group="run"
    )
    resume: bool = setting(False, "go on with the run in that folder, or the latest", group="run")
    allow_leaks: bool = setting(False, "score even if pretraining saw test pieces; marked leaky", group="run")

    def __post_init__(self) -> None:
        if problems := self.problems():
            raise ConfigError(problems)

    def problems(self) -> list[str]:
        """One sentence for each wrong setting."""
        problems = self.prepare_problems()
        if self.preset not in PRESET_NAMES:
            problems.append(f"--preset {self.preset}: choose one of {', '.join(PRESET_NAMES)}.")
        if self.method not in METHODS:
            problems.append(f"--method {self.method}: choose one of {', '.join(METHODS)}.")
        if self.accelerator not in ACCELERATORS:
            problems.append(f"--accelerator {self.accelerator}: choose one of {', '.join(ACCELERATORS)}.")
        for name in ("epochs", "lr", "rows_per_batch", "patience", "seeds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                problems.append(f"--{name} {value}: must be positive.")
        if not 0 < self.budget <= 1:
            problems.append(f"--budget {self.budget}: must be above 0 and at most 1.")
        if self.seed < 0:
            problems.append(f"--seed {self.seed}: must not be negative.")
        return problems

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that make a run what it is, as JSON values; a resumed run must have the same."""
        free = {"out", "results", "resume", "root", "accelerator", "seeds", "allow_leaks", *self.FREE}
        return {name: value for name, value in asdict(self).items() if name not in free}


@dataclass(kw_only=True)
class CorpusSettings(TrainSettings):
    """A task on a named corpus."""

    root: str | None = setting(None, "folder of data sets (default: $COUNTERPOINT_DATA)", group="data")
    protocol: str | None = setting(None, "how the corpus is divided (default: the first)", group="data")


@dataclass(kw_only=True)
class SequenceSettings(TrainSettings):
    """A user's labels of pieces."""

    folder: str = setting(..., "folder of music files", positional=True)
    labels: str | None = setting(
        None, "CSV: file, label, and optionally split, group (default: labels.csv in FOLDER)", group="data"
    )


@dataclass(kw_only=True)
class NoteSettings(TrainSettings):
    """Labels of notes from track names."""

    folder: str = setting(..., "folder of music files", positional=True)
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

    run: str = setting(..., "run folder, or a checkpoint in it", positional=True)
    files: list[str] = setting(
        ..., "music files, and folders to walk; before them, further runs", positional=True
    )
    out: str = setting("predictions", "folder for MIDI files (note-level tasks)")
    csv: str | None = setting(None, "also write the table as CSV (sequence-level tasks)")
    json: str | None = setting(None, "also write all as JSON: of each note onset, class, confidence")
    accelerator: str = setting("auto", "cpu, gpu or auto")

    def __post_init__(self) -> None:
        if self.accelerator not in ACCELERATORS:
            raise ConfigError(f"--accelerator {self.accelerator}: choose one of {', '.join(ACCELERATORS)}.")


@dataclass(kw_only=True)
class FloorsSettings(PrepareSettings):
    """The floors of a task, without any training of networks.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    task: str = setting(..., "one of `finetune tasks`", positional=True)
    root: str | None = setting(None, "folder of data sets (default: $COUNTERPOINT_DATA)", group="data")
    protocol: str | None = setting(None, "how the corpus is divided (default: the first)", group="data")
    budget: float = setting(1.0, "share of the training labels, of each class alike", group="data")
    seed: int = setting(0, "which labels, where the budget is below 1", group="data")
    results: str | None = setting(None, "folder of records that tables are made of: keep the floors there")

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
