"""Windows, small objectives and modules, shared by the tests of `pretrain`."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st
from made import tune

from data.batches import Batch
from pretrain.objective.auxiliary import AUXILIARIES
from pretrain.objective.freezing import FreezeBook
from pretrain.objective.masked import Objective
from pretrain.selectors import SELECTORS, Schedule, SelectorOptions, build_selector
from pretrain.selectors.network import NETWORKS
from pretrain.training.module import PretrainModule
from symbolic.backbone import BackboneConfig, build_backbone
from symbolic.heads import FieldHeads
from symbolic.masking.corruption import build_corruption
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import BAR, FIELDS, HIDDEN, PAD, RESERVED, Vocabulary

# Threads that wait for one another cost more than they bring where models are this small.
torch.set_num_threads(1)

SIZES = Vocabulary().sizes
SHAPE = BackboneConfig(dim=32, layers=2, heads=2, ffn=64, window=64, dropout=0.0)

BY_UNIT = [(name, unit) for name, selector in SELECTORS.items() for unit in selector.units]
"""Every selector with every unit that it supports."""
LEARNED = [name for name, selector in SELECTORS.items() if selector.learns]
OBJECTIVES = [
    (name, unit, network)
    for name, unit in BY_UNIT
    for network in (NETWORKS if name in LEARNED else ("small",))
]
"""The same with every network that it supports."""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def as_batch(tokens: torch.Tensor, attention_mask: torch.Tensor, step: int = 3) -> Batch:
    count, length = attention_mask.shape
    return Batch(
        tokens,
        attention_mask,
        torch.arange(count) * length,
        torch.arange(count),
        step,
        not bool(attention_mask.all()),
    )


def random_windows(
    seed: int = 0,
    count: int = 6,
    length: int = 48,
    bars: int = 6,
    withheld: tuple[int, ...] = (),
    ragged: bool = True,
) -> Batch:
    """Windows of random notes in bars of any size, all but the first shorter; some fields hidden for good."""
    random = np.random.default_rng(seed)
    tokens = np.stack([random.integers(RESERVED, size, (count, length)) for size in SIZES], -1)
    tokens[..., BAR] = RESERVED + np.sort(random.integers(0, bars, (count, length)), axis=1)
    tokens[..., list(withheld)] = HIDDEN
    lengths = random.integers(1 if ragged else length, length + 1, count)
    lengths[0] = length
    attention_mask = np.arange(length) < lengths[:, None]
    tokens[~attention_mask] = PAD
    return as_batch(torch.from_numpy(tokens), torch.from_numpy(attention_mask))


def random_frozen(windows: Batch, share: float, seed: int = 0) -> torch.Tensor:
    """Return (B, L) bool, true for about this share of the tokens that are not padding."""
    return (
        torch.rand(windows.attention_mask.shape, generator=generator(seed)) < share
    ) & windows.attention_mask


def states() -> st.SearchStrategy[tuple[Batch, torch.Tensor]]:
    """Hypothesis strategy of windows and their freeze state, from none frozen to all."""
    windows = st.builds(
        random_windows,
        seed=st.integers(0, 2**32 - 1),
        count=st.integers(1, 4),
        length=st.integers(1, 40),
        bars=st.integers(1, 12),
        withheld=st.sets(st.integers(0, len(FIELDS) - 1), max_size=8).map(
            lambda fields: tuple(sorted(fields))
        ),
    )
    frozen = st.sampled_from([0.0, 0.3, 0.9, 1.0])
    return st.builds(
        lambda w, share, seed: (w, random_frozen(w, share, seed)), windows, frozen, st.integers(0, 99)
    )


def tunes(count: int = 6, length: int = 48, pad: int = 9) -> Batch:
    """Windows of encoded tunes, every second one shorter."""
    tokens = torch.from_numpy(np.stack([Tokenizer().encode(tune(seed, length)).ids for seed in range(count)]))
    attention_mask = torch.ones(tokens.shape[:2], dtype=torch.bool)
    attention_mask[::2, length - pad :] = False
    return as_batch(tokens.long().masked_fill(~attention_mask[..., None], PAD), attention_mask)


def make_selector(name, unit=None, network="small", schedule=None, shape=SHAPE, **options):
    """Make a selector, the same at every call."""
    torch.manual_seed(0)
    chosen = SelectorOptions(unit, network, **options)
    return build_selector(name, schedule or Schedule(), SIZES, shape, chosen)


def make_objective(
    name="adversarial",
    unit=None,
    network="small",
    style="mask",
    auxiliary=(),
    shape=SHAPE,
    schedule=None,
    identity_weight=0.0,
    **options,
):
    """Make an objective with all parts, the same at every call."""
    torch.manual_seed(0)
    backbone, heads = build_backbone(shape, SIZES), FieldHeads(shape.dim, SIZES)
    extra = [AUXILIARIES[name](shape.dim, SIZES) for name in auxiliary]
    selector = make_selector(name, unit, network, schedule, shape, **options)
    corruption = build_corruption(style, SIZES, selector.withholds_all)
    return Objective(backbone, heads, selector, corruption, extra, identity_weight=identity_weight)


def make_module(folder, name="adversarial", **parts):
    """Make the module that trains such an objective, with nothing frozen."""
    return PretrainModule(make_objective(name, **parts), FreezeBook(folder, 10_000))
