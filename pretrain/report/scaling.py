"""Comparison of runs of any size and length: held-out loss over notes trained on and over computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.toolkit.charts import Chart
from data.toolkit.results import read_lines, unpack
from data.toolkit.runs import read_record
from data.toolkit.settings import flatten, leaves
from pretrain.settings import PretrainSettings
from symbolic.checkpoint.bundled import model_name
from symbolic.errors import ConfigError

_NEEDED = {"history", "corpus", "parameters", "settings"}


class Curve(NamedTuple):
    """The course of a run.

    Attributes:
        name: Name of its folder.
        corpus: Fingerprint of the shards it was trained on.
        about: Backbone and selector.
        start: Name of the checkpoint it started from, or "". The training of that one is not counted here.
        seen: Held-out pieces that the checkpoint was trained on.
        parameters: Parameters of the backbone.
        notes: Tokens trained on until each evaluation, padding included.
        loss: Held-out cross-entropy in nats, mean of the eight fields.
        pitch: Held-out accuracy of pitch.
    """

    name: str
    corpus: str
    about: str
    start: str
    seen: int
    parameters: int
    notes: Sequence[int]
    loss: Sequence[float]
    pitch: Sequence[float]

    @property
    def origin(self) -> str:
        """The checkpoint as an addition to a text."""
        seen = f", which was trained on {self.seen:,} of the held-out pieces" if self.seen else ""
        return f", from {self.start}{seen}" if self.start else ""

    @property
    def work(self) -> list[float]:
        """Operations until each evaluation: six a parameter and token; the scores of attention come on top."""
        return [6.0 * self.parameters * notes for notes in self.notes]


def read_curves(runs: Sequence[str | Path]) -> list[Curve]:
    """Read curves that can be compared.

    Args:
        runs: Folders of finished runs, or files with one line of JSON a run.

    Raises:
        ConfigError: If there is no such run, or the runs were not measured on the same pieces.
    """
    found = [curve for run in runs for curve in _read(Path(run))]
    others = [one.name for one in found if one.corpus != found[0].corpus]
    if others:
        raise ConfigError(
            f"{', '.join(others)}: trained on other music than {found[0].name}, or on another split of it. Their "
            "held-out losses cannot be compared. Compare runs on the same shards."
        )
    return found


def _read(run: Path) -> list[Curve]:
    if run.suffix != ".jsonl":
        return [_curve(run.resolve().name, read_record(run, _NEEDED, "pretrain"))]
    records = [unpack(line) for line in read_lines(run)]
    if not records or any(not record.keys() >= _NEEDED for record in records):
        raise ConfigError(
            f"{run} holds no record of `pretrain`. Name the folder of a run, or a file of results."
        )
    return [_curve(record["name"], record) for record in records]


def _curve(name: str, record: Mapping[str, Any]) -> Curve:
    # A record may have settings that are no longer there, such as its optimiser.
    known = leaves(PretrainSettings)
    settings = PretrainSettings.of(
        **{name: value for name, value in flatten(record["settings"]).items() if name in known}
    )
    tokens = settings.budget * settings.training.batches_per_step
    measured = [entry["held_out"] for entry in record["history"]]
    return Curve(
        name,
        record["corpus"]["shards"],
        f"{settings.model.preset} {settings.model.backbone}, {settings.masking.selector}",
        model_name(settings.model.checkpoint) if settings.model.checkpoint else "",
        (record.get("from") or {}).get("held_out_trained_on") or 0,
        record["parameters"]["backbone"],
        [entry["step"] * tokens for entry in record["history"]],
        [float(np.mean(list(one["loss"].values()))) for one in measured],
        [one["accuracy"]["pitch"] for one in measured],
    )


def curve_rows(curves: Sequence[Curve]) -> tuple[list[str], list[list[str]]]:
    """Return heads, and a row with the end of every run."""
    header = [
        "run",
        "backbone, selector",
        "parameters",
        "notes trained on",
        "operations",
        "loss a field",
        "pitch",
    ]
    return header, [
        [
            one.name,
            one.about + one.origin,
            f"{one.parameters:,}",
            f"{one.notes[-1]:,}",
            f"{one.work[-1]:.1e}",
            f"{one.loss[-1]:.3f}",
            f"{100 * one.pitch[-1]:.1f} %",
        ]
        for one in curves
    ]


def scaling_charts(curves: Sequence[Curve]) -> list[Chart]:
    """Return the held-out loss over notes trained on, and over operations."""

    def chart(x: str, values: Sequence[Sequence[float]], log: bool = False) -> Chart:
        lines = zip(curves, values, strict=True)
        return {
            "title": "held-out loss",
            "x": x,
            "y": "nats a field",
            "series": [
                {"name": one.name + one.origin, "x": list(xs), "y": list(one.loss)} for one, xs in lines
            ],
            "log": log,
        }

    return [
        chart("million notes trained on, padding included", [[n / 1e6 for n in one.notes] for one in curves]),
        chart("operations (6 a parameter and note)", [one.work for one in curves], log=True),
    ]
