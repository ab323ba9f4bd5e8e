"""Charts of a comparison as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data.toolkit.charts import Chart, Series
from finetune.report.charts import accuracy_chart, line_of

SIZES = ("share", "size", "layers")
"""Axes of a grid along which a line is drawn; every combination of the others has a line of its own."""
Row = Mapping[str, Any]
COSTS: tuple[tuple[str, str, Callable[[Row], float | None]], ...] = (
    ("trained parameters", "trained parameters", lambda row: row["trained"]),
    ("file size", "file, MB", lambda row: row["saved_bytes"] / 1e6),
    ("time", "seconds an epoch", lambda row: row["seconds_per_epoch"] or None),
    (
        "peak memory",
        "peak memory, GB",
        lambda row: row["peak_memory_bytes"] and row["peak_memory_bytes"] / 1e9,
    ),
)
"""Costs that accuracy is shown over: name, axis, and value of a row."""


def cost_charts(task: Mapping[str, Any]) -> list[Chart]:
    """Return accuracy over each cost that was measured and in which arms differ. Arms of a grid form its lines."""
    charts = []
    for name, axis, value in COSTS:
        lines = {
            line: [(cost, row) for row in rows if (cost := value(row)) is not None]
            for line, rows in _lines(task["rows"]).items()
        }
        if len({cost for points in lines.values() for cost, _ in points}) > 1:
            series = [_series(line, points) for line, points in lines.items() if points]
            charts.append(_chart(f"Accuracy over {name}", axis, series, _level(task)))
    return charts


def trade_off(task: Mapping[str, Any]) -> Chart | None:
    """Return accuracy of a grid over the share of trained parameters, a line for every body and place."""
    lines = _lines([row for row in task["rows"] if set(row["axes"]) & set(SIZES)])
    if not lines:
        return None
    series = [_series(name, [(100 * row["share"], row) for row in rows]) for name, rows in lines.items()]
    full = next((row for row in task["rows"] if row["method"] == "full" and not row["fresh"]), None)
    level = _level(task) if full is None else (full["arm"], full["test"]["accuracy"]["mean"])
    return _chart("Accuracy over size", "share of the parameters that is trained, %", series, level)


def _lines(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Group rows by all axes but size. A row outside every grid is alone."""
    lines: dict[str, list[Row]] = {}
    for row in rows:
        axes = row["axes"]
        common = ", ".join(value for axis, value in axes.items() if axis not in SIZES) or row["method"]
        lines.setdefault(common if set(axes) & set(SIZES) else row["arm"], []).append(row)
    return lines


def _chart(title: str, x: str, series: Sequence[Series], level: tuple[str, float]) -> Chart:
    return {**accuracy_chart(title, x, series), "level": round(100 * level[1], 2), "level_name": level[0]}


def _level(task: Mapping[str, Any]) -> tuple[str, float]:
    return "best baseline", max(baseline["test"]["accuracy"]["mean"] for baseline in task["baselines"])


def _series(name: str, points: Sequence[tuple[float, Row]]) -> Series:
    return line_of(name, ((x, row["test"]["accuracy"]) for x, row in points))
