"""A task's data, fold by fold, and the guard that pretraining has not seen its test pieces."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from data.corpora import CORPORA, open_corpus
from data.corpora.archives import ROOT_VARIABLE
from data.leaks import check_leaks
from data.preparation.settings import PrepareSettings
from finetune.tasks import Protocol, Task
from finetune.tasks.data import TaskData, task_data
from finetune.training.source import Source
from symbolic.errors import ConfigError, LeakError
from symbolic.tokens.tokenizer import Tokenizer


def prepared_folds(
    task: Task, root: str | None, tokenizer: Tokenizer, settings: PrepareSettings, protocol: Protocol
) -> list[TaskData]:
    """A task's data for each fold of a protocol; for one without folds, a list of one."""
    return [prepared(task, root, tokenizer, settings, protocol, fold) for fold in range(protocol.folds)]


def prepared(
    task: Task,
    root: str | None,
    tokenizer: Tokenizer,
    settings: PrepareSettings | None = None,
    protocol: Protocol | None = None,
    fold: int = 0,
) -> TaskData:
    """A task's corpus in the cache, lined up with the task.

    Args:
        task: Whose.
        root: The folder of data sets, or the user's own folder; None for $COUNTERPOINT_DATA.
        tokenizer: Makes the rows.
        settings: What to keep, and how.
        protocol: How to divide it; by default the task's first.
        fold: Which fold to test on, where the protocol has several.

    Raises:
        ConfigError: If no folder is named.
        CounterpointError: If the corpus is absent or unfit.
    """
    if root is None and not os.environ.get(ROOT_VARIABLE):
        wanted = CORPORA[task.corpus]
        raise ConfigError(
            f"Task '{task.name}' needs {wanted.title}. Name the folder that holds it with --root, or set "
            f"${ROOT_VARIABLE} to that folder; `corpora {wanted.name}` says how to get it."
        )
    protocol = protocol or task.protocol()
    options = {**task.options, **({"fold": fold} if protocol.folds > 1 and not protocol.table else {})}
    corpus = open_corpus(task.corpus, root, **options)
    return task_data(
        task, (settings or PrepareSettings()).prepare(corpus, tokenizer, hide=task.hide), protocol, fold
    )


def guard(data: TaskData, source: Source, allow: bool) -> dict[str, Any]:
    """Refuse to score pieces that pretraining has seen (docs/evaluation.md, rule 2).

    Returns:
        For the record: whether the score is leaky (None if that cannot be known), and the pieces.

    Raises:
        LeakError: If there are any, or the checkpoint does not say what it has seen, and leaks are not allowed.
    """
    if not source.recorded:
        if not allow:
            raise LeakError(
                f"Checkpoint '{source.name}' does not record which pieces it was pretrained on, so no score can be "
                "trusted. Use a checkpoint that `pretrain` wrote, or go on with --allow_leaks."
            )
        return {"leaky": None, "pieces": []}
    held_out = [
        (data.shards.pieces[piece].key + mark, int(data.shards.fingerprints[piece]))
        for split, mark in (("test", ""), ("valid", " (validation)"))
        for piece in data.splits[split]
    ]
    pieces = check_leaks(source.pretrained_on, held_out, allow)
    return {
        "leaky": bool(pieces),
        "pieces": pieces,
        "checked": len(held_out),
        "seen": len(source.pretrained_on),
    }


def together(leaks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the guard said of every fold, for the record."""
    if len(leaks) == 1:
        return leaks[0]
    pieces = sorted({piece for one in leaks for piece in one["pieces"]})
    unknown = any(one["leaky"] is None for one in leaks)
    return {**leaks[0], "leaky": None if unknown else bool(pieces), "pieces": pieces, "folds": len(leaks)}
