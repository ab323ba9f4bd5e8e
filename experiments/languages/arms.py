"""Learn maps in several ways from a draw of pieces and measure them: the arms of `experiments.languages.budgets`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.languages.attention import CrossAttention
from experiments.languages.core import Core, reconstruction
from experiments.languages.maps import Heads, Labels, Residual, Segments, moments, orthogonal, ridge
from experiments.languages.measures import ByPiece, by_piece, flips, nats, retrieval, right
from experiments.languages.sides import Language, segments_of
from experiments.languages.states import Paired
from experiments.languages.training import STEPS, train
from experiments.languages.unpaired import Unpaired

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
    pairs = _drawn(setting, budget, draw) if budget else None
    if pairs is not None:
        linear, back = ridge(pairs), ridge(Segments(pairs.target, pairs.source, pairs.labels))
    else:
        sides = source.scaled(source.unpaired), target.scaled(target.unpaired)
        linear, back = moments(*sides), moments(*sides[::-1])
    found: dict[str, ByPiece] = {}
    nothing: dict[str, float] = {}
    for kind, name in ((Residual, "residual"), (CrossAttention, "attention")):
        for weights in (nothing, _WEIGHTS):
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


ARMS: dict[str, Callable[[Setting, int, int, int], dict[str, ByPiece]]] = {
    "paired": unit,
    "unpaired": unpaired_unit,
    "core": core_unit,
}


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
