"""The chart of a comparison as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.toolkit.charts import Chart
from finetune.report.charts import accuracy_chart, line_of

SIZES = ("share", "size", "layers")
"""Axes of a grid along which a line is drawn. Every combination of the others has a line of its own."""


def size_chart(task: Mapping[str, Any]) -> Chart | None:
    """Return accuracy over trained parameters, or None if all arms train as many. Arms of a grid form its lines."""
    lines = {
        name: [(row["trained"], row["test"]["accuracy"]) for row in rows]
        for name, rows in _lines(task["rows"]).items()
    }
    if len({size for points in lines.values() for size, _ in points}) < 2:
        return None
    series = [line_of(name, points) for name, points in lines.items()]
    best = max(baseline["test"]["accuracy"]["mean"] for baseline in task["baselines"])
    chart = accuracy_chart("Accuracy over trained parameters", "trained parameters", series)
    return {**chart, "level": round(100 * best, 2), "level_name": "best baseline"}


def _lines(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Group rows by all axes but size. A row outside every grid is alone."""
    lines: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        axes = row["axes"]
        common = ", ".join(value for axis, value in axes.items() if axis not in SIZES) or row["method"]
        lines.setdefault(common if set(axes) & set(SIZES) else row["arm"], []).append(row)
    return lines
