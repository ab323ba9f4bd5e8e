"""Read and write tensors as safetensors, a format that runs no code when it is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from symbolic.documents import RECOPY
from symbolic.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

ADAPTER_TENSORS, ADAPTER_SETTINGS = "adapter.safetensors", "adapter.json"
"""Files of an adapter in a folder of weights."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor | NDArray[Any]]) -> None:
    """Write a safetensors file of tensors and arrays with the usual file permissions.

    safetensors' own writer makes files that only their owner can read. So the bytes are written here.
    """
    import safetensors.torch
    import torch

    on_cpu = {name: torch.as_tensor(one).detach().cpu().contiguous() for name, one in tensors.items()}
    path.write_bytes(safetensors.torch.save(on_cpu))


def read_tensors(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """Read the tensors whose names start with `prefix` to the CPU, and remove the prefix from their names.

    Raises:
        CheckpointError: If the file is missing, is not safetensors or holds what is no number.
    """
    import torch

    found: dict[str, Tensor] = _read(path, prefix, "pt")
    _refuse_spoilt(path, found, torch)
    return found


def read_arrays(path: Path, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Read tensors as `read_tensors` does, as numpy arrays. Torch is not imported.

    Raises:
        CheckpointError: If the file is missing, is not safetensors or holds what is no number.
    """
    found: dict[str, NDArray[Any]] = _read(path, prefix, "np")
    _refuse_spoilt(path, found, np)
    return found


def _read(path: Path, prefix: str, framework: str) -> dict[str, Any]:
    try:
        with _opened(path, framework) as file:
            return {
                name.removeprefix(prefix): file.get_tensor(name)
                for name in file.keys()  # noqa: SIM118 (not a mapping)
                if name.startswith(prefix)
            }
    except TypeError as error:  # numpy knows fewer types than torch
        raise CheckpointError(
            f"{path} holds numbers of a type that is not known here ({error}). {RECOPY}"
        ) from error


def _refuse_spoilt(path: Path, found: Mapping[str, Any], library: ModuleType) -> None:
    if spoilt := [name for name, values in found.items() if not _is_sound(values, library)]:
        raise CheckpointError(
            f"{path} holds NaN, infinity or complex numbers in {', '.join(spoilt[:3])}. {RECOPY}"
        )


def tensor_shapes(path: Path, prefix: str = "") -> dict[str, tuple[int, ...]]:
    """Read the shapes of tensors as `read_tensors` names them. The tensors are not read.

    Raises:
        CheckpointError: If the file is missing or is not safetensors.
    """
    with _opened(path, "np") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a mapping)
        return {name.removeprefix(prefix): tuple(file.get_slice(name).get_shape()) for name in names}


@contextmanager
def _opened(path: Path, framework: str) -> Iterator[Any]:
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist. Give a directory that `save` has written completely.")
    try:
        with safe_open(path, framework=framework) as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file ({error}). {RECOPY}") from error


def _is_sound(values: Any, library: ModuleType) -> bool:
    """Return whether a tensor of torch, or an array of numpy, holds numbers. A vector may hold infinities.

    Discriminants rule out a class by a bias of minus infinity and a feature by an infinite deviation.
    """
    if "complex" in str(values.dtype):
        return False
    if library.isfinite(values).all():
        return True
    return values.ndim == 1 and not bool(library.isnan(values).any())
