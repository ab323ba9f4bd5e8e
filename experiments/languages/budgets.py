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
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from data.toolkit.command import guarded
from data.toolkit.records import portable_provenance, provenance
from data.toolkit.results import append_results
from data.toolkit.safewrite import write
from experiments.languages.attention import CrossAttention
from experiments.languages.core import Core, reconstruction
from experiments.languages.maps import Heads, Labels, Residual, Segments, moments, orthogonal, ridge
from experiments.languages.measures import ByPiece, by_piece, flips, interval, nats, retrieval, right
from experiments.languages.sides import PLAYED, WRITTEN, Language, language, segments_of
from experiments.languages.states import Paired, paired_pieces
from experiments.languages.training import STEPS, train
from experiments.languages.unpaired import Unpaired
from symbolic.documents import as_json
from symbolic.predict.pretrained import PretrainedModel

BUDGETS = (0, 1, 2, 5, 17, 170)
"""Pieces to learn from, as far as there are so many."""
_DIRECTIONS = ("to score", "to performance")
_WEIGHTS = {"cycle": 1.0, "match": 1.0, "masked": 1.0}
"""Weights of the losses of unpaired music, chosen on validation."""


class Setting(NamedTuple):
    """One direction.

    Attributes:
        pieces: Segments of each training piece.
        valid: Segments to select by.
        test: Segments to measure.
        owner: (S,) the piece of each test segment.
        source: The side that is mapped from.
        target: The side that is mapped to.
    """

    pieces: list[Segments]
    valid: Segments
    test: Segments
    owner: NDArray[np.int64]
    source: Language
    target: Language


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


def setting_of(pieces: Sequence[Paired], source: Language, target: Language, to_score: bool) -> Setting:
    """Divide pieces by the committed split and make their segments for one direction."""
    side = {name: [one for one in pieces if one.split == name] for name in ("train", "valid", "test")}
    return Setting(
        [segments_of([one], source, target, to_score) for one in side["train"]],
        segments_of(side["valid"], source, target, to_score),
        segments_of(side["test"], source, target, to_score),
        np.repeat(np.arange(len(side["test"])), [len(one.key) for one in side["test"]]),
        source,
        target,
    )


def unit(setting: Setting, budget: int, draw: int, steps: int = STEPS) -> dict[str, ByPiece]:
    """Return the measures of all arms for one draw of pieces."""
    heads, test, owner = setting.target.heads, setting.test, setting.owner
    if not budget:
        sides = (one.scaled(one.unpaired) for one in (setting.source, setting.target))
        return {
            "true states": _measured(test.target, heads, setting)[0],
            "unigram": _frequencies(setting),
            "moments": _measured(test.source @ moments(*sides), heads, setting)[0],
        }
    pairs = _drawn(setting, budget, draw)
    found = {
        name: _measured(test.source @ linear, heads, setting)[0]
        for name, linear in (("ridge", ridge(pairs)), ("orthogonal", orthogonal(pairs)))
    }
    generator = torch.Generator().manual_seed(1000 * budget + draw)
    ours, theirs = (_residual(setting, pairs, own, generator, steps) for own in (heads, heads.fresh()))
    wrong = pairs.shuffled(generator)
    found["residual"], rights = ours
    found["supervised"], others = theirs
    found["residual"] |= flips(rights, others, owner)
    found["shuffled"] = _residual(setting, wrong, heads, generator, steps)[0]
    return found


def unpaired_unit(setting: Setting, budget: int, draw: int, steps: int) -> dict[str, ByPiece]:
    """Return the measures of cross-attention and of maps that learn from unpaired music too, for one draw of pieces."""
    source, target, heads = setting.source, setting.target, setting.target.heads
    if budget:
        pairs = _drawn(setting, budget, draw)
        linear, back = ridge(pairs), ridge(Segments(pairs.target, pairs.source, pairs.labels))
    else:
        pairs = None
        sides = source.scaled(source.unpaired), target.scaled(target.unpaired)
        linear, back = moments(*sides), moments(*sides[::-1])
    found = {}
    for kind, name in ((Residual, "residual"), (CrossAttention, "attention")):
        for weights in ({}, _WEIGHTS):
            if not weights and pairs is None:
                continue
            generator = torch.Generator().manual_seed(1000 * budget + draw)
            torch.manual_seed(draw)
            network = kind(linear)
            further = Unpaired(network, kind(back), source, target, weights, generator) if weights else None
            train(network, heads, pairs, setting.valid, True, generator, further, steps)
            with torch.no_grad():
                mapped = network(setting.test.source)
            found[f"{name}, unpaired" if weights else name] = _measured(mapped, heads, setting)[0]
    return found


def core_unit(setting: Setting, budget: int, draw: int, steps: int) -> dict[str, ByPiece]:
    """Return the measures of one core for both languages, for one draw of one piece or more."""
    pairs = _drawn(setting, budget, draw)
    generator = torch.Generator().manual_seed(1000 * budget + draw)
    torch.manual_seed(draw)
    core = Core(ridge(pairs), ridge(Segments(pairs.target, pairs.source, pairs.labels)))
    further = reconstruction(core, setting.source, setting.target, generator)
    train(core, setting.target.heads, pairs, setting.valid, True, generator, further, steps)
    with torch.no_grad():
        return {"core": _measured(core(setting.test.source), setting.target.heads, setting)[0]}


ARMS = {"paired": unit, "unpaired": unpaired_unit, "core": core_unit}


def _drawn(setting: Setting, budget: int, draw: int) -> Segments:
    random = np.random.default_rng((budget, draw))
    chosen = random.permutation(len(setting.pieces))[:budget]
    return _joined([setting.pieces[one] for one in chosen])


def _residual(
    setting: Setting, pairs: Segments, heads: Heads, generator: torch.Generator, steps: int
) -> tuple[ByPiece, Labels]:
    """Train a map through frozen heads, or a network with heads of its own, and measure it."""
    paired = heads is setting.target.heads
    torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
    network = Residual(ridge(pairs) if paired else torch.eye(pairs.source.shape[-1]))
    train(network, heads, pairs, setting.valid, paired, generator, steps=steps)
    with torch.no_grad():
        return _measured(network(setting.test.source), heads, setting, paired)


@torch.no_grad()
def _measured(
    mapped: torch.Tensor, heads: Heads, setting: Setting, reached: bool = True
) -> tuple[ByPiece, Labels]:
    """Return the measures of mapped states by piece, and which labels are right."""
    test, owner = setting.test, setting.owner
    logits = heads(mapped)
    rights = right(logits, test.labels)
    found = {name: by_piece(one, owner) for name, one in rights.items()} | nats(logits, test.labels, owner)
    return (found | retrieval(mapped, test.target, owner) if reached else found), rights


def _frequencies(setting: Setting) -> ByPiece:
    """Return the measures of what is most frequent on the training side."""
    known = _joined(setting.pieces).labels
    sizes = setting.target.heads.classes
    logits = {
        name: torch.bincount(known[name].flatten(), minlength=size)
        .double()
        .add(0.5)
        .log()
        .expand(*true.shape, size)
        for (name, true), size in zip(setting.test.labels.items(), sizes.values(), strict=True)
    }
    rights = right(logits, setting.test.labels)
    return {name: by_piece(one, setting.owner) for name, one in rights.items()} | nats(
        {name: one.log_softmax(-1) for name, one in logits.items()}, setting.test.labels, setting.owner
    )


def _joined(pieces: Sequence[Segments]) -> Segments:
    return Segments(
        torch.cat([one.source for one in pieces]),
        torch.cat([one.target for one in pieces]),
        {name: torch.cat([one.labels[name] for one in pieces]) for name in pieces[0].labels},
    )


def _listed(measures: ByPiece) -> dict[str, list[float]]:
    return {name: values.round(5).tolist() for name, values in measures.items()}


if __name__ == "__main__":
    sys.exit(guarded(main))
