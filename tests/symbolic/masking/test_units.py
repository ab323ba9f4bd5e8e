"""Units of choice: which cells belong together, and how many of them a budget holds."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pretrain_helpers import SIZES, generator, random_windows, states

from pretrain.settings import UNIT_NAMES
from symbolic.masking.units import UNITS, BarUnit, Choice, FieldUnit, TokenUnit
from symbolic.tokens.vocabulary import BAR, FIELDS, PITCH, RESERVED, VELOCITY

CELL_UNITS = [FieldUnit.name, BarUnit.name]


def choose(name, windows, candidates, counts, seed=0):
    """By a random ranking; also the ranking."""
    unit, tokens = UNITS[name](SIZES), windows.tokens
    ranking = torch.rand(len(tokens), unit.count(tokens.shape[1]), generator=generator(seed))
    return unit.choose(ranking, tokens, candidates, counts, max(1, int(counts.max()))), ranking


def cells_by_loop(name, tokens, attention_mask):
    r"""For each window, the cells \(token, field\) of every unit outside padding, computed without tensors."""
    found = []
    for window, there in zip(tokens.tolist(), attention_mask.tolist(), strict=True):
        cells = {}
        for token, ids in enumerate(window):
            for field in range(len(FIELDS)):
                bar = max(0, ids[BAR] - RESERVED)
                number = {"token": token, "field": 8 * token + field, "bar": 8 * bar + field}[name]
                if there[token]:
                    cells.setdefault(number, []).append((token, field))
        found.append(cells)
    return found


def test_settings_list_every_unit():
    assert sorted(UNIT_NAMES) == sorted(UNITS)


@pytest.mark.parametrize("name", UNITS)
@given(state=states(), most=st.integers(1, 60))
def test_padding_and_hidden_fields_are_never_chosen(name, state, most):
    windows, frozen = state
    candidates = windows.attention_mask & ~frozen
    counts = torch.randint(0, most + 1, (len(frozen),), generator=generator(most))
    choice, _ = choose(name, windows, candidates, counts)
    chosen = choice.spread(windows.tokens.shape[1])
    assert not (chosen & ~candidates[..., None]).any()
    if name in CELL_UNITS:
        assert not (chosen & (windows.tokens < RESERVED)).any()
    assert not chosen[counts == 0].any()


@given(state=states(), most=st.integers(1, 60))
def test_tokens_are_whole_and_as_many_as_asked_for(state, most):
    windows, frozen = state
    candidates = windows.attention_mask & ~frozen
    counts = torch.randint(0, most + 1, (len(frozen),), generator=generator(most))
    chosen = choose("token", windows, candidates, counts)[0].spread(windows.tokens.shape[1])
    assert torch.equal(chosen.any(-1), chosen.all(-1))
    assert torch.equal(chosen.any(-1).sum(1), torch.minimum(counts, candidates.sum(1)))


@given(state=states(), most=st.integers(1, 60))
def test_fields_are_exactly_as_many_as_asked_for(state, most):
    windows, frozen = state
    candidates = windows.attention_mask & ~frozen
    eligible = candidates[..., None] & (windows.tokens >= RESERVED)
    counts = torch.randint(0, most + 1, (len(frozen),), generator=generator(most))
    chosen = choose("field", windows, candidates, counts)[0].spread(windows.tokens.shape[1])
    assert torch.equal(chosen.sum((1, 2)), torch.minimum(8 * counts, eligible.sum((1, 2))))


@given(state=states(), most=st.integers(1, 60))
def test_bars_are_whole_and_fill_the_budget_by_rank(state, most):
    windows, frozen = state
    candidates = windows.attention_mask & ~frozen
    counts = torch.randint(0, most + 1, (len(frozen),), generator=generator(most))
    choice, ranking = choose("bar", windows, candidates, counts)
    chosen = choice.spread(windows.tokens.shape[1]).tolist()
    eligible = (candidates[..., None] & (windows.tokens >= RESERVED)).tolist()
    for window, bars in enumerate(cells_by_loop("bar", windows.tokens, windows.attention_mask)):
        budget, taken = 8 * int(counts[window]), set()
        for number in sorted(bars, key=lambda unit: -float(ranking[window, unit])):
            cells = {(r, f) for r, f in bars[number] if eligible[window][r][f]}
            if not cells:
                continue
            if not budget or (taken and len(taken) + len(cells) > budget):
                break
            taken |= cells  # the first in any case, for without it the window would teach nothing
        length = range(len(chosen[window]))
        assert {(r, f) for r in length for f in range(8) if chosen[window][r][f]} == taken


@pytest.mark.parametrize("name", UNITS)
def test_the_highest_ranked_are_chosen(name):
    windows = random_windows()
    counts = torch.full((6,), 4).minimum(windows.attention_mask.sum(1))
    choice, ranking = choose(name, windows, windows.attention_mask, counts)
    looked_at = ranking.gather(1, choice.units)
    exists = choice.taken | (UNITS[name](SIZES).pool(*ones(name, windows)) > 0).gather(1, choice.units)
    for window in range(6):
        taken = looked_at[window][choice.taken[window]]
        left = looked_at[window][exists[window] & ~choice.taken[window]]
        assert len(taken)
        assert not len(left) or taken.min() > left.max()


def ones(name, windows):
    """Scores of 1 on tokens that are not padding, so that pooling finds the units that exist."""
    scores = windows.attention_mask[..., None].expand(-1, -1, UNITS[name](SIZES).outputs).float()
    return scores, windows.tokens, windows.attention_mask


@pytest.mark.parametrize("name", UNITS)
def test_pooling_and_hardness_are_those_of_a_loop(name):
    windows, unit = random_windows(count=3, length=20, withheld=(VELOCITY,)), UNITS[name](SIZES)
    tokens, attention_mask = windows.tokens, windows.attention_mask
    scores = torch.rand(3, 20, unit.outputs, generator=generator(1))
    loss = torch.rand(3, 20, 8, generator=generator(2)) * (tokens >= RESERVED)
    pooled = unit.pool(scores, tokens, attention_mask)
    choice, _ = choose(name, windows, attention_mask, torch.full((3,), 9))
    at_places = loss.gather(1, choice.places[..., None].expand(-1, -1, 8))
    visible = torch.rand(choice.cells.shape, generator=generator(3)) < 0.2
    visible = visible.any(-1, keepdim=True).expand_as(visible) if name == "token" else visible
    hardness, valid = unit.hardness(at_places, choice.cells & ~visible, choice, tokens)
    whole = Choice(choice.places, choice.cells & ~visible, choice.units, choice.taken).spread(20)
    for window, units in enumerate(cells_by_loop(name, tokens, attention_mask)):
        found = {
            number: [float(loss[window, r, f]) for r, f in cells if whole[window, r, f]]
            for number, cells in units.items()
        }
        for number, cells in units.items():
            theirs = [scores[window, r, f if unit.outputs > 1 else 0] for r, f in cells]
            assert float(pooled[window, number]) == pytest.approx(float(torch.stack(theirs).mean()))
        for number, is_valid, value in zip(
            choice.units[window], valid[window], hardness[window], strict=True
        ):
            evidence = found.get(int(number), [])
            assert bool(is_valid) == bool(evidence)
            if evidence:
                share = 1 if name == "token" else len(evidence)
                assert float(value) == pytest.approx(sum(evidence) / share)


@pytest.mark.parametrize("name", UNITS)
def test_values_of_units_reach_their_cells_and_tokens(name):
    windows, unit = random_windows(count=2, length=16), UNITS[name](SIZES)
    values = torch.rand(2, unit.count(16), generator=generator())
    cells = unit.cells_of(values, windows.tokens).expand(2, 16, 8)
    for window, units in enumerate(cells_by_loop(name, windows.tokens, windows.attention_mask)):
        for number, belonging in units.items():
            assert all(cells[window, r, f] == values[window, number] for r, f in belonging)
    assert torch.allclose(unit.tokens_of(values, windows.tokens), cells.mean(-1))


def test_nothing_to_choose_from_means_nothing_is_chosen():
    windows = random_windows(count=2)
    for name in UNITS:
        choice, _ = choose(name, windows, torch.zeros_like(windows.attention_mask), torch.tensor([3, 1]))
        assert not choice.cells.any()
        assert not choice.taken.any()


def test_places_that_are_not_valid_are_not_spread():
    cells = torch.tensor([[True, False], [True, True]])[..., None].expand(-1, -1, 8)
    choice = Choice(torch.tensor([[2, 0], [1, 3]]), cells, torch.zeros(2, 2), cells[..., 0])
    spread = choice.spread(4)
    assert spread[..., PITCH].tolist() == [[False, False, True, False], [False, True, False, True]]
    assert torch.equal(spread.any(-1), spread.all(-1))


def test_tokens_of_the_same_rank_are_chosen_from_the_left():
    tied = torch.zeros(3, 400)
    tokens = torch.full((3, 400, 8), RESERVED)
    everything = torch.ones(3, 400, dtype=torch.bool)
    choice = TokenUnit(SIZES).choose(tied, tokens, everything, torch.tensor([5, 60, 0]), 60)
    chosen = choice.spread(400).any(-1)
    assert chosen[0].nonzero().flatten().tolist() == list(range(5))
    assert chosen[1].nonzero().flatten().tolist() == list(range(60))
