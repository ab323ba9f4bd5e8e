"""Learn the bundled map from the training side of (n)ASAP.

python -m finetune.mapping.fit --root DATA --out symbolic/models/asap-map
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from data.corpora.asap import AsapPerformancesCorpus
from finetune.baselines.boosting import fit_boosting
from finetune.mapping.examples import Example, examples
from finetune.mapping.fit_beats import fit_tracker
from finetune.mapping.steady import STEPS, exact, scale
from symbolic.features.stats import Floats
from symbolic.mapping.expression import ASPECTS, rule_weights
from symbolic.mapping.features import TICKS, Ints, onset_features, staff_features, value_features
from symbolic.mapping.learnt import LearntMap
from symbolic.mapping.quantisation import PLACES, STAVES, VALUES
from symbolic.mapping.rhythm import rhythm_table
from symbolic.mapping.written import NAMES, read_score, written_features

EACH = 2
"""Performances of a score that are learnt from."""
ROWS = {"places": 450, "value": 350, "staff": 250}
"""Notes of a performance that are learnt from."""
_STEADY = 0.25
"""Share of these that are learnt from a score that is played exactly, and from a scale."""
_SCALES = 100
_ROUNDS = {"places": 50, "value": 50, "staff": 150}
_RIDGE = 1e-3


def rows_of(example: Example) -> dict[str, tuple[np.ndarray, Ints]]:
    """Return features and classes of the matched notes for the trees of each name."""
    notes, at = example.notes, example.at
    first = np.flatnonzero(np.diff(notes.chord, prepend=-1))
    mean = np.add.reduceat(notes.onset, first) / np.diff(first, append=len(notes.onset))
    beat = np.floor(mean).astype(np.int64)[notes.chord]
    onset, staff = np.round(notes.onset * TICKS).astype(np.int64), (notes.pitch < 60).astype(np.int64)
    in_bar, unit = np.full(len(onset), 4.0), np.full(len(onset), 1.0)
    onset[at], staff[at], in_bar[at], unit[at] = example.tick, example.staff, example.in_bar, example.unit
    values = value_features(notes, onset, staff, in_bar, unit)
    found = {}
    for name, features, true, classes in (
        ("places", onset_features(notes), example.tick - beat[at] * TICKS, PLACES),
        ("value", values, np.round(example.value * TICKS).astype(np.int64), VALUES),
        ("staff", staff_features(notes), example.staff, np.arange(STAVES)),
    ):
        known = np.isin(true, classes)
        found[name] = features[at[known]], np.searchsorted(classes, true[known])
    return found


def playing_targets(example: Example) -> Floats:
    """Return (M, 4) how each matched note was played, by `expression.ASPECTS`."""
    notes, at = example.notes, example.at
    seconds, velocity = notes.seconds[at], notes.velocity[at].astype(np.float64)
    late = (notes.onset[at] - example.tick / TICKS) * seconds
    length = np.maximum(notes.end - notes.onset, 1e-3)[at] / np.maximum(example.value, 1 / TICKS)
    columns = {
        "velocity": velocity - velocity.mean(),
        "period": np.clip(np.log(seconds / np.median(seconds)), -0.9, 0.9),
        "timing": np.clip(late, -0.15, 0.15),
        "length": np.clip(np.log2(length), -4, 1),
    }
    return np.stack([columns[aspect] for aspect in ASPECTS], axis=1)


def _draw(
    example: Example | None,
    share: float,
    rows: dict[str, list[tuple[np.ndarray, Ints]]],
    random: np.random.Generator,
) -> None:
    """Add a share of the usual number of notes to the rows to learn from."""
    for name, (features, classes) in rows_of(example).items() if example else ():
        chosen = random.choice(len(classes), min(int(share * ROWS[name]), len(classes)), replace=False)
        rows[name].append((features[chosen], classes[chosen]))


def fit_map(root: str | Path | None) -> LearntMap:
    """Learn the map from the training side of (n)ASAP."""
    random = np.random.default_rng(0)
    rows: dict[str, list[tuple[np.ndarray, Ints]]] = {name: [] for name in ROWS}
    rhythms: list[Ints] = []
    squares, products = np.zeros((len(NAMES), len(NAMES))), np.zeros((len(NAMES), len(ASPECTS)))
    last, numbers = Path(), np.zeros((0, 0))
    for example in examples(AsapPerformancesCorpus(root), "train", EACH):
        _draw(example, 1.0, rows, random)
        chord = example.notes.chord[example.at]
        rhythms.append(example.tick[np.unique(chord, return_index=True)[1]])
        if example.score != last:
            score = read_score(example.score)
            last, numbers = example.score, written_features(score)
            _draw(exact(score.music, last, random), _STEADY, rows, random)
        known = numbers[example.written]
        weight = 1 / max(len(known), 1)  # pieces count alike
        squares += weight * known.T @ known
        products += weight * known.T @ playing_targets(example)
    for index in range(_SCALES):
        music = scale(STEPS[index % len(STEPS)], random)
        _draw(exact(music, Path("scale"), random), _STEADY, rows, random)
    weights = np.linalg.solve(squares + _RIDGE * np.diag(np.diag(squares) + 1e-9), products)
    # The rule for the tempo is no worse than what is learnt (docs/map.md).
    weights[:, ASPECTS.index("period")] = rule_weights()[:, ASPECTS.index("period")]
    trees = fit_tracker(root)
    for name, count in (("places", len(PLACES)), ("staff", STAVES), ("value", len(VALUES))):
        features, labels = (np.concatenate(column) for column in zip(*rows[name], strict=True))
        trees[name] = fit_boosting(features, labels, count, _ROUNDS[name], most=_ROUNDS[name] * count)
    return LearntMap(trees, rhythm_table(rhythms), weights.astype(np.float64))


def main() -> int:
    """Learn the map and save it."""
    parser = argparse.ArgumentParser(
        description="Learn the map between scores and performances from (n)ASAP."
    )
    parser.add_argument("--root", help="folder that holds corpora")
    parser.add_argument("--out", type=Path, required=True, help="folder of the map")
    arguments = parser.parse_args()
    found = fit_map(arguments.root)
    found.save(arguments.out)
    print(found)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
