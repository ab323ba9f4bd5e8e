"""Settings of `finetune compare` and `finetune curve`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from data.toolkit.settings import ACCELERATORS, NATURAL, POSITIVE, Settings, setting
from finetune.budgets import budget_problem, read_budgets
from finetune.compare.reading import named_study, read_study, with_checkpoints
from finetune.compare.study import DEFAULT, Study, TaskUse
from finetune.settings import SCRATCH, SEQUENCE, USUAL_CHECKPOINT, TaskSettings
from finetune.tasks.folds import check_data
from symbolic.backbone.config import PRESETS
from symbolic.checkpoint.bundled import require_model
from symbolic.errors import ConfigError

USUAL = "full,probe,lora,adapter,scratch"
BUDGETS = "1%,3%,10%,30%,100%"
CURVE_METHODS, CURVE_SEEDS = "features,probe,lora,full", 3
_FILES = (".yaml", ".yml")
_free = partial(setting, free=True)
"""Declares what a resumed comparison may have otherwise. The folder of each run checks its own settings."""


@dataclass(kw_only=True)
class CompareSettings(Settings):
    """Settings of `finetune compare`: the study and settings that overrule those of its file.

    Raises:
        ConfigError: Names every setting that is wrong.

    Attributes:
        COMMAND: What its runs are made by.
        RUNS: The folder of them.
    """

    COMMAND: ClassVar[str] = "finetune compare"
    RUNS: ClassVar[str] = "runs/compare"

    what: list[str] = setting([], "an experiment file; or tasks, and folders with labels", positional=True)
    methods: str | None = setting(None, f"without a file: methods, with commas between [{USUAL}]")
    checkpoint: str | None = _free(
        None,
        f"pretrained checkpoint [{USUAL_CHECKPOINT}]; further ones by name: PATH,conformer=PATH",
        flag="from",
    )
    preset: str | None = _free(
        None, "size of arms from scratch (default: that of --from)", choices=tuple(PRESETS)
    )
    trials: str | None = setting(None, "learning rates to try, as factors of the usual one [0.3,1,3]")
    seeds: int | None = _free(None, "fine-tuning runs with the chosen rate [5]", within=POSITIVE)
    epochs: float | None = _free(None, "passes over the training set (default: by task)", within=POSITIVE)
    tokens_per_batch: int | None = _free(None, "tokens in a batch, padding included [4096]", within=POSITIVE)
    patience: int | None = _free(
        None, "validations without a better one before stopping [5]", within=POSITIVE
    )
    labels: str | None = setting(
        None, "table of labels of a folder (default: FOLDER/labels.csv, or by subfolder)"
    )
    protocol: str | None = setting(None, "how the corpora are divided (default: the first of each task)")
    budget: float | None = _free(
        None, "share of the training labels, or above 1 a number of pieces [1]", within=POSITIVE
    )
    root: str | None = _free(None, "folder of data sets (default: $COUNTERPOINT_DATA)")
    parallel: int = _free(
        1, "arms that train at the same time, each a process; 0: no processes", within=NATURAL
    )
    accelerator: str = _free("auto", "cpu, gpu or auto", choices=ACCELERATORS)
    jobs: int | None = _free(None, "processes that prepare files (default: all cores)", within=NATURAL)
    out: str | None = _free(None, "folder (default: one named after the title)")
    results: str | None = _free(None, "folder of records: keep a copy in its studies/TITLE")
    resume: bool = _free(False, "go on with --out, or with the latest of this name")
    allow_leaks: bool = _free(False, "score even if pretraining saw test pieces; marked leaky")

    def problems(self) -> list[str]:
        """Return one sentence for each setting that does not fit an experiment file."""
        problems = [] if self.what else ["Name an experiment file, or tasks and folders with labels."]
        files = [word for word in self.what if word.endswith(_FILES)]
        if files and len(self.what) > 1:
            problems.append(f"{files[0]}: an experiment file stands alone; it names its tasks itself.")
        if files and self.methods is not None:
            problems.append(f"--methods {self.methods}: the experiment file names its arms; leave them out.")
        if self.budget is not None and self.budget > 0 and (problem := budget_problem(self.budget)):
            problems.append(f"--{problem}")
        return problems

    def check_sources(self) -> None:
        """Refuse tasks whose corpus, files or labels are absent, and checkpoints that do not exist; import no torch.

        Raises:
            CounterpointError: If anything is absent.
        """
        study = self.study()
        for use in study.tasks:
            check_data(TaskSettings(**use.settings(), root=self.root))
        for path in {study.checkpoints[name] for name in study.needed}:
            require_model(path)

    def named(self) -> Study:
        """Return the study of the file, or of the tasks and methods, before further flags change it."""
        if self.what[0].endswith(_FILES):
            return read_study(self.what[0])
        return named_study(self.what, parts(self.methods or USUAL))

    def study(self) -> Study:
        """Return the study that its file and the flags describe.

        Raises:
            ConfigError: Names everything that does not fit.
        """
        study = self.named()
        names = ("seeds", "epochs", "tokens_per_batch", "patience")
        study = replace(
            study, **{name: getattr(self, name) for name in names if getattr(self, name) is not None}
        )
        given = {"budget": self.budget, "protocol": self.protocol}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if self.epochs is not None:
            changes["epochs"] = None  # a task's own would stand above that of all
        study = replace(study, tasks=tuple(replace(use, **changes) for use in study.tasks))
        if self.labels is not None:
            study = replace(study, tasks=tuple(_labelled(use, self.labels) for use in study.tasks))
        if self.trials is not None:
            study = replace(study, trials=_factors(self.trials))
        if self.preset is not None:
            arms = tuple(
                replace(arm, preset=arm.preset or self.preset)
                if arm.trained and arm.checkpoint == SCRATCH
                else arm
                for arm in study.arms
            )
            study = replace(study, arms=arms)
        study = with_checkpoints(study, parts(self.checkpoint or ""))
        study = replace(study, checkpoints={DEFAULT: USUAL_CHECKPOINT, **study.checkpoints})
        problems = study.problems()
        if self.preset is not None and all(arm.preset is None for arm in study.arms):
            problems.append(f"--preset {self.preset}: no arm begins from scratch; leave it out.")
        if problems:
            raise ConfigError(problems)
        return study


@dataclass(kw_only=True)
class CurveSettings(CompareSettings):
    """Settings of `finetune curve`: a comparison whose tasks are one task with several budgets of labels.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    COMMAND: ClassVar[str] = "finetune curve"
    RUNS: ClassVar[str] = "runs/curve"

    what: list[str] = setting([], "a task, or a folder with labels", positional=True)
    budgets: str | None = setting(None, f"shares of the training labels, or numbers of pieces [{BUDGETS}]")
    methods: str | None = setting(None, f"lines of the chart [{CURVE_METHODS}]")
    trials: str | None = setting(None, "learning rates to try, as factors of the usual one [1]")
    seeds: int | None = _free(None, f"draws of labels for each budget [{CURVE_SEEDS}]", within=POSITIVE)

    def problems(self) -> list[str]:
        """Return one sentence for each setting that makes no curve."""
        problems = super().problems()
        if len(self.what) > 1:
            problems.append(
                f"{' '.join(self.what)}: a curve is of one task. `finetune compare` takes several."
            )
        return problems

    def named(self) -> Study:
        """Return the study of the task and its budgets, before further flags change it."""
        study = named_study(self.what, parts(self.methods or CURVE_METHODS))
        budgets = sorted(set(read_budgets(self.budgets or BUDGETS)), key=lambda budget: (budget == 1, budget))
        uses = tuple(replace(use, budget=budget) for use in study.tasks for budget in budgets)
        title = f"{Path(self.what[0]).resolve().name}: accuracy over labels"
        return replace(study, title=title, tasks=uses, trials=(1.0,), seeds=CURVE_SEEDS)


def _labelled(use: TaskUse, labels: str) -> TaskUse:
    if use.task != SEQUENCE:
        raise ConfigError(f"--labels {labels}: '{use.name}' has labels of its own. Leave it out.")
    return replace(use, labels=labels)


def _factors(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in parts(text))
    except ValueError as error:
        raise ConfigError(f"--trials {text}: write factors with commas between, as in 0.3,1,3.") from error


def parts(text: str) -> list[str]:
    """Return the parts of a list with commas between."""
    return [part.strip() for part in text.split(",") if part.strip()]
