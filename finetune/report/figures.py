"""What the figures of the benchmark show, as numbers: recalls with intervals, and charts of many runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from data.toolkit.charts import Chart, Estimate, Series
from finetune.report.tables import Record, method_of, pretrained
from finetune.settings import FEATURES
from finetune.tasks.metrics import SAMPLES, Counts


def recalls(counts: Counts, classes: Sequence[str]) -> list[Estimate]:
    """Recall of each class, the mean over seeds, with a 95 % percentile bootstrap interval over song groups.

    Args:
        counts: (S, G, C, C) of S seeds on the same G groups, row = truth.
        classes: (C,) names.

    Returns:
        An estimate a class; NaN for one that no item has. Resamples in which it does not occur are left out. Where all
        resamples agree, as when all or none are right, their spread says nothing: the interval is then Wilson's (1927),
        of as many trials as groups have the class.
    """
    right = np.diagonal(counts, axis1=-2, axis2=-1).mean(axis=0)
    items = counts[0].sum(axis=-1)
    groups = len(items)
    weights = np.random.default_rng(0).multinomial(groups, np.full(groups, 1 / groups), size=SAMPLES)
    resampled = _shares(weights @ right, weights @ items)
    found = []
    for index, name in enumerate(classes):
        total, drawn = int(items[:, index].sum()), resampled[:, index]
        drawn = drawn[~np.isnan(drawn)]
        low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (np.nan, np.nan)
        value = float(_shares(right[:, index].sum(), np.asarray(total)))
        if low == high:
            low, high = _wilson(value, int((items[:, index] > 0).sum()))
        found.append(Estimate(name, value, float(low), float(high), f"{total:,}"))
    return found


def task_charts(records: Sequence[Record], whose: Record) -> list[Chart]:
    """What runs of one task and protocol say together: accuracy over label budgets, and over trained parameters.

    Args:
        records: Any; those of other tasks, protocols or test pieces are passed over.
        whose: One of them, which names the task; the second chart is of runs with its label budget.

    Returns:
        None, one or two; a chart that would have a single place on its x axis is left out.
    """
    runs = [one for one in records if _question(one) == _question(whose) and "test" in one]
    charts = [_budgets(runs), _parameters([one for one in runs if _budget(one) == _budget(whose)])]
    return [chart for chart in charts if len({x for series in chart["series"] for x in series["x"]}) > 1]


def run_charts(record: Record) -> list[Chart]:
    """How a run went: losses, and accuracy on the validation pieces beside the best baseline, of every seed over steps.

    Where there are folds, each line is their mean within a band from the lowest to the highest, validation by
    validation; folds that have stopped are no part of either.
    """

    def line(seed: Record, name: str, key: str, unit: float = 1.0) -> Series:
        curves = histories(seed)
        together = [list(filter(None, entries)) for entries in zip_longest(*curves)]
        values = [[unit * entry[key] for entry in entries] for entries in together]
        series: Series = {
            "name": name,
            "x": [round(float(np.mean([entry["step"] for entry in entries])), 1) for entries in together],
            "y": [round(float(np.mean(those)), 4) for those in values],
        }
        if len(curves) > 1:
            series |= {
                "low": [round(min(those), 4) for those in values],
                "high": [round(max(those), 4) for those in values],
            }
        return series

    seeds = record["seeds"]
    baselines = [baseline["valid"]["scores"]["accuracy"]["mean"] for baseline in record["baselines"]]
    losses = [
        line(seed, f"{side}, seed {seed['seed']}", key)
        for seed in seeds
        for side, key in (("training", "train_loss"), ("validation", "valid_loss"))
    ]
    accuracies = [line(seed, f"seed {seed['seed']}", "valid_accuracy", 100) for seed in seeds]
    return [
        {"title": "Loss", "x": "step", "y": "nats", "series": losses, "low": 0.0},
        {
            "title": "Accuracy on the validation pieces",
            "x": "step",
            "y": "accuracy, %",
            "series": accuracies,
            "level": round(100 * max(baselines), 2),
            "level_name": "best baseline",
        },
    ]


def histories(seed: Record) -> list[list[dict[str, float]]]:
    """The curves of a seed: one, or one a fold."""
    return [one["history"] for one in seed.get("folds", [seed])]


def backbone_of(record: Record) -> str:
    """The name of a run's checkpoint, or "scratch"; "" of hand-made features."""
    path = str(record["backbone"].get("path", "")).rstrip("/").removesuffix("/checkpoint")
    fresh = "" if record["method"] == FEATURES else "scratch"
    return path.rpartition("/")[2] if pretrained(record) else fresh


def _named(run: Record) -> str:
    return ", ".join(filter(None, (method_of(run), backbone_of(run))))


def _budgets(runs: Sequence[Record]) -> Chart:
    lines: dict[str, dict[float, Mapping[str, float]]] = defaultdict(dict)
    for run in runs:
        percent = 100 * _budget(run)
        lines[_named(run)][percent] = run["test"]["accuracy"]
        scores = [baseline["test"]["scores"]["accuracy"] for baseline in run["baselines"]]
        lines["best baseline"][percent] = max(scores, key=lambda score: score["mean"])
    # The baseline last, so that runs keep their colours whether it is there or not.
    names = sorted(lines, key=lambda name: (name == "best baseline", name))
    return {
        "title": "Accuracy over labels",
        "x": "share of the training labels, %",
        "y": "accuracy, %",
        "series": [_series(name, lines[name]) for name in names],
        "log": True,
    }


def _parameters(runs: Sequence[Record]) -> Chart:
    series = [
        _series(
            _named(run),
            {run["seeds"][0]["cost"]["trained_parameters"]: run["test"]["accuracy"]},
        )
        for run in sorted(runs, key=lambda run: run["seeds"][0]["cost"]["trained_parameters"])
    ]
    chart: Chart = {
        "title": "Accuracy over trained parameters",
        "x": "trained parameters",
        "y": "accuracy, %",
        "series": series,
        "log": True,
    }
    if runs:
        baselines = [baseline["test"]["scores"]["accuracy"]["mean"] for baseline in runs[0]["baselines"]]
        chart |= {"level": round(100 * max(baselines), 2), "level_name": "best baseline"}
    return chart


def _series(name: str, points: Mapping[float, Mapping[str, float]]) -> Series:
    """Scores by x as a line with intervals."""
    places = sorted(points)
    edges = np.array([points[x]["interval"] for x in places], dtype=np.float64)
    return {
        "name": name,
        "x": places,
        "y": [round(100 * points[x]["mean"], 2) for x in places],
        "low": (100 * edges[:, 0]).round(2).tolist(),
        "high": (100 * edges[:, 1]).round(2).tolist(),
        "bars": True,
    }


def _question(record: Record) -> tuple[str, str | None, str]:
    """Task, protocol and corpus; records of the first format know one protocol."""
    return record["task"]["name"], record.get("protocol"), record["corpus"]["shards"]


def _budget(record: Record) -> float:
    return float(record.get("budget", 1.0))


def _wilson(share: float, trials: int) -> tuple[float, float]:
    """Ends of the 95 % score interval of a share."""
    z = 1.96
    centre = share + z**2 / (2 * trials)
    half = z * (share * (1 - share) / trials + z**2 / (4 * trials**2)) ** 0.5
    return max((centre - half) / (1 + z**2 / trials), 0.0), min((centre + half) / (1 + z**2 / trials), 1.0)


def _shares(part: NDArray[np.floating], whole: NDArray[np.integer]) -> NDArray[np.float64]:
    """Part of whole, NaN where there is no whole."""
    out = np.full(np.shape(part), np.nan)
    return np.asarray(np.divide(part, whole, out=out, where=np.asarray(whole) > 0))
