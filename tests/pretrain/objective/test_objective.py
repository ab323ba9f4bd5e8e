"""The step: who learns from what, what it never does, and how it is made."""

from collections import Counter

import pytest
import torch
from pretrain_helpers import (
    BY_UNIT,
    LEARNED,
    OBJECTIVES,
    SHAPE,
    generator,
    make_module,
    make_objective,
    random_frozen,
    random_windows,
    tunes,
)
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.utils._python_dispatch import TorchDispatchMode

from data.batches import Batch
from pretrain.objective.auxiliary import AUXILIARIES
from symbolic.masking.corruption import CORRUPTIONS
from symbolic.masking.units import UNITS
from symbolic.tokens.vocabulary import RESERVED

HEADS = tuple(AUXILIARIES)


def nothing_frozen(windows):
    return torch.zeros_like(windows.attention_mask)


def play(objective, windows=None, frozen=None, seed=0):
    windows = windows or tunes()
    return objective(windows, nothing_frozen(windows) if frozen is None else frozen, generator(seed))


def reached(module):
    """Names of the weights that a backward pass has reached."""
    return {n for n, p in module.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}


@pytest.mark.parametrize(("name", "unit", "network"), [g for g in OBJECTIVES if g[0] in LEARNED])
def test_selector_loss_reaches_only_selector_and_shared_layers(name, unit, network):
    objective = make_objective(name, unit, network, auxiliary=HEADS, layers=1)
    play(objective).selector_loss.backward()
    assert reached(objective.selector.network)
    assert not reached(objective.heads)
    assert not reached(objective.auxiliary)
    layers = {"small": 0, "exit": 0, "shared_exit": 1, "full": SHAPE.layers}[network]
    found = {n.split(".")[0] + n.split(".")[1] for n in reached(objective.backbone)}
    shared = {f"blocks{i}" for i in range(layers)} | ({"embeddingtables"} if layers else set())
    assert found == shared
    if name == "learnability":
        assert all(p.grad is None for p in objective.selector.slow.parameters())


@pytest.mark.parametrize(("name", "unit", "network"), OBJECTIVES)
def test_the_backbones_loss_never_reaches_the_selector(name, unit, network):
    objective = make_objective(name, unit, network, auxiliary=HEADS, identity_weight=0.1)
    play(objective).loss.backward()
    assert all(p.grad is None for p in objective.selector.parameters())
    missed = {n for n, _ in objective.backbone.named_parameters()} - reached(objective.backbone)
    assert all("attention.key.bias" in n for n in missed)  # which no softmax can feel
    assert reached(objective.heads)
    assert len(reached(objective.auxiliary)) == len(list(objective.auxiliary.parameters()))


@pytest.mark.parametrize(("name", "unit"), BY_UNIT)
def test_cells_left_visible_are_no_evidence(name, unit):
    """Those of which the selector is told are chosen cells whose content was withheld, and no others."""
    objective, windows = make_objective(name, unit), random_windows()
    told, seen = [], []
    objective.selector.loss = lambda scores, recovery, valid: told.append((recovery, valid)) or scores.sum()
    objective.corruption.register_forward_hook(lambda _, args, out: seen.append((args[1], out.withheld)))
    step = play(objective, windows, random_frozen(windows, 0.2))
    if name not in LEARNED:
        assert not told
        return
    (recovery, valid), (chosen, withheld) = told[0], seen[0]
    assert not recovery.requires_grad
    evidence = chosen & withheld
    assert (chosen & ~evidence).any(), "nothing was left visible, so the test shows nothing"
    loss = torch.zeros(chosen.shape).scatter_(
        1, step.choice.places[..., None].expand(-1, -1, 8), step.recovery.loss.detach()
    )
    if unit != "token":
        loss = loss / objective.field_weights.typical
    unit_of = objective.selector.unit
    for window in range(6):
        # Each unit is hard by its withheld cells alone, summed over a token, averaged over finer units.
        marks = torch.zeros_like(valid[window])
        for place in step.choice.taken[window].nonzero().flatten().tolist():
            number = step.choice.units[window, place]
            values = torch.zeros(1, unit_of.count(chosen.shape[1]))
            values[0, number] = 1
            cells = unit_of.cells_of(values, windows.tokens[window : window + 1])[0] > 0
            of_unit = cells.expand(chosen.shape[1:]) & evidence[window]
            if of_unit.any():
                marks[place] = True
                expected = loss[window][of_unit].sum() if unit == "token" else loss[window][of_unit].mean()
                assert float(recovery[window, place]) == pytest.approx(float(expected), rel=1e-4)
        assert torch.equal(valid[window], marks)


@pytest.mark.parametrize(
    ("name", "unit", "network", "style"),
    # A network knows nothing of units, nor a corruption of selectors.
    [(*objective, "mask") for objective in OBJECTIVES if objective[1] == "token" or objective[2] == "small"]
    + [("uniform", unit, "small", "noise") for unit in UNITS],
)
def test_nothing_in_a_step_waits_for_a_number(name, unit, network, style):
    """Fake tensors have no content: to ask for a value, or for as many tokens as a mask has, is an error."""
    objective = make_objective(name, unit, network, style, HEADS, identity_weight=0.1)
    play(objective)  # tables of relations become tensors at their first use, and remain
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        objective = objective._apply(mode.from_tensor)
        windows = as_fake_batch()
        step = objective(windows, torch.zeros_like(windows.attention_mask), torch.Generator(), progress=0.3)
        (step.loss + step.selector_loss).backward()
        objective.field_weights.update()
        objective.selector.after_step()
        assert step.chosen.shape == windows.tokens.shape


def as_fake_batch():
    """To be made among fake tensors, which cannot say whether they are padded."""
    tokens, start = torch.zeros(4, 24, 8, dtype=torch.int64), torch.arange(4)
    return Batch(tokens, torch.ones(4, 24, dtype=torch.bool), start, start, 3, True)


@pytest.mark.parametrize(
    "asks",
    [
        lambda windows: windows.attention_mask.sum().item(),
        lambda windows: bool(windows.attention_mask.any()),
        lambda windows: windows.tokens[windows.attention_mask],
        lambda windows: windows.attention_mask.nonzero(),
        lambda windows: windows.attention_mask.sum(1).tolist(),
    ],
)
def test_a_step_that_did_wait_would_be_found_out(asks):
    objective = make_objective("uniform")
    with FakeTensorMode() as mode:
        objective, windows = objective._apply(mode.from_tensor), as_fake_batch()
        objective.backbone.register_forward_pre_hook(lambda *_: asks(windows) and None)
        with pytest.raises((DataDependentOutputException, DynamicOutputShapeException)):
            objective(windows, torch.zeros_like(windows.attention_mask), torch.Generator())


class Operations(TorchDispatchMode):
    """Counts what reaches the device."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.counts[str(func)] += 1
        return func(*args, **(kwargs or {}))


def operations(objective, **sizes):
    """How often each operation is called in a step on windows of some size."""
    windows = random_windows(**sizes)
    with Operations() as mode:
        step = play(objective, windows)
        (step.loss + step.selector_loss).backward()
        objective.field_weights.update()
        objective.selector.after_step()
    return mode.counts


FEW, MANY = {"count": 2, "length": 16, "bars": 3}, {"count": 9, "length": 40, "bars": 12}


@pytest.mark.parametrize(("name", "unit", "network"), OBJECTIVES)
def test_operations_do_not_grow_with_the_batch(name, unit, network):
    few, many = (
        operations(make_objective(name, unit, network, auxiliary=HEADS, identity_weight=0.1), **sizes)
        for sizes in (FEW, MANY)
    )
    assert few == many
    assert few.total() > 100


def test_a_loop_over_windows_would_be_found_out():
    def one_by_one(module, args):
        return torch.stack([tokens.clone() for tokens in args[0]]), *args[1:]

    counts = []
    for sizes in (FEW, MANY):
        objective = make_objective("uniform")
        objective.backbone.register_forward_pre_hook(one_by_one)
        counts.append(operations(objective, **sizes))
    assert counts[0] != counts[1]


@pytest.mark.parametrize("style", CORRUPTIONS)
@pytest.mark.parametrize(("name", "unit"), BY_UNIT)
def test_padding_never_matters(name, unit, style):
    losses = []
    for filling in (0, RESERVED + 3):
        objective, windows = (
            make_objective(name, unit, style=style, auxiliary=HEADS, identity_weight=0.1),
            tunes(),
        )
        tokens = windows.tokens.masked_fill(~windows.attention_mask[..., None], filling)
        step = play(objective, windows._replace(tokens=tokens))
        losses.append(torch.stack([step.loss, step.selector_loss]))
    assert torch.allclose(*losses, atol=1e-6)


@pytest.mark.parametrize("style", CORRUPTIONS)
@pytest.mark.parametrize(("name", "unit"), BY_UNIT)
def test_the_backbone_sees_all_but_the_chosen_cells_as_they_are(name, unit, style):
    objective, windows = make_objective(name, unit, style=style), random_windows()
    frozen = random_frozen(windows, 0.5)
    seen = []
    objective.backbone.register_forward_hook(lambda _, args, out: seen.append(args[0]))
    for seed in range(5):
        step = play(objective, windows, frozen, seed)
        touched = seen[-1] != windows.tokens
        assert touched.any()
        assert not (touched & ~step.chosen).any()
        assert not (touched & ~windows.attention_mask[..., None]).any()
        if name != "scheduled":
            assert not (touched & frozen[..., None]).any()


def test_the_loss_is_the_weighted_mean_over_chosen_cells():
    objective, windows = make_objective("uniform", "field", style="noise"), random_windows(withheld=(2,))
    objective.field_weights.accuracy.copy_(torch.linspace(0.1, 0.9, 8))
    step = play(objective, windows)
    weights, losses = objective.field_weights().tolist(), step.recovery.loss.tolist()
    total = [
        weights[f] * losses[window][place][f] for window, place, f in step.choice.cells.nonzero().tolist()
    ]
    assert step.loss.item() == pytest.approx(sum(total) / len(total), rel=1e-5)


def test_tokens_with_a_hidden_field_weigh_as_much_as_others():
    objective = make_objective("uniform")
    windows = random_windows()
    hidden = windows._replace(tokens=windows.tokens.clone())
    hidden.tokens[..., 5][windows.attention_mask] = 2
    for of in (windows, hidden):
        step = play(objective, of)
        cells = step.choice.cells & step.recovery.counted
        expected = (step.recovery.loss * objective.field_weights())[cells].mean()
        assert torch.allclose(step.loss, expected)
        objective.field_weights.gathered.zero_()


def test_auxiliary_and_identity_losses_have_weights():
    plain = play(make_objective("uniform"))
    objective = make_objective("uniform", auxiliary=HEADS)
    objective.auxiliary_weight = 0.5
    step = play(objective)
    assert set(step.auxiliary) == set(HEADS)
    assert all(loss > 0 for loss in step.auxiliary.values())
    assert torch.allclose(step.loss, plain.loss + 0.5 * sum(step.auxiliary.values()))
    assert play(make_objective("uniform", identity_weight=0.3)).loss > plain.loss


@pytest.mark.parametrize("unit", UNITS)
def test_a_step_is_a_function_of_its_generator(unit):
    first, second, other = (play(make_objective(unit=unit), seed=seed).loss for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_training_step_is_a_function_of_seed_and_step(tmp_path):
    windows = tunes()
    first, second, other = (
        make_module(tmp_path).training_step((windows._replace(step=step), nothing_frozen(windows)), 0)
        for step in (3, 3, 4)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(("name", "unit"), BY_UNIT)
def test_a_module_sums_both_losses_and_counts_the_step(name, unit, tmp_path):
    module, windows = make_module(tmp_path, name, unit=unit), tunes()
    total = module.training_step((windows, nothing_frozen(windows)), 0)
    assert torch.equal(total, module.losses["loss"] + module.losses["selector_loss"])
    assert (module.losses["selector_loss"] > 0) == (name in LEARNED)
    measured = module.meter.flush()
    assert measured["loss"] == pytest.approx(float(module.losses["loss"]))
    assert measured["padding_share"] == 0
