"""Ends of a training run that the machine forces: what happened, what is kept, how to go on."""

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
    """Turn a want of memory or disk into a message.

    Args:
        state: The file that a run is resumed from; it is replaced only by a whole new one.

    Raises:
        ConfigError: In their place.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _told("The memory does not suffice for a step", state) from error
    except RuntimeError as error:
        # PyTorch has no class of its own for the memory of a CPU.
        if "allocate memory" not in str(error):
            raise
        raise _told("The memory does not suffice for a step", state) from error
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ConfigError(f"The disk is full ({error}). Make room on it.{_rest(state)}") from error


def _told(what: str, state: Path) -> ConfigError:
    return ConfigError(
        f"{what}. Start a new run with a lower --tokens_per_batch (and a higher --accumulate to make up for it), or with "
        f"--recompute.{_rest(state)}"
    )


def _rest(state: Path) -> str:
    """What is left of the run."""
    if not state.exists():
        return " Nothing of the run was kept yet."
    return f" Its last measured state is kept in {state}; --resume goes on from there."
