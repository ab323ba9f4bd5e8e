"""What the backbone sees: chosen cells hidden, all others untouched."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pretrain_helpers import SIZES, generator, make_objective, random_windows

from pretrain.settings import CORRUPTION_NAMES
from symbolic.masking.corruption import CORRUPTIONS, MaskCorruption, NoiseCorruption, build_corruption
from symbolic.masking.units import UNITS
from symbolic.tokens.vocabulary import (
    BAR,
    DRUM_PITCH,
    FIELDS,
    HIDDEN,
    MASK,
    PITCH,
    PROGRAM,
    RESERVED,
    TIME_SIGNATURE,
    VELOCITY,
)

BOUNDS = {"position": 4, "pitch": 12, "duration": 12, "velocity": 4, "tempo": 4}


def chosen_cells(windows, share=0.3, whole_tokens=False):
    noise = torch.rand(windows.tokens.shape, generator=generator(5))
    noise = noise[..., :1].expand_as(noise) if whole_tokens else noise
    return (noise < share) & windows.attention_mask[..., None]


def corrupt(style, windows, cells, fate=None, seed=1):
    fate = torch.rand(windows.tokens.shape, generator=generator(7)) if fate is None else fate
    return style(windows.tokens, cells, fate, generator(seed))


@pytest.fixture(scope="module")
def many():
    return random_windows(count=64, length=128, bars=200, withheld=(VELOCITY,))


def test_settings_list_every_style():
    assert sorted(CORRUPTION_NAMES) == sorted(CORRUPTIONS)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_other_cells_and_the_input_are_unchanged(name, many):
    before, cells = many.tokens.clone(), chosen_cells(many)
    corrupted = corrupt(build_corruption(name, SIZES), many, cells)
    assert torch.equal(many.tokens, before)
    assert torch.equal(corrupted.tokens[~cells], before[~cells])
    assert not (corrupted.withheld & ~cells).any()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_withheld_fields_stay_withheld_and_are_no_evidence(name, many):
    cells = chosen_cells(many)
    corrupted = corrupt(build_corruption(name, SIZES), many, cells)
    assert (corrupted.tokens[..., VELOCITY][many.attention_mask] == HIDDEN).all()
    assert not corrupted.withheld[..., VELOCITY].any()
    assert not corrupted.changed[..., VELOCITY].any()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_is_said_to_be_changed_or_withheld_is(name, many):
    cells = chosen_cells(many)
    seen, changed, withheld = corrupt(build_corruption(name, SIZES), many, cells)
    assert torch.equal(changed, (seen != many.tokens) & (seen != MASK))
    assert not ((seen != many.tokens) & ~withheld).any()
    # A random id may be right by chance, and still reveals nothing.
    by_chance = withheld & (seen == many.tokens)
    assert by_chance.sum() < 0.02 * withheld.sum()


def test_eighty_ten_ten(many):
    cells = chosen_cells(many) & (many.tokens >= RESERVED)
    seen, _, withheld = corrupt(MaskCorruption(SIZES), many, cells)
    masked, kept = seen[cells] == MASK, ~withheld[cells]
    assert abs(masked.float().mean() - 0.8) < 0.01
    assert abs(kept.float().mean() - 0.1) < 0.01
    assert torch.equal(seen[cells & ~withheld], many.tokens[cells & ~withheld])


@pytest.mark.parametrize("unit", UNITS)
def test_the_cells_of_a_unit_share_their_fate(unit):
    objective, windows = make_objective("uniform", unit), random_windows(count=40)
    seen = []
    objective.corruption.register_forward_hook(lambda _, args, out: seen.append((*args[:2], out)))
    objective(windows, torch.zeros_like(windows.attention_mask), generator())
    tokens, cells, (after, _, withheld) = seen[0]
    fates = torch.where(after == MASK, 1, torch.where(withheld, 2, 3))
    of_units = {}
    for window, token, field in cells.nonzero().tolist():
        bar = int(tokens[window, token, BAR])
        key = {"token": (token,), "field": (token, field), "bar": (bar, field)}[unit]
        of_units.setdefault((window, *key), set()).add(int(fates[window, token, field]))
    assert all(len(fate) == 1 for fate in of_units.values())
    assert set().union(*of_units.values()) == {1, 2, 3}


def test_random_ids_reach_every_value_and_no_reserved_one():
    windows = random_windows(count=64, length=128, bars=250, ragged=False)
    cells = torch.ones_like(windows.tokens, dtype=torch.bool)
    seen = corrupt(MaskCorruption(SIZES, masked=0.0, random=1.0), windows, cells).tokens
    assert (seen >= RESERVED).all()
    assert (seen < torch.tensor(SIZES)).all()
    for field, size in enumerate(SIZES):
        assert seen[..., field].unique().numel() == size - RESERVED


@given(seed=st.integers(0, 999), sizes=st.lists(st.integers(1, 40), min_size=8, max_size=8))
def test_noise_steps_are_bounded_nonzero_and_in_the_field(seed, sizes):
    sizes = [RESERVED + values for values in sizes]
    tokens = torch.stack([torch.randint(RESERVED, n, (4, 30), generator=generator(seed)) for n in sizes], -1)
    seen, changed, withheld = NoiseCorruption(sizes)(
        tokens, torch.ones_like(tokens, dtype=torch.bool), torch.rand(4, 30, 1), generator(seed)
    )
    assert withheld.all()
    for field, (name, size) in enumerate(zip(FIELDS, sizes, strict=True)):
        moved, bound = (seen - tokens)[..., field], BOUNDS.get(name, 0)
        if not bound or size == RESERVED + 1:
            assert (seen[..., field] == MASK).all()
            assert not changed[..., field].any()
            continue
        assert changed[..., field].all()
        assert ((moved.abs() >= 1) & (moved.abs() <= bound)).all()
        assert ((seen[..., field] >= RESERVED) & (seen[..., field] < size)).all()


def test_noise_takes_every_step_and_masks_unordered_fields(many):
    cells = torch.ones_like(many.tokens, dtype=torch.bool)
    seen = corrupt(NoiseCorruption(SIZES), many, cells).tokens
    for field, name in enumerate(FIELDS):
        moved = (seen - many.tokens)[..., field][many.tokens[..., field] >= RESERVED]
        bound = BOUNDS.get(name, 0)
        if bound and len(moved):
            assert set(moved.tolist()) == set(range(-bound, bound + 1)) - {0}
    for field in (BAR, PROGRAM, TIME_SIGNATURE):
        assert (seen[..., field][many.attention_mask] == MASK).all()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_withholding_all_masks_every_chosen_cell(name, many):
    cells = chosen_cells(many) & (many.tokens >= RESERVED)
    seen, changed, withheld = corrupt(build_corruption(name, SIZES, withhold_all=True), many, cells)
    assert (seen[cells] == MASK).all()
    assert torch.equal(withheld, cells)
    assert not changed.any()
    objective = make_objective("infilling", style=name)
    assert (objective.corruption.masked, objective.corruption.random) == (1.0, 0.0)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_generator_gives_the_same_corruption(name, many):
    style, cells = build_corruption(name, SIZES), chosen_cells(many)
    first, second, other = (corrupt(style, many, cells, seed=seed).tokens for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_noise_keeps_pitches_and_drum_keys_apart():
    first_drum = RESERVED + DRUM_PITCH
    tokens = torch.full((2, 400, 8), RESERVED + 5)
    tokens[0, :, PITCH], tokens[1, :, PITCH] = first_drum - 1, first_drum
    everything = torch.ones_like(tokens, dtype=torch.bool)
    fate = torch.zeros_like(tokens, dtype=torch.float)
    seen = NoiseCorruption(SIZES)(tokens, everything, fate, torch.Generator().manual_seed(0)).tokens[
        ..., PITCH
    ]
    assert (seen[0] < first_drum).all()
    assert (seen[1] > first_drum).all()
