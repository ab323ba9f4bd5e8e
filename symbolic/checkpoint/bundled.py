"""Models that come with the installation, known by their names: `load("tiny")` anywhere, without a network.

Each is a folder of `symbolic/models`: a checkpoint, with a card (README.md) and a LICENSE beside it.
"""

from __future__ import annotations

import json
from pathlib import Path

MODELS = Path(__file__).resolve().parents[1] / "models"
_MARK = "config.json"
RECORD = "record.json"
"""What a run writes of itself, in its folder."""


def shipped_models() -> tuple[str, ...]:
    """Names of the models, sorted."""
    return tuple(sorted(path.parent.name for path in MODELS.glob(f"*/{_MARK}")))


def find_model(path: Path | str) -> Path:
    """Find the checkpoint that a name or a folder means.

    Args:
        path: A name from `shipped_models`; a checkpoint; a pretraining run, which holds one as `checkpoint`; or a
            fine-tuning run, whose best seed by validation is taken. An existing file or folder goes before a name.

    Returns:
        The checkpoint's folder. Anything else is returned unchanged, for `load_checkpoint` to refuse.
    """
    path = Path(path)
    if not path.exists() and len(path.parts) == 1 and path.name in shipped_models():
        return MODELS / path.name
    if (path / _MARK).is_file():
        return path
    if (path / "checkpoint" / _MARK).is_file():
        return path / "checkpoint"
    if (path / RECORD).is_file():
        record = json.loads((path / RECORD).read_text(encoding="utf-8"))
        return path / str(record.get("checkpoint", ""))
    return path


def model_name(path: Path | str) -> str:
    """What a checkpoint is called in folder names and tables: as its run, where it is the `checkpoint` of one."""
    path = Path(path)
    return (path.parent if path.name == "checkpoint" else path).resolve().name
