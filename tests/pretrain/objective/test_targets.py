"""Which hidden cells are learnt from: the share, the ranking, and the reference that never learns."""

import pytest
import torch
from pretrain_helpers import SHAPE, SIZES, generator, make_objective, tunes
from torch._subclasses.fake_tensor import FakeTensorMode

from pretrain.cli import main
from pretrain.objective.targets import Reference, Targets, best_cells
from pretrain.settings import PretrainSettings
from pretrain.training.building import build_objective
from symbolic.backbone import build_backbone
from symbolic.heads import FieldHeads
from symbolic.masking.corruption import Corrupted
from symbolic.masking.losses import recover
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import FIELDS


def make_reference(seed=7):
    torch.manual_seed(seed)
    return Reference(build_backbone(SHAPE, SIZES), FieldHeads(SHAPE.dim, SIZES))


def objective_with(targets):
    objective = make_objective("uniform")
    objective.targets = targets
    return objective.eval()  # without dropout, so that losses can be computed again


def step_of(objective):
    windows = tunes()
    return windows, objective(windows, torch.zeros_like(windows.attention_mask), generator(0))


def learnt_by(monkeypatch, targets):
    """The step of an objective and the cells that it learns from."""
    seen = []
    forward = Targets.forward
    monkeypatch.setattr(Targets, "forward", lambda *args: seen.append(forward(*args)) or seen[-1])
    windows, step = step_of(objective_with(targets))
    return windows, step, seen[0]


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_every_field_keeps_its_share_of_the_highest(share):
    worth = torch.rand(3, 40, len(FIELDS), generator=generator(1))
    cells = torch.rand(worth.shape, generator=generator(2)) < 0.4
    kept = best_cells(worth, cells, share)
    for field in range(len(FIELDS)):
        here, chosen = worth[..., field][cells[..., field]], worth[..., field][kept[..., field]]
        count = -int(-share * len(here) // 1)
        assert sorted(chosen.tolist()) == sorted(here.tolist())[-count:]


def test_whole_tokens_keep_all_their_hidden_fields():
    worth = torch.rand(2, 30, len(FIELDS), generator=generator(1))
    cells = torch.rand(worth.shape, generator=generator(2)) < 0.3
    kept = best_cells(worth, cells, 0.5, whole_tokens=True)
    tokens, hidden = kept.any(-1), cells.any(-1)
    assert torch.equal(kept, cells & tokens[..., None])
    means = torch.stack([worth[i, j][cells[i, j]].mean() for i, j in hidden.nonzero()])
    assert tokens.sum() == -(-len(means) // 2)
    assert means[tokens[hidden]].min() >= means[~tokens[hidden]].max()


def test_nothing_hidden_keeps_nothing():
    nothing = torch.zeros(2, 3, len(FIELDS), dtype=torch.bool)
    assert not best_cells(torch.rand(2, 3, len(FIELDS)), nothing, 0.5).any()
    assert not best_cells(torch.rand(2, 3, len(FIELDS)), nothing, 0.5, whole_tokens=True).any()


def test_all_targets_are_all_hidden_cells(monkeypatch):
    _, step, learnt = learnt_by(monkeypatch, Targets())
    assert torch.equal(learnt, step.choice.cells & step.recovery.counted)


@pytest.mark.parametrize("by", ["loss", "random", "excess"])
def test_fewer_targets_are_half_of_the_hidden_cells(by, monkeypatch):
    targets = Targets(by, 0.5, reference=make_reference() if by == "excess" else None)
    _, step, learnt = learnt_by(monkeypatch, targets)
    hidden = step.choice.cells & step.recovery.counted
    assert not (learnt & ~hidden).any()
    assert torch.equal(learnt.sum((0, 1)), (hidden.sum((0, 1)) / 2).ceil().long())


def test_loss_takes_the_hardest_cells(monkeypatch):
    _, step, learnt = learnt_by(monkeypatch, Targets("loss", 0.3))
    left = step.choice.cells & step.recovery.counted & ~learnt
    for field in range(len(FIELDS)):
        here = step.recovery.loss[..., field]
        assert here[learnt[..., field]].min() >= here[left[..., field]].max()


def test_excess_is_the_loss_beyond_that_of_the_reference(monkeypatch):
    reference = make_reference()
    _, step, learnt = learnt_by(monkeypatch, Targets("excess", 0.3, reference=reference))
    objective = make_objective("uniform").eval()
    windows = tunes()
    corrupted = []
    objective.backbone.register_forward_pre_hook(lambda module, args: corrupted.append(args[0]))
    objective(windows, torch.zeros_like(windows.attention_mask), generator(0))
    hidden = reference.backbone(corrupted[0], windows.attend)
    losses = recover(reference.heads(hidden), windows.tokens).loss
    places = step.choice.places[..., None].expand(-1, -1, len(FIELDS))
    excess = step.recovery.loss - losses.gather(1, places)
    left = step.choice.cells & step.recovery.counted & ~learnt
    for field in range(len(FIELDS)):
        assert excess[..., field][learnt[..., field]].min() >= excess[..., field][left[..., field]].max()


def test_a_model_has_no_excess_over_itself(monkeypatch):
    objective = objective_with(Targets())
    itself = Reference(objective.backbone, objective.heads)
    worth = []
    monkeypatch.setattr("pretrain.objective.targets.best_cells", lambda w, *rest: worth.append(w) or rest[0])
    step_of(objective_with(Targets("excess", 0.5, reference=itself)))
    assert worth[0].abs().max() < 1e-5


def test_the_share_falls_over_the_ramp():
    hidden = torch.ones(1, 100, len(FIELDS), dtype=torch.bool)
    _, step = step_of(make_objective("uniform"))
    shares = []
    for progress in (0.0, 0.25, 0.5, 1.0):
        choice = step.choice._replace(cells=hidden, places=torch.arange(100)[None])
        loss = torch.rand(1, 100, len(FIELDS), generator=generator(3))
        recovery = step.recovery._replace(loss=loss, counted=hidden)
        kept = Targets("loss", 0.4, ramp=0.5)(recovery, choice, None, None, None, generator(0), progress)
        shares.append(kept.float().mean().item())
    assert shares == pytest.approx([1.0, 0.7, 0.4, 0.4])


def test_the_reference_never_learns_nor_drops_out():
    reference = make_reference()
    objective = make_objective("uniform")
    objective.targets = Targets("excess", 0.5, reference=reference)
    objective.train()
    assert not any(module.training for module in reference.modules())
    before = {name: value.clone() for name, value in reference.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad], lr=0.1)
    step_of(objective)[1].loss.backward()
    optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in reference.state_dict().items())


@pytest.mark.parametrize("whole_tokens", [False, True])
def test_the_choice_waits_for_no_number(whole_tokens):
    targets = Targets("excess", 0.5, whole_tokens, reference=make_reference())
    windows, step = step_of(make_objective("uniform"))
    clean = step.choice.cells.long()
    with FakeTensorMode() as mode:
        fake = [
            [mode.from_tensor(t) for t in group]
            for group in (step.recovery, step.choice, (windows.tokens, clean))
        ]
        recovery, choice = (
            step.recovery._replace(**dict(zip(step.recovery._fields, fake[0], strict=True))),
            fake[1],
        )
        choice = step.choice._replace(**dict(zip(step.choice._fields, choice, strict=True)))
        corrupted = Corrupted(fake[2][0], fake[2][0], fake[2][0])
        targets = targets._apply(mode.from_tensor)
        kept = targets(recovery, choice, corrupted, None, fake[2][1], torch.Generator())
        assert kept.shape == choice.cells.shape


def test_settings_build_the_bundled_reference():
    objective = build_objective(
        PretrainSettings.of(targets="excess", target_share=0.4), Tokenizer().vocabulary.sizes
    )
    assert objective.targets.reference is not None
    assert objective.targets.share == 0.4
    assert build_objective(PretrainSettings(), Tokenizer().vocabulary.sizes).targets.by == "all"


@pytest.mark.parametrize(("name", "message"), [("nosuch", "nosuch"), ("velocity", "velocity")])
def test_a_reference_that_cannot_serve_is_refused(name, message, tmp_path, capsys):
    assert main(["--targets", "excess", "--reference", name, "--out", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
