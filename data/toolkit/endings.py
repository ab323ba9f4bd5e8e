"""Ends of a command from outside: by SIGTERM or because nobody reads what it writes."""

from __future__ import annotations

import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class Terminated(KeyboardInterrupt):
    """SIGTERM, by which batch systems and containers end a process. It has the effect of Ctrl-C."""


@contextmanager
def terminable() -> Iterator[None]:
    """Turn SIGTERM into `Terminated` within the block."""
    if threading.current_thread() is not threading.main_thread():  # the others get no signals
        yield
        return

    def end(signum: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is tidied up now is not cut off by a second one
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def unread(stream: TextIO) -> bool:
    """Return whether a stream is a pipe that its reader has closed."""
    if not hasattr(select, "poll"):  # Windows
        return True
    watched = select.poll()
    try:
        watched.register(stream.fileno(), 0)
        return any(event & select.POLLERR for _, event in watched.poll(0))
    except (OSError, ValueError):  # no file
        return False
