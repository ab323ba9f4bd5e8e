"""Messages for runs that end for want of memory or disk space."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from symbolic.errors import ConfigError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def explained(state: Path) -> Iterator[None]:
    """Turn a want of memory or disk space into a message.

    Args:
        state: The file from which a run is resumed. Only a complete new one replaces it.

    Raises:
        ConfigError: If memory or disk space is used up.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _memory_error(state) from error
    except RuntimeError as error:
        # PyTorch has no class of its own for the memory of a CPU.
        if "allocate memory" not in str(error):
            raise
        raise _memory_error(state) from error
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ConfigError(f"The disk is full ({error}). Make room on it.{_rest(state)}") from error


def _memory_error(state: Path) -> ConfigError:
    return ConfigError(
        "The memory does not suffice for a step. Start a new run with a lower --tokens_per_batch (and a higher "
        f"--accumulate to make up for it), or with --recompute.{_rest(state)}"
    )


def _rest(state: Path) -> str:
    """Tell what remains of the run."""
    if not state.exists():
        return " Nothing of the run was saved yet."
    return f" Its last measured state is saved in {state}. Use --resume to continue from there."
