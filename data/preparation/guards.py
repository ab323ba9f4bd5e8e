"""Limits on the time and the memory that one file may take, in processes that may be ended for it."""

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
    """Not an Exception, for parsers swallow those."""


class _Process:
    """What this process knows of itself.

    Attributes:
        mark: Where it writes its last words; none before it is expendable.
    """

    mark: TextIO | None = None


def make_expendable(mark: str | Path = os.devnull) -> None:
    """Allow this process to be interrupted, starved and ended by the guards; for workers alone.

    Args:
        mark: A file that holds something afterwards if, and only if, the process was ended for taking too long.
    """
    _Process.mark = Path(mark).open("w")  # noqa: SIM115 — written, if ever, as the process ends


@contextmanager
def guarded(seconds: float, memory: int) -> Iterator[None]:
    """Run the body under limits; without any where this process is not expendable.

    When the time is over, `TimeUp` is raised, which Python code heeds. C code does not, nor does a parser that
    swallows everything; so half as long again, a thread that needs no interpreter ends the process.

    Args:
        seconds: For the body.
        memory: Bytes of address space beyond what the process has already. More raises MemoryError. Only
            where the system has such limits (Linux).
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
    """Seconds after which a process that did not heed its limit is ended."""
    return 1.5 * seconds + 1.0


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(signum: int, frame: Any) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, ring)
    # Rings again, in case a bare `except:` of some parser swallows the first.
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
    # Measured each time: what a worker holds of the pieces before is not this one's fault.
    taken = int(table.read_text().split()[0]) * resource.getpagesize()
    # Address space, not resident memory: it is the one limit that Linux enforces, and at the call that asks
    # for too much, so that the file is blamed and the process lives on.
    before, highest = resource.getrlimit(resource.RLIMIT_AS)
    bounds = [limit for limit in (before, highest) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([taken + memory, *bounds]), highest))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, highest))
