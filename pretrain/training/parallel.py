"""Several processes that train one model: copies of it (DDP) or shares of it (FSDP)."""

from __future__ import annotations

from inspect import signature
from typing import Any

import lightning
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.nn.parallel import DistributedDataParallel

from pretrain.objective.masked import Objective
from pretrain.settings import PretrainSettings


def parallel_strategy(settings: PretrainSettings) -> Any:
    """How Lightning is to run the processes of a run."""
    if settings.training.processes == 1:
        return "auto"
    if settings.training.strategy == "fsdp":
        return ModelParallelStrategy(
            data_parallel_size=settings.training.processes,
            tensor_parallel_size=1,
            save_distributed_checkpoint=False,
        )
    known = signature(DistributedDataParallel.__init__).parameters
    # Every process keeps the counts of its own batches until they are summed. Renamed in PyTorch 2.13.
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    return DDPStrategy(**{name: False})  # type: ignore[arg-type]


def full_state(trainer: lightning.Trainer) -> dict[str, Any] | None:
    """All weights of a model that is shared out, in the chief process; None where every process has them anyway.

    To be called by all processes together.
    """
    if not isinstance(trainer.strategy, ModelParallelStrategy):
        return None
    return trainer.strategy.lightning_module_state_dict()


def shard(objective: Objective, mesh: DeviceMesh) -> None:
    """Leave each process a share of every weight; blocks are gathered one by one as a step needs them.

    Args:
        objective: Sharded in place, before its optimiser is made.
        mesh: The processes.
    """
    backbone = objective.backbone
    for block in backbone.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(backbone, mesh=mesh)
    # Called by a name of its own, so its weights must be gathered for that too.
    register_fsdp_forward_method(backbone, "early")
    parts: list[nn.Module] = [objective.heads, *objective.selector.children(), *objective.auxiliary.values()]
    for part in parts:
        fully_shard(part, mesh=mesh)
    for head in objective.auxiliary.values():
        register_fsdp_forward_method(head, "loss")
