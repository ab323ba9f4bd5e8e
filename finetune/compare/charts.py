"""The chart of a comparison as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.toolkit.charts import Chart, Series

SIZES = ("share", "size", "layers")
"""Axes of a grid along which a line is drawn. Every combination of the others has a line of its own."""
Row = Mapping[str, Any]


def size_chart(task: Row) -> Chart | None:
    """Return accuracy over trained parameters or None if all arms train as many. Arms of a grid form its lines."""
    rows = task["rows"]
    if len({row["trained"] for row in rows}) < 2:
        return None
    best = max(baseline["test"]["accuracy"]["mean"] for baseline in task["baselines"])
    return {
        "title": "Accuracy over trained parameters",
        "x": "trained parameters",
        "y": "accuracy, %",
        "series": [_series(name, line) for name, line in _lines(rows).items()],
        "log": True,
        "level": round(100 * best, 2),
        "level_name": "best baseline",
    }


def _lines(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Group rows by all axes but size. A row outside every grid is alone."""
    lines: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["trained"]):
        axes = row["axes"]
        common = ", ".join(value for axis, value in axes.items() if axis not in SIZES) or row["method"]
        lines.setdefault(common if set(axes) & set(SIZES) else row["arm"], []).append(row)
    return lines


def _series(name: str, rows: Sequence[Row]) -> Series:
    """Return accuracies with intervals in per cent."""
    scores = [row["test"]["accuracy"] for row in rows]
    return {
        "name": name,
        "x": [row["trained"] for row in rows],
        "y": [round(100 * score["mean"], 2) for score in scores],
        "low": [round(100 * score["interval"][0], 2) for score in scores],
        "high": [round(100 * score["interval"][1], 2) for score in scores],
        "bars": True,
    }
