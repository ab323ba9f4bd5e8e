"""Limits of time and memory for files in processes that may be ended."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TextIO

if sys.platform != "win32":
    import resource

_STATM = "/proc/self/statm"
_REWIND = 1.0
"""Seconds after which the thread that ends this process is started anew. To start it takes longer than most files."""


class TimeUp(BaseException):
    """The time is over. It is no Exception because parsers catch those."""


class _Process:
    """State of this process.

    Attributes:
        mark: File that is written when the process is ended. None before it is expendable.
    """

    mark: TextIO | None = None


def make_expendable(mark: str | Path = os.devnull) -> None:
    """Let the guards interrupt and end this process. Only for workers.

    Args:
        mark: A file that is not empty afterwards if, and only if, the process was ended for taking too long.
    """
    _Process.mark = Path(mark).open("w")  # noqa: SIM115 — written when the process ends


@contextmanager
def guarded(seconds: float, memory: int) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Give a context for each of many files, which limits it if this process is expendable.

    `TimeUp` is raised when the time of a file is over. It does not stop C code or a parser that catches everything. So
    after half as long again a thread without the interpreter ends the process. The process is as before at the end.

    Args:
        seconds: Time for a file.
        memory: Bytes of address space beyond those in use. More raises MemoryError. Only on Linux.
    """
    if _Process.mark is None:
        yield nullcontext
        return
    with _alarm(seconds) as alarm, _ceiling(memory) as ceiling, _last_call(seconds) as last_call:

        @contextmanager
        def one_file() -> Iterator[None]:
            last_call()
            ceiling()
            alarm(seconds)
            try:
                yield
            finally:
                alarm(0)

        yield one_file


@contextmanager
def _last_call(seconds: float) -> Iterator[Callable[[], None]]:
    """Give a function that allows another file its time before the process is ended."""
    started = -_REWIND

    def allow() -> None:
        nonlocal started
        if (now := time.monotonic()) - started >= _REWIND:
            started = now
            limit = 1.5 * seconds + 1.0 + _REWIND
            faulthandler.dump_traceback_later(limit, exit=True, file=_Process.mark or sys.stderr)

    try:
        yield allow
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def _alarm(seconds: float) -> Iterator[Callable[[float], None]]:
    """Give a function that lets `TimeUp` be raised after some time. 0: never."""
    if not hasattr(signal, "setitimer"):
        yield lambda after: None
        return

    def ring(signum: int, frame: Any) -> None:
        raise TimeUp

    def wake(after: float) -> None:
        # It fires again, in case a bare `except:` of a parser catches the first.
        signal.setitimer(signal.ITIMER_REAL, after, after / 4)

    before = signal.signal(signal.SIGALRM, ring)
    try:
        yield wake
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _ceiling(memory: int) -> Iterator[Callable[[], None]]:
    """Give a function that limits memory to so much more than is in use."""
    if sys.platform == "win32" or not os.path.exists(_STATM):
        yield lambda: None
        return
    # Linux enforces a limit of address space, and not of resident memory. It fails the call that asks for too much,
    # so the file is skipped and the process survives.
    before, highest = resource.getrlimit(resource.RLIMIT_AS)
    bounds = [limit for limit in (before, highest) if limit != resource.RLIM_INFINITY]
    page, table = resource.getpagesize(), os.open(_STATM, os.O_RDONLY)

    def limit() -> None:
        # Measured each time, because a worker still holds memory of earlier pieces.
        taken = int(os.pread(table, 64, 0).split()[0]) * page
        resource.setrlimit(resource.RLIMIT_AS, (min([taken + memory, *bounds]), highest))

    try:
        yield limit
    finally:
        os.close(table)
        resource.setrlimit(resource.RLIMIT_AS, (before, highest))
