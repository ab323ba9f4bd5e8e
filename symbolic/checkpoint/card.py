"""The front matter of a model card: what model hubs and `repr` read of it, as YAML at the top of README.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from symbolic.checkpoint.bundled import CARD
from symbolic.documents import read_yaml
from symbolic.errors import ConfigError

_FENCE = "---"
_LICENCES = ("cc-by-nc-sa-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-4.0", "cc0-1.0", "apache-2.0", "mit")
"""Identifiers that model hubs know."""


def front_matter(
    licence: str,
    *,
    task: Mapping[str, Any] | None = None,
    datasets: Sequence[str] = (),
    base_model: str = "",
    scores: Mapping[str, float] | None = None,
) -> list[str]:
    """Return the front matter of a card as lines.

    Args:
        licence: The licence of the weights in a line. The first licence named in it is taken.
        task: The task that was learnt as `Task.describe` gives it. None for a pretrained model.
        datasets: Names of the training corpora.
        base_model: The model that it was made on if any.
        scores: Scores on test pieces by metric in 0 to 1.
    """
    import yaml

    known = _identifier(licence)
    values: dict[str, Any] = {"license": known or "other"}
    if not known:
        values["license_name"] = licence.strip()
    values |= {
        "library_name": "counterpoint-smu",
        "tags": ["music", "midi", "symbolic-music", *([str(task["label"])] if task else ["masked-modeling"])],
    }
    if datasets:
        values["datasets"] = list(datasets)
    if base_model:
        values["base_model"] = base_model
    if scores:
        values["metrics"] = list(scores)
        values["scores"] = {name: round(float(value), 4) for name, value in scores.items()}
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=10_000)
    return [_FENCE, *text.splitlines(), _FENCE, ""]


def read_front_matter(folder: Path) -> dict[str, Any]:
    """Read the front matter of the card in a folder. Empty where there is none."""
    path = folder / CARD
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if not text.startswith(f"{_FENCE}\n"):
        return {}
    try:
        values = read_yaml(text[len(_FENCE) :].partition(f"\n{_FENCE}")[0])
    except ConfigError:
        return {}
    return values if isinstance(values, dict) else {}


def _identifier(licence: str) -> str:
    """The hub's identifier of the first licence that a line names. "" where none is known."""
    words = " ".join(licence.casefold().replace("-", " ").split())
    places = {
        found.start(): known
        for known in _LICENCES
        if (found := re.search(rf"\b{re.escape(known.replace('-', ' '))}\b", words))
    }
    return places[min(places)] if places else ""
