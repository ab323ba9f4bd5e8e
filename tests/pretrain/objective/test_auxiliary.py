"""Targets beside recovery, each against a loop that says what it is."""

import math

import pytest
import torch
from pretrain_helpers import SIZES, generator, make_objective, random_windows

from pretrain.objective.auxiliary import AUXILIARIES, BarChroma, ChangedFields, RelationShares
from pretrain.settings import AUXILIARY_NAMES
from symbolic.masking.corruption import Corrupted
from symbolic.relations import relation_ids
from symbolic.tokens.vocabulary import BAR, DRUM_PITCH, HIDDEN, PITCH, RESERVED, VELOCITY

DIM = 16


def made(name, windows):
    torch.manual_seed(0)
    hidden = torch.randn(*windows.attention_mask.shape, DIM, generator=generator(1))
    changed = (torch.rand(windows.tokens.shape, generator=generator(2)) < 0.2) & windows.attention_mask[
        ..., None
    ]
    return AUXILIARIES[name](DIM, SIZES).requires_grad_(False), hidden, changed


def test_settings_list_every_head():
    assert sorted(AUXILIARY_NAMES) == sorted(AUXILIARIES)


def read(windows, changed):
    """What the backbone read, with some cells changed."""
    return Corrupted(windows.tokens, changed, changed)


def test_changed_fields_are_a_binary_target_without_padding():
    windows = random_windows(count=3, length=12, withheld=(VELOCITY,))
    head, hidden, changed = made(ChangedFields.name, windows)
    total, cells = 0.0, 0
    for window, token in windows.attention_mask.nonzero().tolist():
        for logit, was in zip(head.output(hidden[window, token]), changed[window, token], strict=True):
            share = 1 / (1 + math.exp(-float(logit)))
            total -= math.log(share if was else 1 - share)
            cells += 1
    found = head.loss(hidden, windows.tokens, windows.attention_mask, read(windows, changed))
    assert float(found) == pytest.approx(total / cells, rel=1e-5)


@pytest.mark.parametrize("withheld", [(), (BAR,), (PITCH,)])
def test_chroma_is_the_cross_entropy_of_each_bars_pitch_classes(withheld):
    windows = random_windows(count=3, length=14, withheld=withheld)
    tokens = windows.tokens
    # A bar of drums alone, and a note of withheld pitch.
    tokens[0, :, PITCH] = torch.where(
        tokens[0, :, BAR] == tokens[0, 0, BAR], RESERVED + DRUM_PITCH + 5, tokens[0, :, PITCH]
    )
    tokens[1, 0, PITCH] = HIDDEN
    head, hidden, changed = made(BarChroma.name, windows)
    losses = []
    for window in range(3):
        bars = {}
        for token in windows.attention_mask[window].nonzero().flatten().tolist():
            bars.setdefault(int(tokens[window, token, BAR]), []).append(token)
        for members in bars.values():
            classes = [0] * 12
            for token in members:
                pitch = int(tokens[window, token, PITCH]) - RESERVED
                if 0 <= pitch < DRUM_PITCH:
                    classes[pitch % 12] += 1
            if sum(classes):
                log = head.output(hidden[window, members].mean(0)).log_softmax(-1).tolist()
                losses.append(-sum(n / sum(classes) * it for n, it in zip(classes, log, strict=True)))
    found = float(head.loss(hidden, tokens, windows.attention_mask, read(windows, changed)))
    assert found == pytest.approx(sum(losses) / max(len(losses), 1), rel=1e-5)
    assert bool(losses) == (withheld != (PITCH,))


@pytest.mark.parametrize("name", AUXILIARIES)
def test_padding_is_no_part_of_it(name):
    windows = random_windows()
    head, hidden, changed = made(name, windows)
    padded = ~windows.attention_mask[..., None]
    first = head.loss(hidden, windows.tokens, windows.attention_mask, read(windows, changed))
    noise = torch.randn(hidden.shape, generator=generator(3))
    second = head.loss(
        torch.where(padded, noise, hidden),
        windows.tokens.masked_fill(padded, RESERVED + 1),
        windows.attention_mask,
        read(windows, changed | padded),
    )
    assert torch.allclose(first, second)


@pytest.mark.parametrize("style", ["mask", "noise"])
def test_auxiliary_heads_get_the_changed_cells(style):
    objective, windows = make_objective("uniform", style=style, auxiliary=AUXILIARIES), random_windows()
    told, seen = [], []
    objective.auxiliary["changed"].loss = lambda hidden, tokens, attention_mask, corrupted: (
        told.append(corrupted.changed) or 0.0
    )
    objective.corruption.register_forward_hook(lambda _, args, out: seen.append(out))
    step = objective(windows, torch.zeros_like(windows.attention_mask), generator())
    assert torch.equal(told[0], seen[0].changed)
    assert told[0].any()
    assert set(step.auxiliary) == set(AUXILIARIES)


def test_shares_are_the_divergence_from_each_windows_relations():
    windows = random_windows(count=3, length=14, withheld=())
    windows.tokens[0, :5, PITCH] = RESERVED + DRUM_PITCH + 5  # drums have no relations
    head, hidden, changed = made(RelationShares.name, windows)
    losses = []
    for window in range(3):
        there = windows.attention_mask[window]
        states = hidden[window, there]
        pooled = torch.cat([states.mean(0), (states.var(0, unbiased=False) + 1e-6).sqrt()])
        ids = relation_ids(windows.tokens[window, there])
        for column, scores in enumerate(head.output(pooled).split(head.sizes)):
            known = ids[ids[:, column] > 0, column].tolist()
            log = scores.log_softmax(-1).tolist()
            shares = {value: known.count(value) / len(known) for value in set(known)}
            losses.append(sum(share * (math.log(share) - log[value]) for value, share in shares.items()))
    found = head.loss(hidden, windows.tokens, windows.attention_mask, read(windows, changed))
    assert float(found) == pytest.approx(sum(losses) / len(losses), rel=1e-4)
