"""Charts of a run: training curves and the notes of a piece by class."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from data.toolkit.charts import Chart, Series
from finetune.report.tables import Record
from symbolic.music.notes import Music

_COLOURS = ("#d95f02", "#1b9e77", "#a6a6a6", "#7570b3", "#e7298a", "#66a61e", "#e6ab02", "#a6761d", "#e6e6e6")
"""Colours of classes, in turn. The last one is of unlabelled notes."""


def run_charts(record: Record) -> list[Chart]:
    """Return the training curves of every seed: losses and validation accuracy beside the best baseline.

    Folds of one seed are shown as their mean in a band from the lowest to the highest. A fold that has stopped is
    part of neither.
    """
    sides = {"training": "train_loss", "validation": "valid_loss"}
    seeds = {
        f"seed {seed['seed']}": [one["history"] for one in seed.get("folds", [seed])]
        for seed in record["seeds"]
    }
    losses = [
        _curve(f"{side}, {seed}", folds, key) for seed, folds in seeds.items() for side, key in sides.items()
    ]
    best = max(baseline["valid"]["scores"]["accuracy"]["mean"] for baseline in record["baselines"])
    return [
        {"title": "Loss", "x": "step", "y": "nats", "series": losses},
        {
            "title": "Accuracy on the validation pieces",
            "x": "step",
            "y": "accuracy, %",
            "series": [_curve(seed, folds, "valid_accuracy", 100) for seed, folds in seeds.items()],
            "level": round(100 * best, 2),
            "level_name": "best baseline",
        },
    ]


def draw_classes(
    music: Music, truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: Sequence[str]
) -> Figure:
    """Draw two piano rolls of the same notes, coloured by true and by predicted class.

    Args:
        music: N notes.
        truth: (N,) classes. -1 is unlabelled.
        predicted: (N,) classes.
        classes: Names.
    """
    notes, quarter = music.notes, music.resolution
    figure = Figure(figsize=(12, 6), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True, sharey=True)
    colour = [*(_COLOURS[number % (len(_COLOURS) - 1)] for number in range(len(classes))), _COLOURS[-1]]
    wrong = np.where((truth >= 0) & (truth != predicted), "black", "none")
    # A little shorter than the note, so that repeated ones stay apart.
    length = np.maximum(notes["duration"] / quarter - 0.04, 0.05)
    shown = {"truth": (truth, "none"), "prediction (wrong notes outlined)": (predicted, wrong.tolist())}
    for axes, (title, (found, edge)) in zip(panels, shown.items(), strict=True):
        fill = [colour[number] for number in found]
        axes.barh(notes["pitch"], length, 0.9, notes["onset"] / quarter, color=fill, edgecolor=edge)
        axes.set(title=title, ylabel="MIDI pitch")
    panels[0].legend(
        handles=[Patch(color=one, label=name) for one, name in zip(colour, classes, strict=False)]
    )
    panels[1].set_xlabel("time (quarter notes)")
    return figure


def _curve(name: str, folds: Sequence[Sequence[Record]], key: str, unit: float = 1.0) -> Series:
    # A probe that comes first has no training loss.
    steps = list(filter(None, ([one for one in ones if one and key in one] for ones in zip_longest(*folds))))
    values = [[unit * entry[key] for entry in entries] for entries in steps]
    series: Series = {
        "name": name,
        "x": [round(float(np.mean([entry["step"] for entry in entries])), 1) for entries in steps],
        "y": [round(float(np.mean(those)), 4) for those in values],
    }
    if len(folds) > 1:
        series |= {"low": [round(min(v), 4) for v in values], "high": [round(max(v), 4) for v in values]}
    return series
