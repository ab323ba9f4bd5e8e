"""Measures of written passages beside given ones: histograms, self-similarity, how well they are told apart, copies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from experiments.discriminants import of_numbers
from symbolic.features import piece_features
from symbolic.features.stats import Floats
from symbolic.tokens.tokenizer import rebase_bars
from symbolic.tokens.vocabulary import BAR, DURATION, PITCH, POSITION, PROGRAM, RESERVED, VELOCITY

Ids = NDArray[np.integer]
GRAM = 8
"""Notes of an n-gram."""
_FOLDS = 5


def bars_of(tokens: Ids, first: int, stop: int) -> Ids:
    """Return the tokens of bars counted from 0, with bars that count from the first of them."""
    bar = tokens[:, BAR].astype(np.int64) - RESERVED
    return rebase_bars(tokens[(first <= bar) & (bar < stop)])


def histogram_distances(written: Sequence[Ids], given: Sequence[Ids]) -> dict[str, float]:
    """Return the total variation, 0 to 1, between histograms of two sets of passages.

    Args:
        written: Tokens of each passage.
        given: Likewise.

    Returns:
        Of pitch classes, note lengths and inter-onset times.
    """
    found = {}
    for name, count in (("pitch class", _pitch_classes), ("length", _lengths), ("inter-onset", _gaps)):
        one, other = (
            _shares(np.concatenate([count(tokens) for tokens in side])) for side in (written, given)
        )
        found[name] = float(np.abs(one - other).sum() / 2)
    return found


def self_similarity(passage: Ids, context: Ids) -> float:
    """Return how much a passage resembles the bars beside it: the cosine of their pitch-class and rhythm counts.

    Args:
        passage: Its tokens.
        context: Tokens of other bars of the piece.
    """
    one, other = (
        np.concatenate(
            [_counts(count(tokens), width) for count, width in ((_pitch_classes, 12), (_places, 256))]
        )
        for tokens in (passage, context)
    )
    scale = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / scale if scale else 0.0


def loudness(written: Sequence[Ids], given: Sequence[Ids], step: int) -> dict[str, float]:
    """Return how near the velocities of the same notes are, and how they go with pitch.

    Args:
        written: Tokens of each passage with other velocities.
        given: The same notes as they stood there. Those without dynamics are left out.
        step: Width of a bin of velocities.

    Returns:
        Means over passages: of the distance of velocities, 0 to 127, and of the correlation of written ones with pitch.
        Empty where no passage has dynamics.
    """
    apart, risen = [], []
    for one, other in zip(written, given, strict=True):
        loud, true = (side[:, VELOCITY].astype(np.float64) * step for side in (one, other))
        if len(true) and true.std():
            apart.append(np.abs(loud - true).mean())
            flat = not loud.std() or not one[:, PITCH].std()
            risen.append(0.0 if flat else np.corrcoef(loud, one[:, PITCH])[0, 1])
    return {"velocity apart": float(np.mean(apart)), "with pitch": float(np.mean(risen))} if apart else {}


def told_apart(written: Sequence[Ids], given: Sequence[Ids]) -> Floats:
    """Return (P,) bool as numbers: whether a classifier knows the written passage of each pair, by folds over pairs.

    Fisher's discriminants on hand-made features, fitted to the pairs of the other folds. Chance is one half.

    Args:
        written: Tokens of a written passage of each piece.
        given: Tokens of the passage that stood there.
    """
    numbers = np.array([[*piece_features(tokens).values()] for tokens in (*written, *given)])
    labels = np.repeat([1, 0], len(written))
    pair = np.tile(np.arange(len(written)), 2)
    margins = np.zeros(len(labels))
    for fold in range(_FOLDS):
        train = pair % _FOLDS != fold
        found = of_numbers(numbers, labels, np.arange(len(labels)), train, 2)
        margins[~train] = (found[:, 1] - found[:, 0])[~train]
    return np.asarray(margins[: len(written)] > margins[len(written) :], dtype=np.float64)


def style_shares(passages: Sequence[Ids], examples: Sequence[Sequence[Ids]]) -> Floats:
    """Return (S,) the share of passages that a classifier gives to each of S styles.

    Args:
        passages: Tokens of each.
        examples: Real passages of each style, to fit to.
    """
    tokens = [*passages, *(one for style in examples for one in style)]
    numbers = np.array([[*piece_features(one).values()] for one in tokens])
    labels = np.concatenate(
        [np.zeros(len(passages), int), *(np.full(len(style), place) for place, style in enumerate(examples))]
    )
    train = np.arange(len(tokens)) >= len(passages)
    found = of_numbers(numbers, labels, np.arange(len(tokens)), train, len(examples))[: len(passages)]
    return np.bincount(found.argmax(1), minlength=len(examples)) / len(passages)


def grams(tokens: Ids) -> set[bytes]:
    """Return the n-grams of the notes of each program: intervals, times between onsets and lengths."""
    found: set[bytes] = set()
    for program in np.unique(tokens[:, PROGRAM]):
        own = tokens[tokens[:, PROGRAM] == program].astype(np.int64)
        steps = np.stack([np.diff(own[:, PITCH]), np.diff(_onsets(own)), own[1:, DURATION]], axis=1)
        found |= {steps[at : at + GRAM - 1].tobytes() for at in range(len(steps) - GRAM + 2)}
    return found


def copied(passages: Sequence[Ids], known: set[bytes]) -> float:
    """Return the share of the n-grams of passages that are among known ones. NaN where they are too short."""
    own = [gram for tokens in passages for gram in grams(tokens)]
    return sum(gram in known for gram in own) / len(own) if own else float("nan")


def _onsets(tokens: Ids) -> NDArray[np.int64]:
    """Return onsets in positions, with bars of 4/4: differences within a bar are right whatever its length."""
    return (tokens[:, BAR].astype(np.int64) - RESERVED) * 64 + tokens[:, POSITION] - RESERVED


def _pitch_classes(tokens: Ids) -> NDArray[np.int64]:
    return (tokens[:, PITCH].astype(np.int64) - RESERVED) % 12


def _lengths(tokens: Ids) -> NDArray[np.int64]:
    return tokens[:, DURATION].astype(np.int64) - RESERVED


def _places(tokens: Ids) -> NDArray[np.int64]:
    return tokens[:, POSITION].astype(np.int64) - RESERVED


def _gaps(tokens: Ids) -> NDArray[np.int64]:
    return np.array(
        [min(b - a, 255) for a, b in pairwise(np.unique(_onsets(tokens)).tolist())], dtype=np.int64
    )


def _counts(values: NDArray[np.int64], width: int) -> Floats:
    return np.bincount(values.clip(0, width - 1), minlength=width).astype(np.float64)


def _shares(values: NDArray[np.int64]) -> Floats:
    counts = _counts(values, 256)
    shares: Floats = counts / max(counts.sum(), 1)
    return shares
