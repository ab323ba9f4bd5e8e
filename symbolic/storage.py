"""Read and write tensors as safetensors, a format that runs no code when it is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.overrides import TorchFunctionMode

from symbolic.documents import RECOPY
from symbolic.errors import CheckpointError


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file with the usual file permissions.

    safetensors' own writer makes files that only their owner can read. So the bytes are written here.
    """
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path.write_bytes(safetensors.torch.save(on_cpu))


def read_tensors(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """Read the tensors whose names start with `prefix` to the CPU, and remove the prefix from their names.

    Raises:
        CheckpointError: If the file is missing, is not safetensors or holds what is no number.
    """
    with _opened(path) as file:
        found: dict[str, Tensor] = {
            name.removeprefix(prefix): file.get_tensor(name)
            for name in file.keys()  # noqa: SIM118 (not a mapping)
            if name.startswith(prefix)
        }
    if spoilt := [name for name, tensor in found.items() if not _is_sound(tensor)]:
        raise CheckpointError(
            f"{path} holds NaN, infinity or complex numbers in {', '.join(spoilt[:3])}. {RECOPY}"
        )
    return found


def tensor_shapes(path: Path, prefix: str = "") -> dict[str, tuple[int, ...]]:
    """Read the shapes of tensors as `read_tensors` names them. The tensors are not read.

    Raises:
        CheckpointError: If the file is missing or is not safetensors.
    """
    with _opened(path) as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a mapping)
        return {name.removeprefix(prefix): tuple(file.get_slice(name).get_shape()) for name in names}


@contextmanager
def shapes_only() -> Iterator[None]:
    """Build modules without memory, values or random numbers, to read their shapes."""
    with torch.device("meta"), _Uninitialised():
        yield


class _Uninitialised(TorchFunctionMode):
    """Skip initialisation. Without memory it would have PyTorch import its compiler, which takes seconds."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == torch.nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist. Give a directory that `save` has written completely.")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file ({error}). {RECOPY}") from error


def _is_sound(tensor: Tensor) -> bool:
    """Return whether a tensor holds numbers. A vector may hold infinities.

    Discriminants rule out a class by a bias of minus infinity and a feature by an infinite deviation.
    """
    if tensor.is_complex():
        return False
    if not tensor.is_floating_point() or tensor.isfinite().all():
        return True
    return tensor.ndim == 1 and not bool(tensor.isnan().any())
