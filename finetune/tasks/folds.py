"""Find a task and its corpus, and prepare its data fold by fold."""

from __future__ import annotations

import os

from data.corpora import CORPORA, Corpus, open_corpus
from data.corpora.archives import ROOT_VARIABLE
from data.preparation.settings import PrepareSettings
from finetune.settings import NOTE, SEQUENCE, TaskSettings
from finetune.tasks import known_task, note_task, sequence_task
from finetune.tasks.base import Protocol, Task
from finetune.tasks.data import TaskData, task_data
from symbolic.errors import ConfigError
from symbolic.tokens.tokenizer import Tokenizer


def task_of(data: TaskSettings) -> Task:
    """Return the task that settings name.

    Raises:
        CounterpointError: If there is no such task, or a user's folder or labels do not fit.
    """
    if data.task == SEQUENCE and data.folder:
        return sequence_task(data.folder, data.labels)
    if data.task == NOTE and data.folder and data.tracks:
        return note_task(data.folder, data.track_names)
    if data.task in (SEQUENCE, NOTE):
        raise ConfigError(
            f"Task '{data.task}' needs a folder of music{', and tracks' * (data.task == NOTE)}."
        )
    return known_task(data.task)


def check_data(data: TaskSettings) -> Task:
    """Return the task that settings name, once its protocol, corpus, files and labels are found. No music is read.

    Raises:
        CounterpointError: If anything is absent or does not fit.
    """
    task = task_of(data)
    protocol = task.protocol(data.protocol)
    corpus = opened(task, data.place, protocol)
    if data.folder:
        corpus.pieces()
    return task


def opened(task: Task, root: str | None, protocol: Protocol, fold: int = 0) -> Corpus:
    """Open the corpus of a task.

    Args:
        task: The task.
        root: The folder of data sets, or the user's own folder; None for $COUNTERPOINT_DATA.
        protocol: How it is divided.
        fold: Which fold to test on, where the protocol has several.

    Raises:
        ConfigError: If no folder is named.
        CorpusError: If the corpus is absent.
    """
    if root is None and not os.environ.get(ROOT_VARIABLE):
        wanted = CORPORA[task.corpus]
        raise ConfigError(
            f"Task '{task.name}' needs {wanted.title}. Name the folder that holds it with --root, or set "
            f"${ROOT_VARIABLE} to that folder; `corpora {wanted.name}` says how to get it."
        )
    by_reader = protocol.folds > 1 and not (protocol.table or protocol.dealt)
    options = {**task.options, **({"fold": fold} if by_reader else {})}
    return open_corpus(task.corpus, root, **options)


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
    protocol = protocol or task.protocol()
    corpus = opened(task, root, protocol, fold)
    return task_data(
        task, (settings or PrepareSettings()).prepare(corpus, tokenizer, hide=task.hide), protocol, fold
    )
