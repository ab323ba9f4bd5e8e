"""Limits of time and memory for one file in processes that may be ended."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

if sys.platform != "win32":
    import resource


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
def guarded(seconds: float, memory: int) -> Iterator[None]:
    """Run the body under limits if this process is expendable.

    `TimeUp` is raised when the time is over. It does not stop C code or a parser that catches everything. So after half
    as long again a thread without the interpreter ends the process.

    Args:
        seconds: Time for the body.
        memory: Bytes of address space beyond those in use. More raises MemoryError. Only on Linux.
    """
    if _Process.mark is None:
        yield
        return
    faulthandler.dump_traceback_later(_last_call(seconds), exit=True, file=_Process.mark)
    try:
        with _ceiling(memory), _alarm(seconds):
            yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _last_call(seconds: float) -> float:
    """Return the seconds after which a process that ignores its limit is ended."""
    return 1.5 * seconds + 1.0


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(signum: int, frame: Any) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, ring)
    # It fires again, in case a bare `except:` of a parser catches the first.
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds / 4)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _ceiling(memory: int) -> Iterator[None]:
    table = Path("/proc/self/statm")
    if sys.platform == "win32" or not table.exists():
        yield
        return
    # Measured each time, because a worker still holds memory of earlier pieces.
    taken = int(table.read_text().split()[0]) * resource.getpagesize()
    # Linux enforces a limit of address space, and not of resident memory. It fails the call that asks for too much,
    # so the file is skipped and the process survives.
    before, highest = resource.getrlimit(resource.RLIMIT_AS)
    bounds = [limit for limit in (before, highest) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([taken + memory, *bounds]), highest))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, highest))
