"""Start commands in processes of their own, which tests kill, without the seconds that their libraries take."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess

import pytest

_LIBRARIES = ["finetune.training.run", "finetune.baselines.baselines", "pretrain.training.run"]


def begun(command: Callable[[list[str]], object], flags: Sequence[str]) -> BaseProcess:
    """Run a command in a fork of a server that has imported the libraries of training once for all tests.

    Args:
        command: The `main` of a command.
        flags: Its arguments.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LIBRARIES)
    with pytest.MonkeyPatch.context() as patch:  # the server imports from where this process does
        patch.setenv("PYTHONPATH", os.pathsep.join(part or os.getcwd() for part in sys.path))
        forkserver.ensure_running()
    process = context.Process(target=_run, args=(command, [*flags], dict(os.environ), os.getcwd()))
    process.start()
    return process


def _run(
    command: Callable[[list[str]], object], flags: list[str], environment: dict[str, str], folder: str
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    command(flags)
