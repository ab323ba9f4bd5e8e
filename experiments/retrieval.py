"""Find the score of a performance, and the performance of a score, among all pieces of (n)ASAP by their vectors.

    python -m experiments.retrieval --root DATA --states tiny --out results/retrieval.jsonl

A pair is a score and its first performance by name. A fifth of the pairs asks at a time. The scaling of the numbers is
learnt on the others. Candidates are all pieces, by falling cosine. A tie counts as missed. Scores and performances
share their key: "pitch classes" says how far that alone goes, and "pairs" do without it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data.corpora import Piece, open_corpus
from data.splits import FOLDS
from data.toolkit.command import guarded
from data.toolkit.records import portable_provenance, provenance
from data.toolkit.results import append_results
from finetune.tasks.metrics import wilson_interval
from symbolic.features import feature_groups
from symbolic.features.pairs import pair_histograms
from symbolic.features.stats import Floats
from symbolic.predict.loading import load
from symbolic.relations import RELATIONS
from symbolic.tokens.tokenizer import Tokenizer

SCALINGS = ("one", "per side", "by pairs")
"""One: mean and deviation of scores and performances. Per side: of each side by itself. By pairs: the mean of both
sides, and in place of the deviation how far a performance lies from its score."""
_LEAST = 1e-6
"""A number that varies less is ignored."""
_FARTHEST = 10.0
"""Largest number after scaling; larger ones are clipped."""
_LEAST_APART = 0.1
"""Added to how far the sides of a pair lie apart, as a share of the deviation."""
Sides = tuple[Floats, Floats]
"""(P, F) numbers of the scores and of the performances, pair by pair."""


class Found(NamedTuple):
    """Queries that found their partner first.

    Attributes:
        scores: (P,) bool, performances whose score was found.
        performances: (P,) bool, scores whose performance was found.
    """

    scores: NDArray[np.bool_]
    performances: NDArray[np.bool_]


def main(argv: Sequence[str]) -> None:
    """Measure every input and scaling, print a table, and append records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", help="folder of data sets (default: $COUNTERPOINT_DATA)")
    parser.add_argument("--states", nargs="*", default=[], help="models, whose states are inputs")
    parser.add_argument("--out", type=Path, help="file of records to append to")
    options = parser.parse_args(argv)
    inputs = _inputs(options.root, options.states)
    asked = [*((name,) for name in inputs), ("features", "relations")]
    asked += [(f"states of {model}", "relations", "features") for model in options.states]
    about = {**portable_provenance(provenance()), "task": "retrieval, (n)ASAP"}
    records = []
    for names in asked:
        for scaling in SCALINGS:
            found = retrieved([inputs[name] for name in names], scaling)
            records.append(about | _reported(" + ".join(names), scaling, found))
    if options.out:
        append_results(options.out, records)


def _inputs(root: str | None, models: list[str]) -> dict[str, Sides]:
    """Return the numbers of both sides by input."""
    scores = open_corpus("asap_scores", root)
    performances = open_corpus("asap_performances", root)
    first: dict[str, Piece] = {}
    for piece in performances.pieces():
        first.setdefault(piece.key.rpartition("/")[0], piece)
    loaded = {f"states of {name}": load(name) for name in models}
    tokenizer, rows = Tokenizer(), dict[str, list[list[Floats]]]()
    for score in tqdm(scores.pieces(), "pairs", leave=False, disable=None):
        pair = scores.read(score), performances.read(first[score.key.rpartition("/")[0]])
        for name, model in loaded.items():
            rows.setdefault(f"states of {name}", []).append(
                [model.embed(music).astype(np.float64) for music in pair]
            )
        ids = [tokenizer.encode(music).ids for music in pair]
        groups = [feature_groups(one) for one in ids]
        relations = [np.array(list(one.pop("relations").values())) for one in groups]
        others = [np.array([value for group in one.values() for value in group.values()]) for one in groups]
        classes = [one[: len(RELATIONS["pitch_class"].values)] for one in relations]
        named = {"pitch classes": classes, "features": others, "relations": relations}
        named["pairs"] = [_pairs_of(one) for one in ids]
        for name, numbers in named.items():
            rows.setdefault(name, []).append(numbers)
    sides = {name: np.array(found, dtype=np.float64) for name, found in rows.items()}
    return {name: (found[:, 0], found[:, 1]) for name, found in sides.items()}


def _pairs_of(tokens: NDArray[np.integer]) -> Floats:
    """Return (W,) all pairs of values of a piece that do not depend on its key."""
    found = pair_histograms(tokens)
    return np.concatenate([rows[0] for name, rows in found.items() if "octave" not in name])


def retrieved(inputs: list[Sides], scaling: str) -> Found:
    """Search each piece of one side on the other, with a scaling learnt on other pairs.

    Args:
        inputs: Sides of one input or of several. All weigh the same.
        scaling: One of `SCALINGS`.
    """
    pairs = len(inputs[0][0])
    fold = np.arange(pairs) % FOLDS
    found = Found(np.zeros(pairs, dtype=bool), np.zeros(pairs, dtype=bool))
    for one in range(FOLDS):
        sides = [scaled(*both, fold != one, scaling) for both in inputs]
        score, performance = (_unit(np.concatenate(side, axis=1)) for side in zip(*sides, strict=True))
        cosines = score @ performance.T
        own, asked = cosines.diagonal(), fold == one
        found.scores[asked] = ((cosines >= own).sum(axis=0) == 1)[asked]
        found.performances[asked] = ((cosines >= own[:, None]).sum(axis=1) == 1)[asked]
    return found


def scaled(score: Floats, performance: Floats, others: NDArray[np.bool_], scaling: str) -> Sides:
    """Scale both sides as some pairs say. Each input then has the same weight, whatever its width.

    Args:
        score: (P, F) numbers of scores.
        performance: (P, F) numbers of their performances.
        others: (P,) bool, the pairs to learn from.
        scaling: One of `SCALINGS`.
    """
    known = score[others], performance[others]
    centres = [np.mean([side.mean(0) for side in known], axis=0)] * 2
    deviations = [np.concatenate(known).std(0)] * 2
    if scaling == "per side":
        centres, deviations = [side.mean(0) for side in known], [side.std(0) for side in known]
    if scaling == "by pairs":
        apart = np.sqrt(np.square(known[0] - known[1]).mean(0))
        # A number that no performance changed might be changed by the next.
        deviations = [np.where(deviations[0] < _LEAST, 0, apart + _LEAST_APART * deviations[0])] * 2
    moved = [
        (side - centre) / np.where(deviation < _LEAST, np.inf, deviation)
        for side, centre, deviation in zip((score, performance), centres, deviations, strict=True)
    ]
    first, second = (one.clip(-_FARTHEST, _FARTHEST) / np.sqrt(one.shape[1]) for one in moved)
    return first, second


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _LEAST))


def _reported(name: str, scaling: str, found: Found) -> dict[str, Any]:
    """Print the scores of an input and return them as a record."""
    scores = {side: float(right.mean()) for side, right in found._asdict().items()}
    pairs = len(found.scores)
    print(  # noqa: T201
        f"{name:50} {scaling:10}" + "".join(f"  {side} {100 * score:5.1f}" for side, score in scores.items()),
        flush=True,
    )
    return {
        "pairs": pairs,
        "input": name,
        "scaling": scaling,
        **{
            f"found_{side}": {"recall_at_1": score, "interval": list(wilson_interval(score, pairs))}
            for side, score in scores.items()
        },
    }


if __name__ == "__main__":
    sys.exit(guarded(main))
