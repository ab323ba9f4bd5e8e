"""Predictors: models of a task, called on music.

    melody = symbolic.load("melody")
    notes = melody("song.mid")
    notes.labels, notes.probabilities    # aligned with notes.music.notes

Each carries all that it needs: its tokenizer, its note features, its ensemble.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, overload

import numpy as np
from numpy.typing import NDArray

from symbolic.checkpoint.format import Checkpoint
from symbolic.errors import MusicFileError
from symbolic.features.stats import softmax
from symbolic.music.conversion import is_many
from symbolic.music.notes import Music
from symbolic.music.piano import as_one_piano
from symbolic.predict.classifiers.discriminants import Reason
from symbolic.predict.classifiers.pieces import FeatureClassifier
from symbolic.predict.keys import KEYS, key_warnings
from symbolic.predict.lines.choices import VOTE
from symbolic.predict.lines.model import MelodyLines
from symbolic.predict.model import AnyMusic, MusicModel, Piece, named
from symbolic.predict.onnx_network import OnnxNetwork
from symbolic.predict.parts import HandMade
from symbolic.predict.predictions import NotePredictions, PiecePrediction, derived_label
from symbolic.tokens.tokenizer import Tokens

if TYPE_CHECKING:
    import torch

    from symbolic.adapters.adapter_set import AdapterSet
    from symbolic.predict.network import TaskModel

AnyModel = Union["TaskModel", OnnxNetwork, HandMade]
"""A network by torch, the same by ONNX Runtime, or a classifier of hand-made features."""


class TaskPredictor(MusicModel):
    """Base of the predictors: a model of a task.

    Args:
        name: Name of its task or of its folder where several models predict the same task.
        checkpoint: Where it was loaded from.
        model: The network or a classifier of hand-made features.
        adapter_set: Holds its adapter under its name. None where it shares its backbone with no other model.

    Attributes:
        tracks: "vote" or "ignore": whether the tracks of a file say together what is melody, if the model asks them.
    """

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        model: AnyModel,
        adapter_set: AdapterSet | None = None,
    ) -> None:
        encoder = None if isinstance(model, HandMade) else model.encoder
        super().__init__(name, checkpoint, encoder, adapter_set)
        self.model, self.tracks = model, VOTE

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return list(self.checkpoint.task["classes"])

    @property
    def piece_classes(self) -> list[str]:
        """Names that a piece is given probabilities of: classes or keys. None where only notes have classes."""
        return self.classes

    @property
    def parameter_count(self) -> int:
        """Number of parameters with those of an ensemble and of trees beside lines."""
        return self.model.numbers

    def __repr__(self) -> str:
        classes = ", ".join(self.classes[:6]) + (", ..." if len(self.classes) > 6 else "")
        level = "note" if isinstance(self, NotePredictor) else "piece"
        trees = not isinstance(self.model, HandMade) and self.model.ensemble is not None
        about = [f"{len(self.classes)} classes of a {level}: {classes}", *self._about()]
        about += ["ensemble with trees"] if trees else []
        return f"{type(self).__name__}({self.name!r}: {'; '.join(about)})"

    def _modules(self) -> list[torch.nn.Module]:
        return [] if isinstance(self.model, HandMade | OnnxNetwork) else [self.model]

    def _encode(self, music: Music) -> Tokens:
        """Tokens as in training."""
        task = self.checkpoint.task
        return self.tokenizer.encode(as_one_piano(music) if task["one_piano"] else music, hide=task["hide"])

    def _logits(self, pieces: Sequence[Piece]) -> list[NDArray[Any]]:
        """Logits of each piece."""
        self._use_adapter()
        if isinstance(self.model, HandMade):
            return [self.model.logits(tokens.ids) for _, tokens in pieces]
        return [*self.model.batch_logits([tokens.ids for _, tokens in pieces])]

    def _save(self, folder: str | Path, about: dict[str, Any]) -> Path:
        from symbolic.predict.network import save_model, task_model

        self._use_adapter()
        model = task_model(self.checkpoint) if isinstance(self.model, OnnxNetwork) else self.model
        return save_model(folder, model, self.tokenizer, self.task, **about)


class NotePredictor(TaskPredictor):
    """Predicts a class for every note of a piece. Call it on music or on a list."""

    kind = "a model that predicts labels of notes"

    @overload
    def __call__(
        self, music: list[AnyMusic] | tuple[AnyMusic, ...] | Iterator[AnyMusic]
    ) -> list[NotePredictions]: ...
    @overload
    def __call__(self, music: AnyMusic) -> NotePredictions: ...
    def __call__(self, music: AnyMusic) -> NotePredictions | list[NotePredictions]:
        """Predict the notes of a piece or of each piece of a list.

        Args:
            music: Whatever `symbolic.as_music` takes: a path, bytes, Music and more; or a list of it.

        Returns:
            The predictions, aligned with the notes of the music as it was read. A list for a list.

        Raises:
            MusicFileError: If a piece cannot be read or has no pitched notes. The message names the file.
        """
        if not is_many(music):
            return self._predict([self._prepared(music)])[0]
        return [found for group in self._groups(music) for found in self._predict(group)]

    @property
    def derived(self) -> str:
        """The result that follows from classes of notes: "key", "chord" or "velocity". "" where there is none."""
        return derived_label(str(self.checkpoint.task["label"]), self.classes)

    @property
    def piece_classes(self) -> list[str]:
        """Names that a piece is given probabilities of: all keys for a task about keys, else none."""
        return list(KEYS) if self.derived == "key" else []

    def _read(self, music: AnyMusic) -> Music:
        read = super()._read(music)
        if read.drums.all():
            raise MusicFileError(named(music), "it holds no pitched notes")
        return read

    def _predict(self, pieces: Sequence[Piece]) -> list[NotePredictions]:
        task, found = self.checkpoint.task, []
        lines = None if isinstance(self.model, HandMade) else self.model.lines
        decided = (
            [(logits, ()) for logits in self._logits(pieces)]
            if lines is None
            else self._decided(lines, pieces)
        )
        for (music, tokens), (logits, why) in zip(pieces, decided, strict=True):
            classes = np.empty(len(music), dtype=np.int64)
            classes[tokens.note_index] = logits.argmax(axis=1)
            logits -= logits.max(axis=1, keepdims=True)
            np.exp(logits, out=logits)
            logits /= logits.sum(axis=1, keepdims=True)
            probabilities = np.empty(logits.shape, dtype=np.float32)
            probabilities[tokens.note_index] = logits
            classes[music.drums], probabilities[music.drums] = -1, np.nan
            names = tuple(self.classes)
            if self.derived == "key":
                why += key_warnings(music)
            found.append(
                NotePredictions(music, classes, probabilities, names, self.name, str(task["label"]), why)
            )
        return found

    def _decided(
        self, lines: MelodyLines, pieces: Sequence[Piece]
    ) -> list[tuple[NDArray[np.float32], tuple[str, ...]]]:
        """Return what lines decide of each piece. The network reads those alone of which it decides anything."""
        read = [number for number, (_, tokens) in enumerate(pieces) if lines.needs_network(tokens.ids)]
        logits = [np.zeros((len(tokens), len(self.classes)), dtype=np.float32) for _, tokens in pieces]
        for number, found in zip(read, self._logits([pieces[number] for number in read]), strict=True):
            logits[number] = found
        return [
            lines.decided(one, piece[1].ids, self._tracks(*piece), piece[0].tracks, piece[0].sung)
            for one, piece in zip(logits, pieces, strict=True)
        ]

    def _tracks(self, music: Music, tokens: Tokens) -> NDArray[np.integer] | None:
        """(N,) track of each token. None where tracks do not vote."""
        return np.asarray(music.notes["track"][tokens.note_index]) if self.tracks == VOTE else None


class PiecePredictor(TaskPredictor):
    """Predicts the class of a piece. Call it on music or on a list."""

    kind = "a model that predicts labels of pieces"

    @overload
    def __call__(
        self, music: list[AnyMusic] | tuple[AnyMusic, ...] | Iterator[AnyMusic]
    ) -> list[PiecePrediction]: ...
    @overload
    def __call__(self, music: AnyMusic) -> PiecePrediction: ...
    def __call__(self, music: AnyMusic) -> PiecePrediction | list[PiecePrediction]:
        """Predict the class of a piece or of each piece of a list.

        Args:
            music: Whatever `symbolic.as_music` takes: a path, bytes, Music and more; or a list of it.

        Returns:
            The prediction. A list for a list.

        Raises:
            MusicFileError: If a piece cannot be read or has no notes. The message names the file.
        """
        if not is_many(music):
            return self._predict([self._prepared(music)])[0]
        return [found for group in self._groups(music) for found in self._predict(group)]

    def _predict(self, pieces: Sequence[Piece]) -> list[PiecePrediction]:
        reasons: list[list[Reason]] = [[] for _ in pieces]
        if isinstance(self.model, FeatureClassifier):
            explained = [self.model.explained(tokens.ids) for _, tokens in pieces]
            logits, reasons = [one for one, _ in explained], [why for _, why in explained]
        else:
            logits = [one.astype(np.float64) for one in self._logits(pieces)]
        shares = self.checkpoint.task.get("shares", {})
        return [
            PiecePrediction(
                dict(zip(self.classes, softmax(one).tolist(), strict=True)),
                why,
                self.name,
                shares,
            )
            for one, why in zip(logits, reasons, strict=True)
        ]
