"""Charts of runs: recall of each class, accuracy over budgets and sizes, training curves, a piano roll."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from data.toolkit.charts import Chart, Estimate, Series
from finetune.report.tables import Record, method_of, pretrained
from finetune.settings import FEATURES
from finetune.tasks.metrics import SAMPLES, Counts
from symbolic.music.notes import Music

_BASELINE = "best baseline"
_COLOURS = ("#d95f02", "#1b9e77", "#a6a6a6", "#7570b3", "#e7298a", "#66a61e", "#e6ab02", "#a6761d", "#e6e6e6")
"""Colours of classes, in turn. The last one is of unlabelled notes."""


def recalls(counts: Counts, classes: Sequence[str]) -> list[Estimate]:
    """Compute the recall of each class, averaged over seeds, with a 95 % bootstrap interval over song groups.

    Args:
        counts: (S, G, C, C) of S seeds on the same G groups; row = truth.
        classes: (C,) names.

    Returns:
        An estimate a class; NaN for a class without items. Resamples in which the class does not occur are left out.
        If all resamples agree, as where everything is right, the interval is Wilson's (1927). Its number of trials is
        the number of groups that have the class.
    """
    right = np.diagonal(counts, axis1=-2, axis2=-1).mean(axis=0)
    items = counts[0].sum(axis=-1)
    groups = len(items)
    weights = np.random.default_rng(0).multinomial(groups, np.full(groups, 1 / groups), size=SAMPLES)
    resampled = _ratio(weights @ right, weights @ items)
    found = []
    for index, name in enumerate(classes):
        total, drawn = int(items[:, index].sum()), resampled[:, index]
        drawn = drawn[~np.isnan(drawn)]
        low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (np.nan, np.nan)
        value = float(_ratio(right[:, index].sum(), np.asarray(total)))
        if low == high:
            low, high = _wilson(value, int((items[:, index] > 0).sum()))
        found.append(Estimate(name, value, float(low), float(high), f"{total:,}"))
    return found


def task_charts(records: Sequence[Record], run: Record) -> list[Chart]:
    """Compare runs of one task and protocol: accuracy over label budgets, and over trained parameters.

    Args:
        records: Any records. Those of other tasks, protocols or test pieces are left out.
        run: One of them. It names the task, and the second chart shows runs with its label budget.

    Returns:
        Up to two charts. A chart with a single place on its x axis is left out.
    """
    runs = [one for one in records if _question(one) == _question(run) and "test" in one]
    charts = [_over_budgets(runs), _over_parameters([one for one in runs if _budget(one) == _budget(run)])]
    return [chart for chart in charts if len({x for series in chart["series"] for x in series["x"]}) > 1]


def run_charts(record: Record) -> list[Chart]:
    """Return the training curves of every seed: losses, and validation accuracy beside the best baseline.

    Folds of one seed are shown as their mean, in a band from the lowest to the highest. A fold that has stopped is
    part of neither.
    """
    seeds = record["seeds"]
    losses = [
        _curve(seed, f"{side}, seed {seed['seed']}", key)
        for seed in seeds
        for side, key in (("training", "train_loss"), ("validation", "valid_loss"))
    ]
    return [
        {"title": "Loss", "x": "step", "y": "nats", "series": losses, "low": 0.0},
        {
            "title": "Accuracy on the validation pieces",
            "x": "step",
            "y": "accuracy, %",
            "series": [_curve(seed, f"seed {seed['seed']}", "valid_accuracy", 100) for seed in seeds],
            **_level(record, "valid"),
        },
    ]


def draw_classes(
    music: Music, truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: Sequence[str]
) -> Figure:
    """Draw two piano rolls of the same notes, coloured by true and by predicted class.

    Args:
        music: N notes.
        truth: (N,) classes; -1 is unlabelled.
        predicted: (N,) classes.
        classes: Names.
    """
    notes, quarter = music.notes, music.resolution
    figure = Figure(figsize=(12, 6), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True, sharey=True)
    colour = [_COLOURS[number % (len(_COLOURS) - 1)] for number in range(len(classes))] + [_COLOURS[-1]]
    wrong = [
        "black" if true >= 0 and true != other else "none"
        for true, other in zip(truth, predicted, strict=True)
    ]
    for axes, found, edge, title in zip(
        panels,
        (truth, predicted),
        ("none", wrong),
        ("truth", "prediction (wrong notes outlined)"),
        strict=True,
    ):
        # A little shorter than the note, so that repeated ones stay apart.
        length = np.maximum(notes["duration"] / quarter - 0.04, 0.05)
        fill = [colour[number] for number in found]
        axes.barh(notes["pitch"], length, 0.9, notes["onset"] / quarter, color=fill, edgecolor=edge)
        axes.set(title=title, ylabel="MIDI pitch")
    panels[0].legend(
        handles=[Patch(color=one, label=name) for one, name in zip(colour, classes, strict=False)]
    )
    panels[1].set_xlabel("time (quarter notes)")
    return figure


def backbone_of(record: Record) -> str:
    """Return the name of a run's checkpoint, or "scratch"; empty for hand-made features."""
    path = str(record["backbone"].get("path", "")).rstrip("/").removesuffix("/checkpoint")
    fresh = "" if record["method"] == FEATURES else "scratch"
    return path.rpartition("/")[2] if pretrained(record) else fresh


def _curve(seed: Record, name: str, key: str, unit: float = 1.0) -> Series:
    folds = [one["history"] for one in seed.get("folds", [seed])]
    steps = [list(filter(None, entries)) for entries in zip_longest(*folds)]
    values = [[unit * entry[key] for entry in entries] for entries in steps]
    series: Series = {
        "name": name,
        "x": [round(float(np.mean([entry["step"] for entry in entries])), 1) for entries in steps],
        "y": [round(float(np.mean(those)), 4) for those in values],
    }
    if len(folds) > 1:
        series |= {"low": [round(min(v), 4) for v in values], "high": [round(max(v), 4) for v in values]}
    return series


def _over_budgets(runs: Sequence[Record]) -> Chart:
    lines: dict[str, dict[float, Mapping[str, Any]]] = defaultdict(dict)
    for run in runs:
        percent = 100 * _budget(run)
        lines[_name(run)][percent] = run["test"]["accuracy"]
        scores = [baseline["test"]["scores"]["accuracy"] for baseline in run["baselines"]]
        lines[_BASELINE][percent] = max(scores, key=lambda score: score["mean"])
    # The baseline comes last, so that runs have the same colours with and without it.
    names = sorted(lines, key=lambda name: (name == _BASELINE, name))
    series = [line_of(name, lines[name].items()) for name in names]
    return accuracy_chart("Accuracy over labels", "share of the training labels, %", series)


def _over_parameters(runs: Sequence[Record]) -> Chart:
    sizes = [run["seeds"][0]["cost"]["trained_parameters"] for run in runs]
    ordered = sorted(zip(sizes, runs, strict=True), key=lambda pair: pair[0])
    series = [line_of(_name(run), [(size, run["test"]["accuracy"])]) for size, run in ordered]
    chart = accuracy_chart("Accuracy over trained parameters", "trained parameters", series)
    return {**chart, **_level(runs[0], "test")} if runs else chart


def accuracy_chart(title: str, x: str, series: Sequence[Series]) -> Chart:
    """Return a chart of accuracy over a logarithmic axis."""
    return {"title": title, "x": x, "y": "accuracy, %", "series": series, "log": True}


def line_of(name: str, points: Iterable[tuple[float, Mapping[str, Any]]]) -> Series:
    """Return pairs of x and score as a line with intervals, in per cent."""
    places, scores = zip(*sorted(points, key=lambda point: point[0]), strict=True)
    edges = np.array([score["interval"] for score in scores], dtype=np.float64)
    return {
        "name": name,
        "x": list(places),
        "y": [round(100 * score["mean"], 2) for score in scores],
        "low": (100 * edges[:, 0]).round(2).tolist(),
        "high": (100 * edges[:, 1]).round(2).tolist(),
        "bars": True,
    }


def _level(record: Record, side: str) -> Chart:
    best = max(baseline[side]["scores"]["accuracy"]["mean"] for baseline in record["baselines"])
    return {"level": round(100 * best, 2), "level_name": _BASELINE}  # type: ignore[typeddict-item]


def _name(run: Record) -> str:
    return ", ".join(filter(None, (method_of(run), backbone_of(run))))


def _question(record: Record) -> tuple[str, str | None, str]:
    return record["task"]["name"], record.get("protocol"), record["corpus"]["shards"]


def _budget(record: Record) -> float:
    return float(record.get("budget", 1.0))


def _wilson(ratio: float, trials: int) -> tuple[float, float]:
    """Return the ends of the 95 % score interval of a ratio."""
    z = 1.96
    centre = ratio + z**2 / (2 * trials)
    half = z * (ratio * (1 - ratio) / trials + z**2 / (4 * trials**2)) ** 0.5
    return max((centre - half) / (1 + z**2 / trials), 0.0), min((centre + half) / (1 + z**2 / trials), 1.0)


def _ratio(part: NDArray[np.floating], whole: NDArray[np.integer]) -> NDArray[np.float64]:
    """Divide; NaN where there is no whole."""
    out = np.full(np.shape(part), np.nan)
    return np.asarray(np.divide(part, whole, out=out, where=np.asarray(whole) > 0))
