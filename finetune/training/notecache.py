"""Hidden states of notes, computed once a draw and kept on disk: what a probe of notes learns from.

A probe's training windows have few draws, always the same, so that what the backbone says of them can be kept. Where
that takes more disk than is allowed it is computed anew for every batch: slower, and the same but for the rounding to
half precision. Scores of the kept checkpoint always come from the tokens.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from data.batches import Batch, StepBatches
from data.shards import Shards
from data.windows import make_windows
from finetune.tasks.data import TaskData
from finetune.training.draws import (
    DRAWS,
    KeptStates,
    Place,
    drawn,
    features_of,
    free_disk,
    mapped,
    side_by_side,
    window_rows,
)
from symbolic.predict.network import TaskModel

DISK = 8.0
"""GiB that the states of one probe's notes may take, unless told otherwise."""
SAMPLE = 64
"""Training windows by which a probe's features are standardised."""
_FORMAT = 1


class NoteBatch(NamedTuple):
    """Windows side by side, of which the backbone has spoken before.

    Attributes:
        states: (B, S, L, D) float16, normed, of the layers that are heard; 0 where padded.
        attention_mask: (B, L) bool, false where padded.
        start: (B,) int64, global index of each window's first token in the shards.
        piece: (B,) int64, index of each window's piece.
        step: Which batch this is.
    """

    states: Tensor
    attention_mask: Tensor
    start: Tensor
    piece: Tensor
    step: int


class NoteStates(KeptStates):
    """Normed states of tokens in a memory-mapped file, float16, filled as they are asked for.

    The file is as long as all layers of all tokens would need, and takes the disk of those that are known: a probe of
    one layer needs that layer.

    Args:
        folder: Whose name tells the weights, the music, the windows and the transposition; made if absent.
        shards: Where the tokens lie.
        windows: (W, 3) first token, token past the end, piece; none share a token.
        layers: How many states a backbone has, the embedding included.
        dim: Width of a state.
        shift: Windows are moved by up to this many semitones in every draw but the first.
    """

    title = "States of notes"

    def __init__(
        self, folder: Path, shards: Shards, windows: NDArray[np.int64], layers: int, dim: int, shift: int
    ) -> None:
        super().__init__(shards, windows, shift)
        self.dim = dim
        folder.mkdir(parents=True, exist_ok=True)
        tokens = int(shards.offsets[-1])
        self._states = mapped(folder / "states.npy", np.float16, (self.draws, layers, tokens, dim))
        self._known = mapped(folder / "known.npy", np.bool_, (self.draws, layers, len(windows)))

    def fill(self, model: TaskModel, pieces: NDArray[np.integer], draws: int, device: torch.device) -> None:
        """Compute what is not known yet of the layers that a probe hears.

        Args:
            model: The probe, whose backbone speaks; it is moved to the device and back.
            pieces: Whose windows.
            draws: How many draws of each.
            device: Where to compute.
        """
        of_pieces = np.flatnonzero(np.isin(self.windows[:, 2], pieces))
        known: NDArray[np.bool_] = np.logical_and.reduce(self._known[:draws, model.heard], axis=1)
        wanted = [(int(w), d) for d in range(draws) for w in of_pieces if not known[d, w]]
        self.compute(model, wanted, device)

    def say(self, model: TaskModel, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """(B, S, L, D) normed states of the layers that are heard."""
        return model.heard_states(tokens, attention_mask)

    def keep(self, place: Place, said: NDArray[np.float16], model: TaskModel) -> None:
        """Of the tokens of one window in one draw."""
        window, draw = place
        start, stop = self.windows[window, :2].tolist()
        for layer, state in zip(model.heard, said, strict=True):
            self._states[draw, layer, start:stop] = state[: stop - start]

    def mark(self, places: Sequence[Place], model: TaskModel) -> None:
        """Flush, then note what is known."""
        self._states.flush()
        for window, draw in places:
            self._known[draw, model.heard, window] = True

    def get(self, start: int, stop: int, draw: int, layers: list[int]) -> NDArray[np.float16]:
        """(S, N, D) states of a window that `fill` has seen."""
        return np.stack([self._states[draw, layer, start:stop] for layer in layers])


class DrawnBatches(Dataset[Batch | NoteBatch]):
    """Batch k of a probe of notes: of `StepBatches`, with a draw for each window; a function of seed and k.

    Args:
        plain: Of a side, without transposition.
        shift: Most semitones; 0 leaves every window as it stands.
        layers: Which states a batch holds, where they are kept.
        states: Filled for these windows; None for batches of tokens.
    """

    def __init__(self, plain: StepBatches, shift: int, layers: list[int], states: NoteStates | None) -> None:
        self.plain, self.shift, self.layers, self.states = plain, shift, layers, states

    @property
    def per_epoch(self) -> int:
        """Batches in one pass over all windows."""
        return self.plain.per_epoch

    def __len__(self) -> int:
        return self.per_epoch

    def __getitem__(self, step: int) -> Batch | NoteBatch:
        batch = self.plain[step]
        random = np.random.default_rng([self.plain.seed, step, 2])
        draws = random.integers(DRAWS if self.shift else 1, size=len(batch.start)).tolist()
        if self.states is None:
            return batch._replace(tokens=self._moved(batch, draws))
        shape = (len(draws), len(self.layers), batch.attention_mask.shape[1], self.states.dim)
        found = np.zeros(shape, dtype=np.float16)
        lengths = batch.attention_mask.sum(1).tolist()
        for one, start, length, draw in zip(found, batch.start.tolist(), lengths, draws, strict=True):
            one[:, :length] = self.states.get(start, start + length, draw, self.layers)
        return NoteBatch(torch.from_numpy(found), batch.attention_mask, batch.start, batch.piece, batch.step)

    def _moved(self, batch: Batch, draws: list[int]) -> Tensor:
        """(B, L, 8) tokens of a batch as in these draws."""
        tokens = batch.tokens.clone()
        for one, attention_mask, start, draw in zip(
            tokens, batch.attention_mask, batch.start.tolist(), draws, strict=True
        ):
            length = int(attention_mask.sum())
            one[:length] = torch.from_numpy(drawn(one[:length].numpy(), start, draw, self.shift))
        return tokens


def disk_needed(model: TaskModel, data: TaskData) -> int:
    """Bytes that the states of a probe's training notes, in every draw, and of its validation notes take."""
    tokens = np.diff(np.asarray(data.shards.offsets, dtype=np.int64))
    draws = DRAWS if data.task.transposition else 1
    notes = draws * tokens[data.splits["train"]].sum() + tokens[data.splits["valid"]].sum()
    return int(notes) * len(model.heard) * model.backbone.config.dim * np.dtype(np.float16).itemsize


def note_states(
    model: TaskModel, data: TaskData, device: torch.device, limit: float = DISK
) -> NoteStates | None:
    """The states that a probe of notes learns from, from $COUNTERPOINT_CACHE as far as they are there.

    Args:
        model: The probe.
        data: The task's pieces.
        device: Where to compute what is missing.
        limit: GiB that they may take; None is returned, and the user told, where they would take more.
    """
    needed = disk_needed(model, data) / 2**30
    allowed = min(limit, free_disk() / 2**30)
    if needed > allowed:
        sys.stderr.write(
            f"The states of {data.name} may take {needed:.1f} GiB of disk, and {allowed:.1f} are allowed or free: the "
            "backbone runs for every batch. Raise --keep_states, or use --probe last, which needs one layer.\n"
        )
        return None
    shards, backbone, shift = data.shards, model.backbone, data.task.transposition
    windows = make_windows(shards, np.arange(len(shards.pieces)), backbone.config.window)
    folder = Path(f"{features_of(shards, backbone)}-notes{_FORMAT}-shift{shift}")
    states = NoteStates(folder, shards, windows, len(backbone.blocks) + 1, backbone.config.dim, shift)
    states.fill(model, data.splits["train"], states.draws, device)
    states.fill(model, data.splits["valid"], 1, device)
    return states


@torch.inference_mode()
def sampled_states(model: TaskModel, data: TaskData, states: NoteStates | None) -> Iterator[Tensor]:
    """(N, S, D) of the notes of some training windows as they stand, a window at a time.

    Args:
        model: The probe.
        data: The task's pieces.
        states: From `note_states`; where they are not kept, the backbone speaks.
    """
    windows = make_windows(data.shards, data.splits["train"], model.backbone.config.window)
    device = next(model.parameters()).device
    for place in np.unique(np.linspace(0, len(windows) - 1, SAMPLE).astype(np.int64)):
        start, stop = windows[place, :2].tolist()
        if states is None:
            tokens, attention_mask = side_by_side([window_rows(data.shards, windows[place], 0, 0)])
            found = model.heard_states(tokens.to(device), attention_mask.to(device))[0].cpu()
        else:
            found = torch.from_numpy(states.get(start, stop, 0, model.heard))
        yield found.transpose(0, 1)


def note_batches(
    model: TaskModel, data: TaskData, split: str, tokens_per_batch: int, seed: int, states: NoteStates | None
) -> DrawnBatches:
    """Of one side; only training windows are ever transposed."""
    windows = make_windows(data.shards, data.splits[split], model.backbone.config.window)
    training = split == "train"
    plain = StepBatches(data.shards, windows, tokens_per_batch, seed, shuffle=training)
    return DrawnBatches(plain, data.task.transposition if training else 0, model.heard, states)
