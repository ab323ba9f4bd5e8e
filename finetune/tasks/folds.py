"""Prepare a task's data, fold by fold."""

from __future__ import annotations

import os

from data.corpora import CORPORA, open_corpus
from data.corpora.archives import ROOT_VARIABLE
from data.preparation.settings import PrepareSettings
from finetune.tasks.base import Protocol, Task
from finetune.tasks.data import TaskData, task_data
from symbolic.errors import ConfigError
from symbolic.tokens.tokenizer import Tokenizer


def prepared_folds(
    task: Task, root: str | None, tokenizer: Tokenizer, settings: PrepareSettings, protocol: Protocol
) -> list[TaskData]:
    """Prepare a task's data for each fold of a protocol. Without folds, a list of one."""
    return [prepared(task, root, tokenizer, settings, protocol, fold) for fold in range(protocol.folds)]


def prepared(
    task: Task,
    root: str | None,
    tokenizer: Tokenizer,
    settings: PrepareSettings | None = None,
    protocol: Protocol | None = None,
    fold: int = 0,
) -> TaskData:
    """Prepare a task's corpus in the cache and align it with the task.

    Args:
        task: The task.
        root: The folder of data sets or the user's own folder. None for $COUNTERPOINT_DATA.
        tokenizer: The tokenizer of the model.
        settings: Filters and workers of preparation. By default the usual.
        protocol: How to divide it. By default the task's first.
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
