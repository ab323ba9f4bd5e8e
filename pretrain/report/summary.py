"""The results of a run as lines of text, for the page, the card and the command."""

from __future__ import annotations

from typing import Any

from data.toolkit.settings import flatten
from symbolic.tokens.vocabulary import FIELDS

_MEASURED = {
    "correlation": "rank correlation with held-out loss",
    "correlation_even": "  in even windows of a batch",
    "correlation_odd": "  in odd windows of a batch",
    "correlation_within_windows": "  within windows",
    "overlap_with_hardest": "overlap with the hardest 30 %",
    "overlap_by_chance": "  by chance",
    "entropy": "entropy of its scores (1: even)",
}


def field_table(record: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return field, held-out accuracy and majority baseline, as text."""
    accuracy, baselines = record["history"][-1]["held_out"]["accuracy"], record["baselines"]
    return [(name.replace("_", " "), f"{accuracy[name]:.3f}", f"{baselines[name]:.3f}") for name in FIELDS]


def selector_lines(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Return how well the selector's scores predict the loss as text. A note if it has no network."""
    found = record["history"][-1]["held_out"].get("selector")
    if not found:
        name = flatten(record["settings"])["selector"]
        return [("selector", f"{name}: it trains no network, so there is nothing to measure")]
    return [(label, "–" if found[key] is None else f"{found[key]:+.3f}") for key, label in _MEASURED.items()]
