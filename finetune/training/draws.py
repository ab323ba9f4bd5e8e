"""Windows in draws, transposed alike in every epoch and seed, and what a backbone says of them, computed once."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from data.corpora.archives import cache_folder
from data.shards import Shards
from symbolic.adapters import weights_fingerprint
from symbolic.backbone import Backbone
from symbolic.predict.network import TaskModel
from symbolic.tokens.tokenizer import rebase_bars
from symbolic.tokens.transposition import transpose, transposition_range
from symbolic.tokens.vocabulary import PAD

Place = tuple[int, int]
"""A window and a draw."""
DRAWS = 3
"""Of each training window: as it stands, and twice transposed, always by the same intervals."""
AT_ONCE = 8
"""Windows that the backbone is given together."""
MARK_EVERY = 256
"""Windows after which what was computed is written down, so that an interrupted run need not compute it again."""


def drawn(tokens: NDArray[np.integer], start: int, draw: int, shift: int) -> NDArray[np.integer]:
    """A window as in one of its draws, a function of place and number alone, so that every seed shares it.

    Args:
        tokens: (N, 8) ids of the window, its bars counted from its own beginning.
        start: Of the window in the shards.
        draw: 0 leaves it as it stands.
        shift: Most semitones.
    """
    if draw == 0:
        return tokens
    low, high = transposition_range(tokens, shift)
    return transpose(tokens, int(np.random.default_rng([start, draw]).integers(low, high + 1)))


def window_rows(shards: Shards, window: NDArray[np.int64], draw: int, shift: int) -> NDArray[np.integer]:
    """(N, 8) ids of a window, first token, token past the end and piece, as in one of its draws."""
    start, stop = window[:2].tolist()
    return drawn(rebase_bars(shards.tokens(start, stop)), start, draw, shift)


def side_by_side(found: Sequence[NDArray[np.integer]]) -> tuple[Tensor, Tensor]:
    """Windows as a batch: (B, L, 8) int64 tokens and (B, L) bool, false where padded."""
    lengths = np.array([len(tokens) for tokens in found])
    ids = np.full((len(found), lengths.max(), found[0].shape[1]), PAD, dtype=np.int64)
    for token, tokens in zip(ids, found, strict=True):
        token[: len(tokens)] = tokens
    return torch.from_numpy(ids), torch.from_numpy(np.arange(lengths.max()) < lengths[:, None])


class KeptStates(ABC):
    """What a frozen backbone says of windows in their draws, computed once and kept.

    Args:
        shards: Where the tokens lie.
        windows: (W, 3) first token, token past the end, piece.
        shift: Windows are moved by up to this many semitones in every draw but the first.
    """

    title: ClassVar[str]
    """Of the progress bar."""

    def __init__(self, shards: Shards, windows: NDArray[np.int64], shift: int) -> None:
        self.shards, self.windows, self.shift = shards, windows, shift
        self.draws = DRAWS if shift else 1

    @abstractmethod
    def say(self, model: TaskModel, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """(B, L, 8) tokens and (B, L) bool -> (B, ...), what is kept of them."""

    @abstractmethod
    def keep(self, place: Place, said: NDArray[np.float16], model: TaskModel) -> None:
        """Write what was said of one window in one draw."""

    @abstractmethod
    def mark(self, places: Sequence[Place], model: TaskModel) -> None:
        """Have what was written on the disk, then note that it is known."""

    def compute(self, model: TaskModel, wanted: list[Place], device: torch.device) -> None:
        """Have the backbone speak of windows, of like length together.

        Args:
            model: The probe, whose backbone speaks; it is moved to the device and back.
            wanted: What is not known yet.
            device: Where to compute.
        """
        if not wanted:
            return
        lengths = self.windows[:, 1] - self.windows[:, 0]
        wanted = sorted(wanted, key=lambda place: -int(lengths[place[0]]))
        home, training = next(model.parameters()).device, model.training
        model.to(device).eval()
        bar = tqdm(total=len(wanted), desc=self.title, unit=" windows", disable=None, leave=False)
        for first in range(0, len(wanted), MARK_EVERY):
            part = wanted[first : first + MARK_EVERY]
            for begin in range(0, len(part), AT_ONCE):
                some = part[begin : begin + AT_ONCE]
                tokens, attention_mask = side_by_side(
                    [window_rows(self.shards, self.windows[w], d, self.shift) for w, d in some]
                )
                with torch.inference_mode():
                    said = self.say(model, tokens.to(device), attention_mask.to(device)).half().cpu().numpy()
                for place, one in zip(some, said, strict=True):
                    self.keep(place, one, model)
                bar.update(len(some))
            self.mark(part, model)
        bar.close()
        model.to(home).train(training)


def features_of(shards: Shards, backbone: Backbone) -> str:
    """Path, less its ending, of what a backbone says of this music: the same for every fold, label and split."""
    digest = hashlib.sha256(shards.offsets.tobytes())
    for shard in shards.manifest["shards"]:
        digest.update(shard["sha256"]["tokens"].encode())
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
