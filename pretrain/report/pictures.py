"""Pictures of a run: curves, calibration of the selector, and the piano roll of its choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from pretrain.report.inspection import Inspection
from symbolic.music.notes import DRUM_PROGRAM
from symbolic.tokens.vocabulary import DRUM_PITCH, FIELDS, PITCH

_RIGHT, _WRONG, _FROZEN = "#1a9850", "#d73027", "#9e9e9e"


def curves(history: Sequence[dict[str, Any]], baselines: dict[str, float]) -> Figure:
    """Held-out accuracy of every field over its baseline, losses, and the mask rate, over steps."""
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    axes = figure.subplots(2, 2)
    steps = [entry["step"] for entry in history]
    held_out = [entry["held_out"] for entry in history]
    for index, name in enumerate(FIELDS):
        line = axes[0, 0].plot(steps, [h["accuracy"][name] for h in held_out], label=name, color=f"C{index}")
        axes[0, 0].axhline(baselines[name], color=line[0].get_color(), linestyle=":", linewidth=0.8)
    axes[0, 0].set(title="accuracy on masked held-out tokens (dotted: majority class)", ylim=(0, 1.02))
    axes[0, 0].legend(fontsize=7, loc="upper right", bbox_to_anchor=(-0.07, 1.0))
    trained = [(entry["step"], entry["training"]) for entry in history if "training" in entry]
    at = [step for step, _ in trained]
    axes[0, 1].plot(at, [t["loss"] for _, t in trained], label="backbone, training (weighted)")
    mean = [np.mean(list(h["loss"].values())) for h in held_out]
    axes[0, 1].plot(steps, mean, label="backbone, held out (mean of fields)")
    axes[0, 1].plot(at, [t["selector_loss"] for _, t in trained], label="selector, training")
    axes[0, 1].set(title="losses")
    axes[0, 1].legend(fontsize=7)
    axes[1, 0].plot(at, [t["mask_rate"] for _, t in trained], label="masked")
    axes[1, 0].plot(at, [t["frozen_share"] for _, t in trained], label="frozen")
    axes[1, 0].set(title="share of tokens that are not padding", xlabel="step", ylim=(0, None))
    axes[1, 0].legend(fontsize=7)
    learnt = [
        (entry["step"], entry["held_out"]["selector"]) for entry in history if "selector" in entry["held_out"]
    ]
    for key, label in (
        ("correlation", "all tokens"),
        ("correlation_even", "even batch tokens"),
        ("correlation_odd", "odd batch tokens"),
        ("correlation_within_windows", "within windows"),
    ):
        axes[1, 1].plot([s for s, _ in learnt], [_number(m[key]) for _, m in learnt], label=label)
    axes[1, 1].axhline(0, color="0.6", linewidth=0.8)
    axes[1, 1].set(title="rank correlation of selector score and held-out loss", xlabel="step")
    if learnt:
        axes[1, 1].legend(fontsize=7)
    else:
        axes[1, 1].text(0.5, 0.5, "this selector learns nothing", ha="center", transform=axes[1, 1].transAxes)
    # A line through one point is invisible.
    for line in (line for place in axes.flat for line in place.lines if len(line.get_xdata()) == 1):
        line.set_marker("o")
    return figure


def calibration(score: NDArray[np.float64], loss: NDArray[np.float64]) -> Figure:
    """Held-out loss against selector score: means and quartiles in twelve equal bins of tokens."""
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.scatter(score, loss, s=3, alpha=0.15, color="0.4", linewidths=0)
    parts = [p for p in np.array_split(np.argsort(score, kind="stable"), 12) if len(p)]
    centre = [score[p].mean() for p in parts]
    low, middle, high = np.array([np.percentile(loss[p], (25, 50, 75)) for p in parts]).T
    axes.fill_between(centre, low, high, alpha=0.3, color="C0", label="quartiles")
    axes.plot(centre, middle, color="C0", label="median")
    axes.plot(centre, [loss[p].mean() for p in parts], color="C3", label="mean")
    axes.set(xlabel="selector score (logit)", ylabel="recovery loss (nats, 8 fields)")
    axes.legend(fontsize=7)
    return figure


def piano_roll(inspection: Inspection, title: str) -> Figure:
    """Two rolls of one window: what the selector thinks of each note, and what became of those it chose.

    Where the selector learns nothing, the upper roll shows how hard each note truly is.
    """
    figure = Figure(figsize=(12, 6.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, sharey=True)
    pitched = inspection.notes["program"] != DRUM_PROGRAM
    boxes = [
        Rectangle(
            (note["onset"] / inspection.resolution, note["pitch"] - 0.45), _length(note, inspection), 0.9
        )
        for note in inspection.notes
    ]
    measure = "selector score" if inspection.score is not None else "recovery loss (nats, 8 fields)"
    notes = PatchCollection([boxes[i] for i in np.flatnonzero(pitched)], cmap="viridis")
    notes.set_array(
        (inspection.loss.sum(1) if inspection.score is None else inspection.score.mean(1))[pitched]
    )
    above.add_collection(notes)
    figure.colorbar(notes, ax=above, label=measure, pad=0.01)
    _outline(above, inspection, boxes, inspection.chosen.any(1) & pitched, edgecolor=_WRONG, linewidth=1.4)
    _outline(
        above, inspection, boxes, inspection.frozen & pitched, edgecolor=_FROZEN, linewidth=1.4, hatch="////"
    )
    above.set(title=f"{title}: {measure}; red outline: chosen; grey hatching: frozen", ylabel="pitch")

    asked = inspection.chosen[:, PITCH] & pitched
    rest = PatchCollection([boxes[i] for i in np.flatnonzero(pitched & ~asked)], facecolor="0.82")
    below.add_collection(rest)
    predicted = np.where(inspection.recovered[:, PITCH] < DRUM_PITCH, inspection.recovered[:, PITCH], -1)
    right = predicted == inspection.notes["pitch"]
    _outline(below, inspection, boxes, asked & right, facecolor=_RIGHT)
    _outline(below, inspection, boxes, asked & ~right, facecolor=_WRONG)
    for i in np.flatnonzero(asked & ~right & (predicted >= 0)):
        corner = (inspection.notes["onset"][i] / inspection.resolution, predicted[i] - 0.45)
        below.add_patch(
            Rectangle(
                corner,
                _length(inspection.notes[i], inspection),
                0.9,
                fill=False,
                edgecolor=_WRONG,
                linestyle="--",
            )
        )
    below.set(
        title="recovered from context: green, right pitch; red, wrong (dashed: the pitch predicted instead)",
        xlabel="time (quarter notes)", ylabel="pitch",
    )  # fmt: skip
    below.yaxis.set_major_locator(MultipleLocator(12))
    below.yaxis.set_minor_locator(MultipleLocator(1))
    below.yaxis.set_major_formatter(lambda pitch, _: f"C{int(pitch) // 12 - 1}")
    if pitched.any():
        shown = inspection.notes[pitched]
        heights = np.append(shown["pitch"], predicted[asked & (predicted >= 0)])
        below.set(
            xlim=(-0.25, float((shown["onset"] + shown["duration"]).max()) / inspection.resolution + 0.25),
            ylim=(int(heights.min()) - 2, int(heights.max()) + 2),
        )
    return figure


def _outline(
    axes: Any, inspection: Inspection, boxes: list[Rectangle], which: NDArray[np.bool_], **style: Any
) -> None:
    style.setdefault("facecolor", "none")
    axes.add_collection(PatchCollection([boxes[i] for i in np.flatnonzero(which)], **style))


def _length(note: Any, inspection: Inspection) -> float:
    return max(float(note["duration"]) / inspection.resolution - 0.04, 0.05)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
