"""Charts and piano rolls of a pretraining run, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from data.toolkit.charts import Chart, Notes, Roll, Series
from pretrain.report.inspection import Inspection
from symbolic.music.notes import DRUM_PROGRAM
from symbolic.tokens.vocabulary import DRUM_PITCH, FIELDS, PITCH, POSITION, Vocabulary

Entry = Mapping[str, Any]
_BINS, _DOTS = 12, 1500
_KEYS = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
_RIGHT, _WRONG, _FROZEN = "#1a9850", "#d73027", "#9e9e9e"
_LOSSES = {
    "training: chosen tokens": "training.chosen_loss",
    "held out: tokens masked at random": "held_out.loss",
    "training: the objective (fields weighted)": "training.loss",
}
_SHARES = {
    "masked fields": "training.mask_rate",
    "tokens with a masked field": "training.tokens_touched",
    "frozen tokens": "training.frozen_share",
}
_CORRELATIONS = {
    "all tokens": "held_out.selector.correlation",
    "even windows of a batch": "held_out.selector.correlation_even",
    "odd windows of a batch": "held_out.selector.correlation_odd",
    "within windows": "held_out.selector.correlation_within_windows",
}
_OVERLAPS = {
    "overlap": "held_out.selector.overlap_with_hardest",
    "by chance": "held_out.selector.overlap_by_chance",
    "entropy of the scores": "held_out.selector.entropy",
}


def run_charts(record: Entry) -> list[Chart]:
    """Return the charts of a run over steps: losses, masking and freezing, and the quality of the selector.

    Args:
        record: Contents of `record.json`. A chart without any value is left out.
    """
    history = record["history"]
    auxiliary = sorted({name for entry in history for name in entry.get("training", {}).get("auxiliary", {})})

    def chart(title: str, y: str, lines: Mapping[str, str]) -> Chart:
        shown: list[Series] = []
        for name, path in lines.items():
            series = _series(name, history, path)
            # Two lines are equal where tokens are masked whole.
            if any(value is not None for value in series["y"]) and series["y"] not in [
                one["y"] for one in shown
            ]:
                shown.append(series)
        return {"title": title, "x": "step", "y": y, "series": shown}

    losses = _LOSSES | {f"training: {name}": f"training.auxiliary.{name}" for name in auxiliary}
    charts = [
        chart("Loss of the backbone", "nats a field", losses),
        chart("Masked and frozen", "proportion", _SHARES) | {"low": 0.0},
    ]
    # The recorded loss of a selector without a network is always 0.
    if any("selector" in entry["held_out"] for entry in history):
        charts += [
            chart("Loss of the selector", "loss", {"training": "training.selector_loss"}),
            chart("Rank correlation of score and held-out loss", "Spearman", _CORRELATIONS)
            | {"level": 0.0, "level_name": "no relation"},
            chart("Overlap of the hardest 30 % with the highest scores", "proportion", _OVERLAPS)
            | {"low": 0.0, "high": 1.0},
        ]
    charts.append(chart("Learning rate", "rate", {"learning rate": "training.learning_rate"}) | {"low": 0.0})
    return [one for one in charts if one["series"]]


def field_charts(record: Entry) -> list[Chart]:
    """Return the held-out accuracy of each field over steps, with its baseline."""
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
    """Return the recovery loss over the selector score: mean and quartiles of bins, and a sample of tokens.

    Args:
        score: (N,) scores of held-out tokens that were masked at random.
        loss: (N,) their losses in nats, summed over fields.

    Returns:
        None if the scores are all the same.
    """
    if not len(score) or np.ptp(score) == 0:
        return None
    order = np.argsort(score, kind="stable")
    bins = [part for part in np.array_split(order, min(_BINS, len(order))) if len(part)]
    centre = _rounded(score[part].mean() for part in bins)
    low, middle, high = (
        _rounded(np.percentile(loss[part], percent) for part in bins) for percent in (25, 50, 75)
    )
    sample = order[np.linspace(0, len(order) - 1, min(_DOTS, len(order))).astype(int)]  # even over the scores
    return {
        "title": f"Selector score and recovery loss of {len(score):,} held-out tokens",
        "x": "selector score",
        "y": "nats, summed over fields",
        "low": 0.0,
        "series": [
            {"name": "mean of a bin", "x": centre, "y": _rounded(loss[part].mean() for part in bins)},
            {"name": "median, quartiles", "x": centre, "y": middle, "low": low, "high": high},
            {
                "name": "single tokens",
                "x": _rounded(score[sample]),
                "y": _rounded(loss[sample]),
                "dots": True,
            },
        ],
    }


def roll_data(inspection: Inspection, key: str, side: str) -> dict[str, Any]:
    """Return one window for the interactive piano roll, column by column; matrices token after token.

    Args:
        inspection: The window.
        key: Name of its piece.
        side: Side of the split, "training" or "held out".
    """
    fields, score = 1 << np.arange(len(FIELDS)), inspection.score
    return {
        "key": key,
        "side": side,
        "onset": _rounded(inspection.onset),
        "length": _rounded(inspection.length),
        "values": inspection.values.ravel().tolist(),
        "score": None if score is None else _rounded(score.ravel()),
        "loss": _rounded(inspection.loss.ravel()),
        "chosen": (inspection.chosen @ fields).tolist(),
        "frozen": inspection.frozen.astype(int).tolist(),
        "predicted": inspection.predicted.ravel().tolist(),
        "recovered": inspection.recovered[inspection.chosen].tolist(),
    }


def rolls(inspection: Inspection, title: str) -> list[Roll]:
    """Return two piano rolls of one window for a picture: what was chosen, and what was recovered.

    The upper roll shows the selector score of each note, or its loss if the selector has no scores. Drums are left out.
    """
    pitched = inspection.notes["program"] != DRUM_PROGRAM
    pitch = inspection.notes["pitch"].astype(int)
    guess = np.where(inspection.recovered[:, PITCH] < DRUM_PITCH, inspection.recovered[:, PITCH], -1)

    def layer(which: NDArray[np.bool_], pitches: NDArray[np.int64] = pitch, **style: Any) -> Notes:
        which = which & pitched
        place = {
            "onset": inspection.onset[which],
            "length": inspection.length[which],
            "pitch": pitches[which],
        }
        return cast(Notes, place | style)

    score = inspection.score
    measure = "recovery loss (nats, 8 fields)" if score is None else "selector score"
    amount = (inspection.loss.sum(1) if score is None else score.mean(1))[pitched]
    asked = inspection.chosen[:, PITCH]
    wrong = np.asarray(asked & (guess != pitch))
    return [
        {
            "title": f"{title}: {measure}",
            "layers": [
                layer(pitched, fill=amount, measure=measure),
                layer(np.any(inspection.chosen, axis=1), edge=_WRONG, name="chosen"),
                layer(inspection.frozen, edge=_FROZEN, hatch="////", name="frozen"),
            ],
        },
        {
            "title": "pitch recovered from context",
            "layers": [
                layer(~asked, fill="#d1d1d1"),
                layer(asked & ~wrong, fill=_RIGHT, name="right"),
                layer(wrong, fill=_WRONG, name="wrong"),
                layer(wrong & (guess >= 0), guess, edge=_WRONG, line="--"),
            ],
        },
    ]


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
    """Return a line over steps of the value at a path of keys, or of the mean of its values; None is a gap."""

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
    """Round to four digits: more cannot be seen, and take three times the bytes."""
    return [float(f"{value:.4g}") for value in values]
