"""Data module of pretraining: training and held-out windows in batches that are a function of the step."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray

from data.batches import Batch, StepBatches, endless_loader, one_pass_loader
from data.shards import Shards
from data.windows import make_windows
from pretrain.objective.augmentation import any_loudness
from pretrain.objective.freezing import FreezeBook
from pretrain.objective.pairs import PairBatches
from pretrain.selectors import SELECTORS
from pretrain.settings import PretrainSettings
from pretrain.training.initialisation import Initialisation, load_initialisation
from symbolic.errors import CorpusError
from symbolic.tokens.tokenizer import Tokenizer, rebase_bars
from symbolic.tokens.vocabulary import FIELDS

_HELD_OUT_TOKENS = 24_000
"""Tokens of an evaluation; enough for a standard error of about one per cent."""


class PretrainDataModule(lightning.LightningDataModule):
    """The music of a run for any `lightning.Trainer`. A resumed run gets the batches that it would have had.

    The training batches never end. So the trainer needs `max_steps` and `val_check_interval` in batches with
    `check_val_every_n_epoch=None`.

    Args:
        settings: Settings of the run. They name music, batch size and initial weights. Music is prepared if needed.
        frozen: Folder for the freeze state of the training tokens.
        start: Initial weights. By default those that the settings name.
        progress: Show the progress of preparation.

    Attributes:
        tokenizer: The tokenizer of the music.
        shards: The prepared music.
        train, valid: (W, 3) and (V, 3) int64, training and held-out windows.
        steps: Optimiser steps of the run.
        book: Freeze state of the training tokens.
        batches, in_order, held_out: Training batches, the same windows in a fixed order and held-out batches.

    Raises:
        CounterpointError: If the music or the checkpoint cannot be used.
    """

    def __init__(
        self,
        settings: PretrainSettings,
        frozen: str | Path = "frozen",
        start: Initialisation | None = None,
        progress: bool = True,
    ) -> None:
        super().__init__()
        self.tokenizer, training = Tokenizer(), settings.training
        self.start = start or load_initialisation(settings, self.tokenizer)
        self.shards = settings.data.shards(*settings.data.source, self.tokenizer, progress=progress)
        self.train, self.valid = split_windows(self.shards, self.start.config.window)
        self.batches: StepBatches | PairBatches = (
            PairBatches(self.shards, np.unique(self.train[:, 2]), settings.budget, training.seed)
            if settings.masking.contrastive
            else StepBatches(
                self.shards,
                self.train,
                settings.budget,
                training.seed,
                training.transposition,
                change=partial(any_loudness, vocabulary=self.tokenizer.vocabulary)
                if SELECTORS[settings.masking.selector].any_loudness
                else None,
            )
        )
        self.in_order = StepBatches(self.shards, self.train, settings.budget, shuffle=False)
        self.held_out = StepBatches(self.shards, self.valid, settings.budget, shuffle=False)
        an_epoch = max(1, self.batches.per_epoch // training.batches_per_step)
        self.steps = training.steps or max(1, round(training.epochs * an_epoch))
        self.book = FreezeBook(frozen, len(self.shards))
        self._workers, self._step = training.workers, 0

    def train_dataloader(self) -> Any:
        """Return the endless training batches from the current step on. Each process gets its own."""
        assert self.trainer is not None  # it calls
        start = self._step * self.trainer.accumulate_grad_batches
        return endless_loader(
            self.batches, start, self.trainer.global_rank, self.trainer.world_size, self._workers
        )

    def val_dataloader(self) -> Any:
        """Return every held-out window once in every process: there are few."""
        return one_pass_loader(self.held_out)

    def state_dict(self) -> dict[str, int]:
        """Return the current step."""
        assert self.trainer is not None  # it calls
        return {"step": self.trainer.global_step}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Continue after a step. The trainer calls it before it asks for batches."""
        self._step = state_dict["step"]

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Any:
        """Add the freeze state to a training batch: not in a worker, which may be batches ahead of a revision."""
        if not (self.trainer and self.trainer.training):
            return batch
        return batch, torch.from_numpy(self.book.frozen(batch.start.numpy(), batch.tokens.shape[1]))


def split_windows(shards: Shards, window: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (W, 3) training and (V, 3) held-out windows.

    A small folder, split at random, may have no validation piece. Then a tenth of the training pieces is held out, and
    copies stay together.

    Raises:
        CorpusError: If either side is empty then.
    """
    train, valid = shards.select("train"), shards.select("valid")
    if len(valid) == 0:
        kinds = np.unique(shards.fingerprints[train])
        held = np.isin(shards.fingerprints[train], kinds[: -(-len(kinds) // 10)])
        train, valid = train[~held], train[held]
    if len(train) == 0 or len(valid) == 0:
        count = len(shards.pieces)
        raise CorpusError(
            f"The corpus has {count} piece{'s' * (count != 1)}, and none can be trained on while another is held "
            "out. Add files, or name splits in a labels.csv with columns file and split."
        )
    # The same held-out pieces at every evaluation, in an order that does not depend on the corpus.
    held_out = make_windows(shards, np.random.default_rng(0).permutation(valid), window)
    enough = np.searchsorted(np.cumsum(held_out[:, 1] - held_out[:, 0]), _HELD_OUT_TOKENS) + 1
    return make_windows(shards, np.sort(train), window), held_out[:enough]


def majority_baselines(
    shards: Shards, train: NDArray[np.int64], valid: NDArray[np.int64], most: int = 4000
) -> dict[str, float]:
    """Return the accuracy on held-out tokens of always predicting each field's most common training id.

    Args:
        shards: Shards with the tokens.
        train: (W, 3) windows to count in. Of more than `most` an even sample.
        valid: (V, 3) windows to score.
        most: Largest number of training windows to read.
    """

    def tokens(windows: NDArray[np.int64]) -> NDArray[np.integer]:
        return np.concatenate([rebase_bars(shards.tokens(int(a), int(b))) for a, b, _ in windows])

    sample = train[np.linspace(0, len(train) - 1, min(most, len(train))).astype(int)]
    common = [np.bincount(column).argmax() for column in tokens(sample).T]
    return dict(zip(FIELDS, (tokens(valid) == common).mean(0).tolist(), strict=True))
