"""The command `finetune across`: a melody model on many kinds of music, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.toolkit.command import parse
from data.toolkit.records import portable_provenance, provenance
from data.toolkit.results import write_results
from data.toolkit.settings import POSITIVE, Settings, setting
from symbolic.checkpoint.bundled import require_model
from symbolic.errors import ConfigError

RESULTS = "across.jsonl"
"""One line a model."""
HEAD = (
    *("music", "pieces", "skyline F1", "precision", "recall", "F1", "95 % interval"),
    *("a piece's mean F1", "skyline's", "calibration error", "warned"),
)
_DESCRIPTION = """\
Test a melody model on kinds of music that others prepared. Each is a row, beside the skyline.
A model is of general use only where no row stands below it."""
_EPILOG = """\
examples:
  finetune across melody --root DATA
  finetune across runs/finetune/melody-full-X --sources lieder,nottingham --most 20"""


@dataclass(kw_only=True)
class AcrossSettings(Settings):
    """A melody model and the music to test it on.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    run: str = setting(..., "bundled model such as melody, run folder, or checkpoint", positional=True)
    root: str | None = setting(None, "folder of data sets (default: $COUNTERPOINT_DATA)")
    sources: str | None = setting(None, "kinds of music, with commas between (default: all that are here)")
    most: int | None = setting(
        None, "most pieces of a kind, chosen by a seed (default: all)", within=POSITIVE
    )
    results: str | None = setting(None, f"folder of records for tables: keep the scores in its {RESULTS}")


def across(argv: Sequence[str]) -> tuple[list[list[str]], str]:
    """Score a model. Return the cells below `HEAD` and the file of results, "" where there is none.

    Raises:
        CounterpointError: If the model or a source is wrong, or no corpus is found.
    """
    settings = parse("finetune across", _DESCRIPTION, AcrossSettings, argv, _EPILOG)
    require_model(settings.run)
    from finetune.across.scoring import across as scored  # imports torch
    from symbolic.predict.loading import load
    from symbolic.predict.predictor import NotePredictor

    model = load(settings.run)
    if not isinstance(model, NotePredictor):
        raise ConfigError(f"{settings.run} predicts no notes. Name a model of melody.")
    names = [name for name in (settings.sources or "").split(",") if name]
    rows = scored(model, names, settings.root, settings.most)
    path = Path(settings.results) / RESULTS if settings.results else None
    if path:
        record = {**portable_provenance(provenance()), "model": model.name, "rows": rows}
        write_results(path, lambda old: [*(one for one in old if one.get("model") != model.name), record])
    return table(rows), str(path or "")


def table(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the cells below `HEAD`, in per cent. Scores below the skyline's have a mark.

    Args:
        rows: From `finetune.across.scoring.across`.
    """
    found = []
    for row in rows:
        model, skyline = row["model"], row["skyline"]
        low, high = model["interval"]
        below = "" if model["f1"] >= skyline["f1"] else " ↓"
        found.append(
            [
                f"{row['source']}: {row['title']}",
                f"{row['pieces']:,}",
                _percent(skyline["f1"]),
                _percent(model["precision"]),
                _percent(model["recall"]),
                _percent(model["f1"]) + below,
                f"{_percent(low)} to {_percent(high)}",
                _percent(model["mean"]),
                _percent(skyline["mean"]),
                _percent(row["calibration_error"]),
                _percent(row["warned"]),
            ]
        )
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
