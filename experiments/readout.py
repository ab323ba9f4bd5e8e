"""Compare what frozen inputs tell of pieces: features, relational histograms and states of backbones, by folds.

    python -m experiments.readout composer emotion --root DATA
    python -m experiments.readout composer emotion --root DATA --states tiny RUN/checkpoint --out results/readout.jsonl

Each input is read out alike: a piece, its halves and its quarters are examples, Fisher's discriminants with a shrunken
covariance are fitted to those of four folds, and log-probabilities of a piece's parts are averaged. So the inputs are
compared and nothing is chosen. Each input is compared with the first by a bootstrap over song groups.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from data.toolkit.records import provenance
from finetune.tasks import TASKS
from finetune.tasks.data import TaskData
from finetune.tasks.folds import prepared
from finetune.tasks.metrics import Counts, accuracy, bootstrap_interval, pack_counts, paired_bootstrap
from symbolic.errors import CounterpointError
from symbolic.features import feature_groups
from symbolic.features.stretches import edges, stretches
from symbolic.predict.layers import note_states
from symbolic.predict.loading import load
from symbolic.predict.model import MusicModel
from symbolic.predict.windows import Cut, predict_tokens
from symbolic.tokens.tokenizer import Tokenizer

Floats = NDArray[np.float64]
Parts = list[Floats]
"""(S, F) numbers of the stretches of each piece."""
_LEAST_DEVIATION = 5e-3
"""A number that hardly varies is not blown up to unit variance."""
_FARTHEST = 10.0
"""Largest deviation of a number; larger ones are clipped."""
_LEAST_LOG = -7.0
"""Least log-probability of a part, so that none can rule out a class alone."""
_GROUP = 16
"""Pieces that a model reads at a time."""


def main() -> int:
    """Measure every input on every task, print a table, and append records."""
    options = _options()
    try:
        for task in options.tasks:
            _measure(task, options)
    except CounterpointError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="+", choices=[n for n, t in TASKS.items() if t.level == "sequence"])
    parser.add_argument("--root", help="folder of data sets (default: $COUNTERPOINT_DATA)")
    parser.add_argument("--states", nargs="*", default=[], help="models, whose states are inputs")
    parser.add_argument("--last", action="store_true", help="read the last layer of states alone too")
    parser.add_argument(
        "--alone", action="store_true", help="no features and histograms, alone or with states"
    )
    parser.add_argument("--out", type=Path, help="file of records to append to")
    return parser.parse_args()


def _measure(name: str, options: argparse.Namespace) -> None:
    task = TASKS[name]
    protocol = next((one for one in task.protocols if one.folds > 1), task.protocol())
    data = [
        prepared(task, options.root, Tokenizer(), protocol=protocol, fold=fold)
        for fold in range(protocol.folds)
    ]
    pieces = [np.asarray(data[0].tokens(piece)) for piece in range(len(data[0].shards.pieces))]
    inputs = {} if options.alone else _counted(pieces)
    for model in options.states:
        states = _states(load(model), pieces)
        inputs[f"states of {model}"] = states
        if options.last:
            layers = load(model).backbone.config.layers + 1
            inputs[f"last states of {model}"] = [_last(one, layers) for one in states]
        if not options.alone:
            inputs[f"states of {model} + histograms"] = _beside(states, inputs["histograms"])
            inputs[f"states of {model} + histograms + features"] = _beside(
                states, inputs["features + histograms"]
            )
    counts = {title: _by_folds(data, parts) for title, parts in inputs.items()}
    control = next(iter(counts))
    for title, found in counts.items():
        score, interval = float(accuracy(found.sum(0))), bootstrap_interval(found[None], accuracy)
        gap = paired_bootstrap([found[None]], [counts[control][None]], accuracy)
        print(  # noqa: T201
            f"{name:18} {title:60} {100 * score:5.1f}  {100 * gap.mean:+5.1f} "
            f"({100 * gap.low:+.1f} to {100 * gap.high:+.1f})  width {inputs[title][0].shape[1]}",
            flush=True,
        )
        if options.out:
            record = {
                **provenance(),
                "task": name,
                "protocol": protocol.name,
                "input": title,
                "width": int(inputs[title][0].shape[1]),
                "accuracy": score,
                "interval": list(interval),
                "counts": pack_counts(found[None]),
            }
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")


def _counted(pieces: Sequence[NDArray[np.integer]]) -> dict[str, Parts]:
    """Return hand-made features without and with the histograms of relations."""
    whole = [
        np.array(
            [
                [value for group in feature_groups(part).values() for value in group.values()]
                for part in stretches(tokens)
            ]
        )
        for tokens in tqdm(pieces, "features", leave=False, disable=None)
    ]
    width = len(feature_groups(pieces[0])["relations"])
    return {
        "features": [one[:, :-width] for one in whole],
        "histograms": [one[:, -width:] for one in whole],
        "features + histograms": whole,
    }


def _states(model: MusicModel, pieces: Sequence[NDArray[np.integer]]) -> Parts:
    """Return mean and deviation of the normed states of every layer over the notes of each part."""
    backbone = model.backbone.eval()

    def states(ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        return note_states(backbone.states(ids, attention_mask))

    found = []
    for start in tqdm(range(0, len(pieces), _GROUP), f"states of {model.name}", leave=False, disable=None):
        group = pieces[start : start + _GROUP]
        for output in predict_tokens(states, group, Cut(backbone.config.window, 0)):
            parts = [output[a:b].astype(np.float64) for a, b in edges(len(output))]
            found.append(np.array([np.concatenate([part.mean(0), part.std(0)]) for part in parts]))
    return found


def _last(parts: Floats, layers: int) -> Floats:
    """Return the columns of the last layer."""
    return parts.reshape(len(parts), 2, layers, -1)[:, :, -1].reshape(len(parts), -1)


def _beside(one: Parts, other: Parts) -> Parts:
    return [np.concatenate(pair, axis=1) for pair in zip(one, other, strict=True)]


def _by_folds(folds: Sequence[TaskData], parts: Parts) -> Counts:
    """Return (G, C, C) confusions of all song groups, each tested in its fold."""
    total: Counts | None = None
    for data in folds:
        known = [*data.splits["train"], *data.splits["valid"]] if len(folds) > 1 else data.splits["train"]
        labels = np.repeat(data.labels[known], [len(parts[piece]) for piece in known])
        read_out = _fitted(np.concatenate([parts[piece] for piece in known]), labels)
        answers = [read_out(parts[piece]) for piece in data.splits["test"]]
        counts = data.counts("test", [np.asarray(answer) for answer in answers])
        total = counts if total is None else np.concatenate([total, counts])
    assert total is not None
    return total


def _fitted(numbers: Floats, labels: NDArray[np.integer]) -> Callable[[Floats], int]:
    """Fit discriminants to (E, F) numbers; return a function from the parts of a piece to its class."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    centre, deviation = numbers.mean(0), np.maximum(numbers.std(0), _LEAST_DEVIATION)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    model.fit(((numbers - centre) / deviation).clip(-_FARTHEST, _FARTHEST), labels)

    def answer(parts: Floats) -> int:
        logs = model.predict_log_proba(((parts - centre) / deviation).clip(-_FARTHEST, _FARTHEST))
        return int(model.classes_[np.maximum(logs, _LEAST_LOG).mean(0).argmax()])

    return answer


if __name__ == "__main__":
    sys.exit(main())
