"""Compare what frozen inputs tell of pieces: features, relational histograms and states of backbones, by folds.

    python -m experiments.readout composer emotion --root DATA
    python -m experiments.readout composer emotion --root DATA --states tiny RUN/checkpoint --out results/readout.jsonl

Each input is read out alike. A piece, its halves and its quarters are examples. Fisher's discriminants with a shrunken
covariance are fitted to those of four folds, and log-probabilities of a piece's parts are averaged. Where inputs are
joined, their log-probabilities are added. So nothing is chosen. Each is compared with the first by a bootstrap over
song groups. With `--keys 6` a model reads each piece in six keys, and the means of what it computes count.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.splits import FOLDS
from data.toolkit.command import guarded
from data.toolkit.records import portable_provenance, provenance
from data.toolkit.results import append_results
from experiments.inputs import Input, counted, states, stretch_owners, together
from finetune.tasks import TASKS, Task
from finetune.tasks.base import Protocol
from finetune.tasks.data import TaskData
from finetune.tasks.folds import prepared
from finetune.tasks.metrics import Counts, accuracy, bootstrap_interval, pack_counts, paired_bootstrap
from symbolic.predict.loading import load
from symbolic.tokens.tokenizer import Tokenizer

COUNTED = (
    ("features",),
    ("histograms",),
    ("pairs",),
    ("histograms", "pairs"),
    ("features", "histograms"),
    ("features", "histograms", "pairs"),
)
"""Inputs without a model that are read out, alone and together."""
OF_MODEL = (
    ("states",),
    ("last states",),
    ("moments",),
    ("units",),
    ("moments", "units"),
    ("states", "units"),
)
"""What is read out of a model, the last two together with each of `BESIDE`."""
BESIDE = (("histograms",), ("histograms", "pairs"), ("features", "histograms", "pairs"))
_DEALT = Protocol("folds", "5 folds of song groups, as much of each class in each", FOLDS, dealt=True)


def main(argv: Sequence[str]) -> None:
    """Measure every input on every task, print a table, and append records."""
    options = _options(argv)
    for task in options.tasks:
        _measure(TASKS[task], options)


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="+", choices=[n for n, t in TASKS.items() if t.level == "sequence"])
    parser.add_argument("--root", help="folder of data sets (default: $COUNTERPOINT_DATA)")
    parser.add_argument("--states", nargs="*", default=[], help="models, whose states are inputs")
    parser.add_argument(
        "--keys",
        type=int,
        default=1,
        help="keys in which a model reads each piece, where a task is not of the key",
    )
    parser.add_argument("--alone", action="store_true", help="states of models alone")
    parser.add_argument("--out", type=Path, help="file of records to append to")
    return parser.parse_args(argv)


def _measure(task: Task, options: argparse.Namespace) -> None:
    protocol = next((one for one in task.protocols if one.folds > 1), _DEALT)
    folds = [
        prepared(task, options.root, Tokenizer(), protocol=protocol, fold=fold)
        for fold in range(protocol.folds)
    ]
    places = np.sort(np.concatenate([data.splits["test"] for data in folds]))
    pieces = [np.asarray(folds[0].tokens(place)) for place in places]
    inputs = {} if options.alone else counted(pieces, pitch_classes=not task.transposition)
    asked = [] if options.alone else list(COUNTED)
    for model in options.states:
        keys = options.keys if task.transposition else 1
        title = model if keys == 1 else f"{model} in {keys} keys"
        inputs |= {f"{name} of {title}": one for name, one in states(load(model), pieces, keys).items()}
        own = [tuple(f"{name} of {title}" for name in names) for names in OF_MODEL]
        asked += own if options.alone else [*own, *((*one, *beside) for one in own[-2:] for beside in BESIDE)]
    owners = stretch_owners(pieces)
    report(folds, asked, by_folds(folds, places, owners, inputs, asked), inputs, options.out)


def report(
    folds: Sequence[TaskData],
    asked: Sequence[Sequence[str]],
    counts: Sequence[Counts],
    inputs: Mapping[str, Input],
    out: Path | None,
) -> None:
    """Print a line for each set of inputs and append a record.

    Args:
        folds: The data of each fold.
        asked: Names of the inputs of each set.
        counts: (G, C, C) of each, from `by_folds`.
        inputs: By name.
        out: File of records, or None.
    """
    task, protocol = folds[0].task.name, folds[0].protocol.name
    about, records = portable_provenance(provenance()), []
    for names, found in zip(asked, counts, strict=True):
        title, width = " + ".join(names), sum(inputs[name].width for name in names)
        score, interval = float(accuracy(found.sum(0))), bootstrap_interval(found[None], accuracy)
        gap = paired_bootstrap([found[None]], [counts[0][None]], accuracy)
        print(  # noqa: T201
            f"{task:18} {title:60} {100 * score:5.1f} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})  "
            f"{100 * gap.mean:+5.1f} ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})  width {width}",
            flush=True,
        )
        records.append(
            {
                **about,
                "task": task,
                "protocol": protocol,
                "input": title,
                "width": width,
                "accuracy": score,
                "interval": list(interval),
                "gain": {"over": " + ".join(asked[0]), "mean": gap.mean, "interval": [gap.low, gap.high]},
                "counts": pack_counts(found[None]),
            }
        )
    if out:
        append_results(out, records)


def by_folds(
    folds: Sequence[TaskData],
    places: NDArray[np.integer],
    owners: NDArray[np.integer],
    inputs: Mapping[str, Input],
    asked: Sequence[Sequence[str]],
) -> list[Counts]:
    """Return for each set of inputs (G, C, C) confusions of all song groups, each tested in its fold.

    Args:
        folds: The data of each fold.
        places: (P,) indices of the pieces that the inputs describe.
        owners: (E,) of each stretch, the piece among them.
        inputs: What describes the stretches.
        asked: Names of inputs to be joined.
    """
    found: list[list[Counts]] = [[] for _ in asked]
    for data in folds:
        labels = data.labels[places].astype(np.int64)
        test = np.searchsorted(places, data.splits["test"])
        train = ~np.isin(owners, test)
        posteriors = {
            name: one.log_posteriors(labels[owners], owners, train, len(data.task.classes))[test]
            for name, one in inputs.items()
        }
        for one, names in zip(found, asked, strict=True):
            one.append(data.counts("test", list(together(posteriors, names).argmax(1))))
    return [np.concatenate(one) for one in found]


if __name__ == "__main__":
    sys.exit(guarded(main))
