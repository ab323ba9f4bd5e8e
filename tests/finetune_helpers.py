"""Small music that fine-tuning can learn: dances with different time signatures, a melody above its accompaniment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from finetune.tasks.data import TaskData
from finetune.training import seed as training
from finetune.training.result import SeedResult
from finetune.training.seed import Plan, train_seed
from finetune.training.weights import InitialWeights
from symbolic.backbone import BackboneConfig, build_backbone
from symbolic.checkpoint.format import save_checkpoint
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import Music, note_array
from symbolic.tokens.tokenizer import Tokenizer

# Threads that wait for one another cost more than they bring where models are this small.
torch.set_num_threads(1)

METRES = {"waltz": (3, 4), "reel": (4, 4)}
PLAN = Plan("full", lr=1e-2, epochs=3, tokens_per_batch=1024, patience=9, accelerator="cpu")
NANO = BackboneConfig(dim=32, layers=2, heads=2, ffn=64, window=64, dropout=0.0)


def tune(seed: int, dance: str = "waltz", bars: int = 12, swapped: bool = False) -> Music:
    """Eighth notes above a chord on every beat; tracks in either order."""
    random = np.random.default_rng(seed)
    beats, unit = METRES[dance]
    eighths = np.arange(2 * beats * bars)
    upper = note_array(eighths * 240, 240, random.integers(67, 84, len(eighths)), 90, 0, int(swapped))
    beat = np.repeat(np.arange(beats * bars), 2)
    pitch = random.integers(40, 60, len(beat) // 2).repeat(2) + np.tile([0, 4], len(beat) // 2)
    lower = note_array(beat * 480, 480, pitch, 60, 0, int(not swapped))
    parts, names = [upper, lower], ("MELODY", "PIANO")
    if swapped:
        parts, names = parts[::-1], names[::-1]
    return Music(np.concatenate(parts), 480, np.array([[0, beats, unit]]), tracks=names)


def write_folder(folder: Path, count: int = 24) -> Path:
    """Tunes of both dances and a labels table with a split of three quarters, an eighth and an eighth."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["file,label,split"]
    for number in range(count):
        dance = list(METRES)[number % 2]
        split = {6: "valid", 7: "test"}.get(number // 2 % 8, "train")
        write_midi(tune(number, dance), folder / f"tune{number:02d}.mid")
        lines.append(f"tune{number:02d}.mid,{dance},{split}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def nano_checkpoint(path: Path, pretrained_on: object = ()) -> Path:
    """Make a random backbone that trains in seconds."""
    torch.manual_seed(0)
    tokenizer = Tokenizer()
    backbone = build_backbone(NANO, tokenizer.vocabulary.sizes)
    return save_checkpoint(path, backbone, tokenizer, pretrained_on=np.array(pretrained_on, dtype=np.int64))


def trained_in_two_goes(
    data: TaskData, source: InitialWeights, plan: Plan, folder: Path, validations: int
) -> SeedResult:
    """Kill the process of a seed after some validations of a training, and resume it."""
    save: Callable[..., None] = training._Keeper.on_validation_end

    def killed(self: Any, trainer: Any, module: Any) -> None:
        save(self, trainer, module)
        if len(module.history) == validations:
            raise InterruptedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training._Keeper, "on_validation_end", killed)
        with pytest.raises(InterruptedError):
            train_seed(data, source, plan, 0, folder, {})
    return train_seed(data, source, plan, 0, folder, {})
