"""Pictures of charts, tables and piano rolls for papers and slides, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import LogFormatter, MultipleLocator
from numpy.typing import NDArray

from data.toolkit.charts import Chart, Estimate, Notes, Roll

_STYLES = (("o", "-"), ("s", "--"), ("^", ":"), ("D", "-."))
"""A marker and a line style for each round of matplotlib's ten colours."""
_LEGEND_INSIDE = 8
"""A longer legend would hide the lines. It is placed outside the axes."""
_MARKED = 40
"""Lines of at most this many points show each of them."""


def draw_charts(*charts: Chart, columns: int = 2) -> Figure:
    """Draw charts side by side.

    Args:
        charts: At least one.
        columns: Largest number in a row.
    """
    columns = min(columns, len(charts))
    rows = -(-len(charts) // columns)
    crowded = len(charts) == 1 and len(charts[0]["series"]) > _LEGEND_INSIDE
    width = 6.4 if len(charts) == 1 else 5.2
    figure = Figure(figsize=(width * columns + 2 * crowded, 4.2 * rows), layout="constrained")
    places = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, chart in zip(places, charts, strict=False):
        _draw_chart(axes, chart)
    for axes in places[len(charts) :]:
        axes.set_axis_off()
    if crowded:
        figure.legend(fontsize=7, loc="outside right upper")
    else:
        for axes in places[: len(charts)]:
            axes.legend(fontsize=7)
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


def draw_estimates(estimates: Sequence[Estimate], title: str, axis: str) -> Figure:
    """Draw proportions with their intervals in per cent, the first on top.

    Args:
        estimates: At least one.
        title: Heading of the picture.
        axis: What was measured, with its unit.
    """
    figure = Figure(figsize=(6.4, 1.2 + 0.3 * len(estimates)), layout="constrained")
    axes = figure.subplots()
    low, value, high = (
        [100 * number for number in numbers]
        for numbers in zip(*((one.low, one.value, one.high) for one in estimates), strict=True)
    )
    axes.hlines(range(len(estimates)), low, high, color="C0")
    axes.plot(value, range(len(estimates)), "o", color="C0")
    axes.set_yticks(range(len(estimates)), [f"{one.name} ({one.note})" for one in estimates])
    axes.set(xlim=(-2, 102), ylim=(len(estimates) - 0.5, -0.5), xlabel=axis, title=title)
    axes.grid(axis="x", color="0.9")
    return figure


def draw_rolls(*rolls: Roll) -> Figure:
    """Draw piano rolls of the same music one above the other."""
    figure = Figure(figsize=(12, 0.2 + 3 * len(rolls)), layout="constrained")
    panels = figure.subplots(len(rolls), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, roll in zip(panels, rolls, strict=True):
        named = []
        for notes in roll["layers"]:
            patches = _boxes(notes)
            axes.add_collection(patches)
            if "measure" in notes:
                figure.colorbar(patches, ax=axes, label=notes["measure"], pad=0.01)
            if "name" in notes:
                fill = notes.get("fill")
                face = fill if isinstance(fill, str) else "none"
                named.append(Patch(facecolor=face, edgecolor=notes.get("edge", "none"), label=notes["name"]))
        axes.set(title=roll["title"], ylabel="MIDI pitch")
        if named:
            axes.legend(handles=named, fontsize=7, loc="upper right")
    layers = [notes for roll in rolls for notes in roll["layers"] if len(notes["onset"])]
    if layers:
        onset, length, pitch = (np.concatenate([np.asarray(one[key]) for one in layers]).astype(float)
                                for key in ("onset", "length", "pitch"))  # fmt: skip
        panels[0].set_xlim(onset.min() - 0.25, (onset + length).max() + 0.25)
        panels[0].set_ylim(pitch.min() - 2, pitch.max() + 2)
    panels[-1].set_xlabel("time (quarter notes)")
    panels[-1].yaxis.set_major_locator(MultipleLocator(12))
    panels[-1].yaxis.set_major_formatter(lambda pitch, _: f"C{int(pitch) // 12 - 1}")
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
    bottom, top = axes.get_ylim()
    axes.set_ylim(min(bottom, chart.get("low", bottom)), max(top, chart.get("high", top)))
    axes.set(title=chart["title"], xlabel=chart["x"], ylabel=chart["y"])


def _boxes(notes: Notes) -> PatchCollection:
    """Return a rectangle for every note, a little shorter than the note so that repeated ones stay apart."""
    columns = (notes["onset"], notes["length"], notes["pitch"])
    boxes = [
        Rectangle((float(onset), float(pitch) - 0.45), max(float(length) - 0.04, 0.05), 0.9)
        for onset, length, pitch in zip(*columns, strict=True)
    ]
    style: dict[str, Any] = {
        "edgecolor": notes.get("edge", "none"),
        "linestyle": notes.get("line", "-"),
        "hatch": notes.get("hatch"),
    }
    fill = notes.get("fill", "none")
    if not isinstance(fill, np.ndarray):
        return PatchCollection(boxes, facecolor=fill, **style)
    patches = PatchCollection(boxes, cmap="viridis", **style)
    patches.set_array(fill)
    return patches


class _PlainNumbers(LogFormatter):
    """Label the ticks of a logarithmic axis that have room with plain numbers."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:,.12g}" if super().__call__(x, pos) else ""
