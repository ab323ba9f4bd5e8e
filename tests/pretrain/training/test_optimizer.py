"""The optimisers of pretraining: AdamW alone, and Muon for the matrices of the blocks."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

from pretrain.training.optimizer import build_optimizer


def network(seed: int = 0) -> nn.ModuleDict:
    """An embedding, two 'blocks' and a head."""
    torch.manual_seed(seed)
    blocks = nn.ModuleList(nn.Sequential(nn.Linear(8, 31), nn.Tanh(), nn.Linear(31, 8)) for _ in range(2))
    return nn.ModuleDict({"embedding": nn.Embedding(16, 8), "blocks": blocks, "head": nn.Linear(8, 16)})


def loss_of(model: nn.ModuleDict, seed: int) -> torch.Tensor:
    """Return the loss on a batch of that seed: the target is the symbol 3 after the input."""
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


def muon(model: nn.ModuleDict) -> torch.optim.Optimizer:
    return build_optimizer("muon", model["blocks"], model.parameters(), lr=0.01, weight_decay=0.1)


def plain_adamw(model: nn.ModuleDict) -> torch.optim.AdamW:
    """AdamW as PyTorch has it, with weight decay of matrices alone."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1]},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.98), weight_decay=0.1, fused=True)


def test_muon_turns_the_matrices_of_blocks_and_adamw_the_rest() -> None:
    ours, theirs = network(), network()
    before = copy.deepcopy(ours)
    train(ours, muon(ours), range(1))
    train(theirs, plain_adamw(theirs), range(1))
    old = dict(before.named_parameters())
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if not name.startswith("blocks") or one.ndim == 1:
            torch.testing.assert_close(one, other)
            continue
        step = (one.detach() - old[name].detach() * (1 - 0.01 * 0.1)) / 0.01
        values = torch.linalg.svdvals(step) / (0.2 * max(one.shape) ** 0.5)
        assert values.max() < 1.3
        assert values.max() / values[values > 0.1].min() < 3  # AdamW's have singular values of every size


def test_adamw_is_that_of_pytorch_to_the_bit() -> None:
    ours, theirs = network(), network()
    optimizer = build_optimizer("adamw", ours["blocks"], ours.parameters(), lr=0.01, weight_decay=0.1)
    assert train(ours, optimizer, range(5)) == train(theirs, plain_adamw(theirs), range(5))
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_closure_that_zeroes_gradients_makes_the_same_steps() -> None:
    """As a trainer calls it: gradients are zeroed, made and clipped inside the step."""
    plain, closed = network(), network()
    train(plain, muon(plain), range(6))
    optimizer = muon(closed)
    for step in range(6):

        def closure(step: int = step) -> torch.Tensor:
            optimizer.zero_grad()
            loss = loss_of(closed, step)
            loss.backward()
            return loss

        assert optimizer.step(closure) is not None
    for one, other in zip(plain.parameters(), closed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_resumed_run_ends_where_an_uninterrupted_one_does() -> None:
    whole, first = network(), network()
    train(whole, muon(whole), range(8))
    optimizer = muon(first)
    train(first, optimizer, range(4))
    again = network(seed=9)
    again.load_state_dict(first.state_dict())
    resumed = muon(again)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(again, resumed, range(4, 8))
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_schedule_reaches_every_parameter() -> None:
    optimizer = muon(network())
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    assert {group["lr"] for group in optimizer.param_groups} == {0.005}
    assert {group["lr"] for part in optimizer._parts for group in part.param_groups} == {0.005}


def test_parameters_without_gradient_stay() -> None:
    model = network()
    model["blocks"][1].requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    optimizer = muon(model)
    model["embedding"](torch.arange(16)).sum().backward()
    optimizer.step()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"embedding.weight"}


def test_muon_learns() -> None:
    model = network()
    start = loss_of(model, 0).item()
    assert train(model, muon(model), range(150)) < start / 10


def _a_share(rank: int, folder: str, gradients: list[dict[str, torch.Tensor]]) -> None:
    """Take the same steps in one of two processes, on its part of every weight."""
    store = torch.distributed.FileStore(f"{folder}/store", 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    model = network()
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(distribute_tensor(parameter.detach(), mesh, [Shard(0)])))
    optimizer = muon(model)
    for step in gradients:
        for name, parameter in model.named_parameters():
            parameter.grad = distribute_tensor(step[name], mesh, [Shard(0)])
        optimizer.step()
    whole = {name: parameter.full_tensor().detach() for name, parameter in model.named_parameters()}  # type: ignore[attr-defined]
    if rank == 0:
        torch.save(whole, f"{folder}/whole.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_that_share_weights_step_as_one(tmp_path: Path) -> None:
    """Some matrices have an odd number of rows."""
    plain, gradients = network(), []
    optimizer = muon(plain)
    for step in range(3):
        train(plain, optimizer, range(step, step + 1))
        gradients.append({n: p.grad.clone() for n, p in plain.named_parameters() if p.grad is not None})
    assert any(p.shape[0] % 2 for p in plain["blocks"].parameters())
    torch.multiprocessing.spawn(_a_share, (str(tmp_path), gradients), nprocs=2)
    whole = torch.load(tmp_path / "whole.pt")
    # `torch.optim.Muon` computes in bfloat16: three of its steps, 0.01 * 0.2 * 31**0.5 each, agree to some per cent.
    turned = {name for name, p in plain.named_parameters() if name.startswith("blocks") and p.ndim == 2}
    for name, parameter in plain.named_parameters():
        loose = {"rtol": 0, "atol": 5e-4} if name in turned else {"rtol": 1e-5, "atol": 1e-6}
        torch.testing.assert_close(parameter.detach(), whole[name], **loose)
