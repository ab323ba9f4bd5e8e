"""Models that come with the installation, known by their names: `load("tiny")` anywhere, without a network.

Each is a folder of `symbolic/models`: a checkpoint, with a card (README.md) and a LICENSE beside it.
"""

from __future__ import annotations

from pathlib import Path

MODELS = Path(__file__).with_name("models")
_MARK = "config.json"


def shipped_models() -> tuple[str, ...]:
    """Names of the models, sorted."""
    return tuple(sorted(path.parent.name for path in MODELS.glob(f"*/{_MARK}")))


def find_model(path: Path | str) -> Path:
    """The folder of the model that is called so, or of a run's checkpoint, or the path as it is.

    Args:
        path: A name from `shipped_models`, or a path. Where a file or folder of that name is at hand, that is meant.
    """
    path = Path(path)
    if not path.exists() and len(path.parts) == 1 and path.name in shipped_models():
        return MODELS / path.name
    within = path / "checkpoint"
    return within if (within / _MARK).is_file() and not (path / _MARK).is_file() else path


def model_name(path: Path | str) -> str:
    """What a checkpoint is called in folder names and tables: as its run, where it is the `checkpoint` of one."""
    path = Path(path)
    return (path.parent if path.name == "checkpoint" else path).resolve().name
