"""Charts as data, and the one renderer that draws them for pages, files and slides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter
from numpy.typing import NDArray

_STYLES = (("o", "-"), ("s", "--"), ("^", ":"), ("D", "-."))
"""A marker and a line style for each round of matplotlib's ten colours."""
_LEGEND_INSIDE = 8
"""A longer legend would hide the lines. It is placed outside the axes."""
_MARKED = 40
"""Lines of at most this many points show each of them."""


class Series(TypedDict):
    """One line or one cloud of dots of a chart.

    Attributes:
        name: Text of the legend.
        x, y: Points by rising x. y is None where nothing was measured.
        low, high: Edges of a band around the line.
        dots: Draw dots without a line.
        bars: Draw `low` and `high` as a bar through each point instead of a band.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    low: NotRequired[Sequence[float]]
    high: NotRequired[Sequence[float]]
    dots: NotRequired[bool]
    bars: NotRequired[bool]


class Chart(TypedDict):
    """Lines over one pair of axes.

    Attributes:
        title: Heading of the chart.
        x, y: Names of the axes with their units.
        series: The lines.
        level: Height of a dashed line to compare with.
        level_name: Text of the legend for `level`.
        log: Make the x axis logarithmic. All x are then above 0.
    """

    title: str
    x: str
    y: str
    series: Sequence[Series]
    level: NotRequired[float]
    level_name: NotRequired[str]
    log: NotRequired[bool]


def draw_charts(*charts: Chart) -> Figure:
    """Draw one or more charts, two in a row."""
    columns, rows = min(2, len(charts)), -(-len(charts) // 2)
    crowded = len(charts) == 1 and len(charts[0]["series"]) > _LEGEND_INSIDE
    figure = Figure(figsize=((6.4, 10.4)[columns - 1] + 2 * crowded, 4.2 * rows), layout="constrained")
    places = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, chart in zip(places, charts, strict=False):
        _draw_chart(axes, chart)
        if not crowded:
            axes.legend(fontsize=7)
    for axes in places[len(charts) :]:
        axes.set_axis_off()
    if crowded:
        figure.legend(fontsize=7, loc="outside right upper")
    return figure


def draw_matrix(names: Sequence[str], counts: NDArray[Any], title: str) -> Figure:
    """Draw a confusion matrix with the proportion and the count of every cell.

    Args:
        names: (C,) classes.
        counts: (C, C) with the true classes in rows.
        title: Heading of the picture.
    """
    many = len(names) > 10
    size = 1.6 + (0.5 if many else 0.75) * len(names)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    proportions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(proportions, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(proportions):
        text = f"{value:.0%}\n{counts[row, column]:,}"
        colour = "white" if value > 0.55 else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=5.5 if many else 8, color=colour)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    return figure


def _draw_chart(axes: Any, chart: Chart) -> None:
    everywhere = [x for series in chart["series"] for x in series["x"]]
    for number, series in enumerate(chart["series"]):
        marker, line = _STYLES[number // 10 % len(_STYLES)]
        style: dict[str, Any] = {"color": f"C{number % 10}", "label": series["name"]}
        x, y = np.array(series["x"], dtype=np.float64), np.array(series["y"], dtype=np.float64)
        if series.get("dots"):
            axes.scatter(x, y, s=5, alpha=0.35, linewidths=0, zorder=0, **style)
            continue
        if np.isfinite(y).sum() <= _MARKED:
            style["marker"] = marker
        if series.get("bars"):
            # Bars of several series at one place would hide one another. Each is moved a little aside.
            meets = chart.get("log") and any(everywhere.count(value) > 1 for value in series["x"])
            aside = 1.03 ** (number - (len(chart["series"]) - 1) / 2) if meets else 1.0
            edges = np.abs(np.array([series["low"], series["high"]]) - y)
            axes.errorbar(aside * x, y, yerr=edges, capsize=2, linestyle=line, **style)
            continue
        axes.plot(x, y, markersize=3, linestyle=line, **style)
        if "low" in series:
            axes.fill_between(x, series["low"], series["high"], alpha=0.2, color=style["color"], linewidth=0)
    if "level" in chart:
        axes.axhline(chart["level"], color="0.5", linestyle="--", label=chart["level_name"])
    if chart.get("log"):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(_PlainNumbers())
        axes.xaxis.set_minor_formatter(_PlainNumbers())
    axes.set(title=chart["title"], xlabel=chart["x"], ylabel=chart["y"])


class _PlainNumbers(LogFormatter):
    """Label the ticks of a logarithmic axis that have room with plain numbers."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:,.12g}" if super().__call__(x, pos) else ""
