"""States of training: written atomically in their own folder and checked before they are read."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from data.toolkit.safewrite import write
from symbolic.errors import CheckpointError

_NEEDED = {"state_dict", "global_step", "counterpoint"}


class StateFiles(TorchCheckpointIO):
    """A plugin for `lightning.Trainer` that replaces states atomically.

    Lightning writes to the folder for temporary files and moves. Across file systems a move is a copy and a copy that
    is cut off destroys the old state.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Replace a state. Readers find the old file or the new one, never a part."""
        path, buffer = Path(path), io.BytesIO()
        torch.save(checkpoint, buffer)
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{path.name}.*.partial"):  # of runs that were killed
            left.unlink()
        write(path, buffer.getbuffer())


def read_state(path: Path) -> dict[str, Any]:
    """Read a state of training, memory-mapped.

    Raises:
        CheckpointError: If the file is damaged or no such state.
    """
    try:
        with zipfile.ZipFile(path) as file:
            if damaged := file.testzip():  # torch checks no sums
                raise zipfile.BadZipFile(f"bad sum of {damaged}")
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        if not (isinstance(state, dict) and state.keys() >= _NEEDED):
            raise ValueError("other content")
    except (
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        RuntimeError,
        ValueError,
        EOFError,
        KeyError,
    ) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"The state {path} is damaged ({reason}). Restore it from a copy, or delete it: --resume then begins this "
            "training anew."
        ) from error
    return state
