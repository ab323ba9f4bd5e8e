"""The optimiser of pretraining: AdamW without weight decay of vectors."""

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


def ours(model: nn.ModuleDict) -> torch.optim.AdamW:
    return build_optimizer(model.parameters(), lr=0.01, weight_decay=0.1)


def plain_adamw(model: nn.ModuleDict) -> torch.optim.AdamW:
    """AdamW as PyTorch has it, with weight decay of matrices alone."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1]},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.98), weight_decay=0.1, fused=True)


def test_adamw_is_that_of_pytorch_to_the_bit() -> None:
    first, second = network(), network()
    assert train(first, ours(first), range(5)) == train(second, plain_adamw(second), range(5))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_parameters_without_gradient_stay() -> None:
    model = network()
    model["blocks"][1].requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    optimizer = ours(model)
    model["embedding"](torch.arange(16)).sum().backward()
    optimizer.step()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"embedding.weight"}


def _a_share(rank: int, folder: str, gradients: list[dict[str, torch.Tensor]]) -> None:
    """Take the same steps in one of two processes, on its part of every weight."""
    store = torch.distributed.FileStore(f"{folder}/store", 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    model = network()
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(distribute_tensor(parameter.detach(), mesh, [Shard(0)])))
    optimizer = ours(model)
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
    optimizer = ours(plain)
    for step in range(3):
        train(plain, optimizer, range(step, step + 1))
        gradients.append({n: p.grad.clone() for n, p in plain.named_parameters() if p.grad is not None})
    assert any(p.shape[0] % 2 for p in plain["blocks"].parameters())
    torch.multiprocessing.spawn(_a_share, (str(tmp_path), gradients), nprocs=2)
    whole = torch.load(tmp_path / "whole.pt")
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(parameter.detach(), whole[name], rtol=1e-5, atol=1e-6)
