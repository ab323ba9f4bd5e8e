"""The network of a task: a backbone, what is trained on it and a head. It knows no trainer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from symbolic.arrays import Arrays
from symbolic.backbone import Backbone
from symbolic.checkpoint.format import Checkpoint, save_checkpoint
from symbolic.checkpoint.licence import Chain
from symbolic.documents import RECOPY, anything, fields, listed, mapped, require, text, whole
from symbolic.errors import CheckpointError, ConfigError
from symbolic.features.notes import note_matrix
from symbolic.heads import NoteHead, SequenceHead, build_head
from symbolic.predict.ensemble import Ensemble
from symbolic.predict.layers import note_states, on_tensors, window_statistics
from symbolic.predict.lines.model import MelodyLines
from symbolic.predict.logits import Codes, NoteFeatures, piece_logits, with_codes
from symbolic.predict.note_codes import EMBEDDED_FEATURES
from symbolic.predict.note_features import NoteFeatureEmbedding
from symbolic.predict.parts import (
    ENSEMBLE,
    FEATURES,
    LINES,
    NOTE_FEATURES,
    PROBE,
    HandMade,
    hand_made,
    open_task,
    reads_note_features,
    saved_ensemble,
    saved_lines,
)
from symbolic.predict.windows import Cut, Rows
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.transposition import MOST_KEYS
from symbolic.tokens.vocabulary import FIELDS


class Encoder(nn.Module):
    """A backbone and the note features that it reads if it was trained with any.

    Args:
        backbone: With its adapter attached, if it has one.
        note_features: Turns codes of note features into an embedding.
    """

    def __init__(self, backbone: Backbone, note_features: NoteFeatureEmbedding | None = None) -> None:
        super().__init__()
        self.backbone, self.note_features = backbone, note_features

    def inputs(self, tokens: Rows, features: NDArray[np.float32] | None = None) -> Rows:
        """Return what the network reads of a piece: its ids and, where needed, the codes of its note features.

        Args:
            tokens: (N, 8) ids as the tokenizer gives them.
            features: (N, F) from `note_matrix` if they are computed already.

        Returns:
            (N, 8) or (N, 8 + F).
        """
        return with_codes(tokens, self.codes, features)

    @property
    def codes(self) -> Codes | None:
        """Turns note features into what the network reads of them. None if it reads none."""
        return None if self.note_features is None else self.note_features.codes

    def forward(self, inputs: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return hidden states after the last layer.

        Args:
            inputs: (B, L, 8) ids or (B, L, 8 + F) with codes of note features.
            attention_mask: (B, L) bool. None if no token is padding.

        Returns:
            (B, L, D).
        """
        hidden: Tensor = self.backbone(inputs[..., : len(FIELDS)], attention_mask, self._extra(inputs))
        return hidden

    def states(self, inputs: Tensor, attention_mask: Tensor | None = None) -> list[Tensor]:
        """Return the hidden states (B, L, D) of the embedding and of every layer. Arguments as for `forward`."""
        return self.backbone.states(inputs[..., : len(FIELDS)], attention_mask, self._extra(inputs))

    @property
    def cut(self) -> Cut:
        """Windows as in training that overlap by half."""
        return Cut.by_half(self.backbone.config.window, self.backbone.sizes)

    @property
    def device(self) -> torch.device:
        """The device on which it computes."""
        return next(self.backbone.parameters()).device

    def _extra(self, inputs: Tensor) -> Tensor | None:
        return None if self.note_features is None else self.note_features(inputs[..., len(FIELDS) :])


class TaskModel(nn.Module):
    """Tokens in, logits of a task's classes out.

    Args:
        backbone: With its adapter attached, if it has one.
        head: For the task's level.
        layers: The layers that the head reads, 0 the embedding. None for the last.
        frozen: With layers: whether this is a probe, whose backbone is frozen.
        note_features: The note features that the network reads beside the tokens if any.
        ensemble: Trees that share in the predictions if any: on pieces and not in training.
        lines: Decides which notes are melody, on pieces and not in training. `NotePredictor` asks it.
        keys: In how many keys a probe reads each piece. The means over the keys count.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: NoteHead | SequenceHead,
        layers: Sequence[int] | None = None,
        note_features: NoteFeatureEmbedding | None = None,
        ensemble: Ensemble | None = None,
        lines: MelodyLines | None = None,
        *,
        frozen: bool = True,
        keys: int = 1,
    ) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self.layers = None if layers is None else tuple(layers)
        self.frozen, self.keys = frozen and layers is not None, keys
        self.note_features, self.ensemble, self.lines = note_features, ensemble, lines
        if self.frozen:
            backbone.requires_grad_(False)
            self.train(self.training)

    @property
    def numbers(self) -> int:
        """Count the parameters, with the fitted numbers of an ensemble and of lines."""
        trees = (0 if self.ensemble is None else self.ensemble.trees.numbers) + (
            0 if self.lines is None else self.lines.numbers
        )
        return sum(parameter.numel() for parameter in self.parameters()) + trees

    @property
    def encoder(self) -> Encoder:
        """The backbone and the note features that it reads."""
        return Encoder(self.backbone, self.note_features)

    def forward(self, tokens: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return logits, (B, L, C) or (B, C).

        Args:
            tokens: (B, L, 8) int64 ids or (B, L, 8 + F) with codes of note features.
            attention_mask: (B, L) bool. None if no token is padding.
        """
        if self.layers is not None:
            features = self.layer_features(tokens, attention_mask)
            found: Tensor = self.head(features if isinstance(self.head, NoteHead) else features[:, None])
            return found
        hidden = self.encoder(tokens, attention_mask)
        logits: Tensor = (
            self.head(hidden, attention_mask) if isinstance(self.head, SequenceHead) else self.head(hidden)
        )
        return logits

    def layer_features(self, tokens: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return what a head of several layers reads.

        Args:
            tokens: (B, L, 8) int64 ids.
            attention_mask: (B, L) bool. None if no token is padding.

        Returns:
            (B, L, S * D) states of notes, or (B, 2 * S * D) statistics of windows, from S layers.
        """
        assert self.layers is not None
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            states = self.backbone.states(tokens, attention_mask)
        chosen = [states[layer] for layer in self.layers]
        by_note = isinstance(self.head, NoteHead)
        return note_states(chosen) if by_note else window_statistics(chosen, attention_mask)

    def train(self, mode: bool = True) -> TaskModel:
        """Set training mode. The backbone of a probe stays in eval mode."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def trained(self) -> list[nn.Parameter]:
        """Return the parameters that learn."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def logits(self, tokens: Rows, note_features: NoteFeatures = note_matrix) -> NDArray[np.float32]:
        """Return the logits of one piece as `batch_logits` does of several."""
        return self.batch_logits([tokens], note_features)[0]

    def batch_logits(
        self, pieces: Sequence[Rows], note_features: NoteFeatures = note_matrix
    ) -> list[NDArray[np.float32]]:
        """Return the logits of pieces of any length by windows that overlap by half. In eval mode.

        Args:
            pieces: (N, 8) ids of each piece as the tokenizer gives them.
            note_features: Computes the features of the notes of a piece where the model reads them, or remembers them.

        Returns:
            For each piece (N, C), where each note's logits are from the window in which it is most central. At piece
            level (C,), the mean over windows.
        """
        self.eval()
        encoder = self.encoder
        return piece_logits(
            on_tensors(self, encoder.device),
            pieces,
            encoder.cut,
            pooled=isinstance(self.head, SequenceHead),
            codes=encoder.codes,
            ensemble=self.ensemble,
            note_features=note_features,
            keys=self.keys,
        )

    def classes(self, tokens: Rows) -> NDArray[np.int64]:
        """Return the most likely class of each note, (N,), or of the piece, ()."""
        return np.asarray(self.logits(tokens).argmax(axis=-1))


def load_model(
    path: Path | str, device: torch.device | str = "cpu"
) -> tuple[TaskModel | HandMade, Tokenizer, dict[str, Any]]:
    """Return a task model in eval mode, its tokenizer and its task as `Task.describe` gave it.

    Raises:
        CheckpointError: If the path is no checkpoint, or not the checkpoint of a task.
    """
    checkpoint = open_task(path)
    return task_model(checkpoint, device), checkpoint.tokenizer, dict(checkpoint.task)


def task_model(checkpoint: Checkpoint, device: torch.device | str = "cpu") -> TaskModel | HandMade:
    """Build the model that a checkpoint from `open_task` describes, with its weights, in eval mode.

    Args:
        checkpoint: From `open_task`.
        device: Where a network computes.

    Raises:
        CheckpointError: If parts do not fit together, or the model reads other features than this release computes.
    """
    if FEATURES in checkpoint.parts:
        return hand_made(checkpoint)
    return network_model(checkpoint).to(device).eval()


def network_model(checkpoint: Checkpoint, backbone: Backbone | None = None) -> TaskModel:
    """Build the network that a checkpoint describes, with its weights.

    Args:
        checkpoint: From `open_task`.
        backbone: One with the weights of that checkpoint, where several models share it. By default it is built.

    Raises:
        CheckpointError: As for `task_model`.
    """
    backbone = checkpoint.build_backbone() if backbone is None else backbone
    if PROBE in checkpoint.parts:
        about, depth = checkpoint.describe(PROBE), len(backbone.blocks)
        require(
            checkpoint.path,
            about,
            fields(
                {"head": mapped(text(), anything), "layers": listed(whole(0, depth))},
                {"keys": whole(1, MOST_KEYS)},
            ),
        )
        head = checkpoint.build(PROBE, lambda: build_head(about["head"]))
        states = len(about["layers"]) * (1 if checkpoint.task["level"] == "note" else 2)
        head = _fitting(checkpoint, head, states * backbone.config.dim)
        return TaskModel(backbone, head, about["layers"], keys=about.get("keys", 1))
    head = _fitting(checkpoint, checkpoint.build_heads().get(checkpoint.task["name"]), backbone.config.dim)
    note_features = None
    if reads_note_features(checkpoint):
        note_features = checkpoint.build(NOTE_FEATURES, lambda: NoteFeatureEmbedding(backbone.config.dim))
    ensemble, lines = saved_ensemble(checkpoint), saved_lines(checkpoint)
    return TaskModel(backbone, head, note_features=note_features, ensemble=ensemble, lines=lines)


def _fitting(checkpoint: Checkpoint, head: nn.Module | None, width: int) -> NoteHead | SequenceHead:
    """Return a head if it reads states of a width and tells apart the classes of the checkpoint's task."""
    kind, classes = (
        (NoteHead if checkpoint.task["level"] == "note" else SequenceHead),
        checkpoint.task["classes"],
    )
    if not isinstance(head, kind) or (head.arguments["dim"], head.arguments["classes"]) != (
        width,
        len(classes),
    ):
        raise CheckpointError(f"{checkpoint.path} has no head that fits its task. {RECOPY}")
    return head


def save_model(
    path: Path | str,
    model: TaskModel | HandMade,
    tokenizer: Tokenizer,
    task: Mapping[str, Any],
    provenance: Mapping[str, Any] | None = None,
    pretrained_on: ArrayLike | None = None,
    *,
    texts: Mapping[str, str] | None = None,
    base: str = "",
    chain: Chain = (),
) -> Path:
    """Write a checkpoint that `task_model` reads.

    Args:
        path: The folder.
        model: The model.
        tokenizer: The tokenizer that it reads.
        task: From `Task.describe`.
        provenance: How it came about as JSON values.
        pretrained_on: Note fingerprints of all pieces that its weights were trained on.
        texts: Further files as for `save_checkpoint`.
        base: The bundled model that has its backbone as for `save_checkpoint`.
        chain: All its trainings.

    Returns:
        The folder.
    """
    parts = dict[str, nn.Module | Arrays]()
    descriptions: dict[str, Mapping[str, Any]] = {}
    backbone = heads = None
    if isinstance(model, HandMade):
        parts[FEATURES], descriptions[FEATURES] = model, model.describe()
    else:
        backbone = model.backbone
        if model.layers is not None:
            parts[PROBE] = model.head
            descriptions[PROBE] = {
                "head": model.head.describe(),
                "layers": list(model.layers),
                "keys": model.keys,
            }
        else:
            heads = {str(task["name"]): model.head}
        if model.note_features is not None:
            parts[NOTE_FEATURES] = model.note_features
            descriptions[NOTE_FEATURES] = {"features": EMBEDDED_FEATURES}
        if model.ensemble is not None:
            parts[ENSEMBLE], descriptions[ENSEMBLE] = model.ensemble, model.ensemble.trees.describe()
        if model.lines is not None:
            parts[LINES], descriptions[LINES] = model.lines, model.lines.describe()
    return save_checkpoint(
        path,
        backbone,
        tokenizer,
        heads=heads,
        parts=parts,
        descriptions=descriptions,
        task=task,
        provenance=provenance,
        pretrained_on=pretrained_on,
        texts=texts,
        base=base,
        chain=chain,
    )


def device_of(accelerator: str) -> torch.device:
    """Return the device that "cpu", "gpu" or "auto" means on this machine.

    Raises:
        ConfigError: If a GPU is asked for and there is none.
    """
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator == "gpu" and found is None:
        raise ConfigError("There is no GPU here. Use --accelerator cpu, or auto.")
    return torch.device("cpu") if accelerator == "cpu" or found is None else found


def device_named(device: torch.device | str) -> torch.device:
    """Return a device by torch's name for it, or by "gpu" or "auto".

    Raises:
        ConfigError: If it is not on this machine.
    """
    if device in ("gpu", "auto"):
        return device_of(str(device))
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"device {device}: torch knows no such device. Use cpu, gpu or auto.") from error
    there = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    known = (
        there is not None
        and found.type == there.type
        and (found.index or 0) < torch.accelerator.device_count()
    )
    if found.type not in ("cpu", "meta") and not known:
        raise ConfigError(f"device {device}: torch finds no such device here. Use cpu, gpu or auto.")
    return found
