"""Read and write tensors and settings as safetensors and JSON. Neither format can run code when it is opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from symbolic.errors import CheckpointError

RECOPY = "Copy the checkpoint again from its source."


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file with the usual file permissions.

    safetensors' own writer makes files that only their owner can read, so the bytes are written here.
    """
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path.write_bytes(safetensors.torch.save(on_cpu))


def read_tensors(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """Read the tensors whose names start with `prefix` to the CPU, and remove the prefix from their names.

    Raises:
        CheckpointError: If the file is missing or is not safetensors.
    """
    _require(path)
    try:
        with safe_open(path, framework="pt") as file:
            return {
                name.removeprefix(prefix): file.get_tensor(name)
                for name in file.keys()  # noqa: SIM118 (not a mapping)
                if name.startswith(prefix)
            }
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a readable safetensors file ({error}). {RECOPY}") from error


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write an object as indented JSON."""
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: If the file is missing or holds no JSON object.
    """
    _require(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON ({error}). {RECOPY}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} does not hold a JSON object. {RECOPY}")
    return values


def require_fields(path: Path, values: Mapping[str, Any], names: tuple[str, ...], version: int) -> None:
    """Check the format version of a file, and that all its fields are present.

    Args:
        path: Path of the file, for errors.
        values: Content of the file.
        names: Required fields.
        version: Required format version.

    Raises:
        CheckpointError: If the version differs, or fields are missing.
    """
    found = values.get("format_version")
    if found != version:
        raise CheckpointError(
            f"{path} has format version {found!r}, and this release reads version {version}. "
            "Install the release that wrote it, or train again."
        )
    missing = [name for name in names if name not in values]
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}. {RECOPY}")


def _require(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist. Give a directory that `save` has written completely.")
