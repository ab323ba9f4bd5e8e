"""Selectors learn what they are for: of tokens that follow a rule and tokens of pure noise, they tell which is "
"which."""

from typing import NamedTuple

import lightning
import numpy as np
import pytest
import torch

from data.batches import StepBatches, endless_loader
from pretrain.objective.freezing import FreezeBook
from pretrain.objective.masked import Objective
from pretrain.objective.retirement import Retirement
from pretrain.selectors import Schedule, build_selector
from pretrain.training.module import PretrainModule
from symbolic.backbone import BackboneConfig, build_backbone
from symbolic.heads import FieldHeads
from symbolic.tokens.vocabulary import BAR, DURATION, PITCH, POSITION, PROGRAM, RESERVED, VELOCITY, Vocabulary

WINDOWS, LENGTH, TOGETHER = 256, 48, 16
PER_BAR = 8
PATTERN = np.array([0, 7, 4, 11, 2, 9, 5, 12])
SIZES = Vocabulary().sizes
SHAPE = BackboneConfig(dim=48, layers=1, heads=2, ffn=96, window=LENGTH, dropout=0.0)


class MadeCorpus:
    """Windows of eighths, in place of shards; half of the tokens of each, in random places, are noise.

    The others follow a rule of bar and position, the same in all windows. Noise is of a program of its own, so that
    one who sees the clean token can tell; from its neighbours it cannot be told.

    Attributes:
        noise: (WINDOWS * LENGTH,) bool.
    """

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        shape = (WINDOWS, LENGTH)
        noise = random.random(shape).argsort(1) < LENGTH // 2
        bar, slot = np.divmod(np.arange(LENGTH), PER_BAR)
        melody = PATTERN[(slot + 3 * bar) % PER_BAR]
        tokens = np.zeros((*shape, len(SIZES)), dtype=np.int64)  # one metre and one tempo, whichever
        tokens[..., BAR], tokens[..., POSITION] = bar, 8 * slot
        tokens[..., PROGRAM] = np.where(noise, 40, 0)
        for field, rule in (
            (PITCH, 48 + melody),
            (DURATION, 2 + 3 * (melody % 5)),
            (VELOCITY, 6 + 3 * (slot % 4)),
        ):
            anything = random.integers(0, SIZES[field] - RESERVED, shape)
            tokens[..., field] = np.where(noise, anything, rule)
        self._rows = (tokens + RESERVED).reshape(-1, len(SIZES)).astype(np.uint16)
        self.noise = noise.ravel()

    def __len__(self) -> int:
        return len(self._rows)

    def tokens(self, start: int, stop: int) -> np.ndarray:
        return self._rows[start:stop]

    def batches(self, shuffle: bool) -> StepBatches:
        starts = np.arange(0, len(self), LENGTH)
        windows = np.stack([starts, starts + LENGTH, np.arange(WINDOWS)], axis=1)
        return StepBatches(self, windows, TOGETHER * LENGTH, shuffle=shuffle)


class Watched(PretrainModule):
    """Joins the freeze state to the batches, and notes the share of noise in what is chosen."""

    noise: torch.Tensor
    shares: list[float]

    def on_before_batch_transfer(self, batch, dataloader_idx):
        return batch, torch.from_numpy(self.book.frozen(batch.start.numpy(), LENGTH))

    def note(self, objective, arguments, step):
        index = arguments[0].start[:, None] + torch.arange(LENGTH)
        chosen = step.chosen.any(-1)
        self.shares.append(float(self.noise[index][chosen].float().mean()))


class Outcome(NamedTuple):
    """Share of noise in the tokens chosen, step by step, and in those retired; and how many of all tokens these are."""

    chosen: np.ndarray
    retired: float
    frozen: float


def play(name, folder, steps, every=0, seed=0) -> Outcome:
    """A run of the step, the optimiser and the retirement that `pretrain` uses, on a nano backbone."""
    torch.manual_seed(seed)
    corpus = MadeCorpus(seed)
    book = FreezeBook(folder, len(corpus))
    selector = build_selector(name, Schedule(), SIZES, SHAPE)
    objective = Objective(build_backbone(SHAPE, SIZES), FieldHeads(SHAPE.dim, SIZES), selector)
    module = Watched(objective, book, seed=seed, steps=steps, lr=3e-3)
    module.noise, module.shares = torch.from_numpy(corpus.noise), []
    objective.register_forward_hook(module.note)
    lightning.Trainer(
        max_steps=steps,
        accelerator="cpu",
        callbacks=[Retirement(corpus.batches(shuffle=False), book, every, limit=0.5)] if every else [],
        gradient_clip_val=1.0,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    ).fit(module, endless_loader(corpus.batches(shuffle=True), 0))
    frozen = book.frozen(np.array([0]), len(corpus))[0]
    retired = float(corpus.noise[frozen].mean()) if frozen.any() else 0.0
    return Outcome(np.array(module.shares), retired, float(frozen.mean()))


pytestmark = [
    pytest.mark.filterwarnings(f"ignore:.*{said}")
    for said in ("does not have many workers", "have no `val_dataloader`", "LeafSpec")
]


def test_random_scores_retire_rule_and_noise_alike(tmp_path):
    outcome = play("uniform", tmp_path, 100, every=30)
    assert outcome.frozen > 0.4
    assert 0.4 < outcome.retired < 0.6
    assert 0.45 < outcome.chosen.mean() < 0.55


def test_adversarial_chooses_noise_and_retires_it(tmp_path):
    outcome = play("adversarial", tmp_path, 200, every=60)
    assert outcome.frozen > 0.4
    assert outcome.retired > 0.9
    assert outcome.chosen[:60].mean() > 0.6


def test_learnability_retires_noise(tmp_path):
    outcome = play("learnability", tmp_path, 200, every=60)
    assert outcome.frozen > 0.4
    assert outcome.retired > 0.9


def test_learnability_does_not_choose_noise_without_retirement(tmp_path):
    outcome = play("learnability", tmp_path, 320)
    assert outcome.frozen == 0
    assert outcome.chosen.mean() < 0.42
    assert outcome.chosen[-80:].mean() < 0.3
