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
    """The folder of the model that is called so, or the path as it is.

    Args:
        path: A name from `shipped_models`, or a path. Where a file or folder of that name is at hand, that is meant.
    """
    path = Path(path)
    if path.exists() or len(path.parts) != 1 or path.name not in shipped_models():
        return path
    return MODELS / path.name
