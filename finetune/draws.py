"""Windows as a probe hears them: as they stand, or moved by intervals that are the same in every epoch and seed."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.corpora.archives import cache_folder
from data.shards import Shards
from symbolic.adapters import weights_fingerprint
from symbolic.backbone import Backbone
from symbolic.tokenizer import rebase_bars
from symbolic.transposition import transpose, transposition_range
from symbolic.vocabulary import PAD

DRAWS = 3
"""Of each training window: as it stands, and twice transposed, always by the same intervals."""
AT_ONCE = 8
"""Windows that the backbone is given together."""
MARK_EVERY = 256
"""Windows after which what was computed is written down, so that an interrupted run need not compute it again."""


def drawn(rows: NDArray[np.integer], start: int, draw: int, shift: int) -> NDArray[np.integer]:
    """A window as in one of its draws, a function of place and number alone, so that every seed shares it.

    Args:
        rows: (N, 8) ids of the window, its bars counted from its own beginning.
        start: Of the window in the shards.
        draw: 0 leaves it as it stands.
        shift: Most semitones.
    """
    if draw == 0:
        return rows
    low, high = transposition_range(rows, shift)
    return transpose(rows, int(np.random.default_rng([start, draw]).integers(low, high + 1)))


def window_rows(shards: Shards, window: NDArray[np.int64], draw: int, shift: int) -> NDArray[np.integer]:
    """(N, 8) ids of a window, first row, row past the end and piece, as in one of its draws."""
    start, stop = window[:2].tolist()
    return drawn(rebase_bars(shards.rows(start, stop)), start, draw, shift)


def side_by_side(found: Sequence[NDArray[np.integer]]) -> tuple[Tensor, Tensor]:
    """Windows as a batch: (B, L, 8) int64 rows and (B, L) bool, false where padded."""
    lengths = np.array([len(rows) for rows in found])
    ids = np.full((len(found), lengths.max(), found[0].shape[1]), PAD, dtype=np.int64)
    for row, rows in zip(ids, found, strict=True):
        row[: len(rows)] = rows
    return torch.from_numpy(ids), torch.from_numpy(np.arange(lengths.max()) < lengths[:, None])


def features_of(shards: Shards, backbone: Backbone) -> str:
    """Path, less its ending, of what a backbone says of this music: the same for every fold, label and split."""
    digest = hashlib.sha256(shards.offsets.tobytes())
    for shard in shards.manifest["shards"]:
        digest.update(shard["sha256"]["rows"].encode())
    mark = f"{digest.hexdigest()[:16]}-{weights_fingerprint(backbone)}-w{backbone.config.window}"
    return str(cache_folder() / "features" / mark)


def free_disk() -> int:
    """Bytes that states may take where they are kept; a file that outgrew its disk would end the process."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free


def mapped(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> np.memmap:
    """A memory-mapped array of zeros that appears whole, or the one that is there; zeros take no disk."""
    if not path.is_file():
        handle, unfinished = tempfile.mkstemp(dir=path.parent, suffix=".npy")
        os.close(handle)
        np.lib.format.open_memmap(unfinished, mode="w+", dtype=dtype, shape=shape).flush()
        # Linked, which never replaces: of two processes that begin at a time the one would go on writing to a file that
        # is gone, while its marks of what is known stayed.
        try:
            os.link(unfinished, path)
            Path(unfinished).unlink()
        except FileExistsError:
            Path(unfinished).unlink()
        except OSError:  # a disk without links
            Path(unfinished).replace(path)
    found: np.memmap = np.lib.format.open_memmap(path, mode="r+")
    return found
