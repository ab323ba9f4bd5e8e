"""Run cells, each in its own process. Its peak memory is then its own and a crash costs one arm."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from data.toolkit.records import write_json
from symbolic.errors import ConfigError, CounterpointError

if TYPE_CHECKING:
    from finetune.compare.cells import Cell

LOG, FAILURE = "log.txt", "failure.json"
THREADS = "OMP_NUM_THREADS"
PRELOAD = ("finetune.training.run", "finetune.baselines.baselines")
"""Modules that every arm imports. Loaded once, they save ten seconds an arm on a slow machine."""
_INTERVAL = 1.0
"""Seconds between two counts of the finished runs."""


def work(cells: Iterable[Cell], task: Callable[[Cell], None], parallel: int) -> Iterator[tuple[Cell, str]]:
    """Run a function for every cell. A cell that fails does not stop the others.

    Args:
        cells: Cells in the order in which they start.
        task: Picklable function. It writes its results into the cell's folder.
        parallel: Number of processes. 0 runs all in this one, where a crash stops everything.

    Yields:
        A finished cell and why it failed or "".

    Raises:
        ConfigError: If a process cannot start.
    """
    waiting = deque(cells)
    if parallel == 0:
        for cell in waiting:
            yield cell, _tried(cell, task)
        return
    context = _context()
    threads = int(os.environ.get(THREADS) or max(1, (os.cpu_count() or 1) // parallel))
    running: list[tuple[BaseProcess, Cell]] = []
    try:
        while waiting or running:
            while waiting and len(running) < parallel:
                cell = waiting.popleft()
                # Not in the process, which may end before that.
                (Path(cell.folder) / FAILURE).unlink(missing_ok=True)
                given = (cell, task, threads, dict(os.environ))
                # mypy does not know that every context has processes.
                process = context.Process(target=_child, args=given, name=cell.arm)  # type: ignore[attr-defined]
                try:
                    process.start()
                except (OSError, EOFError) as error:  # a closed pipe too: the process ended at once
                    raise ConfigError(
                        f"A process for arm '{cell.arm}' cannot start ({error!r}). Free memory or processes, or use "
                        "--parallel 0 to work in one process."
                    ) from error
                running.append((process, cell))
            ended = set(wait([process.sentinel for process, _ in running]))
            done = [one for one in running if one[0].sentinel in ended]
            running = [one for one in running if one not in done]
            for process, cell in done:
                process.join()
                yield cell, _reason(process, cell)
    finally:
        for process, _ in running:
            process.terminate()
        for process, _ in running:
            process.join()


def _context() -> BaseContext:
    """Return how processes start. They are never forks of this one, which has threads that could deadlock.

    On Linux they are forks of a server that has only imported modules. Elsewhere system libraries may have started
    threads by then. So each process starts afresh.
    """
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOAD))
    # It must not import a file of this folder that has the name of one of our packages.
    path = os.pathsep.join(part or os.getcwd() for part in sys.path)
    with _environment(PYTHONSAFEPATH="1", PYTHONPATH=path):
        forkserver.ensure_running()
    return context


@contextmanager
def _environment(**changes: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _child(cell: Cell, task: Callable[[Cell], None], threads: int, environment: dict[str, str]) -> None:
    """Run a cell in a process. Its output goes into the log of the cell."""
    os.environ.clear()
    os.environ.update(environment)  # the current one, not that of the server
    threading.Thread(target=_follow_parent, daemon=True).start()
    folder = Path(cell.folder)
    folder.mkdir(parents=True, exist_ok=True)
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    os.environ[THREADS] = str(threads)  # torch reads it on import, which may come later
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)
    if reason := _tried(cell, task):
        write_json(folder / FAILURE, {"reason": reason})


def _follow_parent() -> None:
    """End when the parent process ends, so that the folder is free for the next run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _tried(cell: Cell, task: Callable[[Cell], None]) -> str:
    """Run the function. Return why it failed or ""."""
    folder = Path(cell.folder)
    (folder / FAILURE).unlink(missing_ok=True)
    try:
        task(cell)
    except CounterpointError as error:
        return str(error)
    except Exception as error:  # any error costs this arm alone
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOG).open("a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
        return f"{type(error).__name__}: {error}. See {folder / LOG}."
    return ""


def _reason(process: BaseProcess, cell: Cell) -> str:
    """Return why an ended process failed or ""."""
    failure = Path(cell.folder) / FAILURE
    if failure.is_file():
        return str(json.loads(failure.read_text(encoding="utf-8"))["reason"])
    if process.exitcode:
        how = f"by signal {-process.exitcode}" if process.exitcode < 0 else f"with status {process.exitcode}"
        return (
            f"its process ended {how}, as when memory runs out. {Path(cell.folder) / LOG} has its output. "
            "Give it less with --tokens_per_batch, or --parallel 1."
        )
    return ""


class TrainingsBar:
    """Progress bar over all training runs. It counts results in folders. So it is right after a resume.

    Args:
        folder: Folder of the comparison.
        trainings: Number of training runs.
        arms: Number of cells.
    """

    def __init__(self, folder: Path, trainings: int, arms: int) -> None:
        from finetune.training.result import (
            RESULT,
        )  # not above: a process at work on one cell has no need of all that

        self.folder, self.arms, self.done, self._result = folder, arms, 0, RESULT
        # A log file gets a line now and then, not one a second.
        self._bar = tqdm(
            total=trainings,
            desc="Comparing",
            unit=" runs",
            initial=self._found(),
            dynamic_ncols=True,
            mininterval=0.2 if sys.stderr.isatty() else 30.0,
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> TrainingsBar:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._count()
        self._bar.close()

    def finished(self, cells: int) -> None:
        """Set the number of finished cells."""
        self.done = cells

    def _watch(self) -> None:
        while not self._stop.wait(_INTERVAL):
            self._count()

    def _count(self) -> None:
        self._bar.set_postfix_str(f"{self.done} of {self.arms} arms done", refresh=False)
        self._bar.update(self._found() - self._bar.n)
        if sys.stderr.isatty():
            self._bar.refresh()  # so that the clock runs

    def _found(self) -> int:
        return sum(1 for _ in self.folder.rglob(self._result))
