"""Learn the bundled map from the training side of (n)ASAP.

python -m finetune.mapping.fit --root DATA --out symbolic/models/asap-map
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.corpora import Piece
from data.corpora.asap import AsapPerformancesCorpus
from data.corpora.asap_pairs import WRITTEN, note_pairs, read_written
from data.corpora.beats import read_annotation
from finetune.baselines.boosting import fit_boosting
from symbolic.errors import MusicFileError
from symbolic.features.stats import Floats
from symbolic.mapping.beats import Beats, is_compound
from symbolic.mapping.expression import ASPECTS, rule_weights
from symbolic.mapping.features import TICKS, Ints, Performed, onset_features, staff_features, value_features
from symbolic.mapping.learnt import LearntMap
from symbolic.mapping.notation import placed
from symbolic.mapping.quantisation import PLACES, STAVES, VALUES
from symbolic.mapping.rhythm import rhythm_table
from symbolic.mapping.written import NAMES, read_score, written_features
from symbolic.predict.classifiers.boosting import BoostedTrees

EACH = 2
"""Performances of a score that are learnt from."""
_ROWS = {"places": 450, "value": 350, "staff": 250}
"""Notes of a performance that are learnt from."""
_ROUNDS = {"places": 50, "value": 50, "staff": 150}
_FAR = 0.4
"""Beats from its written place beyond which a note is taken as aligned wrongly."""
_RIDGE = 1e-3


class Example(NamedTuple):
    """A performance with what is true of its M matched notes that are no grace notes.

    Attributes:
        piece: The performance.
        notes: Its N notes among the annotated beats.
        at: (M,) index in `notes`.
        written: (M,) index in the score.
        tick: (M,) onsets in `TICKS` of a beat.
        value: (M,) note values in beats.
        staff: (M,) 0 for the upper and 1 for the lower staff.
        in_bar: (M,) beats of a bar.
        unit: (M,) quarter notes of a beat.
        score: The MusicXML file.
    """

    piece: Piece
    notes: Performed
    at: Ints
    written: Ints
    tick: Ints
    value: Floats
    staff: Ints
    in_bar: Floats
    unit: Floats
    score: Path


def examples(corpus: AsapPerformancesCorpus, side: str, each: int) -> Iterator[Example]:
    """Yield performances of a side of the split that have a score, an alignment and annotated beats.

    Args:
        corpus: The corpus.
        side: "train", "valid" or "test".
        each: Most performances of each score.
    """
    taken: Counter[Path] = Counter()
    scores = {}
    for piece in corpus.pieces():
        path = corpus.written(piece)
        beats = corpus.folder / f"{piece.key}_annotations.txt"
        if piece.split != side or taken[path] >= each or not (path.is_file() and beats.is_file()):
            continue
        if path not in scores:
            scores = {path: read_written(path)}  # performances of a score follow each other
        try:
            music = corpus.read(piece)
            pairs = note_pairs(corpus.alignment(piece, music), scores[path])
        except MusicFileError as error:
            sys.stderr.write(f"skipped {error}\n")
            continue
        times = read_annotation(beats).beats
        taken[path] += 1
        index, notes = placed(music, Beats(times, np.ones(len(times), dtype=np.bool_)))
        place = np.empty(len(music), dtype=np.int64)
        place[index] = np.arange(len(index))
        yield _example(piece, notes, place, pairs.matched, scores[path].notes, len(times), path)


def _example(
    piece: Piece, notes: Performed, place: Ints, pairs: np.ndarray, score: np.ndarray, beats: int, path: Path
) -> Example:
    assert score.dtype == WRITTEN
    written = score[pairs["written"]]
    kinds, kind = np.unique(
        np.stack([written["upper"], written["lower"]], axis=1), axis=0, return_inverse=True
    )
    units = np.array([(3 if is_compound(*one) else 1) * 4 / one[1] for one in kinds.tolist()])
    unit = units[kind.ravel()]
    at = place[pairs["performed"]]
    within = written["in_bar"] / unit
    # The beat is the one for which the written place lies nearest.
    true = np.round(notes.onset[at] - within) + within
    sound = ~written["grace"] & (notes.onset[at] > 0) & (notes.onset[at] < beats - 1)
    sound &= np.abs(notes.onset[at] - true) < _FAR
    return Example(
        piece,
        notes,
        at[sound],
        pairs["written"][sound].astype(np.int64),
        np.round(true * TICKS).astype(np.int64)[sound],
        (written["value"] / unit)[sound],
        np.minimum(written["staff"].astype(np.int64) - 1, STAVES - 1)[sound],
        (written["upper"] * 4 / written["lower"] / unit)[sound],
        unit[sound],
        path,
    )


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


def fit_map(root: str | Path | None) -> LearntMap:
    """Learn the map from the training side of (n)ASAP."""
    random = np.random.default_rng(0)
    rows: dict[str, list[tuple[np.ndarray, Ints]]] = {name: [] for name in _ROWS}
    rhythms: list[Ints] = []
    squares, products = np.zeros((len(NAMES), len(NAMES))), np.zeros((len(NAMES), len(ASPECTS)))
    last, numbers = Path(), np.zeros((0, 0))
    for example in examples(AsapPerformancesCorpus(root), "train", EACH):
        for name, (features, classes) in rows_of(example).items():
            chosen = random.choice(len(classes), min(_ROWS[name], len(classes)), replace=False)
            rows[name].append((features[chosen], classes[chosen]))
        chord = example.notes.chord[example.at]
        rhythms.append(example.tick[np.unique(chord, return_index=True)[1]])
        if example.score != last:
            last, numbers = example.score, written_features(read_score(example.score))
        known = numbers[example.written]
        weight = 1 / max(len(known), 1)  # pieces count alike
        squares += weight * known.T @ known
        products += weight * known.T @ playing_targets(example)
    weights = np.linalg.solve(squares + _RIDGE * np.diag(np.diag(squares) + 1e-9), products)
    # The rule for the tempo is no worse than what is learnt (docs/map.md).
    weights[:, ASPECTS.index("period")] = rule_weights()[:, ASPECTS.index("period")]
    trees: dict[str, BoostedTrees] = {}
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
