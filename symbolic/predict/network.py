"""The network of a task: a backbone, what is trained on it, and a head. It knows no trainer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from symbolic.backbone import Backbone
from symbolic.checkpoint.format import Checkpoint, load_checkpoint
from symbolic.errors import CheckpointError, ConfigError
from symbolic.features.notes import note_matrix
from symbolic.heads import NoteHead, SequenceHead, build_head
from symbolic.predict.ensemble import Ensemble
from symbolic.predict.layer_mix import LayerMix, normed, pooled
from symbolic.predict.note_classifier import NoteClassifier
from symbolic.predict.note_features import EMBEDDED_FEATURES, NoteFeatureEmbedding, embedded_features
from symbolic.predict.piece_classifier import FeatureClassifier
from symbolic.predict.windows import predict_pooled, predict_tokens
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import BAR, FIELDS, RESERVED

FEATURES = "features"
"""The part that has hand-made features in the place of a backbone."""
HandMade = FeatureClassifier | NoteClassifier
"""What has hand-made features in the place of a backbone."""
PROBE = "probe"
"""A probe's mixture and head are saved as a part of this name and not as a head: the head alone, on the last
layer, would answer wrongly and without a word."""
HEARD_BESIDE = "hints"
"""Likewise of note features and the head of a model that hears them; in what it says of its task, what is hinted at."""
ENSEMBLE = "voters"
"""Trees that vote with it; in what it says of its task, what they hear and how large they are."""


class TaskModel(nn.Module):
    """Tokens in, logits of a task's classes out.

    Args:
        backbone: With its adapter attached, if it has one.
        head: Of the task's level.
        mix: For a probe: how layers are weighed. The backbone is then frozen and stays in eval mode.
        note_features: What is heard beside the notes, if anything is.
        ensemble: Trees that vote with the network, if any do: on pieces, and not in training.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: NoteHead | SequenceHead,
        mix: LayerMix | None = None,
        note_features: NoteFeatureEmbedding | None = None,
        ensemble: Ensemble | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.head, self.mix, self.note_features, self.ensemble = (
            backbone,
            head,
            mix,
            note_features,
            ensemble,
        )
        if mix is not None:
            backbone.requires_grad_(False)
            self.train(self.training)

    def forward(self, tokens: Tensor, attention_mask: Tensor | None) -> Tensor:
        """(B, L, 8) int64, (B, L) bool or None if no token is padding -> (B, L, C), or (B, C).

        With note features the codes of each token follow its ids: (B, L, 8 + F).
        """
        if self.pools:
            return self.of_pooled(self.pooled(tokens, attention_mask))
        if self.mix is not None:
            return self.of_heard(self.heard_states(tokens, attention_mask))
        beside = None if self.note_features is None else self.note_features(tokens[..., len(FIELDS) :])
        hidden = self.backbone(tokens[..., : len(FIELDS)], attention_mask, beside)
        logits: Tensor = (
            self.head(hidden, attention_mask) if isinstance(self.head, SequenceHead) else self.head(hidden)
        )
        return logits

    @property
    def pools(self) -> bool:
        """Whether it is a probe of pieces, which needs no more of a window than the statistics of its layers."""
        return self.mix is not None and isinstance(self.head, SequenceHead)

    @property
    def heard(self) -> list[int]:
        """Numbers of the layers that a probe needs."""
        assert self.mix is not None
        return self.mix.heard

    @torch.no_grad()
    def pooled(self, tokens: Tensor, attention_mask: Tensor | None) -> Tensor:
        """(B, L, 8) int64, (B, L) bool or None -> (B, S, 2 D), statistics over tokens that are not padding of every layer."""
        return pooled(self.backbone.states(tokens, attention_mask), attention_mask)

    def of_pooled(self, features: Tensor) -> Tensor:
        """(B, S, 2 D) from `pooled` -> (B, C), as `forward` gives from the tokens; of a probe of pieces."""
        assert self.mix is not None
        logits: Tensor = self.head(self.mix(features[:, self.heard])[:, None])
        return logits

    @torch.no_grad()
    def heard_states(self, tokens: Tensor, attention_mask: Tensor | None) -> Tensor:
        """(B, L, 8) int64, (B, L) bool or None -> (B, S, L, D), the normed states of the layers that are heard."""
        states = self.backbone.states(tokens, attention_mask)
        return normed([states[layer] for layer in self.heard])

    def of_heard(self, states: Tensor) -> Tensor:
        """(B, S, L, D) from `heard_states` -> (B, L, C), as `forward` gives from the tokens; of a probe of notes."""
        assert self.mix is not None
        logits: Tensor = self.head(self.mix(states.float()))
        return logits

    def train(self, mode: bool = True) -> TaskModel:
        """As of any module, but a probe's backbone never drops out."""
        super().train(mode)
        if self.mix is not None:
            self.backbone.eval()
        return self

    def trained(self) -> list[nn.Parameter]:
        """The parameters that learn."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def logits(self, tokens: NDArray[np.integer]) -> NDArray[np.float32]:
        """Logits of a piece of any length, by windows that overlap by half; in eval mode.

        Args:
            tokens: (N, 8) ids as the tokenizer gives them.

        Returns:
            (N, C), each note's from the window in which it is most central; or (C,), the mean over windows.
        """
        length = self.backbone.config.window
        max_bars = self.backbone.sizes[BAR] - RESERVED
        device = next(self.parameters()).device
        run: Callable[..., NDArray[np.float32]] = (
            predict_pooled if isinstance(self.head, SequenceHead) else predict_tokens
        )
        self.eval()
        heard, features = tokens, None
        if self.note_features is not None:
            features = note_matrix(tokens)
            heard = np.concatenate([tokens, self.note_features.codes(embedded_features(features))], axis=1)
        said = run(self, heard, length=length, overlap=length // 2, max_bars=max_bars, device=device)
        return said if self.ensemble is None else self.ensemble.joined(tokens, said, features)

    def classes(self, tokens: NDArray[np.integer]) -> NDArray[np.int64]:
        """The likeliest class of each note, (N,), or of the piece, ()."""
        return np.asarray(self.logits(tokens).argmax(axis=-1))


def load_model(
    path: Path | str, device: torch.device | str = "cpu"
) -> tuple[TaskModel | HandMade, Tokenizer, dict[str, Any]]:
    """A task model in eval mode, its tokenizer, and what `Task.describe` said.

    Raises:
        CheckpointError: If it is no checkpoint, or none of a task.
    """
    checkpoint = open_task(path)
    model = task_model(checkpoint)
    return model.to(device).eval(), checkpoint.tokenizer, dict(checkpoint.task)


def open_task(path: Path | str) -> Checkpoint:
    """What a fine-tuned checkpoint says of itself.

    Raises:
        CheckpointError: If it is no checkpoint, or none of a task.
    """
    checkpoint = load_checkpoint(path)
    if "classes" not in checkpoint.task:
        raise CheckpointError(
            f"{path} was not fine-tuned on a task. Give a run folder that `finetune` wrote, or fine-tune it first."
        )
    return checkpoint


def task_model(checkpoint: Checkpoint, backbone: Backbone | None = None) -> TaskModel | HandMade:
    """A checkpoint's head, and its mixture of layers if it has one, on its backbone; or what it has in their place.

    Args:
        checkpoint: From `open_task`.
        backbone: With the weights of that checkpoint, where several models share one; else it is built.

    Raises:
        CheckpointError: If it hears other features than this release makes.
    """
    if FEATURES in checkpoint.parts:
        kind = NoteClassifier if checkpoint.task["level"] == "note" else FeatureClassifier
        model = kind.described(len(checkpoint.task["classes"]), checkpoint.task)
        if model is None:
            raise _other_features(checkpoint)
        checkpoint.load_part(FEATURES, model)
        return model
    backbone = checkpoint.build_backbone() if backbone is None else backbone
    mix = note_features = ensemble = None
    if PROBE in checkpoint.parts:
        head = build_head(checkpoint.task["head"])
        mix = LayerMix(len(backbone.blocks) + 1, head.arguments["dim"])
        checkpoint.load_part(PROBE, nn.ModuleList([mix, head]))
    elif HEARD_BESIDE in checkpoint.parts:
        if checkpoint.task[HEARD_BESIDE] != EMBEDDED_FEATURES:
            raise _other_features(checkpoint)
        head, note_features = build_head(checkpoint.task["head"]), NoteFeatureEmbedding(backbone.config.dim)
        checkpoint.load_part(HEARD_BESIDE, nn.ModuleList([note_features, head]))
        if ENSEMBLE in checkpoint.parts:
            trees = NoteClassifier.described(len(checkpoint.task["classes"]), checkpoint.task[ENSEMBLE])
            if trees is None:
                raise _other_features(checkpoint)
            ensemble = Ensemble(trees)
            checkpoint.load_part(ENSEMBLE, ensemble)
    else:
        head = checkpoint.build_heads()[checkpoint.task["name"]]
    assert isinstance(head, NoteHead | SequenceHead)
    return TaskModel(backbone, head, mix, note_features, ensemble)


def _other_features(checkpoint: Checkpoint) -> CheckpointError:
    return CheckpointError(
        f"{checkpoint.path} was fitted to other hand-made features than this release makes, or in another way. "
        "Fit it again, or use the release that it was made with."
    )


def device_of(accelerator: str) -> torch.device:
    """The device that "cpu", "gpu" or "auto" means here.

    Raises:
        ConfigError: If a GPU is asked for and there is none.
    """
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator == "gpu" and found is None:
        raise ConfigError("There is no GPU here. Use --accelerator cpu, or auto.")
    return torch.device("cpu") if accelerator == "cpu" or found is None else found
