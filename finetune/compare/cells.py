"""One arm on one task: try learning rates on validation pieces alone, then train every seed with the best."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log
from pathlib import Path
from typing import Any

from data.toolkit.record_schema import TRAINED
from data.toolkit.records import write_json
from finetune.compare.study import Arm, Study, TaskUse
from finetune.settings import SCRATCH, FinetuneSettings
from symbolic.checkpoint.bundled import RECORD
from symbolic.documents import PLAIN_NAME, anything, fields, listed, number, read_json, require, text, truth
from symbolic.errors import CheckpointError, ConfigError

OUTCOME = "outcome.json"
_AGAIN = "Delete the folder of this arm: --resume trains it anew."
_NUMBER = number(-1e9, 1e9)
_OUTCOME = fields(
    {
        "question": anything,
        "usual": _NUMBER,
        "trials": listed(fields({"lr": _NUMBER, "valid": _NUMBER}, more=True), least=1),
        "lr": _NUMBER,
        "run": text(PLAIN_NAME),
    },
    {"own_process": truth},
)


@dataclass(frozen=True)
class Cell:
    """One arm on one task. It can be sent to a process.

    Args:
        arm: Name of the arm.
        task: Name of the task as it is used here.
        settings: The settings of its runs, apart from rate, seeds and folder.
        like: A checkpoint whose shape a backbone from random initialisation has, instead of preset and kind.
        factors: Learning rates to try as factors of the usual one.
        rates: The rates themselves, instead of factors. A method that is fitted at once has neither.
        seeds: Number of runs with the chosen rate.
        folder: Folder of `OUTCOME` and of the runs, one a rate.
        weights: Fingerprint of the checkpoint's weights.
    """

    arm: str
    task: str
    settings: FinetuneSettings
    like: str | None
    factors: tuple[float, ...]
    rates: tuple[float, ...]
    seeds: int
    folder: str
    weights: str = ""

    @property
    def question(self) -> dict[str, Any]:
        """The settings that a saved result must have been made with as JSON values. No place and no machine."""
        asked = {**asdict(self), "settings": self.settings.identity}
        del asked["folder"]
        found: dict[str, Any] = json.loads(json.dumps(asked))  # as it will be read back
        return found

    def outcome(self) -> dict[str, Any] | None:
        """Return the saved result with "record" and "question" or None if the cell is not done."""
        path = Path(self.folder) / OUTCOME
        if not path.is_file():
            return None
        found = read_json(path, ConfigError, _AGAIN)
        require(path, found, _OUTCOME, ConfigError, _AGAIN)
        place = Path(self.folder) / found["run"] / RECORD
        if found["question"] != self.question or not place.is_file():
            return None
        record = read_json(place, ConfigError, _AGAIN)
        require(place, record, TRAINED.check, ConfigError, _AGAIN)
        return {**found, "record": record}


def cells_of(study: Study, out: Path, common: Mapping[str, Any]) -> list[Cell]:
    """Return a cell for every task and arm, task by task.

    Args:
        study: What is compared.
        out: The comparison's folder.
        common: Further settings for all runs by the names of leaves.

    Raises:
        ConfigError: Names everything that is wrong with the settings of any arm.
    """
    problems: list[str] = []
    cells = []
    weights = {name: _weights(path) for name, path in study.checkpoints.items()}
    for use in study.tasks:
        for arm in study.arms:
            try:
                settings = FinetuneSettings.of(**{**_settings(study, use, arm), **common})
            except ConfigError as error:
                problems += [f"Arm '{arm.name}': {problem}" for problem in error.problems]
                continue
            shaped = arm.trained and arm.checkpoint == SCRATCH and not arm.preset
            like = study.checkpoints.get(arm.like) if shaped else None
            cells.append(
                Cell(
                    arm.name,
                    use.name,
                    settings,
                    like,
                    study.trials,
                    arm.rates,
                    study.seeds_of(arm, use),
                    folder=str(out / use.name / arm.slug),
                    weights=weights.get(arm.checkpoint, ""),
                )
            )
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    return cells


def _weights(path: str) -> str:
    """Return the fingerprint of a checkpoint. "" where it cannot be read. Training reports that later."""
    from symbolic.checkpoint.format import load_checkpoint

    try:
        return load_checkpoint(path).fingerprint
    except CheckpointError:
        return ""


def _settings(study: Study, use: TaskUse, arm: Arm) -> dict[str, Any]:
    """Return the settings of a cell by the names of leaves."""
    found = {**arm.settings(), **use.settings()}
    fresh = arm.checkpoint == SCRATCH
    found["checkpoint"] = None if fresh else study.checkpoints[arm.checkpoint]
    if not arm.trained:
        return found
    return {
        **found,
        "preset": arm.preset,
        "epochs": study.epochs if use.epochs is None else use.epochs,
        "tokens_per_batch": study.tokens_per_batch,
        "patience": study.patience,
    }


def prepare_cell(cell: Cell) -> None:
    """Make the task's shards and baselines, which all its arms share. The cost of an arm is then its own.

    Raises:
        CounterpointError: If data or checkpoint do not fit.
    """
    from finetune.baselines.baselines import cached_baselines
    from finetune.tasks.folds import prepared_folds, task_of
    from finetune.training.weights import weights_of

    settings, data = cell.settings, cell.settings.data
    task, tokenizer = task_of(data), weights_of(settings).tokenizer
    folds = prepared_folds(task, data.place, tokenizer, data, task.protocol(data.protocol))
    cached_baselines(*(one.thinned(data.budget, settings.training.seed) for one in folds))


def run_cell(cell: Cell) -> None:
    """Try the rates, train the seeds and write `OUTCOME`. An earlier call that was stopped is continued.

    The rate is chosen by the accuracy of the first seed on the validation pieces. Among equals, the rate nearest to
    the usual one is chosen. That seed is not trained again. The other rates are never scored on test pieces and their
    checkpoints are deleted.

    Raises:
        CounterpointError: As `finetune.training.run.finetune`.
    """
    from finetune.training.run import finetune

    folder = Path(cell.folder)
    usual, rates = _rates(cell)
    trials = [_trial(cell, rate) for rate in rates] if len(rates) > 1 else []
    # Among equals the rate nearest to the usual one.
    best = max(trials, key=lambda one: (one["valid"], -abs(log(one["lr"] / usual))), default={"lr": rates[0]})
    for trial in trials:
        if trial is not best:
            for checkpoint in (folder / trial["run"]).rglob("checkpoint"):
                shutil.rmtree(checkpoint)
    settings = _with(cell, best["lr"], cell.seeds)
    record = finetune(settings, command=settings.command)
    run, valid = Path(record["folder"]).name, record["seeds"][0]["valid"]["accuracy"]
    found = {
        "question": cell.question,
        "usual": usual,
        "trials": trials or [{"lr": best["lr"], "valid": valid, "run": run}],
        "lr": best["lr"],
        "run": run,
    }
    write_json(folder / OUTCOME, {**found, "own_process": multiprocessing.parent_process() is not None})


def _trial(cell: Cell, rate: float) -> dict[str, Any]:
    """Train the first seed with a rate and score it on validation pieces."""
    from finetune.training.run import open_run

    settings = _with(cell, rate, 1)
    run = open_run(settings, command=settings.command)
    [first] = run.pooled(run.train(["valid"]))
    return {"lr": rate, "valid": first.summary["valid"]["accuracy"], "run": run.out.name}


def _rates(cell: Cell) -> tuple[float, list[float]]:
    """Return the usual rate of the arm and the rates to try."""
    from finetune.training.run import learning_rate
    from finetune.training.weights import weights_of

    settings = _with(cell, None, 1)
    source = weights_of(settings)
    if (source.description.get("weights") or "") != cell.weights:
        raise ConfigError(f"{source.name} holds other weights than when the comparison began.")
    usual = learning_rate(settings, source)
    if usual == 0:  # fitted at once
        return 0.0, [0.0]
    return usual, list(cell.rates) or [float(f"{factor * usual:.3g}") for factor in cell.factors]


def _with(cell: Cell, rate: float | None, seeds: int) -> FinetuneSettings:
    """Return the settings of one run."""
    out = None if rate is None else str(Path(cell.folder) / f"lr-{rate:g}")
    return cell.settings.having(
        **_shape(cell), lr=rate or None, seeds=seeds, out=out, resume=rate is not None
    )


def _shape(cell: Cell) -> dict[str, Any]:
    """Return preset and kind of an arm from random initialisation: those nearest to the checkpoint it is like."""
    if cell.like is None:
        return {}
    from finetune.training.weights import open_weights
    from symbolic.backbone.config import PRESETS

    config = open_weights(cell.like).config
    size = min(PRESETS, key=lambda name: abs(PRESETS[name].dim - config.dim))
    return {"preset": size, "backbone": None if config.kind == PRESETS[size].kind else config.kind}
