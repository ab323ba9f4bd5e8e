"""The optimiser of pretraining: orthogonal steps for the blocks' matrices, AdamW for the rest."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

from pretrain.training.muon import Muon, orthogonal


def network(seed: int = 0) -> nn.ModuleDict:
    """An embedding, two 'blocks' and a head."""
    torch.manual_seed(seed)
    blocks = nn.ModuleList(nn.Sequential(nn.Linear(8, 31), nn.Tanh(), nn.Linear(31, 8)) for _ in range(2))
    return nn.ModuleDict({"embedding": nn.Embedding(16, 8), "blocks": blocks, "head": nn.Linear(8, 16)})


def loss_of(model: nn.ModuleDict, seed: int) -> torch.Tensor:
    """Of a batch of that seed: say what comes 3 after a symbol."""
    ids = torch.randint(16, (64,), generator=torch.Generator().manual_seed(seed))
    x = model["embedding"](ids)
    for block in model["blocks"]:
        x = x + block(x)
    return nn.functional.cross_entropy(model["head"](x), (ids + 3) % 16)


def train(model: nn.ModuleDict, optimizer: torch.optim.Optimizer, steps: range) -> float:
    for step in steps:
        optimizer.zero_grad()
        loss = loss_of(model, step)
        loss.backward()
        optimizer.step()
    return loss.item()


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 8, 32), (2, 32, 8), (1, 5, 1)])
def test_singular_values_come_near_one_and_singular_vectors_stay(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(1)
    left, _ = torch.linalg.qr(torch.randn(shape[0], shape[1], min(shape[1:])))
    right, _ = torch.linalg.qr(torch.randn(shape[0], shape[2], min(shape[1:])))
    values = torch.linspace(0.3, 2, min(shape[1:]))
    found = orthogonal(left * values @ right.mT)
    core = left.mT @ found @ right
    spread = torch.diagonal(core, dim1=-2, dim2=-1)
    assert spread.min() > 0.6
    assert spread.max() < 1.3
    assert (core - torch.diag_embed(spread)).abs().max() < 1e-3
    torch.testing.assert_close(left @ core @ right.mT, found, atol=1e-3, rtol=0)


def test_the_size_of_a_matrix_has_no_say_and_zero_stays_zero() -> None:
    torch.manual_seed(2)
    matrices = torch.randn(2, 4, 6)
    torch.testing.assert_close(orthogonal(matrices), orthogonal(1000 * matrices), atol=1e-5, rtol=0)
    assert not orthogonal(torch.zeros(1, 4, 6)).any()


def test_a_first_step_turns_blocks_matrices_and_moves_all_else_as_adamw_does() -> None:
    ours, theirs = network(), network()
    optimizer = Muon(ours["blocks"], ours.parameters(), lr=0.01, weight_decay=0.1)
    names = [name for name, p in theirs.named_parameters() if p.ndim > 1]
    plain = torch.optim.AdamW(
        [
            {"params": [p for n, p in theirs.named_parameters() if n in names]},
            {"params": [p for n, p in theirs.named_parameters() if n not in names], "weight_decay": 0.0},
        ],
        lr=0.01,
        betas=(0.9, 0.98),
        weight_decay=0.1,
    )
    before = copy.deepcopy(ours)
    train(ours, optimizer, range(1))
    train(theirs, plain, range(1))
    old = dict(before.named_parameters())
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if not name.startswith("blocks") or one.ndim == 1:
            torch.testing.assert_close(one, other)
            continue
        step = (one.detach() - old[name].detach() * (1 - 0.01 * 0.1)) / 0.01
        values = torch.linalg.svdvals(step) / (0.2 * max(one.shape) ** 0.5)
        assert values.max() < 1.3
        assert values.max() / values[values > 0.1].min() < 3  # AdamW's have singular values of every size


def test_without_modules_it_is_adamw_to_the_bit() -> None:
    ours, theirs = network(), network()
    optimizer = Muon((), ours.parameters(), lr=0.01, weight_decay=0.1)
    plain = torch.optim.AdamW(
        [
            {"params": [p for p in theirs.parameters() if p.ndim > 1]},
            {"params": [p for p in theirs.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=0.01,
        betas=(0.9, 0.98),
        weight_decay=0.1,
    )
    assert train(ours, optimizer, range(5)) == train(theirs, plain, range(5))
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_closure_that_zeroes_gradients_makes_the_same_steps() -> None:
    """As a trainer calls it: gradients are zeroed, made and clipped inside the step."""
    plain, closed = network(), network()
    train(plain, Muon(plain["blocks"], plain.parameters(), lr=0.01), range(6))
    optimizer = Muon(closed["blocks"], closed.parameters(), lr=0.01)
    for step in range(6):

        def closure(step: int = step) -> torch.Tensor:
            optimizer.zero_grad()
            loss = loss_of(closed, step)
            loss.backward()
            return loss

        assert optimizer.step(closure) is not None
    for one, other in zip(plain.parameters(), closed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_run_that_is_taken_up_ends_where_an_uninterrupted_one_does() -> None:
    whole, first = network(), network()
    train(whole, Muon(whole["blocks"], whole.parameters(), lr=0.01), range(8))
    optimizer = Muon(first["blocks"], first.parameters(), lr=0.01)
    train(first, optimizer, range(4))
    again = network(seed=9)
    again.load_state_dict(first.state_dict())
    resumed = Muon(again["blocks"], again.parameters(), lr=0.01)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(again, resumed, range(4, 8))
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_run_that_plain_adamw_began_goes_on_to_the_bit() -> None:
    def plain_adamw(model: nn.ModuleDict) -> torch.optim.AdamW:
        return torch.optim.AdamW(
            [
                {"params": [p for p in model.parameters() if p.ndim > 1]},
                {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=0.01,
            betas=(0.9, 0.98),
            weight_decay=0.1,
        )

    model = network()
    began = plain_adamw(model)
    train(model, began, range(3))
    again = copy.deepcopy(model)
    taken_up = Muon((), again.parameters(), lr=0.01, weight_decay=0.1)
    taken_up.load_state_dict(copy.deepcopy(began.state_dict()))
    assert train(model, began, range(3, 6)) == train(again, taken_up, range(3, 6))
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_has_no_gradient_or_is_frozen_stays() -> None:
    model = network()
    model["blocks"][1].requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    optimizer = Muon(model["blocks"], model.parameters(), lr=0.01, weight_decay=0.1)
    model["embedding"](torch.arange(16)).sum().backward()
    optimizer.step()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"embedding.weight"}


def test_it_learns() -> None:
    model = network()
    start = loss_of(model, 0).item()
    assert train(model, Muon(model["blocks"], model.parameters(), lr=0.01), range(150)) < start / 10


def _a_share(rank: int, folder: str, gradients: list[dict[str, torch.Tensor]]) -> None:
    """One of two processes: the same steps, of its share of every weight."""
    store = torch.distributed.FileStore(f"{folder}/store", 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    model = network()
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(distribute_tensor(parameter.detach(), mesh, [Shard(0)])))
    optimizer = Muon(model["blocks"], model.parameters(), lr=0.01, weight_decay=0.1)
    for step in gradients:
        for name, parameter in model.named_parameters():
            parameter.grad = distribute_tensor(step[name], mesh, [Shard(0)])
        optimizer.step()
    whole = {name: parameter.full_tensor().detach() for name, parameter in model.named_parameters()}  # type: ignore[attr-defined]
    if rank == 0:
        torch.save(whole, f"{folder}/whole.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_that_share_the_weights_take_the_steps_of_one(tmp_path: Path) -> None:
    """Tokens that two do not divide are among them."""
    plain, gradients = network(), []
    optimizer = Muon(plain["blocks"], plain.parameters(), lr=0.01, weight_decay=0.1)
    for step in range(3):
        train(plain, optimizer, range(step, step + 1))
        gradients.append({n: p.grad.clone() for n, p in plain.named_parameters() if p.grad is not None})
    assert any(p.shape[0] % 2 for p in plain["blocks"].parameters())
    torch.multiprocessing.spawn(_a_share, (str(tmp_path), gradients), nprocs=2)
    whole = torch.load(tmp_path / "whole.pt")
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(parameter.detach(), whole[name], rtol=1e-5, atol=1e-6)
