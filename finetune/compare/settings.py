"""Settings of `finetune compare`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from data.toolkit.settings import ACCELERATORS, NATURAL, POSITIVE, Settings, setting
from finetune.compare.reading import named_study, read_study, with_checkpoints
from finetune.compare.study import DEFAULT, Study
from finetune.settings import SCRATCH, USUAL_CHECKPOINT, TaskSettings
from finetune.tasks.folds import check_data
from symbolic.backbone.config import PRESETS
from symbolic.checkpoint.bundled import require_model
from symbolic.errors import ConfigError

COMMAND, RUNS = "finetune compare", "runs/compare"
"""What its runs are made by, and the folder of them."""
USUAL = "full,probe,lora,adapter,scratch"
_FILES = (".yaml", ".yml")
_free = partial(setting, free=True)
"""Declares what a resumed comparison may have otherwise. The folder of each run checks its own settings."""


@dataclass(kw_only=True)
class CompareSettings(Settings):
    """Settings of `finetune compare`: the study and settings that overrule those of its file.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    what: list[str] = setting(
        [], "an experiment file; or tasks, and folders with labels.csv", positional=True
    )
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
    budget: float | None = _free(
        None, "share of the training labels (default: that of the file)", within="(0, 1]"
    )
    root: str | None = _free(None, "folder of data sets (default: $COUNTERPOINT_DATA)")
    parallel: int = _free(
        1, "arms that train at the same time, each a process; 0: no processes", within=NATURAL
    )
    accelerator: str = _free("auto", "cpu, gpu or auto", choices=ACCELERATORS)
    jobs: int | None = _free(None, "processes that prepare files (default: all cores)", within=NATURAL)
    out: str | None = _free(None, "folder (default: runs/compare/TITLE)")
    results: str | None = _free(None, "folder of records: keep a copy in its studies/TITLE")
    resume: bool = _free(False, "go on with --out, or with the latest comparison")
    allow_leaks: bool = _free(False, "score even if pretraining saw test pieces; marked leaky")

    def problems(self) -> list[str]:
        """Return one sentence for each setting that does not fit an experiment file."""
        problems = [] if self.what else ["Name an experiment file, or tasks and folders with labels.csv."]
        files = [word for word in self.what if word.endswith(_FILES)]
        if files and len(self.what) > 1:
            problems.append(f"{files[0]}: an experiment file stands alone; it names its tasks itself.")
        if files and self.methods is not None:
            problems.append(f"--methods {self.methods}: the experiment file names its arms; leave them out.")
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

    def study(self) -> Study:
        """Return the study that its file and the flags describe.

        Raises:
            ConfigError: Names everything that does not fit.
        """
        study = (
            read_study(self.what[0])
            if self.what[0].endswith(_FILES)
            else named_study(self.what, _parts(self.methods or USUAL))
        )
        names = ("seeds", "epochs", "tokens_per_batch", "patience")
        study = replace(
            study, **{name: getattr(self, name) for name in names if getattr(self, name) is not None}
        )
        changes: dict[str, Any] = {} if self.budget is None else {"budget": self.budget}
        if self.epochs is not None:
            changes["epochs"] = None  # a task's own would stand above that of all
        study = replace(study, tasks=tuple(replace(use, **changes) for use in study.tasks))
        if self.trials is not None:
            study = replace(study, trials=_factors(self.trials))
        if self.preset is not None:
            arms = tuple(
                replace(arm, preset=arm.preset or self.preset) if arm.checkpoint == SCRATCH else arm
                for arm in study.arms
            )
            study = replace(study, arms=arms)
        study = with_checkpoints(study, _parts(self.checkpoint or ""))
        study = replace(study, checkpoints={DEFAULT: USUAL_CHECKPOINT, **study.checkpoints})
        problems = study.problems()
        if self.preset is not None and all(arm.checkpoint != SCRATCH for arm in study.arms):
            problems.append(f"--preset {self.preset}: no arm begins from scratch; leave it out.")
        if problems:
            raise ConfigError(problems)
        return study


def _factors(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in _parts(text))
    except ValueError as error:
        raise ConfigError(f"--trials {text}: write factors with commas between, as in 0.3,1,3.") from error


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
