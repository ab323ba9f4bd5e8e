"""Bundled models, known by their names: `load("tiny")` works anywhere without a network.

Each is a folder of `symbolic/models`: a checkpoint with a model card (README.md), LICENSE and ATTRIBUTION.md.
"""

from __future__ import annotations

from pathlib import Path

from symbolic.documents import read_json
from symbolic.errors import CheckpointError, did_you_mean

MODELS = Path(__file__).resolve().parents[1] / "models"
_MARK = "config.json"
CARD, LICENCE, ATTRIBUTION = "README.md", "LICENSE", "ATTRIBUTION.md"
RECORD = "record.json"
"""The record of a run, in its folder."""
_OURS = (_MARK, RECORD, "settings.json", "checkpoint", "model.safetensors", "tokenizer.json")
"""What a run or a checkpoint has, complete or not."""


def shipped_models() -> tuple[str, ...]:
    """Return the names of the bundled models, sorted."""
    return tuple(sorted(path.parent.name for path in MODELS.glob(f"*/{_MARK}")))


def find_model(path: Path | str) -> Path:
    """Find the checkpoint that a name or a folder means.

    Args:
        path: A name from `shipped_models`, a checkpoint, a pretraining run or a fine-tuning run. Of the last, the
            seed that is best on validation is taken. A folder with anything of a run or a checkpoint goes before a
            name. Another one, such as a folder of music that is called melody, does not.

    Returns:
        The checkpoint's folder. Any other path is returned unchanged for `load_checkpoint` to refuse.
    """
    path = Path(path)
    if _is_name(path) and not any((path / one).exists() for one in _OURS):
        return MODELS / path.name
    return _of_folder(path)


def _is_name(path: Path) -> bool:
    return len(path.parts) == 1 and path.name in shipped_models()


def _of_folder(path: Path) -> Path:
    """Return the checkpoint of a folder, or the path itself."""
    if (path / _MARK).is_file():
        return path
    if (path / "checkpoint" / _MARK).is_file():
        return path / "checkpoint"
    if (path / RECORD).is_file():
        record = read_json(path / RECORD, remedy="Name the checkpoint itself.")
        inner = Path(str(record.get("checkpoint", "")))
        if inner.is_absolute() or ".." in inner.parts:
            raise CheckpointError(
                f"{path / RECORD} names a checkpoint outside of its folder. Name the checkpoint itself."
            )
        return path / inner
    return path


def is_model(path: Path | str) -> bool:
    """Return whether a path is a checkpoint, a run or a bundled model. Torch is not imported.

    Where it could mean a bundled model or a folder of music, it is the folder.
    """
    path = Path(path)
    return (_of_folder(path) / _MARK).is_file() or (_is_name(path) and not path.exists())


def require_model(path: Path | str) -> None:
    """Make sure that a path exists or names a bundled model. Torch is not imported.

    Raises:
        CheckpointError: If it does not. Lists the bundled models.
    """
    names = shipped_models()
    if str(path) not in names and not Path(path).exists():
        raise CheckpointError(
            f"{path} does not exist. {did_you_mean(str(path), names).capitalize()}Check the path of the checkpoint, or "
            f"name a bundled model: {', '.join(names)}."
        )


def model_name(path: Path | str) -> str:
    """Return the name of a checkpoint for folders and tables. The `checkpoint` of a run has the run's name."""
    path = Path(path)
    return (path.parent if path.name == "checkpoint" else path).resolve().name
