"""Train the network of the melody model: a backbone with a head for notes, on random windows of the pieces."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from data.batches import Batch, endless_loader, one_pass_loader, pad
from data.toolkit.failures import explained
from data.toolkit.progress import StepProgress
from data.toolkit.states import StateFiles, read_state
from finetune.lines.command import TASK
from finetune.lines.data import Example
from finetune.training.module import WEIGHT_DECAY, TaskModule
from finetune.training.weights import InitialWeights
from symbolic.backbone import Backbone
from symbolic.checkpoint.format import load_checkpoint
from symbolic.heads import NoteHead
from symbolic.predict.lines.model import CLASSES
from symbolic.predict.network import TaskModel
from symbolic.tokens.transposition import window_of
from symbolic.tokens.vocabulary import BAR, RESERVED

WINDOWS = 4
"""Windows of a batch."""
TRANSPOSITION = 5
"""Semitones."""
VALIDATION = 40
"""Batches of a validation."""
INTERVAL = 300
"""Steps between validations, after each of which the state is saved."""


class RandomWindows(Dataset[Batch]):
    """Batch k of windows at random places. Each source has its share of them, however many notes there are of it.

    Args:
        pieces: The pieces.
        place: (P,) index of the first token of each among all labels.
        backbone: Sets the length of windows.
        seed: Of all chance.
        transposition: Largest random transposition in semitones.
    """

    def __init__(
        self,
        pieces: Sequence[Example],
        place: NDArray[np.int64],
        backbone: Backbone,
        seed: int,
        transposition: int = 0,
    ) -> None:
        self.pieces, self.place, self.seed, self.transposition = pieces, place, seed, transposition
        self.length, self.bars = backbone.config.window, backbone.sizes[BAR] - RESERVED
        sizes = np.array([len(one.tokens) for one in pieces], dtype=np.float64)
        names = np.array([repr(one.share) for one in pieces])
        for name in np.unique(names):
            here = np.flatnonzero(names == name)
            sizes[here] *= pieces[here[0]].share.weight / sizes[here].sum()
        self.chance = sizes / sizes.sum()

    def __len__(self) -> int:
        return VALIDATION

    def __getitem__(self, step: int) -> Batch:
        random = np.random.default_rng([self.seed, step])
        chosen = random.choice(len(self.pieces), WINDOWS, p=self.chance)
        found, starts = [], []
        for one in chosen.tolist():
            tokens = self.pieces[one].tokens
            start = int(random.integers(0, max(len(tokens) - self.length, 0) + 1))
            bars = tokens[start : start + self.length, BAR].astype(np.int64)
            stop = start + int(np.searchsorted(bars, bars[0] + self.bars))
            found.append(window_of(tokens[start:stop], self.transposition, random.integers))
            starts.append(int(self.place[one]) + start)
        return pad(found, np.array(starts, dtype=np.int64), chosen, step)


def initial_network(weights: InitialWeights, seed: int = 0) -> TaskModel:
    """Return the network of a melody model as it is, or another backbone with a new head.

    Args:
        weights: The initial weights.
        seed: Of the head.
    """
    name = str(TASK["name"])
    if weights.description.get("task") == name:
        head = load_checkpoint(weights.description["path"]).build_heads()[name]
        assert isinstance(head, NoteHead)
        return TaskModel(weights.backbone(), head)
    torch.manual_seed(seed)
    return TaskModel(weights.backbone(), NoteHead(weights.config.dim, CLASSES))


def train_network(
    model: TaskModel,
    train: Sequence[Example],
    valid: Sequence[Example],
    steps: int,
    state: Path,
    lr: float = 1e-3,
    seed: int = 0,
) -> TaskModel:
    """Train a network, or go on from its state.

    Args:
        model: The network with its initial weights.
        train: Pieces.
        valid: Further ones, for the curves.
        steps: Length of the run.
        state: File of its states, the last one among them.
        lr: Peak learning rate.
        seed: Of order, places and dropout.

    Returns:
        The network after its last step, in eval mode.
    """
    backbone = model.backbone
    scored = [one for one in valid if one.share.weight]
    place = np.cumsum([0, *(len(one.tokens) for one in [*train, *scored])], dtype=np.int64)
    labels = np.concatenate([one.labels for one in [*train, *scored]])
    module = TaskModule(model, labels, classes=CLASSES, steps=steps, lr=lr, decay=WEIGHT_DECAY, seed=seed)
    start = int(read_state(state)["global_step"]) if state.is_file() else 0
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=steps,
        val_check_interval=min(INTERVAL, steps),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=1.0,
        callbacks=[StepProgress("network", steps), _Keeper(state)],
        plugins=[StateFiles()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    windows = RandomWindows(train, place, backbone, seed, TRANSPOSITION)
    tested = RandomWindows(scored, place[len(train) :], backbone, seed)
    with explained(state), warnings.catch_warnings():
        # Windows are slices of arrays: worker processes would only cost. The second is Lightning's own affair.
        for text in (".*does not have many workers.*", ".*LeafSpec.*"):
            warnings.filterwarnings("ignore", text)
        trainer.fit(
            module,
            endless_loader(windows, start),
            one_pass_loader(tested),
            ckpt_path=str(state) if start else None,
            weights_only=True,
        )
        trainer.save_checkpoint(state)
    return model.eval()


class _Keeper(lightning.Callback):
    """Saves the state of the training after every validation."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        trainer.save_checkpoint(self.state)
