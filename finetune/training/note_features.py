"""Fit the note features that a network reads with the notes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from finetune.baselines.memory import remembered_notes
from finetune.tasks.data import TaskData
from symbolic.predict.note_codes import EMBEDDED_FEATURES, embedded_features, level_edges, ranks
from symbolic.predict.note_features import NoteFeatureEmbedding


def fitted_note_features(data: TaskData, dim: int) -> tuple[NoteFeatureEmbedding, NDArray[np.uint8]]:
    """Fit note features to the training notes of a task.

    Args:
        data: The task's pieces.
        dim: Width of the embedding.

    Returns:
        The note features, their layers fresh and (R, F) codes of the tokens of training and validation pieces in
        the shards. Zeros elsewhere.
    """
    edges, codes = _ranked(data)
    note_features = NoteFeatureEmbedding(dim)
    note_features.edges.copy_(torch.from_numpy(edges))
    return note_features, codes


@lru_cache(maxsize=1)
def _ranked(data: TaskData) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return edges and codes. Those of the last task are remembered because every seed has the same."""
    train, valid = data.splits["train"], data.splits["valid"]

    def features(pieces: NDArray[np.int64], doing: str) -> Iterator[NDArray[np.float32]]:
        shown = tqdm(pieces, f"{data.name}, {doing}", leave=False, disable=None, unit=" pieces")
        return (embedded_features(remembered_notes(data.tokens(piece))) for piece in shown)

    edges = level_edges(features(train, "note features"))
    offsets, pieces = data.shards.offsets, np.concatenate([train, valid])
    codes = np.zeros((int(offsets[-1]), len(EMBEDDED_FEATURES)), dtype=np.uint8)
    for piece, found in zip(pieces, features(pieces, "ranks of note features"), strict=True):
        codes[int(offsets[piece]) : int(offsets[piece + 1])] = ranks(found, edges)
    return edges, codes
