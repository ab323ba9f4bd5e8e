"""A trained run on another task's test pieces: the same question, asked of music that others prepared otherwise.

A model that only works on its own preparation is worth little: MidiBERT's melody model, 98 % on its own tokens, fell
below skyline on the same songs prepared another way (docs/evaluation.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data.leaks import check_leaks
from data.toolkit.record_schema import TRAINED
from data.toolkit.records import portable_command, provenance
from data.toolkit.runs import read_record
from finetune.baselines.baselines import cached_baselines
from finetune.settings import TransferSettings
from finetune.tasks import TARGETS, Task, known_task
from finetune.tasks.data import Predictor, TaskData, summarise
from finetune.tasks.folds import prepared
from finetune.tasks.metrics import pack_counts
from finetune.training.record import FORMAT, save_record, what
from finetune.training.result import CHECKPOINT, processor
from symbolic.checkpoint.format import Checkpoint
from symbolic.errors import ConfigError, LeakError
from symbolic.features.stats import softmax
from symbolic.predict.network import device_of, task_model
from symbolic.predict.parts import open_task


def transfer(settings: TransferSettings, task: Task | None = None) -> dict[str, Any]:
    """Score every seed of a run on the test pieces of a task that it was not trained for.

    Args:
        settings: The run and the task.
        task: The task, which must have the run's classes or be one that `Task.answers` lists. By default the one that
            the settings name.

    Returns:
        The record with "file" added where it was written.

    Raises:
        CounterpointError: If the run is none, cannot answer the task's question or has seen its test pieces.
    """
    task = task or known_task(settings.data.task, TARGETS)
    run = Path(settings.run).resolve()
    # That of a transfer has counts too, and names no checkpoint.
    trained = read_record(run, TRAINED)
    checkpoints = _checkpoints(run, trained)
    first = checkpoints[0]
    merge = merged_classes(first.task, task)
    protocol = task.protocol(settings.data.protocol)
    if protocol.folds > 1:
        raise ConfigError(
            f"--protocol {protocol.name}: a run is transferred to one test side, and here is none."
        )
    data = prepared(task, settings.data.place, first.tokenizer, settings.data, protocol)
    leaks = _leaks(trained, checkpoints, data, settings)
    device, counts = device_of(settings.accelerator), []
    for checkpoint in tqdm(
        checkpoints, desc=f"{run.name} on {task.name}", unit=" seeds", leave=False, disable=None
    ):
        model = task_model(checkpoint, device)
        counts.append(data.evaluate(_answering(model.logits, merge), "test"))
    origin = provenance()
    origin["machine"]["processor_name"] = processor()
    learnt = {name: trained[name] for name in ("budget", "command", "machine")}
    record = {
        "format": FORMAT,
        **origin,
        **what([data]),
        "method": trained["method"],
        "transfer": {
            "from": trained["task"]["name"],
            "title": trained["task"]["title"],
            "run": run.name,
            "shards": trained["corpus"]["shards"],
            **learnt,
            "command": portable_command(learnt["command"]),
        },
        "backbone": trained["backbone"],
        "settings": trained["settings"],
        "leaks": leaks,
        "baselines": cached_baselines(data),
        "test": summarise(task, np.stack(counts)),
        "seeds": [{"seed": seed["seed"], "cost": seed["cost"]} for seed in trained["seeds"]],
        "test_counts": pack_counts(np.stack(counts)),
    }
    if not settings.results:
        return record
    parts = [task.name, "" if protocol is task.protocols[0] else protocol.name, "transfer", run.name]
    file = save_record(settings.results, "-".join(filter(None, parts)), record)
    return {**record, "file": str(file)}


def _leaks(
    trained: Mapping[str, Any],
    checkpoints: Sequence[Checkpoint],
    data: TaskData,
    settings: TransferSettings,
) -> dict[str, Any]:
    """Refuse test pieces that any seed has seen, or that chose its checkpoint.

    Which validation pieces chose it can be told of named tasks. A user's own labels are not asked again.

    Returns:
        For the record as from `finetune.training.weights.check_pretraining`.

    Raises:
        LeakError: If there are any, or it is not known what was seen and leaks are not allowed.
    """
    seen = [one.pretrained_on for one in checkpoints if one.pretrained_on is not None]
    if trained["leaks"]["leaky"] is None or len(seen) < len(checkpoints):
        if not settings.allow_leaks:
            raise LeakError(
                f"{checkpoints[0].path.parent.parent} began from a checkpoint that does not record what it was "
                "pretrained on, so no score can be trusted. Go on with --allow_leaks all the same."
            )
        return {"leaky": None, "pieces": []}
    own = TARGETS.get(trained["task"]["name"])
    if own is not None:
        tokenizer = checkpoints[0].tokenizer
        theirs = prepared(
            own, settings.data.place, tokenizer, settings.data, own.protocol(trained["protocol"])
        )
        seen.append(theirs.shards.fingerprints[theirs.splits["valid"]])
    known = np.unique(np.concatenate(seen))
    test = data.splits["test"]
    keys = [data.shards.pieces[piece].key for piece in test]
    marks = data.shards.fingerprints[test].tolist()
    pieces = check_leaks(known, zip(keys, marks, strict=True), settings.allow_leaks)
    return {"leaky": bool(pieces), "pieces": pieces, "checked": len(test), "seen": len(known)}


def merged_classes(learnt: Mapping[str, Any], task: Task) -> tuple[int, ...]:
    """Return, for each class of the run, the class of the task that it counts as.

    Args:
        learnt: What `Task.describe` said of the run's task.
        task: To be scored on.

    Raises:
        ConfigError: If the run cannot answer the task's question, or reads music in another way than in training.
    """
    problems = []
    if tuple(learnt["classes"]) == task.classes:
        merge: tuple[int, ...] = tuple(range(len(task.classes)))
    else:
        merge = task.answers.get(str(learnt["name"]), ())
        if not merge:
            able = ", ".join(task.answers) or "no other task"
            problems.append(
                f"A run of '{learnt['name']}' has other classes than '{task.name}', which can be answered by: {able}."
            )
    if learnt["level"] != task.level or learnt["one_piano"] != task.one_piano:
        problems.append(f"'{learnt['name']}' and '{task.name}' do not read music in the same way.")
    if set(task.hide) - set(learnt["hide"]):
        problems.append(f"'{task.name}' hides {', '.join(task.hide)}, which the run was trained to see.")
    if problems:
        raise ConfigError(problems)
    return merge


def _answering(logits: Any, merge: Sequence[int]) -> Predictor:
    """Build a predictor that sums the probabilities of merged classes."""
    into = np.eye(max(merge) + 1)[list(merge)]

    def predict(tokens: NDArray[np.integer]) -> NDArray[np.int64]:
        return np.asarray((softmax(logits(tokens).astype(np.float64)) @ into).argmax(axis=-1))

    return predict


def _checkpoints(run: Path, record: Mapping[str, Any]) -> list[Checkpoint]:
    """Open the checkpoints of all seeds of a run.

    Raises:
        CheckpointError: If one is none of a task.
        ConfigError: If one is gone, or the run has folds, each of which tests other pieces.
    """
    if "folds" in record["split"]:
        raise ConfigError(f"{run} was trained fold by fold. Train one on given sides: `--protocol split`.")
    places = [run / f"seed-{seed['seed']}" / CHECKPOINT for seed in record["seeds"]]
    if gone := [str(place) for place in places if not place.is_dir()]:
        raise ConfigError(f"{', '.join(gone)} is gone. Train the run again.")
    return [open_task(place) for place in places]
