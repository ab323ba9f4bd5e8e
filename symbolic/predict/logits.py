"""Logits of pieces from a network on windows, with note features and trees where a model has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from symbolic.features.notes import note_matrix
from symbolic.predict.ensemble import Ensemble
from symbolic.predict.note_codes import embedded_features
from symbolic.predict.windows import Cut, Rows, WindowFunction, predict_pooled, predict_tokens
from symbolic.tokens.transposition import in_keys

NoteFeatures = Callable[[Rows], NDArray[np.float32]]
"""From (N, 8) ids of a piece to the (N, F) features of its notes."""
Codes = Callable[[NDArray[np.float32]], NDArray[np.uint8]]
"""From the (N, F) features of notes that a network reads to their codes."""


def with_codes(tokens: Rows, codes: Codes | None, features: NDArray[np.float32] | None = None) -> Rows:
    """Return what a network reads of a piece: its ids and, where needed, the codes of its note features.

    Args:
        tokens: (N, 8) ids as the tokenizer gives them.
        codes: Of the network. None if it reads no note features.
        features: (N, F) from `note_matrix` if they are computed already.

    Returns:
        (N, 8) or (N, 8 + F).
    """
    if codes is None:
        return tokens
    features = note_matrix(tokens) if features is None else features
    return np.concatenate([tokens, codes(embedded_features(features))], axis=1)


def piece_logits(
    network: WindowFunction,
    pieces: Sequence[Rows],
    cut: Cut,
    *,
    pooled: bool = False,
    codes: Codes | None = None,
    ensemble: Ensemble | None = None,
    note_features: NoteFeatures = note_matrix,
    keys: int = 1,
) -> list[NDArray[np.float32]]:
    """Return the logits of pieces of any length.

    Args:
        network: Gives logits (B, L, C), or (B, C) if `pooled`.
        pieces: (N, 8) ids of each piece as the tokenizer gives them.
        cut: How pieces are cut into windows.
        pooled: Whether the network predicts windows, and not notes.
        codes: Of the network, if it reads note features.
        ensemble: Trees that share in the predictions, if any.
        note_features: Computes the features of the notes of a piece, or remembers them.
        keys: In how many keys each piece is read. The mean of the logits counts. Not with codes.

    Returns:
        For each piece (N, C), where each note's logits are from the window in which it is most central. If `pooled`
        (C,), the mean over windows.
    """
    wanted = codes is not None or ensemble is not None
    features = [note_features(tokens) if wanted else None for tokens in pieces]
    read = predict_pooled if pooled else predict_tokens
    if keys == 1:
        inputs = [with_codes(tokens, codes, one) for tokens, one in zip(pieces, features, strict=True)]
        found = read(network, inputs, cut)
    else:
        moved = zip(*(in_keys(tokens, keys) for tokens in pieces), strict=True)
        by_key = [read(network, one_key, cut) for one_key in moved]
        found = [np.mean(one, axis=0) for one in zip(*by_key, strict=True)]
    if ensemble is None:
        return found
    return [ensemble.joined(*piece) for piece in zip(pieces, found, features, strict=True)]
