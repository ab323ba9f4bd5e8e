"""The infilling selector: what is hidden together, and how much a window weighs."""

from __future__ import annotations

import torch
from pretrain_helpers import SIZES, generator, make_objective, random_windows

from symbolic.masking.passages import passage_ranking
from symbolic.tokens.vocabulary import BAR, PROGRAM, RESERVED, TEMPO, TIME_SIGNATURE

FRAME = [BAR, PROGRAM, TIME_SIGNATURE, TEMPO]
DRAWN = [field for field in range(8) if field not in FRAME]


def rankings(count=400):
    windows = random_windows(count=count, length=40, ragged=False)
    return windows.tokens, passage_ranking(windows.tokens, SIZES[BAR] - RESERVED, generator(1))


def test_fields_notes_bars_and_runs_rank_alike_in_a_share_of_windows():
    tokens, ranking = rankings()
    drawn = ranking[..., DRAWN]
    even = (drawn - drawn[..., :1]).abs().amax((1, 2)) < 1e-6  # without fields that rank higher throughout
    of_note = drawn[..., 0]
    bars = tokens[..., BAR]
    by_bar = torch.stack([torch.stack([r[b == n].std() for n in b.unique() if (b == n).sum() > 1]).max() < 1e-6
                          for r, b in zip(of_note, bars, strict=True)])  # fmt: skip
    runs = ((of_note.diff(dim=1) == 0).float().mean(1) > 0.6) & ~by_bar
    shares = [float(kind.float().mean()) for kind in (even, even & by_bar, even & runs)]
    # Three kinds of four are of whole notes, and in half of the windows fields rank alike.
    assert 0.3 < shares[0] < 0.46
    assert 0.08 < shares[1] < 0.18
    assert 0.08 < shares[2] < 0.18


def test_fields_that_are_given_are_hidden_last_in_half_of_the_windows():
    _, ranking = rankings()
    last = ranking[..., FRAME].amax((1, 2)) < ranking[..., DRAWN].amin((1, 2))
    assert 0.4 < float(last.float().mean()) < 0.62


def test_a_window_weighs_by_its_tokens_not_by_what_is_hidden():
    objective = make_objective("infilling", "field")
    attention_mask = torch.arange(10) < torch.tensor([[10], [5]])
    learnt = torch.zeros(2, 10, 8, dtype=torch.bool)
    learnt[0, :1, :4] = True
    learnt[1, :5] = True
    weights = objective._weighted(learnt, attention_mask).sum((1, 2))
    assert weights.tolist() == [10, 5]
    assert torch.equal(make_objective("uniform", "field")._weighted(learnt, attention_mask), learnt)


def test_the_loss_is_the_mean_over_windows_of_one_length():
    objective = make_objective("infilling", "field")
    windows = random_windows(count=4, ragged=False)
    frozen = torch.zeros_like(windows.attention_mask)
    step = objective(windows, frozen, generator(), 1.0)
    losses, cells = step.recovery.loss * objective.field_weights(), step.choice.cells & step.recovery.counted
    means = (losses * cells).sum((1, 2)) / cells.sum((1, 2))
    assert torch.allclose(step.loss, means.mean(), atol=1e-5)
