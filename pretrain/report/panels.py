"""What the report shows, as JSON values: charts out of a record, and windows as piano rolls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.toolkit.charts import Chart, Series
from pretrain.report.inspection import Inspection
from symbolic.tokens.vocabulary import DRUM_PITCH, FIELDS, POSITION, Vocabulary

Entry = Mapping[str, Any]
_BINS = 12
_DOTS = 1500
_KEYS = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")


def run_charts(record: Entry) -> list[Chart]:
    """How the run went, over steps: losses, what was masked and frozen, and what the selector knew.

    Args:
        record: What `record.json` holds; what it does not hold gets no chart.
    """
    history = record["history"]
    auxiliary = sorted({name for entry in history for name in entry.get("training", {}).get("auxiliary", {})})

    def chart(title: str, y: str, lines: Mapping[str, str]) -> Chart:
        known: list[Series] = []
        for name, path in lines.items():
            series = _series(name, history, path)
            # Where tokens are masked whole, two lines are one.
            if any(value is not None for value in series["y"]) and all(
                series["y"] != one["y"] for one in known
            ):
                known.append(series)
        return {"title": title, "x": "step", "y": y, "series": known}

    losses = {
        "training: what was chosen": "training.chosen_loss",
        "held out: tokens masked at random": "held_out.loss",
        "training: the objective (fields weighted)": "training.loss",
        **{f"training: {name}": f"training.auxiliary.{name}" for name in auxiliary},
    }
    shares = {
        "masked fields": "training.mask_rate",
        "tokens with a masked field": "training.tokens_touched",
        "frozen tokens": "training.frozen_share",
    }
    correlations = {
        "all tokens": "held_out.selector.correlation",
        "even batch tokens": "held_out.selector.correlation_even",
        "odd batch tokens": "held_out.selector.correlation_odd",
        "within windows": "held_out.selector.correlation_within_windows",
    }
    overlaps = {
        "overlap": "held_out.selector.overlap_with_hardest",
        "by chance": "held_out.selector.overlap_by_chance",
        "entropy of the scores": "held_out.selector.entropy",
    }
    charts = [
        chart("Loss of the backbone", "nats a field", losses),
        chart("Masked and frozen", "share", shares) | {"low": 0.0},
    ]
    # The loss of a selector that learns nothing is recorded as 0.
    if any("selector" in entry["held_out"] for entry in history):
        charts += [
            chart("Loss of the selector", "loss", {"training": "training.selector_loss"}),
            chart("Rank correlation of score and held-out loss", "Spearman", correlations)
            | {"level": 0.0, "level_name": "no relation"},
            chart("Overlap of the hardest 30 % with the highest scores", "share", overlaps)
            | {"low": 0.0, "high": 1.0},
        ]
    charts.append(chart("Learning rate", "rate", {"learning rate": "training.learning_rate"}) | {"low": 0.0})
    return [one for one in charts if one["series"]]


def field_charts(record: Entry) -> list[Chart]:
    """Held-out accuracy of each field over steps, beside its baseline."""
    return [
        {
            "title": name.replace("_", " "),
            "x": "step",
            "y": "accuracy",
            "series": [_series("held out", record["history"], f"held_out.accuracy.{name}")],
            "level": record["baselines"][name],
            "level_name": "majority",
            "low": 0.0,
            "high": 1.0,
            "small": True,
        }
        for name in FIELDS
    ]


def calibration_chart(score: NDArray[np.float64], loss: NDArray[np.float64]) -> Chart | None:
    """Recovery loss against selector score: mean and quartiles in bins of equally many tokens, and a sample of tokens.

    Args:
        score: (N,) of held-out tokens that were masked at random.
        loss: (N,) nats, summed over fields.

    Returns:
        None where the scores do not vary.
    """
    if not len(score) or np.ptp(score) == 0:
        return None
    order = np.argsort(score, kind="stable")
    bins = [part for part in np.array_split(order, min(_BINS, len(order))) if len(part)]
    centre = _rounded(score[part].mean() for part in bins)
    low, middle, high = (
        _rounded(np.percentile(loss[part], percent) for part in bins) for percent in (25, 50, 75)
    )
    # A sample evenly spread over the scores.
    some = order[np.linspace(0, len(order) - 1, min(_DOTS, len(order))).astype(int)]
    return {
        "title": f"Selector score and recovery loss of {len(score):,} held-out tokens",
        "x": "selector score",
        "y": "nats, summed over fields",
        "low": 0.0,
        "series": [
            {"name": "mean of a bin", "x": centre, "y": _rounded(loss[part].mean() for part in bins)},
            {"name": "median, quartiles", "x": centre, "y": middle, "low": low, "high": high},
            {"name": "single tokens", "x": _rounded(score[some]), "y": _rounded(loss[some]), "dots": True},
        ],
    }


def roll(inspection: Inspection, key: str, side: str) -> dict[str, Any]:
    """One window for the piano roll, column by column; matrices token after token.

    Args:
        inspection: The window.
        key: Name of its piece.
        side: Which side of the split it is on.
    """
    fields, score = 1 << np.arange(len(FIELDS)), inspection.score
    return {
        "key": key,
        "side": side,
        "onset": _rounded(inspection.notes["onset"] / inspection.resolution),
        "length": _rounded(inspection.notes["duration"] / inspection.resolution),
        "values": inspection.values.ravel().tolist(),
        "score": None if score is None else _rounded(score.ravel()),
        "loss": _rounded(inspection.loss.ravel()),
        "chosen": (inspection.chosen @ fields).tolist(),
        "frozen": inspection.frozen.astype(int).tolist(),
        "predicted": inspection.predicted.ravel().tolist(),
        "recovered": inspection.recovered[inspection.chosen].tolist(),
    }


def words(vocabulary: Vocabulary) -> list[list[str]]:
    """For each field, what each of its values is called."""
    quarter, bin_width = vocabulary.positions_per_quarter, 128 // vocabulary.velocity_bins
    names = [
        [f"{bar + 1}" for bar in range(vocabulary.max_bars)],
        [f"{1 + position / quarter:g}" for position in range(vocabulary.values[POSITION])],
        [*(f"program {program + 1}" for program in range(DRUM_PITCH)), "drums"],
        [
            *(f"{_KEYS[pitch % 12]}{pitch // 12 - 1} ({pitch})" for pitch in range(DRUM_PITCH)),
            *(f"drum {key}" for key in range(DRUM_PITCH)),
        ],
        [f"{length / quarter:g}" for length in vocabulary.durations.tolist()],
        [f"{value * bin_width + bin_width // 2}" for value in range(vocabulary.velocity_bins)],
        [f"{numerator}/{denominator}" for numerator, denominator in vocabulary.time_signatures.tolist()],
        [f"{tempo:.0f}" for tempo in vocabulary.tempos.tolist()],
    ]
    return names


def _series(name: str, history: Sequence[Entry], path: str) -> Series:
    """A line over steps of what lies at a path of keys, the mean where that is several; None is a gap."""

    def value(entry: Any) -> float | None:
        for key in path.split("."):
            if not entry or key not in entry:
                return None
            entry = entry[key]
        if isinstance(entry, Mapping):
            entry = np.mean(list(entry.values()))
        return None if entry is None else float(f"{entry:.5g}")

    return {"name": name, "x": [entry["step"] for entry in history], "y": [value(entry) for entry in history]}


def _rounded(values: Iterable[float] | NDArray[np.floating]) -> list[float]:
    """Four digits are more than can be seen, and a third of the bytes."""
    return [float(f"{value:.4g}") for value in values]
