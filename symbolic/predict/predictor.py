"""Trained runs at work on music; those that are adapters of one backbone share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from symbolic.adapters.adapter_set import AdapterSet
from symbolic.adapters.base import SETTINGS as ADAPTER_SETTINGS
from symbolic.backbone import build_backbone
from symbolic.checkpoint.bundled import find_model
from symbolic.checkpoint.format import Checkpoint
from symbolic.errors import ConfigError
from symbolic.features.stats import softmax
from symbolic.music.notes import Music
from symbolic.music.piano import as_one_piano
from symbolic.predict.discriminants import Reason
from symbolic.predict.keys import KEYS
from symbolic.predict.network import HandMade, TaskModel, device_of, open_task, task_model
from symbolic.predict.piece_classifier import FeatureClassifier
from symbolic.predict.tonality import TONAL_CLASSES
from symbolic.storage import read_json
from symbolic.tokens.tokenizer import Tokenizer, Tokens

VELOCITY = "velocity"
"""The note label that can be written as what it is, instead of as a track a class."""


class NotePredictions(NamedTuple):
    """What a note-level run says of a piece's notes, in the order of `Music.notes`.

    Attributes:
        classes: (N,) int64; -1 for drums, of which nothing is asked.
        confidence: (N,) float32 probability of that class, as the model sees it; NaN for drums.
        shares: (N, C) float32 probabilities of all classes, where keys, chords or velocities are told from them; NaN
            for drums.
    """

    classes: NDArray[np.int64]
    confidence: NDArray[np.float32]
    shares: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Predictor:
    """A trained run, ready for files.

    Attributes:
        name: Of its task, or of its run folder where several runs have learnt the same task.
        model: In eval mode.
        tokenizer: What it reads.
        task: What `Task.describe` said.
        adapter_set: Where its adapter hangs under its name; None where the backbone is its own.
    """

    name: str
    model: TaskModel | HandMade
    tokenizer: Tokenizer
    task: dict[str, Any]
    adapter_set: AdapterSet | None = None

    @classmethod
    def load(cls, run: str | Path, accelerator: str = "auto") -> Predictor:
        """From a run folder, or a checkpoint in it.

        Raises:
            CounterpointError: If it is neither.
        """
        return load_predictors([run], accelerator)[0]

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return list(self.task["classes"])

    @property
    def note_level(self) -> bool:
        """Whether notes are asked of, and not pieces."""
        return bool(self.task["level"] == "note")

    @property
    def tells(self) -> str:
        """What follows from the probabilities of notes: "key", "chord" or "velocity"; "" where nothing does."""
        label = str(self.task["label"])
        tonal = tuple(self.classes) == TONAL_CLASSES and label in ("key", "chord")
        return label if self.note_level and (tonal or label == VELOCITY) else ""

    @property
    def of_pieces(self) -> list[str]:
        """Names of what each piece is given a probability of; none where notes alone are asked of."""
        return list(KEYS) if self.tells == "key" else [] if self.note_level else self.classes

    def notes(self, music: Music) -> NotePredictions:
        """The class of each note of a piece, with its probability.

        Beside the answer, memory is bounded by a batch of windows, however long the piece is; a model that hears
        hand-made features takes two kilobytes a note.
        """
        tokens = self._encode(music)
        source, logits = tokens.note_index, self._ready().logits(tokens.ids)
        classes = np.empty(len(music), dtype=np.int64)
        confidence = np.empty(len(music), dtype=np.float32)
        classes[source] = logits.argmax(axis=1)
        logits -= logits.max(axis=1, keepdims=True)
        confidence[source] = 1 / np.exp(logits, out=logits).sum(axis=1)
        classes[music.drums], confidence[music.drums] = -1, np.nan
        if not self.tells:
            return NotePredictions(classes, confidence)
        shares = np.empty((len(music), len(self.classes)), dtype=np.float32)
        shares[source] = logits / logits.sum(axis=1, keepdims=True)
        shares[music.drums] = np.nan
        return NotePredictions(classes, confidence, shares)

    def probabilities(self, music: Music) -> NDArray[np.float64]:
        """(C,) probabilities of a piece's classes, from the mean logits of its windows."""
        return self.explained(music)[0]

    def explained(self, music: Music) -> tuple[NDArray[np.float64], list[Reason]]:
        """The same, and what speaks most, for or against, of the likeliest class, where the model can say."""
        tokens = self._encode(music).ids
        model, reasons = self._ready(), list[Reason]()
        if isinstance(model, FeatureClassifier):
            logits, reasons = model.explained(tokens)
        else:
            logits = model.logits(tokens).astype(np.float64)
        return softmax(logits), reasons

    def _ready(self) -> TaskModel | HandMade:
        """The model, its own adapter at work."""
        if self.adapter_set is not None:
            self.adapter_set.use(self.name)
        return self.model

    def _encode(self, music: Music) -> Tokens:
        """Tokens as in training."""
        heard = as_one_piano(music) if self.task["one_piano"] else music
        return self.tokenizer.encode(heard, hide=self.task["hide"])


def load_predictors(runs: Sequence[str | Path], accelerator: str = "auto") -> list[Predictor]:
    """Runs by folder or checkpoint; adapters made for the same weights hang on one backbone, which is read once.

    Raises:
        CounterpointError: If one is no run, or there is no such accelerator.
    """
    device = device_of(accelerator)
    checkpoints = [open_task(run) for run in runs]
    adapter_sets: dict[tuple[str, str], AdapterSet] = {}
    found = []
    for name, checkpoint in zip(_names(runs, checkpoints), checkpoints, strict=True):
        adapted = (checkpoint.path / ADAPTER_SETTINGS).is_file()
        adapter_set = _hang_up(name, checkpoint, adapter_sets, device) if adapted else None
        model = (
            task_model(checkpoint, None if adapter_set is None else adapter_set.backbone).to(device).eval()
        )
        found.append(Predictor(name, model, checkpoint.tokenizer, dict(checkpoint.task), adapter_set))
    return found


def is_run(path: str | Path) -> bool:
    """Whether a path is a checkpoint, or a folder in which `find_model` finds one."""
    return (find_model(path) / "config.json").is_file()


def _hang_up(
    name: str, checkpoint: Checkpoint, adapter_sets: dict[tuple[str, str], AdapterSet], device: torch.device
) -> AdapterSet:
    """The adapter set of the weights that a checkpoint's adapter was made for, with the adapter on it."""
    tokenizer = checkpoint.tokenizer
    made_for = (str(read_json(checkpoint.path / ADAPTER_SETTINGS).get("weights")), tokenizer.fingerprint)
    if made_for not in adapter_sets:
        backbone = build_backbone(checkpoint.config, tokenizer.vocabulary.sizes)
        checkpoint.load_part("backbone", backbone)
        adapter_sets[made_for] = AdapterSet(backbone.to(device).eval(), tokenizer.fingerprint)
    adapter_sets[made_for].load(name, checkpoint.path)
    return adapter_sets[made_for]


def _names(runs: Sequence[str | Path], checkpoints: Sequence[Checkpoint]) -> list[str]:
    """Names of the tasks; of the run folders where tasks would be confused."""
    tasks = [str(checkpoint.task["name"]) for checkpoint in checkpoints]
    often = Counter(tasks)
    names = [task if often[task] == 1 else Path(run).name for run, task in zip(runs, tasks, strict=True)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"Several runs of one task are called {', '.join(twice)}. Give them one at a time, or rename the folders."
        )
    return names
