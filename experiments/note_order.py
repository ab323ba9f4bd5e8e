"""Measure how much the order of simultaneous notes reveals: train on canonical order and on track order.

    python -m experiments.note_order melody --from tiny-conformer --epochs 4
    python -m experiments.note_order melody --from tiny-conformer --epochs 4 --only tracks

Some readers take one track after another and then sort by onset. Notes that begin together then keep the order of
their tracks. POP909 has melody, bridge and piano in this order, so the order of tokens contains the label. The
preparation of MIDI-BERT is such a reader. It moves notes to sixteenths first, so that more of them begin together.
Scores on such tokens are leaky. They only help to interpret published scores. The same command resumes what is missing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.corpora import open_corpus
from data.corpora.base import Corpus
from data.shards import MANIFEST, Shards
from data.toolkit.records import portable_provenance, write_json
from finetune.settings import FinetuneSettings
from finetune.tasks import TASKS, Task
from finetune.tasks.data import TaskData, task_data, task_metrics
from finetune.tasks.metrics import paired_bootstrap
from finetune.training.result import SeedResult
from finetune.training.run import Run, open_run
from finetune.training.seed import train_seed
from symbolic.checkpoint.bundled import RECORD

CANONICAL, TRACKS = ORDERS = ("canonical", "tracks")
_TIED = "tied_notes"


def report(text: str) -> None:
    """Print a line."""
    print(text, flush=True)  # noqa: T201


def main() -> int:
    """Train what is missing, then print the scores of both orders."""
    options = _options()
    out = options.out / options.task
    settings = FinetuneSettings.of(
        task=options.task,
        checkpoint=options.checkpoint,
        epochs=options.epochs,
        lr=options.lr,
        tokens_per_batch=options.tokens_per_batch,
        budget=options.budget,
        seeds=options.seeds,
        out=out,
        resume=out.exists(),
    )
    if record := compare_orders(settings, options.only):
        show(record)
    return 0


def compare_orders(
    settings: FinetuneSettings, only: Sequence[str] = ORDERS, task: Task | None = None
) -> dict[str, Any] | None:
    """Train the orders and seeds that are missing.

    Args:
        settings: As for `finetune`. The run folder receives a run for each order, then `record.json`.
        only: The orders to train on now.
        task: A task of notes; by default the one that the settings name.

    Returns:
        The record, or None while an order is missing.
    """
    run = open_run(settings, task)
    task = run.task
    (data,) = run.folds
    by_tracks, tied = by_track(
        data, open_corpus(task.corpus, run.settings.data.place, **task.options), run.out / "shards"
    )
    for order in only:
        _train(run, by_tracks if order == TRACKS else data, order)
    if record := _result(run, tied):
        write_json(run.out / RECORD, record)
    return record


def by_track(data: TaskData, corpus: Corpus, folder: Path) -> tuple[TaskData, float]:
    """Return a task's pieces with tokens in the order of onset in the file, then track, then pitch.

    Args:
        data: Data in canonical order.
        corpus: Corpus that it was prepared from.
        folder: Folder for the shards.

    Returns:
        The data with its labels reordered, and the share of notes that begin together with one of another track.
    """
    if not (folder / MANIFEST).is_file():
        _write(data.shards, *_ordered(data.shards, corpus), folder)
    shards = Shards(folder)
    return task_data(data.task, shards, data.protocol, data.fold), shards.manifest["settings"][_TIED]


def _ordered(shards: Shards, corpus: Corpus) -> tuple[NDArray[np.int64], float]:
    """Return the (N,) new order of tokens, and the share of them that begin together with one of another track."""
    pieces = {piece.key: piece for piece in corpus.pieces()}
    source, order, tied = shards.source(), np.arange(len(shards)), 0
    for record, start in zip(shards.pieces, shards.offsets.tolist(), strict=False):
        stop = start + record.tokens
        notes = corpus.read(pieces[record.key]).notes[source[start:stop]]
        order[start:stop] = start + np.lexsort((notes["pitch"], notes["track"], notes["onset"]))
        tied += int(beside_others(notes["onset"], notes["track"]).sum())
    return order, tied / len(shards)


def beside_others(onset: NDArray[np.int64], track: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return (N,) whether a note begins together with one of another track, from (N,) onsets and (N,) tracks."""
    _, stroke = np.unique(onset, return_inverse=True)
    lowest, highest = np.full(len(onset), 2**31 - 1), np.full(len(onset), -1)
    np.minimum.at(lowest, stroke, track)
    np.maximum.at(highest, stroke, track)
    return np.asarray((lowest != highest)[stroke])


def _write(shards: Shards, order: NDArray[np.int64], tied: float, folder: Path) -> None:
    """Write the same shards with tokens, their labels and sources in another order, and the tied share."""
    shutil.copytree(shards.path, folder, ignore=shutil.ignore_patterns(MANIFEST), dirs_exist_ok=True)
    edges = np.cumsum([0, *shards.sizes()])
    columns: dict[str, NDArray[Any]] = {"tokens": shards.tokens(0, len(shards)), "source": shards.source()}
    columns |= {name: shards.note_labels(name) for name in shards.note_classes}
    for shard, start, stop in zip(shards.manifest["shards"], edges[:-1], edges[1:], strict=True):
        for kind, column in columns.items():
            np.save(folder / f"{shard['name']}.{kind}.npy", column[order[start:stop]])
    # The manifest identifies a corpus, in caches too. It is written last, because it marks the corpus as complete.
    settings = {**shards.manifest["settings"], "note_order": TRACKS, _TIED: tied}
    write_json(folder / MANIFEST, {**shards.manifest, "settings": settings})


def _train(run: Run, data: TaskData, order: str) -> None:
    about = {
        **run.origin,
        "backbone": run.source.description,
        "method": run.settings.adapter.method,
        "order": order,
    }
    for seed in range(run.settings.training.seeds):
        thinned = data.thinned(run.settings.data.budget, seed)
        result = train_seed(thinned, run.source, run.plan, seed, _place(run, order, seed), about)
        report(f"{order}, seed {seed}: validation accuracy {100 * result.summary['valid']['accuracy']:.1f} %")


def _place(run: Run, order: str, seed: int) -> Path:
    return run.out / order / f"seed-{seed}"


def _result(run: Run, tied: float) -> dict[str, Any] | None:
    found = {
        order: [SeedResult.load(_place(run, order, seed)) for seed in range(run.settings.training.seeds)]
        for order in ORDERS
    }
    results = {order: [result for result in seeds if result] for order, seeds in found.items()}
    if any(len(results[order]) < run.settings.training.seeds for order in ORDERS):
        return None
    counts = {
        order: np.stack([result.counts["test"] for result in seeds]) for order, seeds in results.items()
    }
    gains = {
        name: paired_bootstrap([counts[TRACKS]], [counts[CANONICAL]], metric)
        for name, metric in task_metrics(run.task).items()
    }
    return {
        **portable_provenance(run.origin),
        "task": run.task.name,
        "settings": run.settings.having(lr=run.plan.lr).identity,
        "tied": tied,
        "orders": {
            order: [{split: result.summary[split] for split in ("valid", "test")} for result in seeds]
            for order, seeds in results.items()
        },
        "gain": {name: [gain.mean, gain.low, gain.high] for name, gain in gains.items()},
    }


def show(record: dict[str, Any]) -> None:
    """Print test scores in per cent, a line for each metric."""
    report(f"{100 * record['tied']:.1f} % of the notes begin together with one of another track.")
    for name, gain in record["gain"].items():
        means = [100 * np.mean([seed["test"][name] for seed in record["orders"][order]]) for order in ORDERS]
        mean, low, high = (100 * value for value in gain)
        report(
            f"{name}: {means[0]:.1f} canonical, {means[1]:.1f} by track: {mean:+.1f} ({low:.1f} to {high:.1f})"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    asked = sorted(name for name, task in TASKS.items() if task.level == "note" and task.corpus == "pop909")
    parser.add_argument("task", choices=asked)
    parser.add_argument("--from", dest="checkpoint", default="tiny", help="checkpoint (default: %(default)s)")
    parser.add_argument("--only", choices=ORDERS, nargs=1, default=ORDERS, help="train on one of the two now")
    parser.add_argument("--epochs", type=float, default=4)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--tokens_per_batch", type=int, default=1024)
    parser.add_argument("--budget", type=float, default=1.0, help="share of the labels")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/note_order"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
