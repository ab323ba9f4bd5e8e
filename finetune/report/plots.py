"""Pictures for papers and slides: confusion, recall, curves, charts, and a piano roll of truth and prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import LogFormatter
from numpy.typing import NDArray

from data.toolkit.charts import Chart, Estimate
from finetune.report.figures import histories
from finetune.tasks.metrics import Counts
from symbolic.music.notes import Music

COLOURS = ("#d95f02", "#1b9e77", "#a6a6a6", "#7570b3", "#e7298a", "#66a61e", "#e6ab02", "#a6761d")

_LOOKS = (("o", "-"), ("s", "--"), ("^", ":"), ("D", "-."))
"""Marks and lines, one pair for each round of matplotlib's ten colours."""

_BESIDE = 8
"""With more series than this, a legend would hide them: it stands beside the axes."""


def confusion(counts: Counts, classes: Sequence[str], title: str) -> Figure:
    """Shares of each true class, with counts.

    Args:
        counts: (C, C), row = truth.
        classes: Names.
        title: What was counted.
    """
    many = len(classes) > 10
    size = 1.6 + (0.5 if many else 0.75) * len(classes)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = range(len(classes))
    for row in places:
        for column in places:
            share = shares[row, column]
            axes.text(
                column,
                row,
                f"{share:.0%}\n{counts[row, column]:,}",
                ha="center",
                va="center",
                fontsize=5.5 if many else 8,
                color="white" if share > 0.55 else "black",
            )
    axes.set_xticks(places, classes, rotation=30, ha="right")
    axes.set_yticks(places, classes)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    return figure


def recall(estimates: Sequence[Estimate], title: str) -> Figure:
    """Recall of each class with its interval, the first class on top.

    Args:
        estimates: From `finetune.report.figures.recalls`.
        title: What was counted.
    """
    figure = Figure(figsize=(6.4, 1.2 + 0.3 * len(estimates)), layout="constrained")
    axes = figure.subplots()
    places = range(len(estimates))
    axes.hlines(
        places, [100 * one.low for one in estimates], [100 * one.high for one in estimates], color="C0"
    )
    axes.plot([100 * one.value for one in estimates], places, "o", color="C0")
    axes.set_yticks(places, [f"{one.name} ({one.note})" for one in estimates])
    axes.set(
        xlim=(-2, 102), ylim=(len(estimates) - 0.5, -0.5), xlabel="recall, % (95 % by bootstrap)", title=title
    )
    axes.grid(axis="x", color="0.9")
    return figure


def drawn(chart: Chart) -> Figure:
    """A chart of a page as a picture."""
    many = len(chart["series"]) > _BESIDE
    figure = Figure(figsize=(8.4 if many else 6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    everywhere = [x for series in chart["series"] for x in series["x"]]
    for number, series in enumerate(chart["series"]):
        heights = np.array(series["y"], dtype=np.float64)
        edges = np.abs(np.array([series["low"], series["high"]]) - heights) if "low" in series else None
        # Bars of several series at one place would hide one another: each stands a little aside.
        meets = chart.get("log") and any(everywhere.count(x) > 1 for x in series["x"])
        aside = 1.03 ** (number - (len(chart["series"]) - 1) / 2) if meets else 1.0
        places = aside * np.array(series["x"], dtype=np.float64)
        axes.errorbar(places, heights, yerr=edges, capsize=2, label=series["name"], **_look(number))
    if "level" in chart:
        axes.axhline(chart["level"], color="0.5", linestyle="--", label=chart["level_name"])
    if chart.get("log"):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(_PlainNumbers())
        axes.xaxis.set_minor_formatter(_PlainNumbers())
    axes.set(title=chart["title"], xlabel=chart["x"], ylabel=chart["y"])
    if many:
        figure.legend(fontsize=7, loc="outside right upper")
    else:
        axes.legend(fontsize=7)
    return figure


class _PlainNumbers(LogFormatter):
    """Labels those ticks of a logarithmic axis that have room for it, with numbers and not with powers of ten."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:,.12g}" if super().__call__(x, pos) else ""


def _look(number: int) -> dict[str, Any]:
    """Colour, mark and line that no other of 40 series has."""
    marker, line = _LOOKS[number // 10 % len(_LOOKS)]
    return {"color": f"C{number % 10}", "marker": marker, "linestyle": line}


def curves(seeds: Sequence[Mapping[str, Any]], baselines: Sequence[Mapping[str, Any]]) -> Figure:
    """Losses, and validation accuracy above the baselines, of every seed over steps; a thin line a fold."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, seed in enumerate(seeds):
        runs, colour = histories(dict(seed)), f"C{number % 10}"
        thin: dict[str, Any] = {"color": colour, "linewidth": 1.5 if len(runs) == 1 else 0.6}
        for fold, history in enumerate(runs):
            steps = [entry["step"] for entry in history]
            for key, line in (("train_loss", ":"), ("valid_loss", "-")):
                left.plot(steps, [entry[key] for entry in history], line, **thin)
            accuracy = [entry["valid_accuracy"] for entry in history]
            label = f"seed {seed['seed']}" if fold == 0 else None
            right.plot(steps, accuracy, "o-", markersize=3 if len(runs) == 1 else 1.5, label=label, **thin)
    for number, baseline in enumerate(baselines):
        height = baseline["valid"]["scores"]["accuracy"]["mean"]
        right.axhline(height, color="0.55", linestyle=("--", "-.", ":")[number % 3], label=baseline["title"])
    left.set(title="loss (dotted: training)", xlabel="step", ylim=(0, None))
    right.set(title="accuracy on validation pieces", xlabel="step")
    right.legend(fontsize=7)
    return figure


def piano_roll(
    music: Music,
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    classes: Sequence[str],
    title: str,
) -> Figure:
    """Two rolls of the same notes, coloured by their true and by their predicted class.

    Args:
        music: The notes, N of them.
        truth: (N,) classes; -1 is unlabelled.
        predicted: (N,) classes.
        classes: Names.
        title: Which music it is.
    """
    figure = Figure(figsize=(12, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, sharey=True)
    _roll(above, music, truth)
    _roll(below, music, predicted)
    wrong = np.flatnonzero((truth >= 0) & (truth != predicted))
    boxes = [_box(music, index) for index in wrong.tolist()]
    below.add_collection(PatchCollection(boxes, facecolor="none", edgecolor="black", linewidth=1.0))
    above.set(title=f"{title}: truth", ylabel="MIDI pitch")
    below.set(title="prediction (wrong notes outlined)", xlabel="time (quarter notes)", ylabel="MIDI pitch")
    keys = [Patch(color=COLOURS[i % len(COLOURS)], label=name) for i, name in enumerate(classes)]
    above.legend(handles=keys, fontsize=7, loc="upper right")
    begin = music.notes["onset"].min() / music.resolution
    end = (music.notes["onset"] + music.notes["duration"]).max() / music.resolution
    pitch = music.notes["pitch"].astype(int)
    above.set(xlim=(begin - 0.25, end + 0.25), ylim=(pitch.min() - 2, pitch.max() + 2))
    return figure


def _roll(axes: Any, music: Music, classes: NDArray[np.integer]) -> None:
    colours = ["0.9" if c < 0 else COLOURS[c % len(COLOURS)] for c in classes.tolist()]
    boxes = [_box(music, index) for index in range(len(music))]
    axes.add_collection(PatchCollection(boxes, facecolor=colours))


def _box(music: Music, index: int) -> Rectangle:
    note = music.notes[index]
    length = max(float(note["duration"]) / music.resolution - 0.04, 0.05)
    return Rectangle((float(note["onset"]) / music.resolution, float(note["pitch"]) - 0.45), length, 0.9)
