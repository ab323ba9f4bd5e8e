"""The network of a task: a backbone, what is trained on it, and a head. It knows no trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from finetune.config import FEATURES
from finetune.features.classifier import FeatureClassifier
from finetune.features.noteclassifier import NoteClassifier
from finetune.features.notes import note_matrix
from finetune.hints import HINTS, NoteHints, hinted
from finetune.mixture import LayerMix, normed, pooled
from finetune.tasks import Task
from finetune.vote import Voters
from symbolic.adapters import attach
from symbolic.adapters.budget import options_for
from symbolic.backbone import Backbone
from symbolic.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from symbolic.errors import CheckpointError, ConfigError
from symbolic.heads import NoteHead, SequenceHead, build_head
from symbolic.inference import predict_pooled, predict_rows
from symbolic.tokenizer import Tokenizer
from symbolic.vocabulary import BAR, FIELDS, RESERVED

HandMade = FeatureClassifier | NoteClassifier
"""What has hand-made features in the place of a backbone."""
PROBE = "probe"
"""A probe's mixture and head are saved as a part of this name and not as a head: the head alone, on the last
layer, would answer wrongly and without a word."""
HEARD_BESIDE = "hints"
"""Likewise of hints and the head of a model that hears them; in what it says of its task, what is hinted at."""
VOTERS = "voters"
"""Trees that vote with it; in what it says of its task, what they hear and how large they are."""


class TaskModel(nn.Module):
    """Rows in, logits of a task's classes out.

    Args:
        backbone: With its adapter attached, if it has one.
        head: Of the task's level.
        mix: For a probe: how layers are weighed. The backbone is then frozen and stays in eval mode.
        hints: What is heard beside the notes, if anything is.
        voters: Trees that vote with the network, if any do: on pieces, and not in training.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: NoteHead | SequenceHead,
        mix: LayerMix | None = None,
        hints: NoteHints | None = None,
        voters: Voters | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.head, self.mix, self.hints, self.voters = backbone, head, mix, hints, voters
        if mix is not None:
            backbone.requires_grad_(False)
            self.train(self.training)

    def forward(self, rows: Tensor, real: Tensor | None) -> Tensor:
        """(B, L, 8) int64, (B, L) bool or None if no row is padding -> (B, L, C), or (B, C).

        With hints the codes of each row follow its ids: (B, L, 8 + F).
        """
        if self.pools:
            return self.of_pooled(self.pooled(rows, real))
        if self.mix is not None:
            return self.of_heard(self.heard_states(rows, real))
        beside = None if self.hints is None else self.hints(rows[..., len(FIELDS) :])
        hidden = self.backbone(rows[..., : len(FIELDS)], real, beside)
        logits: Tensor = self.head(hidden, real) if isinstance(self.head, SequenceHead) else self.head(hidden)
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
    def pooled(self, rows: Tensor, real: Tensor | None) -> Tensor:
        """(B, L, 8) int64, (B, L) bool or None -> (B, S, 2 D), statistics over real rows of every layer."""
        return pooled(self.backbone.states(rows, real), real)

    def of_pooled(self, features: Tensor) -> Tensor:
        """(B, S, 2 D) from `pooled` -> (B, C), as `forward` gives from the rows; of a probe of pieces."""
        assert self.mix is not None
        logits: Tensor = self.head(self.mix(features[:, self.heard])[:, None])
        return logits

    @torch.no_grad()
    def heard_states(self, rows: Tensor, real: Tensor | None) -> Tensor:
        """(B, L, 8) int64, (B, L) bool or None -> (B, S, L, D), the normed states of the layers that are heard."""
        states = self.backbone.states(rows, real)
        return normed([states[layer] for layer in self.heard])

    def of_heard(self, states: Tensor) -> Tensor:
        """(B, S, L, D) from `heard_states` -> (B, L, C), as `forward` gives from the rows; of a probe of notes."""
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

    def logits(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Logits of a piece of any length, by windows that overlap by half; in eval mode.

        Args:
            rows: (N, 8) ids as the tokenizer gives them.

        Returns:
            (N, C), each note's from the window in which it is most central; or (C,), the mean over windows.
        """
        length = self.backbone.config.window
        max_bars = self.backbone.sizes[BAR] - RESERVED
        device = next(self.parameters()).device
        run: Callable[..., NDArray[np.float32]] = (
            predict_pooled if isinstance(self.head, SequenceHead) else predict_rows
        )
        self.eval()
        heard, features = rows, None
        if self.hints is not None:
            features = note_matrix(rows)
            heard = np.concatenate([rows, self.hints.codes(hinted(features))], axis=1)
        said = run(self, heard, length=length, overlap=length // 2, max_bars=max_bars, device=device)
        return said if self.voters is None else self.voters.joined(rows, said, features)

    def classes(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """The likeliest class of each note, (N,), or of the piece, ()."""
        return np.asarray(self.logits(rows).argmax(axis=-1))


def build_model(
    backbone: Backbone,
    task: Task,
    method: str,
    options: Mapping[str, Any] | None = None,
    share: float | None = None,
    hints: NoteHints | None = None,
) -> TaskModel:
    """A fresh head, and what the method trains, on a backbone; the backbone is changed in place.

    A probe of pieces classifies statistics of layers, which are what can be kept of a window (`finetune.cache`).

    Args:
        backbone: Pretrained or fresh.
        task: Says the level and the classes.
        method: "full", "probe", or the name of an adapter method.
        options: Of the adapter; a probe has `only`, the one layer that it hears, negative ones from the last.
        share: Train at most this share of the backbone's parameters, by the adapter's size.
        hints: What is heard beside the notes; not by a probe.

    Raises:
        ConfigError: If the adapter has no such option, or none of that share.
    """
    by_note, options = task.level == "note", dict(options or {})
    dim, classes = backbone.config.dim, len(task.classes)
    if method == "probe":
        head = NoteHead(dim, classes, 0.0) if by_note else SequenceHead(2 * dim, classes, 0.0, "mean")
        states, only = len(backbone.blocks) + 1, options.get("only")
        only = None if only is None else only % states
        return TaskModel(backbone, head, LayerMix(states, head.arguments["dim"], only))
    if method != "full":
        if share is not None:
            options = options_for(backbone, method, share, **options)
        attach(backbone, method, **options)
    return TaskModel(backbone, (NoteHead if by_note else SequenceHead)(dim, classes), hints=hints)


def save_model(
    path: Path,
    model: TaskModel | HandMade,
    tokenizer: Tokenizer,
    task: dict[str, Any],
    provenance: dict[str, Any],
    seen: Any,
    texts: Mapping[str, str] | None = None,
    base: str = "",
) -> Path:
    """Write a checkpoint that predictions need and nothing else.

    Args:
        path: The directory.
        model: To be saved.
        tokenizer: What it reads.
        task: From `Task.describe`.
        provenance: How it came about.
        seen: Note fingerprints of all pieces that its weights have seen.
        texts: As of `save_checkpoint`.
        base: Likewise.

    Returns:
        The directory.
    """
    backbone, heads, parts = None, {}, dict[str, nn.Module]()
    task = {**task, "head": None}
    if isinstance(model, HandMade):
        parts[FEATURES] = model
        task |= model.describe()
    else:
        backbone = model.backbone
        if beside := [part for part in (model.mix, model.hints) if part is not None]:
            parts[PROBE if model.hints is None else HEARD_BESIDE] = nn.ModuleList([*beside, model.head])
            task["head"] = model.head.describe()
            task |= {} if model.hints is None else {HEARD_BESIDE: HINTS}
            if model.voters is not None:
                parts[VOTERS] = model.voters
                task[VOTERS] = model.voters.trees.describe()
        else:
            heads[task["name"]] = model.head
    return save_checkpoint(
        path,
        backbone,
        tokenizer,
        heads=heads,
        parts=parts,
        task=task,
        provenance=provenance,
        pretrained_on=seen,
        texts=texts,
        base=base,
    )


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
    mix = hints = voters = None
    if PROBE in checkpoint.parts:
        head = build_head(checkpoint.task["head"])
        mix = LayerMix(len(backbone.blocks) + 1, head.arguments["dim"])
        checkpoint.load_part(PROBE, nn.ModuleList([mix, head]))
    elif HEARD_BESIDE in checkpoint.parts:
        if checkpoint.task[HEARD_BESIDE] != HINTS:
            raise _other_features(checkpoint)
        head, hints = build_head(checkpoint.task["head"]), NoteHints(backbone.config.dim)
        checkpoint.load_part(HEARD_BESIDE, nn.ModuleList([hints, head]))
        if VOTERS in checkpoint.parts:
            trees = NoteClassifier.described(len(checkpoint.task["classes"]), checkpoint.task[VOTERS])
            if trees is None:
                raise _other_features(checkpoint)
            voters = Voters(trees)
            checkpoint.load_part(VOTERS, voters)
    else:
        head = checkpoint.build_heads()[checkpoint.task["name"]]
    assert isinstance(head, NoteHead | SequenceHead)
    return TaskModel(backbone, head, mix, hints, voters)


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
