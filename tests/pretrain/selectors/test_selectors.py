"""Which units are chosen, how many, and what the selector is taught."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pretrain_helpers import (
    BY_UNIT,
    LEARNED,
    SHAPE,
    SIZES,
    as_batch,
    generator,
    make_objective,
    make_selector,
    random_frozen,
    random_windows,
    states,
)

from pretrain.objective import AUXILIARY_NAMES
from pretrain.objective.auxiliary import AUXILIARIES
from pretrain.selectors import (
    NETWORK_NAMES,
    SELECTORS,
    Schedule,
    SelectorInput,
    SelectorOptions,
    build_selector,
)
from pretrain.selectors.adversarial import extremes
from pretrain.selectors.network import NETWORKS, build_network
from pretrain.settings import LEARNING_RATES, TOKENS_PER_BATCH
from symbolic.backbone import PRESETS, build_backbone
from symbolic.errors import ConfigError
from symbolic.masking import CORRUPTION_NAMES, UNIT_NAMES
from symbolic.masking.corruption import CORRUPTIONS
from symbolic.masking.units import UNITS
from symbolic.tokens.vocabulary import FIELDS, PROGRAM, RESERVED, TIME_SIGNATURE, VELOCITY

OBJECTIVES = {(name, unit): make_objective(name, unit) for name, unit in BY_UNIT}


def selector_input(windows, frozen=None, seed=0, progress=1.0):
    frozen = torch.zeros_like(windows.attention_mask) if frozen is None else frozen
    return SelectorInput(
        windows.tokens, windows.attention_mask, windows.attend, frozen, generator(seed), build_backbone(SHAPE, SIZES),
        progress,
    )  # fmt: skip


def full_windows(count=8, length=64):
    return random_windows(count=count, length=length, ragged=False)


def test_names_for_settings_are_those_of_the_registries():
    assert all(selector.name == name for name, selector in SELECTORS.items())
    assert sorted(NETWORK_NAMES) == sorted(NETWORKS)
    assert sorted(UNIT_NAMES) == sorted(UNITS)
    assert sorted(CORRUPTION_NAMES) == sorted(CORRUPTIONS)
    assert sorted(AUXILIARY_NAMES) == sorted(AUXILIARIES)
    assert list(TOKENS_PER_BATCH) == list(LEARNING_RATES) == list(PRESETS)


def test_unknown_names_are_refused_with_the_choices():
    with pytest.raises(ConfigError, match=r"adversarial, infilling, .*uniform"):
        build_selector("best", Schedule(), SIZES, SHAPE)
    with pytest.raises(ConfigError, match=r"'span' does not support the unit 'bar'\. It supports token"):
        build_selector("span", Schedule(), SIZES, SHAPE, SelectorOptions("bar"))
    with pytest.raises(ConfigError, match="small, exit, shared_exit, full"):
        build_selector("adversarial", Schedule(), SIZES, SHAPE, SelectorOptions(network="large"))


@pytest.mark.parametrize(("name", "unit"), BY_UNIT)
@settings(max_examples=25)
@given(state=states(), seed=st.integers(0, 99))
def test_padding_frozen_tokens_and_hidden_fields_are_not_chosen(name, unit, state, seed):
    (windows, frozen), objective = state, OBJECTIVES[name, unit]
    selector = objective.selector
    inputs = objective.selector_input(windows, frozen, generator(seed), progress=0.5)
    chosen = selector.choose(selector.scores(inputs).detach(), inputs).spread(windows.tokens.shape[1])
    assert not chosen[~windows.attention_mask].any()
    assert not (chosen & (windows.tokens < RESERVED)).any() or unit == "token"
    assert selector.spares_frozen == (name != "scheduled")
    if selector.spares_frozen:
        assert not chosen[frozen].any()
    elif unit != "token":
        frozen = frozen & (windows.tokens >= RESERVED).any(-1)
    free = windows.attention_mask & ~frozen & (windows.tokens >= RESERVED).any(-1)
    assert chosen.any((1, 2))[free.any(1)].all(), "a window with something to recover teaches nothing"


@pytest.mark.parametrize(("name", "unit"), BY_UNIT)
@settings(max_examples=25)
@given(state=states(), seed=st.integers(0, 99))
def test_the_number_of_chosen_tokens_is_the_count(name, unit, state, seed):
    (windows, frozen), objective = state, OBJECTIVES[name, unit]
    selector, wanted = objective.selector, []
    inputs = objective.selector_input(windows, frozen, generator(seed))
    scores = selector.scores(inputs).detach()
    with pytest.MonkeyPatch.context() as patch:
        counts = selector.counts
        patch.setattr(selector, "counts", lambda of: wanted.append(counts(of)) or wanted[0])
        chosen = selector.choose(scores, inputs).spread(windows.tokens.shape[1])
    candidates = windows.attention_mask & ~frozen if selector.spares_frozen else windows.attention_mask
    eligible = candidates[..., None] & (windows.tokens >= RESERVED)
    cells, tokens = chosen.sum((1, 2)), chosen.any(-1).sum(1)
    if unit == "token":
        assert torch.equal(tokens, torch.minimum(wanted[0], candidates.sum(1)))
    elif unit == "field":
        assert torch.equal(cells, torch.minimum(8 * wanted[0], eligible.sum((1, 2))))
    else:
        # The first bar may exceed the budget by itself.
        bars = [len(set(zip(*np.nonzero(c.numpy())[1:], strict=True))) for c in chosen.split(1)]
        beyond = cells > 8 * wanted[0]
        for window in beyond.nonzero().flatten().tolist():
            where = chosen[window].nonzero()
            assert bars[window]
            assert len(where[:, 1].unique()) == 1
            assert len(windows.tokens[window, where[:, 0], 0].unique()) == 1


@pytest.mark.parametrize("cap", [0.15, 0.3, 0.35, 0.7])
def test_places_never_fall_short_of_the_count(cap):
    for name in ("uniform", "adversarial"):
        selector = make_selector(name, schedule=Schedule(cap, cap, cap))
        for length in range(1, 800):
            windows = torch.zeros(1, length, 8)
            attention_mask = torch.ones(1, length, dtype=torch.bool)
            inputs = SelectorInput(windows, attention_mask, None, ~attention_mask, generator(), None)
            assert int(selector.counts(inputs)) <= selector.most(length) <= length


def test_exploration_prefers_high_scores_but_varies():
    scores = torch.tensor([[2.0, 0.0, 0.0, 0.0]]).repeat(4000, 1)
    tokens = torch.full((4000, 4, 8), RESERVED)
    everything = torch.ones(4000, 4, dtype=torch.bool)
    one = torch.ones(4000, dtype=torch.int64)

    def share(progress=1.0, **options):
        selector = make_selector("adversarial", **options)
        inputs = selector_input(as_batch(tokens, everything), progress=progress)
        ranking = selector.ranking(scores, inputs)
        return float((selector.unit.choose(ranking, tokens, everything, one, 1).places == 0).float().mean())

    expected = np.exp(2) / (np.exp(2) + 3)  # drawn in proportion to exp(score)
    assert abs(share(exploration=1.0) - expected) < 0.03
    assert share(exploration=0.0) == 1.0
    # A ramp begins at chance and ends where there would be none.
    assert abs(share(0.0, exploration=0.0, ramp=0.5) - 0.25) < 0.03
    assert 0.3 < share(0.25, exploration=0.0, ramp=0.5) < 0.95
    assert share(0.5, exploration=0.0, ramp=0.5) == 1.0
    assert abs(share(0.5, exploration=1.0, ramp=0.5) - expected) < 0.03


def test_schedule_is_the_smaller_of_a_random_share_and_the_cap():
    attention_mask = torch.ones(4000, 200, dtype=torch.bool)
    free = Schedule().counts(attention_mask, torch.zeros_like(attention_mask), generator())
    # U(0.1, 0.3) of 200 tokens, capped at 30: a quarter of the draws fall below the cap.
    assert free.max() == 30
    assert free.min() >= 20
    assert 0.2 < (free < 30).float().mean() < 0.28
    assert float(free.float().mean() / 200) == pytest.approx(0.144, abs=0.002)
    mostly = torch.zeros_like(attention_mask)
    mostly[:, 40:] = True
    few = Schedule().counts(attention_mask, mostly, generator())
    assert few.min() >= 4
    assert few.max() <= 12


@pytest.mark.parametrize("unit", ["token", "field"])
def test_uniform_ignores_the_schedule_and_is_even(unit):
    windows, frozen = random_windows(count=40), torch.zeros(40, 48, dtype=torch.bool)
    selector = make_selector("uniform", unit, schedule=Schedule(cap=0.25))
    counts = selector.counts(selector_input(windows, frozen))
    assert torch.equal(counts, (0.25 * windows.attention_mask.sum(1)).round().long().clamp(min=1))
    alike = full_windows(800, 64)
    inputs = selector_input(alike)
    hits = selector.choose(selector.scores(inputs), inputs).spread(64).sum(0)
    share = hits if unit == "field" else hits[:, :1]
    assert share.min() > 140  # 200 expected; binomial deviation 12
    assert share.max() < 260


def test_scheduled_masks_as_few_as_adversarial_but_anywhere():
    scheduled, adversary = make_selector("scheduled"), make_selector("adversarial")
    windows = random_windows()
    frozen = windows.attention_mask & (torch.arange(48) % 2 == 0)
    for seed in range(5):
        same = adversary.counts(selector_input(windows, frozen, seed))
        assert torch.equal(scheduled.counts(selector_input(windows, frozen, seed)), same)
    assert not scheduled.spares_frozen
    assert adversary.spares_frozen


def test_spans_are_runs_and_only_the_last_one_is_cut():
    selector, alike = make_selector("span"), full_windows(200, 100)
    inputs = selector_input(alike)
    scores = selector.scores(inputs)
    chosen = selector.choose(scores, inputs).spread(100).any(-1)
    begins = torch.cat([torch.ones(200, 1, dtype=torch.bool), scores[:, 1:] != scores[:, :-1]], 1)
    assert float(100 * 200 / begins.sum()) == pytest.approx(5.0, rel=0.1)  # tokens in a run
    for token, run in zip(chosen.tolist(), begins.long().cumsum(1).tolist(), strict=True):
        taken = {}
        for is_chosen, number in zip(token, run, strict=True):
            taken.setdefault(number, []).append(is_chosen)
        cut = [tokens for tokens in taken.values() if any(tokens) and not all(tokens)]
        assert len(cut) <= 1
        assert all(tokens == sorted(tokens, reverse=True) for tokens in cut)  # its first tokens
    stretches = chosen.long().diff(dim=1, prepend=torch.zeros(200, 1, dtype=torch.long)).clamp(min=0).sum()
    assert float(chosen.sum() / stretches) > 2 / (1 - 0.15)  # tokens at random: 1 / (1 - 0.15)


def test_infilling_hides_every_share_alike():
    selector, windows = make_selector("infilling"), random_windows(count=2000, length=40)
    inputs = selector_input(windows)
    chosen = selector.choose(selector.scores(inputs), inputs).spread(40)
    share = (
        (chosen.sum((1, 2)) / (8 * windows.attention_mask.sum(1)))[windows.attention_mask.sum(1) >= 20]
        .sort()
        .values
    )
    # Counts are whole tokens, rounded up, which moves a share by half a token on average.
    expected = (torch.arange(len(share)) + 0.5) / len(share) + 0.5 / 30
    assert (share - expected).abs().max() < 0.045
    assert share.max() == 1


def voices(windows, **fields):
    """Windows with given fields, the scores that the voice selector gives them, and what it hides."""
    tokens = windows.tokens.clone()
    tokens[..., PROGRAM] = RESERVED
    for field, values in fields.items():
        tokens[..., FIELDS.index(field)] = RESERVED + values
    selector = make_selector("voice", schedule=Schedule(0.3, 0.3, 0.3))
    inputs = selector_input(windows._replace(tokens=tokens))
    scores = selector.scores(inputs)
    return scores, selector.choose(scores, inputs).spread(tokens.shape[1]).any(-1)


def test_a_voice_is_all_notes_of_a_program_before_any_other():
    program = torch.arange(60) % 5
    for score, taken in zip(*voices(full_windows(8, 60), program=program), strict=True):
        member = program == program[score.argmax()]
        assert torch.equal(score >= 1, member)
        assert taken[member].all()  # 12 notes of 60 are fewer than 30 %
        assert taken.sum() == 18


def test_a_voice_of_one_program_is_the_top_the_bottom_or_between():
    chord, place = torch.arange(64) // 4, torch.arange(64) % 4
    pitch = torch.tensor([48, 55, 64, 72])[place]
    scores, _ = voices(full_windows(40, 64), bar=chord // 4, position=chord % 4, pitch=pitch)
    hidden = {tuple(place[score >= 1].unique().tolist()) for score in scores}
    assert hidden == {(0,), (1, 2), (3,)}


def test_a_long_voice_is_hidden_around_one_note():
    program = (torch.arange(60) % 60 > 29).long()
    for score, taken in zip(*voices(full_windows(8, 60), program=program), strict=True):
        centre, places = int(score.argmax()), taken.nonzero().flatten()
        assert len(places) == 18
        assert places.max() - places.min() == 17
        assert taken[centre]


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
    assert not labelled[7].any()  # one token alone is neither hard nor easy
    assert not labelled[~valid].any()


@pytest.mark.parametrize("unit", UNITS)
def test_adversarial_learns_in_even_and_odd_windows_alike(unit):
    selector, windows = make_selector("adversarial", unit), full_windows(8, 32)
    hardness = selector.unit.pool(
        # The louder, the harder; by other units, the higher the id.
        windows.tokens[..., VELOCITY:TIME_SIGNATURE].float()
        if unit == "token"
        else windows.tokens / torch.tensor(SIZES),
        windows.tokens,
        windows.attention_mask,
    )
    inputs = selector_input(windows)
    exist = selector.unit.exist(windows.tokens, windows.attention_mask)
    optimizer = torch.optim.Adam(selector.parameters(), lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        selector.loss(selector.scores(inputs), hardness, exist).backward()
        optimizer.step()
    scores = selector.scores(inputs).detach().sigmoid()
    for window in range(8):
        there = exist[window]
        assert np.corrcoef(scores[window][there], hardness[window][there])[0, 1] > 0.5


def learning(rounds=60):
    """A learnability selector that saw soft notes become easy, while loud ones stayed hard."""
    selector, windows = make_selector("learnability"), full_windows(8, 32)
    hopeless = windows.tokens[..., VELOCITY] > SIZES[VELOCITY] // 2
    inputs = selector_input(windows)
    optimizer = torch.optim.Adam(selector.parameters(), lr=1e-2)
    for step in range(rounds):
        hardness = torch.where(hopeless, 12.0, 10.0 * 0.5 ** (step / 12))
        optimizer.zero_grad()
        selector.loss(selector.scores(inputs), hardness, windows.attention_mask).backward()
        optimizer.step()
        selector.after_step()
    return selector, inputs, hopeless


def test_learnability_chooses_the_learnable_and_retires_noise():
    selector, inputs, hopeless = learning()
    scores = selector.scores(inputs).detach()
    preference, retirement = selector.preference(scores, inputs), selector.retirement(inputs).detach()
    assert scores[hopeless].mean() > scores[~hopeless].mean()  # it knows what is hard,
    assert preference[~hopeless].mean() > preference[hopeless].mean() + 1  # and does not seek it
    assert retirement[hopeless].mean() > retirement[~hopeless].mean()


@pytest.mark.parametrize("unit", UNITS)
def test_learnability_measures_progress_in_deviations(unit):
    selector, windows = make_selector("learnability", unit), random_windows()
    with torch.no_grad():
        for weight in selector.network.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator())
    found = []
    for more in (0, 70):
        tokens = torch.nn.functional.pad(windows.tokens, (0, 0, 0, more))
        inputs = selector_input(as_batch(tokens, torch.nn.functional.pad(windows.attention_mask, (0, more))))
        exist = selector.unit.exist(tokens, inputs.attention_mask)
        preference = selector.preference(selector.scores(inputs).detach(), inputs)
        found.append(preference[exist])
        assert float(preference[exist].std(correction=0)) == pytest.approx(1.0, rel=1e-4)
    assert torch.allclose(*found, atol=1e-4)


@pytest.mark.parametrize("name", LEARNED)
def test_uncounted_cells_do_not_move_the_loss(name):
    scores = torch.rand(4, 20, generator=generator())
    valid = torch.rand(4, 20, generator=generator(1)) < 0.5
    recovery = torch.rand(4, 20, generator=generator(2))
    other = torch.where(valid, recovery, 1e6)
    losses = [make_selector(name).loss(scores, of, valid) for of in (recovery, other)]
    assert torch.equal(*losses)
    assert losses[0] > 0
    assert make_selector(name).loss(scores, recovery, torch.zeros_like(valid)) == 0


@pytest.mark.parametrize("name", sorted(set(SELECTORS) - set(LEARNED)))
def test_a_selector_without_network_has_no_weights_and_no_loss(name):
    selector = make_selector(name)
    assert not list(selector.parameters())
    with pytest.raises(NotImplementedError, match=name):
        selector.loss(torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.bool))


@pytest.mark.parametrize(("name", "unit"), BY_UNIT)
def test_every_selector_ranks_tokens_for_retirement(name, unit):
    windows, objective = random_windows(), OBJECTIVES[name, unit]
    inputs = objective.selector_input(windows, random_frozen(windows, 0.3), generator())
    ranking = objective.selector.retirement(inputs)
    assert ranking.shape == windows.attention_mask.shape
    assert ranking[windows.attention_mask].isfinite().all()


def test_an_exit_sees_the_first_layers_alone():
    windows, backbone = random_windows(), build_backbone(SHAPE, SIZES)
    networks = {kind: build_network(kind, SIZES, SHAPE, 1, 1) for kind in NETWORKS}
    before = {kind: net(windows.tokens, windows.attend, backbone) for kind, net in networks.items()}
    with torch.no_grad():
        backbone.blocks[1].feedforward.up.weight.mul_(2)
    same = {
        kind: torch.equal(net(windows.tokens, windows.attend, backbone), before[kind])
        for kind, net in networks.items()
    }
    assert same == {"small": True, "exit": True, "shared_exit": True, "full": False}


def test_selector_is_small_beside_its_backbone():
    for name in ("tiny", "small"):
        config = PRESETS[name]
        network = build_selector("adversarial", Schedule(), SIZES, config).network
        own = sum(p.numel() for p in network.body.blocks.parameters())
        assert own < 0.1 * sum(p.numel() for p in build_backbone(config, SIZES).blocks.parameters())
