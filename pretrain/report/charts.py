"""Charts of a pretraining run and the notes of its piano roll as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.toolkit.charts import Chart, Series
from pretrain.report.inspection import Inspection
from pretrain.training.measure import spearman
from symbolic.tokens.vocabulary import DRUM_PITCH, POSITION, Vocabulary

Entry = Mapping[str, Any]
_BINS, _DOTS = 12, 1500
_KEYS = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
_LOSS = "Loss of the backbone"
_CORRELATION = "Rank correlation of score and held-out loss"
_LINES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    _LOSS: (
        "nats a field",
        {
            "training: chosen tokens": "training.chosen_loss",
            "held out: tokens masked at random": "held_out.loss",
            "training: the objective (fields weighted)": "training.loss",
        },
    ),
    "Masked and frozen": (
        "proportion",
        {"masked fields": "training.mask_rate", "frozen tokens": "training.frozen_share"},
    ),
    _CORRELATION: (
        "Spearman",
        {
            "all tokens": "held_out.selector.correlation",
            "even windows of a batch": "held_out.selector.correlation_even",
            "odd windows of a batch": "held_out.selector.correlation_odd",
            "within windows": "held_out.selector.correlation_within_windows",
        },
    ),
}
"""Charts over steps: the y axis, and lines by name with their paths in an entry of the history."""


def run_charts(record: Entry) -> list[Chart]:
    """Return the charts of a run over steps: losses, masked tokens and the quality of the selector.

    Args:
        record: Contents of `record.json`. A line or chart without any value is left out.
    """
    history = record["history"]
    auxiliary = sorted({name for entry in history for name in entry.get("training", {}).get("auxiliary", {})})
    charts: list[Chart] = []
    for title, (unit, lines) in _LINES.items():
        more = {f"training: {name}": f"training.auxiliary.{name}" for name in auxiliary if title == _LOSS}
        found = [_series(name, history, path) for name, path in {**lines, **more}.items()]
        shown = [one for one in found if any(value is not None for value in one["y"])]
        if shown:
            charts.append({"title": title, "x": "step", "y": unit, "series": shown})
            if title == _CORRELATION:
                charts[-1] |= {"level": 0.0, "level_name": "no relation"}
    return charts


def calibration_chart(score: NDArray[np.float64], loss: NDArray[np.float64]) -> Chart | None:
    """Return the recovery loss over the selector score: mean and quartiles of bins and a sample of tokens.

    Args:
        score: (N,) scores of held-out tokens that were masked at random. If all are the same there is no chart.
        loss: (N,) their losses in nats, summed over fields.
    """
    if not len(score) or np.ptp(score) == 0:
        return None
    order = np.argsort(score, kind="stable")
    bins = [part for part in np.array_split(order, min(_BINS, len(order))) if len(part)]
    centre = _rounded(score[part].mean() for part in bins)
    low, high = (_rounded(np.percentile(loss[part], percent) for part in bins) for percent in (25, 75))
    mean = _rounded(loss[part].mean() for part in bins)
    sample = order[np.linspace(0, len(order) - 1, min(_DOTS, len(order))).astype(int)]  # even over the scores
    x, y = _rounded(score[sample]), _rounded(loss[sample])
    dots: Series = {"name": "single tokens", "x": x, "y": y, "dots": True}
    return {
        "title": f"Selector score and recovery loss of {len(score):,} held-out tokens",
        "x": "selector score",
        "y": "nats, summed over fields",
        "series": [
            {"name": "mean and quartiles of a bin", "x": centre, "y": mean, "low": low, "high": high},
            dots,
        ],
    }


def roll_data(inspection: Inspection, key: str, side: str) -> dict[str, Any]:
    """Return one window for the piano roll as JSON values, note by note.

    Args:
        inspection: The window.
        key: Name of its piece.
        side: Side of the split, "training" or "held out".
    """
    score, loss = inspection.score, inspection.loss
    return {
        "key": key,
        "side": side,
        "correlation": None if score is None else spearman(score.mean(1), loss.sum(1)),
        "onset": _rounded(inspection.onset),
        "length": _rounded(inspection.length),
        "values": inspection.values.tolist(),
        "score": None if score is None else [_rounded(one) for one in score],
        "loss": [_rounded(one) for one in loss],
        "chosen": inspection.chosen.astype(int).tolist(),
        "frozen": inspection.frozen.astype(int).tolist(),
        "predicted": inspection.predicted.tolist(),
        "recovered": inspection.recovered.tolist(),
    }


def value_names(vocabulary: Vocabulary) -> list[list[str]]:
    """Return the name of every value of every field."""
    quarter, bin_width = vocabulary.positions_per_quarter, 128 // vocabulary.velocity_bins
    return [
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


def _series(name: str, history: Sequence[Entry], path: str) -> Series:
    """Return a line over steps of the value at a path of keys or of the mean of its values. None is a gap."""

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
    """Round to four digits: more cannot be seen and take three times the bytes."""
    return [float(f"{value:.4g}") for value in values]
