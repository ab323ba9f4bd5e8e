"""What the backbone sees: chosen rows hidden, all others untouched."""

import torch

from pretrain.corruption import chosen_rows, mask_rows
from pretrain.selectors.base import Choice
from symbolic.vocabulary import MASK, PAD, RESERVED, Vocabulary

SIZES = Vocabulary().sizes


def batch(size=64, length=128):
    generator = torch.Generator().manual_seed(0)
    rows = torch.stack([torch.randint(RESERVED, n, (size, length), generator=generator) for n in SIZES], -1)
    rows[:, -10:] = PAD
    chosen = torch.rand(size, length, generator=generator) < 0.3
    chosen[:, -10:] = False
    return rows, chosen


def test_rows_not_chosen_stay_and_the_input_is_not_changed():
    rows, chosen = batch()
    before = rows.clone()
    seen = mask_rows(rows, chosen, SIZES, torch.Generator().manual_seed(1))
    assert torch.equal(rows, before)
    assert torch.equal(seen[~chosen], rows[~chosen])


def test_eighty_ten_ten_and_whole_rows():
    rows, chosen = batch()
    seen = mask_rows(rows, chosen, SIZES, torch.Generator().manual_seed(1))[chosen]
    masked = (seen == MASK).all(-1)
    kept = (seen == rows[chosen]).all(-1)
    assert torch.equal((seen == MASK).any(-1), masked)  # a row is masked whole
    assert abs(masked.float().mean() - 0.8) < 0.03
    assert abs(kept.float().mean() - 0.1) < 0.03


def test_random_rows_hold_values_of_every_field_and_no_reserved_id():
    rows, chosen = batch()
    seen = mask_rows(rows, chosen, SIZES, torch.Generator().manual_seed(1), masked=0.0, random=1.0)[chosen]
    assert (seen >= RESERVED).all()
    assert (seen < torch.tensor(SIZES)).all()
    for field, size in enumerate(SIZES):
        assert seen[:, field].unique().numel() > 0.8 * (size - RESERVED)


def test_the_same_generator_gives_the_same_corruption():
    rows, chosen = batch()
    first, second = (mask_rows(rows, chosen, SIZES, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, second)


def test_places_that_are_not_valid_are_not_chosen():
    choice = Choice(torch.tensor([[2, 0], [1, 3]]), torch.tensor([[True, False], [True, True]]))
    assert chosen_rows(choice, 4).tolist() == [[False, False, True, False], [False, True, False, True]]
