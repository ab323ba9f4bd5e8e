"""Messages for what the machine refuses: memory, disk space, files."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from symbolic.errors import ConfigError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def explained(state: Path, less: str = "") -> Iterator[None]:
    """Turn a want of memory or disk space into a message that names the saved state.

    Args:
        state: The file from which a run is resumed. Only a complete new one replaces it.
        less: Further flags by which a step takes less memory.

    Raises:
        ConfigError: If memory or disk space is used up.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_memory_error(error):
            raise
        raise ConfigError(
            "The memory does not suffice for a step. Start a new run with a lower --tokens_per_batch"
            f"{less}.{_rest(state)}"
        ) from error
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ConfigError(f"{in_words(error)}{_rest(state)}") from error


def is_memory_error(error: BaseException) -> bool:
    """Return whether an error is a want of memory, of the machine or of a device."""
    # PyTorch has no class of its own for the memory of a CPU, and importing it for that of a device takes seconds.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "allocate memory" in str(error)
    )


def in_words(error: OSError) -> str:
    """Return what the system refused as a sentence with a remedy."""
    reason = error.strerror or str(error)
    place = f"{error.filename}: " if error.filename else ""
    if error.errno in _FULL:
        return f"{place}The disk is full ({reason}). Make room on it. What was there before is unchanged."
    return f"{place}{reason}. Check the path and its permissions."


def _rest(state: Path) -> str:
    """Tell what remains of the run."""
    if not state.exists():
        return " Nothing of the run was saved yet."
    return f" Its last measured state is saved in {state}. Use --resume to continue from there."
