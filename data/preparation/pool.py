"""Worker processes that may die. A crash or an out-of-memory kill costs one task and never the run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from data.preparation.guards import make_expendable
from symbolic.errors import ConfigError

_UNGUARDED = (
    "Worker processes cannot start. A script that prepares a corpus must do so under "
    "`if __name__ == '__main__':`, because each worker imports it anew; or pass jobs=0."
)
Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Died:
    """Stands for the result of a task whose process died, or another process at the same time.

    Attributes:
        late: Whether one of these processes was ended for taking too long.
    """

    late: bool = False


def run_tasks(
    function: Callable[[Task], Result], tasks: Iterable[Task], jobs: int
) -> Iterator[tuple[Task, Result | Died]]:
    """Yield results of a function as they are ready.

    Processes are spawned because a fork of a process with threads (torch, a progress bar) can deadlock. There are no
    more running tasks than processes. So few tasks can be the cause when a process dies and only one with one job. The
    others continue in new processes.

    Args:
        function: A picklable function. Its exceptions are raised here.
        tasks: Picklable arguments.
        jobs: Number of processes. 0: work in this process without protection.

    Raises:
        ConfigError: If worker processes cannot start at all.
    """
    waiting = deque(tasks)
    if jobs == 0:
        yield from ((task, function(task)) for task in waiting)
        return
    others = set(multiprocessing.active_children())
    while waiting:
        marks = tempfile.TemporaryDirectory(prefix="counterpoint-")
        executor = _start(min(jobs, len(waiting)), marks.name)
        running: dict[Future[Result], Task] = {}
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    running[executor.submit(function, waiting[0])] = waiting[0]
                    waiting.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield running.pop(future), result
        except BrokenProcessPool:
            executor.shutdown()
            died = Died(late=any(mark.stat().st_size for mark in Path(marks.name).iterdir()))
            for task in running.values():
                yield task, died
        except BaseException:  # an interrupt does not wait for what the workers are at
            for worker in set(multiprocessing.active_children()) - others:
                worker.kill()
            raise
        finally:
            executor.shutdown(cancel_futures=True)
            marks.cleanup()


def usable_cores() -> int:
    """Count the cores that this process may use. A container or a batch job may have fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def refuse_import_time() -> None:
    """Refuse to work while a worker imports the script of its parent, which would start it again.

    Raises:
        ConfigError: If this process is such a worker. The parent then fails with the same message.
    """
    # multiprocessing itself checks this flag before it starts a process.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ConfigError(_UNGUARDED)


def _start(jobs: int, marks: str) -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(jobs, spawn, initializer=_settle, initargs=(marks,))
    try:
        executor.submit(os.getpid).result()
    except (BrokenProcessPool, BrokenPipeError) as error:  # it ended at once, or before it was told its work
        raise ConfigError(_UNGUARDED) from error
    except OSError as error:
        executor.shutdown(wait=False)
        raise ConfigError(
            f"Worker processes cannot start ({error.strerror}). Free memory or processes, or lower --jobs."
        ) from error
    return executor


def _settle(marks: str) -> None:
    """Make a new worker expendable and quiet. It ignores Ctrl-C and ends with its parent."""
    make_expendable(Path(marks) / str(os.getpid()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # a killed parent closes no queue that a worker waits on
        os._exit(1)
