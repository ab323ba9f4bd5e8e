"""What a run is fed: windows to train on and windows to measure by, in batches that know their step."""

from __future__ import annotations

from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray

from data.batches import Batch, StepBatches, endless_loader, one_pass_loader
from data.shards import Shards
from data.windows import make_windows
from pretrain.objective.freezing import FreezeBook
from pretrain.settings import PretrainSettings
from symbolic.errors import CorpusError
from symbolic.tokens.tokenizer import rebase_bars
from symbolic.tokens.vocabulary import FIELDS

_HELD_OUT_ROWS = 24_000
"""Tokens that an evaluation sees; enough for a standard error of about one per cent."""


class PretrainDataModule(lightning.LightningDataModule):
    """Batches from the step on at which the trainer stands, each with the freeze state of its tokens."""

    def __init__(
        self,
        batches: StepBatches,
        held_out: StepBatches,
        book: FreezeBook,
        settings: PretrainSettings,
        resumed: str | None,
    ) -> None:
        super().__init__()
        self.batches, self.held_out, self.book, self.settings = batches, held_out, book, settings
        # PretrainDataModule are made before the trainer takes up its checkpoint, so the step is read from it here.
        self.start = torch.load(resumed, weights_only=True)["global_step"] if resumed else 0

    def train_dataloader(self) -> Any:
        """Endless, from the step on at which the trainer stands; each process gets its own batches."""
        assert self.trainer is not None  # who asks
        start = self.start * self.settings.training.accumulate
        rank, world = self.trainer.global_rank, self.trainer.world_size
        return endless_loader(self.batches, start, rank, world, self.settings.training.workers)

    def val_dataloader(self) -> Any:
        """Every held-out window once, in every process: there are few."""
        return one_pass_loader(self.held_out)

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Any:
        """Join the freeze state here and not in a worker, which may be batches ahead of a revision."""
        if not (self.trainer and self.trainer.training):
            return batch
        return batch, torch.from_numpy(self.book.frozen(batch.start.numpy(), batch.tokens.shape[1]))


def sides(shards: Shards, window: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and held-out windows.

    A small folder, dealt by chance, may have no validation piece; then a tenth of the training pieces is held out,
    copies together.

    Raises:
        CorpusError: If that leaves either side empty.
    """
    train, valid = shards.select("train"), shards.select("valid")
    if len(valid) == 0:
        kinds = np.unique(shards.fingerprints[train])
        held = np.isin(shards.fingerprints[train], kinds[: -(-len(kinds) // 10)])
        train, valid = train[~held], train[held]
    if len(train) == 0 or len(valid) == 0:
        raise CorpusError(
            f"The corpus has {len(shards.pieces)} pieces, and none of them can be trained on while another is held "
            "out. Add files, or name splits in a labels.csv with columns file and split."
        )
    # The same held-out pieces at every evaluation, drawn without regard to their order in the corpus.
    held_out = make_windows(shards, np.random.default_rng(0).permutation(valid), window)
    enough = np.searchsorted(np.cumsum(held_out[:, 1] - held_out[:, 0]), _HELD_OUT_ROWS) + 1
    return make_windows(shards, np.sort(train), window), held_out[:enough]


def majority_baselines(
    shards: Shards, train: NDArray[np.int64], valid: NDArray[np.int64], most: int = 4000
) -> dict[str, float]:
    """Accuracy on held-out tokens of always saying each field's most common training id.

    Args:
        shards: Where the tokens lie.
        train: (W, 3) windows to count in; beyond `most` of them, an even sample.
        valid: (V, 3) windows to score.
        most: How many training windows are read.
    """

    def tokens(windows: NDArray[np.int64]) -> NDArray[np.integer]:
        return np.concatenate([rebase_bars(shards.tokens(int(a), int(b))) for a, b, _ in windows])

    sample = train[np.linspace(0, len(train) - 1, min(most, len(train))).astype(int)]
    common = [np.bincount(column).argmax() for column in tokens(sample).T]
    return dict(zip(FIELDS, (tokens(valid) == common).mean(0).tolist(), strict=True))
