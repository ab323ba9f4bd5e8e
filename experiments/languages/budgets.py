"""Learn maps between two backbones from few pairs and compare them with learning from the pairs alone.

    python -m experiments.languages.budgets --root DATA --pools POOLS --score RUN --performance RUN --work FOLDER \
        --out results/languages.jsonl

Every unit of work, a direction, a budget and a draw of pieces, is kept in the folder: a killed run goes on where it
was. Arms: `ridge`, `orthogonal` and `residual` map states and read the frozen heads of the other side. `moments` has
no pairs. `supervised` has the network of `residual` with heads of its own. `shuffled` is `residual` on wrong pairs.
With --arms unpaired: `attention`, a map with cross-attention, and both networks with the losses of unpaired music.
With --arms core: one core for both languages, whose adapters a hypernetwork makes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from data.toolkit.command import guarded
from data.toolkit.records import portable_provenance, provenance
from data.toolkit.results import append_results
from data.toolkit.safewrite import write
from experiments.languages.arms import ARMS, setting_of
from experiments.languages.measures import ByPiece, interval
from experiments.languages.sides import PLAYED, WRITTEN, language
from experiments.languages.states import paired_pieces
from experiments.languages.training import STEPS
from symbolic.documents import as_json
from symbolic.predict.pretrained import PretrainedModel

BUDGETS = (0, 1, 2, 5, 17, 170)
"""Pieces to learn from, as far as there are so many."""
_DIRECTIONS = ("to score", "to performance")


def main(argv: Sequence[str]) -> None:
    """Measure all that is not in the folder yet, print a table and append records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", help="folder of data sets (default: $COUNTERPOINT_DATA)")
    parser.add_argument(
        "--pools", type=Path, required=True, help="folder written by experiments.languages.pools"
    )
    parser.add_argument("--score", required=True, help="run of the backbone of scores")
    parser.add_argument("--performance", required=True, help="run of the backbone of performances")
    parser.add_argument("--work", type=Path, required=True, help="folder of states and finished units")
    parser.add_argument("--arms", choices=tuple(ARMS), default="paired", help="arms to measure")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of training")
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS, help="pieces to learn from")
    parser.add_argument("--draws", type=int, default=5, help="draws of the pieces of a budget")
    parser.add_argument("--out", type=Path, help="file of records to append to")
    options = parser.parse_args(argv)
    records = list(_compared(options))
    for one in records:
        shown = "  ".join(
            f"{name} {100 * mean:5.1f}" for name, (mean, *_) in one["measures"].items() if "nats" not in name
        )
        print(f"{one['direction']:15} {one['arm']:11} {one['budget']:4}  {shown}")  # noqa: T201
    if options.out:
        about = {**portable_provenance(provenance()), "task": "languages, (n)ASAP"}
        append_results(options.out, [about | one for one in records])


def _compared(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    models = {
        side: PretrainedModel.from_pretrained(getattr(options, side)) for side in ("performance", "score")
    }
    pieces = paired_pieces(options.root, models["performance"], models["score"], options.work / "states")
    score = language(models["score"], options.pools / "score", WRITTEN, with_key=True)
    performance = language(models["performance"], options.pools / "performance", PLAYED, with_key=False)
    for direction, source, target in zip(
        _DIRECTIONS, (performance, score), (score, performance), strict=True
    ):
        setting = setting_of(pieces, source, target, direction == _DIRECTIONS[0])
        units = [
            (budget, draw)
            for budget in options.budgets
            if budget or options.arms != "core"  # a core learns from pairs
            for draw in range(options.draws if 0 < budget < len(setting.pieces) else 1)
        ]
        found: dict[tuple[int, str], list[ByPiece]] = {}
        for budget, draw in tqdm(units, direction, leave=False, disable=None):
            which = "" if options.arms == "paired" else f"-{options.arms}"
            path = options.work / f"{direction}-{budget}-{draw}{which}.json"
            if not path.is_file():
                measured = ARMS[options.arms](setting, budget, draw, options.steps)
                arms = {arm: _listed(one) for arm, one in measured.items()}
                write(path, as_json(arms))
            for arm, values in json.loads(path.read_text()).items():
                found.setdefault((budget, arm), []).append({n: np.array(v) for n, v in values.items()})
        for (budget, arm), draws in found.items():
            measures = {name: interval(np.stack([one[name] for one in draws])) for name in draws[0]}
            yield {
                "direction": direction, "arm": arm, "budget": min(budget, len(setting.pieces)), "draws": len(draws),
                "pieces": len(setting.owner) and int(setting.owner.max()) + 1, "measures": measures,
            }  # fmt: skip


def _listed(measures: ByPiece) -> dict[str, list[float]]:
    return {name: values.round(5).tolist() for name, values in measures.items()}


if __name__ == "__main__":
    sys.exit(guarded(main))
