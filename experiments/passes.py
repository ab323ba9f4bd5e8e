"""Compare ways to choose masks and targets over many passes of little music, clean or partly noise.

    python -m experiments.passes uniform adversarial excess uniform@0.5 excess@0.5 --root DATA --seeds 3
    python -m experiments.passes uniform excess --corpus pianist8 --size from-tiny-slow --passes 25 --root DATA
    python -m experiments.passes --out results/passes.jsonl     # the table of what is there

ARM@SHARE adds noisy copies (`experiments.noise`) until they have that share of the notes. All arms of a seed have the
same songs and make as many steps, but `uniform-twice`. The songs are the validation side of a corpus, which `tiny` was
not trained on: so it may be the reference, the teacher, or the start of `--size from-tiny`. It was trained on others of
POP909, and on none of `--corpus pianist8`. Every seed deals the songs anew.
Some are trained on, some choose the pass at which to stop, and the others are measured there with tokens masked at
random. A run that has its record is not repeated.
"""

from __future__ import annotations

import argparse
import csv
import logging
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import lightning
import numpy as np
from numpy.typing import NDArray

from data.corpora import Corpus, open_corpus
from data.shards import Shards
from data.toolkit.command import guarded
from data.toolkit.page import markdown_table
from data.toolkit.records import portable_provenance, provenance
from data.toolkit.results import append_results, read_lines
from experiments.noise import noisy_copies
from experiments.passes_measure import LINE, SIDES, Curve, result_rows
from experiments.passes_taught import Taught
from pretrain.objective.freezing import FreezeBook
from pretrain.objective.targets import Reference, Targets
from pretrain.settings import LEARNING_RATES, PretrainSettings
from pretrain.training.building import build_module, load_reference
from pretrain.training.datamodule import PretrainDataModule
from pretrain.training.initialisation import Initialisation
from symbolic.backbone import PRESETS, BackboneConfig
from symbolic.checkpoint.format import load_checkpoint
from symbolic.music.notes import Music
from symbolic.relations import RELATIONS
from symbolic.tokens.tokenizer import Tokenizer


class Arm(NamedTuple):
    """A way to train.

    Attributes:
        flags: Flags of `pretrain`.
        taught: Learn the predictions of `tiny` too.
        own: Choose targets by the excess over a model that was trained on the same songs alone.
        longer: Multiple of the steps of the others.
    """

    flags: Mapping[str, Any] = MappingProxyType({})
    taught: bool = False
    own: bool = False
    longer: int = 1


ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        "uniform": Arm(),
        "uniform-twice": Arm(longer=2),
        "uniform-taught": Arm(taught=True),
        "adversarial": Arm({"selector": "adversarial", "freeze_every": 0}),
        "adversarial-retiring": Arm({"selector": "adversarial", "freeze_every": 5}),
        "scheduled-retiring": Arm({"selector": "scheduled", "freeze_every": 5}),
        "learnability": Arm({"selector": "learnability", "freeze_every": 0}),
        "span": Arm({"selector": "span"}),
        "voice": Arm({"selector": "voice"}),
        "bar": Arm({"unit": "bar"}),
        "adversarial-bar": Arm({"selector": "adversarial", "freeze_every": 0, "unit": "bar"}),
        "random": Arm({"targets": "random"}),
        "loss": Arm({"targets": "loss"}),
        "excess": Arm({"targets": "excess"}),
        "excess-tokens": Arm({"targets": "excess", "target_tokens": True}),
        "excess-own": Arm(own=True),
    }
)
"""By name. The last five learn from half of the fields that uniform masks hide."""
SIZES: Mapping[str, BackboneConfig] = MappingProxyType(
    {"micro": BackboneConfig(dim=64, layers=2, heads=2, ffn=256, window=128), **PRESETS}
)
CORPORA = ("pop909", "pianist8")
_KNOWING = "tiny"
"""The model that knows other music."""
_CONTINUED: Mapping[str, float] = MappingProxyType({"from-tiny": 1.0, "from-tiny-slow": 0.1})
"""Sizes that start from its weights, and the part of the usual learning rate."""
_FIRST, _OTHER = 4, 1000
"""A reference of the same songs is trained for a fourth of the steps, where nothing is memorised yet, and from the
weights of another seed."""
_STOPPING = 16
"""Songs that choose the pass at which to stop."""
_COPY = "noise-"
"""What the names of noisy copies begin with."""


def main(argv: Sequence[str]) -> None:
    """Train what is missing, seed by seed, and print the table."""
    options = _options(argv)
    for seed in range(options.seeds):
        for name, noise in options.arms:
            _one(name, noise, seed, options)
    rows = result_rows(read_lines(options.out, LINE))
    print("\n".join(markdown_table(*rows)))  # noqa: T201


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "arms", nargs="*", type=_arm, help=f"{', '.join(ARMS)}; or one of them @ a share of noise below 1"
    )
    parser.add_argument("--root", help="folder of data sets (default: $COUNTERPOINT_DATA)")
    parser.add_argument("--corpus", default="pop909", choices=CORPORA)
    parser.add_argument("--size", default="micro", choices=[*SIZES, *_CONTINUED])
    parser.add_argument("--notes", type=int, default=10_000, help="to train on, in whole songs")
    parser.add_argument("--passes", type=int, default=100, help="over the clean notes")
    parser.add_argument("--windows", type=int, default=4, help="in a batch")
    parser.add_argument("--evaluations", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("runs/passes"), help="folder for prepared music")
    parser.add_argument("--out", type=Path, default=Path("results/passes.jsonl"), help="file of records")
    return parser.parse_args(argv)


def _arm(spelled: str) -> tuple[str, float]:
    """Return the name of an arm and its share of noise."""
    name, _, share = spelled.partition("@")
    if name not in ARMS or not 0 <= float(share or 0) < 1:
        raise ValueError(spelled)  # argparse says so in words
    return name, float(share or 0)


def _one(name: str, noise: float, seed: int, options: argparse.Namespace) -> None:
    """Train and measure one arm with one seed, and append its record, unless that is done."""
    key: dict[str, Any] = {"arm": name, "noise": noise, "seed": seed}
    key |= {word: getattr(options, word) for word in ("corpus", "size", "notes", "passes")}
    budget = options.windows * initial(options.size).config.window
    key["steps"] = max(1, options.passes * options.notes // budget)
    if any(key.items() <= record.items() for record in read_lines(options.out, LINE)):
        return
    folder = options.work / f"{options.corpus}-{options.notes}-{noise:g}-{seed}"
    music = deal(folder, open_corpus(options.corpus, options.root), options.notes, noise, seed)
    found = train(ARMS[name], music, seed, key["steps"], options)
    append_results(options.out, [portable_provenance({**provenance(), **key, **found})])


def deal(folder: Path, corpus: Corpus, notes: int, noise: float, seed: int) -> Path:
    """Write songs and noisy copies into a folder with a table of their sides, unless they are there.

    Args:
        folder: The folder.
        corpus: Where the songs are. Each piece must be another song.
        notes: Smallest number of clean notes to train on.
        noise: Share of noise among the notes to train on.
        seed: Of the order of the songs, and of the noise.
    """
    table = folder / "labels.csv"
    if table.is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    songs = [piece for piece in corpus.pieces() if piece.split == "valid"]
    random = np.random.default_rng(seed)
    trained: list[Music] = []
    rows, others = [], 0
    for place in random.permutation(len(songs)).tolist():
        song = songs[place]
        music = corpus.interpret(song, corpus.read(song)).music
        side = "train"
        if sum(map(len, trained)) < notes:
            trained.append(music)
        else:
            side = "valid" if others < _STOPPING else "test"
            others += 1
        music.write(folder / f"{song.key}.mid")
        rows.append((f"{song.key}.mid", side))
    for number, (kind, copy) in enumerate(noisy_copies(trained, noise, random)):
        copy.write(folder / f"{_COPY}{number}-{kind}.mid")
        rows.append((f"{_COPY}{number}-{kind}.mid", "train"))
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file", "split"), *rows])
    return folder


def train(arm: Arm, folder: Path, seed: int, steps: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train a model on the songs of a folder and return what a record holds of it.

    Args:
        arm: How.
        folder: From `deal`.
        seed: Of weights, order and masks.
        steps: Optimiser steps of an arm that is not longer.
        options: Those of the command.
    """
    start = initial(options.size)
    window, budget = start.config.window, options.windows * start.config.window
    settings = PretrainSettings.of(
        folder=str(folder), steps=steps * arm.longer, seed=seed, tokens_per_batch=budget, accelerator="cpu",
        near_duplicates=0.0, lr=LEARNING_RATES[_KNOWING] * _CONTINUED.get(options.size, 1.0), **arm.flags,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as frozen, warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", ".*(does not have many workers|LeafSpec|in eval mode at the start).*"
        )
        data = PretrainDataModule(settings, frozen, start, progress=False)
        module = build_module(settings, data)
        sides = {side: _songs(data.shards, side) for side in SIDES}
        curve = Curve(data.shards, sides, window, budget, max(1, data.steps // options.evaluations))
        begin = time.process_time()
        if arm.taught:
            teacher = load_reference(_KNOWING, data.tokenizer)
            module.objective.auxiliary[Taught.name] = Taught(teacher, module.objective.heads)
        if arm.own:
            known = _beginner(settings, data, max(1, steps // _FIRST))
            module.objective.targets = Targets("excess", settings.masking.target_share, reference=known)
        _trainer(data.steps, curve).fit(module, data)
        seconds = time.process_time() - begin - curve.seconds
        trained_on = _by_kind(data.shards, data.book)
    return {
        "passes_made": data.steps / data.batches.per_epoch,
        "parameters": sum(weight.numel() for weight in module.objective.backbone.parameters()),
        "seconds": seconds,
        "trained_on": trained_on,
        **curve.summary(),
    }


def initial(size: str) -> Initialisation:
    """Return the initial weights of a size."""
    if size in _CONTINUED:
        found = load_checkpoint(_KNOWING, Tokenizer())
        return Initialisation(found.config, found)
    return Initialisation(replace(SIZES[size], relations=tuple(RELATIONS)))


def _beginner(settings: PretrainSettings, data: PretrainDataModule, steps: int) -> Reference:
    """Train a model of other initial weights on the same music for a few steps."""
    other = replace(settings, training=replace(settings.training, seed=settings.training.seed + _OTHER))
    module = build_module(other, data)
    module.steps = steps
    _trainer(steps).fit(module, data)
    return Reference(module.objective.backbone, module.objective.heads)


def _songs(shards: Shards, side: str) -> NDArray[np.int64]:
    """Return the indices of the songs of a side, without noise."""
    of_side = shards.select(side)
    return of_side[[not shards.pieces[place].file.startswith(_COPY) for place in of_side]]


def _by_kind(shards: Shards, book: FreezeBook) -> dict[str, Any]:
    """Return the number of notes to train on and the share that is retired, of songs and of each kind of noise."""
    notes, retired = Counter[str](), Counter[str]()
    for place in shards.select("train").tolist():
        name = shards.pieces[place].file
        kind = Path(name).stem.rpartition("-")[2] if name.startswith(_COPY) else "songs"
        size = shards.pieces[place].tokens
        notes[kind] += size
        retired[kind] += int(book.frozen(shards.offsets[place : place + 1], size).sum())
    return {kind: {"notes": size, "retired": retired[kind] / size} for kind, size in notes.items()}


def _trainer(steps: int, *callbacks: lightning.Callback) -> lightning.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    return lightning.Trainer(
        max_steps=steps,
        accelerator="cpu",
        precision="32-true",
        callbacks=list(callbacks),
        limit_val_batches=0,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


if __name__ == "__main__":
    sys.exit(guarded(main))
