"""Which rows are chosen, how many, and what the selector is taught."""

import numpy as np
import pytest
import torch

from pretrain.config import LEARNING_RATES, SELECTOR_NAMES
from pretrain.selectors import SELECTORS, Schedule, build_selector
from pretrain.selectors.adversarial import extremes
from pretrain.selectors.base import choose
from symbolic.backbone import PRESETS, BackboneConfig, build_backbone
from symbolic.errors import ConfigError
from symbolic.vocabulary import RESERVED, Vocabulary

SIZES = Vocabulary().sizes
SHAPE = BackboneConfig(dim=32, layers=1, heads=2, ffn=32, window=64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def windows(batch=6, length=64):
    """Rows of ragged windows: ids, and which of them are real."""
    ids = torch.stack([torch.randint(RESERVED, n, (batch, length), generator=generator()) for n in SIZES], -1)
    lengths = torch.linspace(length // 4, length, batch).long()
    real = torch.arange(length) < lengths[:, None]
    return ids * real[..., None], real


def test_settings_list_every_selector_and_preset():
    assert sorted(SELECTOR_NAMES) == sorted(SELECTORS)
    assert list(LEARNING_RATES) == list(PRESETS)


def test_unknown_selector_is_refused_with_the_choices():
    with pytest.raises(ConfigError, match="adversarial, scheduled, uniform"):
        build_selector("best", Schedule(), SIZES, SHAPE)


@pytest.mark.parametrize("name", SELECTORS)
def test_only_real_unfrozen_rows_are_chosen_in_the_scheduled_number(name):
    rows, real = windows()
    selector = build_selector(name, Schedule(), SIZES, SHAPE)
    frozen = (torch.rand(real.shape, generator=generator(1)) < 0.4) & real
    for seed in range(20):
        scores = selector.scores(rows, real, generator(seed)).detach()
        counts = selector.counts(real, frozen, generator(seed))
        candidates = real & ~frozen if selector.spares_frozen else real
        choice = choose(scores, candidates, counts, selector.most(rows.shape[1]))
        assert torch.equal(choice.valid.sum(1), counts)
        assert candidates.gather(1, choice.places)[choice.valid].all()
        for places, valid in zip(choice.places, choice.valid, strict=True):
            assert len(set(places[valid].tolist())) == int(valid.sum())


def test_the_highest_ranked_are_chosen():
    ranking = torch.tensor([[0.1, 0.9, 0.5, 0.7]])
    everything = torch.ones(1, 4, dtype=torch.bool)
    choice = choose(ranking, everything, torch.tensor([2]), 3)
    assert choice.places[choice.valid].tolist() == [1, 3]


def test_exploration_prefers_high_scores_without_always_taking_them():
    scores = torch.tensor([[2.0, 0.0, 0.0, 0.0]]).repeat(4000, 1)
    everything = torch.ones(4000, 4, dtype=torch.bool)
    one = torch.ones(4000, dtype=torch.int64)

    def share(exploration):
        selector = build_selector("adversarial", Schedule(), SIZES, SHAPE, exploration)
        places = choose(selector.ranking(scores, generator()), everything, one, 1).places
        return float((places == 0).float().mean())

    expected = np.exp(2) / (np.exp(2) + 3)  # drawn in proportion to exp(score)
    assert abs(share(1.0) - expected) < 0.03
    assert share(0.0) == 1.0


def test_no_candidates_means_nothing_is_chosen():
    nothing = torch.zeros(2, 5, dtype=torch.bool)
    assert not choose(torch.rand(2, 5), nothing, torch.tensor([3, 1]), 3).valid.any()


def test_schedule_is_the_smaller_of_a_random_share_and_the_cap():
    real = torch.ones(4000, 200, dtype=torch.bool)
    free = Schedule().counts(real, torch.zeros_like(real), generator())
    # U(0.1, 0.3) of 200 rows, capped at 30: a quarter of the draws fall below the cap.
    assert free.max() == 30
    assert free.min() >= 20
    assert 0.2 < (free < 30).float().mean() < 0.28
    assert float(free.float().mean() / 200) == pytest.approx(0.144, abs=0.002)
    mostly = torch.zeros_like(real)
    mostly[:, 40:] = True
    few = Schedule().counts(real, mostly, generator())
    assert few.min() >= 4
    assert few.max() <= 12


def test_uniform_ignores_freezing_and_is_even():
    _, real = windows(batch=400)
    selector = build_selector("uniform", Schedule(cap=0.25), SIZES, SHAPE)
    counts = selector.counts(real, real, generator())
    assert torch.equal(counts, (0.25 * real.sum(1)).round().long())
    hits = torch.zeros(64)
    full = torch.ones(1, 64, dtype=torch.bool)
    for seed in range(800):
        noise = selector.scores(torch.zeros(1, 64, 8), None, generator(seed))
        hits[choose(noise, full, torch.tensor([16]), 16).places] += 1
    assert hits.min() > 140  # 200 expected; binomial deviation 12
    assert hits.max() < 260


def test_scheduled_masks_as_few_as_the_adversary_but_anywhere():
    scheduled = build_selector("scheduled", Schedule(), SIZES, SHAPE)
    adversary = build_selector("adversarial", Schedule(), SIZES, SHAPE)
    _, real = windows()
    frozen = real & (torch.arange(64) % 2 == 0)
    for seed in range(5):
        same = adversary.counts(real, frozen, generator(seed))
        assert torch.equal(scheduled.counts(real, frozen, generator(seed)), same)
    assert not scheduled.spares_frozen
    assert adversary.spares_frozen


def test_targets_point_the_same_way_in_every_window():
    recovery = torch.rand(8, 20, generator=generator())
    valid = torch.arange(20) < torch.tensor([20, 20, 10, 10, 3, 3, 2, 1])[:, None]
    targets, labelled = extremes(recovery, valid)
    for window in range(7):
        masked = recovery[window][valid[window]]
        hard = recovery[window][labelled[window] & (targets[window] == 1)]
        easy = recovery[window][labelled[window] & (targets[window] == 0)]
        number = min(max(1, round(0.3 * len(masked))), len(masked) // 2)
        ordered = masked.sort().values
        assert torch.equal(easy.sort().values, ordered[:number])
        assert torch.equal(hard.sort().values, ordered[-number:])
    assert not labelled[7].any()  # one row alone is neither hard nor easy
    assert not labelled[~valid].any()


def test_the_selector_learns_hardness_in_even_and_odd_windows_alike():
    torch.manual_seed(0)
    selector = build_selector("adversarial", Schedule(), SIZES, SHAPE)
    rows, _ = windows(batch=8, length=64)
    rows = rows.clamp(min=RESERVED)
    everything = torch.ones(8, 64, dtype=torch.bool)
    hardness = rows[..., 3].float()  # the higher the pitch id, the harder
    optimizer = torch.optim.Adam(selector.parameters(), lr=3e-3)
    for _ in range(120):
        optimizer.zero_grad()
        selector.loss(selector.scores(rows, None, generator()), hardness, everything).backward()
        optimizer.step()
    scores = selector.scores(rows, None, generator()).detach().numpy()
    for window in range(8):
        assert np.corrcoef(scores[window], hardness[window])[0, 1] > 0.5


def test_selector_is_small_beside_its_backbone():
    for name in ("tiny", "small"):
        config = PRESETS[name]
        own = sum(
            p.numel()
            for p in build_selector("adversarial", Schedule(), SIZES, config).network.body.blocks.parameters()
        )
        theirs = sum(p.numel() for p in build_backbone(config, SIZES).blocks.parameters())
        assert own < 0.1 * theirs
