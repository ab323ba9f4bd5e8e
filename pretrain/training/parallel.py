"""Train one model in several processes: with copies of the weights (DDP) or with shards of them (FSDP)."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

import lightning
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.nn.parallel import DistributedDataParallel

if TYPE_CHECKING:
    from pretrain.objective.masked import Objective
    from pretrain.settings import PretrainSettings


def parallel_strategy(settings: PretrainSettings) -> Any:
    """Return the Lightning strategy of a run."""
    if settings.training.processes == 1:
        return "auto"
    if settings.training.strategy == "fsdp":
        return ModelParallelStrategy(
            data_parallel_size=settings.training.processes,
            tensor_parallel_size=1,
            save_distributed_checkpoint=False,
        )
    known = signature(DistributedDataParallel.__init__).parameters
    # Every process counts its own batches until the counts are summed. Renamed in PyTorch 2.13.
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    return DDPStrategy(**{name: False})  # type: ignore[arg-type]


def full_state(trainer: lightning.Trainer) -> dict[str, Any] | None:
    """Return all weights of a sharded model in the main process. None if every process has them anyway.

    All processes must call it together.
    """
    if not isinstance(trainer.strategy, ModelParallelStrategy):
        return None
    return trainer.strategy.lightning_module_state_dict()


def shard(objective: Objective, mesh: DeviceMesh) -> None:
    """Shard every weight over the processes. A step gathers the blocks one by one.

    Args:
        objective: Sharded in place before its optimiser is made.
        mesh: The device mesh of the processes.
    """
    backbone = objective.backbone
    for block in backbone.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(backbone, mesh=mesh)
    # This method is called by name, so the weights must be gathered for it too.
    register_fsdp_forward_method(backbone, "early")
    parts: list[nn.Module] = [objective.heads, *objective.selector.children(), *objective.auxiliary.values()]
    for part in parts:
        fully_shard(part, mesh=mesh)
    for head in objective.auxiliary.values():
        register_fsdp_forward_method(head, "loss")
