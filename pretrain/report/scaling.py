"""Runs held against one another: held-out loss over music heard and over work done, whatever their size and length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from data.toolkit.results import read_lines, unpack
from data.toolkit.runs import read_record
from pretrain.settings import PretrainSettings
from symbolic.checkpoint.bundled import model_name
from symbolic.errors import ConfigError

_NEEDED = {"history", "corpus", "parameters", "settings"}


class Curve(NamedTuple):
    """How a run fared.

    Attributes:
        name: Of its folder.
        corpus: Fingerprint of the shards it was trained on.
        about: Backbone and selector.
        begun: What it went on from, if anything; what that one heard and did is not counted here.
        heard: How many of the held-out pieces that one had heard.
        parameters: Of the backbone.
        notes: At each measurement, rows heard so far, padding included.
        loss: Held-out cross-entropy in nats, mean of the eight fields.
        pitch: Held-out accuracy of pitch.
    """

    name: str
    corpus: str
    about: str
    begun: str
    heard: int
    parameters: int
    notes: Sequence[int]
    loss: Sequence[float]
    pitch: Sequence[float]

    @property
    def told(self) -> str:
        """What it went on from, as an addition."""
        if not self.begun:
            return ""
        before = f", which had heard {self.heard:,} of the held-out pieces" if self.heard else ""
        return f", from {self.begun}{before}"

    @property
    def work(self) -> list[float]:
        """Operations so far: six a parameter and row, forward and backward; attention's scores come on top."""
        return [6.0 * self.parameters * notes for notes in self.notes]


def read_curve(run: str | Path) -> Curve:
    """Return the curve of a finished run.

    Raises:
        ConfigError: If the folder holds no record of `pretrain`.
    """
    run = Path(run)
    return _curve(run.resolve().name, read_record(run, _NEEDED, "pretrain"))


def _curve(name: str, record: Mapping[str, Any]) -> Curve:
    settings = PretrainSettings.from_dict(record["settings"])
    rows = settings.budget * settings.training.batches_per_step
    measured = [entry["held_out"] for entry in record["history"]]
    return Curve(
        name,
        record["corpus"]["shards"],
        f"{settings.model.preset} {settings.model.backbone}, {settings.masking.selector}",
        model_name(settings.model.checkpoint) if settings.model.checkpoint else "",
        (record.get("from") or {}).get("held_out_trained_on") or 0,
        record["parameters"]["backbone"],
        [entry["step"] * rows for entry in record["history"]],
        [float(np.mean(list(one["loss"].values()))) for one in measured],
        [one["accuracy"]["pitch"] for one in measured],
    )


def _curves(run: str | Path) -> list[Curve]:
    """Return the curve of a run folder, or those of all runs in a file with one line of JSON a run."""
    if Path(run).suffix != ".jsonl":
        return [read_curve(run)]
    records = [unpack(line) for line in read_lines(Path(run))]
    if not records or any(not record.keys() >= _NEEDED for record in records):
        raise ConfigError(
            f"{run} holds no record of `pretrain`. Name a folder of a run, or a file of results."
        )
    return [_curve(record["name"], record) for record in records]


def read_curves(runs: Sequence[str | Path]) -> list[Curve]:
    """Curves that may be held against one another.

    Raises:
        ConfigError: If one is no run, or they were not measured on the same pieces.
    """
    found = [curve for run in runs for curve in _curves(run)]
    others = [one.name for one in found if one.corpus != found[0].corpus]
    if others:
        raise ConfigError(
            f"{', '.join(others)} heard other music than {found[0].name}, or another split of it: their held-out "
            "losses say nothing of one another. Compare runs on the same shards."
        )
    return found


def curve_rows(curves: Sequence[Curve]) -> tuple[list[str], list[list[str]]]:
    """Heads, and a row for the end of every run."""
    header = ["run", "backbone, selector", "parameters", "notes heard", "operations", "loss a field", "pitch"]
    return header, [
        [
            one.name,
            one.about + one.told,
            f"{one.parameters:,}",
            f"{one.notes[-1]:,}",
            f"{one.work[-1]:.1e}",
            f"{one.loss[-1]:.3f}",
            f"{100 * one.pitch[-1]:.1f} %",
        ]
        for one in curves
    ]


def scaling_picture(curves: Sequence[Curve]) -> Figure:
    """Held-out loss over notes heard, and over operations."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    over_notes, over_work = figure.subplots(1, 2, sharey=True)
    for one in curves:
        over_notes.plot(
            [notes / 1e6 for notes in one.notes],
            one.loss,
            marker="o",
            markersize=3,
            label=one.name + one.told,
        )
        over_work.plot(one.work, one.loss, marker="o", markersize=3, label=one.name + one.told)
    over_notes.set(xlabel="million notes heard, padding included", ylabel="held-out loss a field, nats")
    over_work.set(xlabel="operations (6 a parameter and note)", xscale="log")
    over_work.xaxis.set_minor_formatter(NullFormatter())
    over_notes.legend(fontsize=8)
    return figure
