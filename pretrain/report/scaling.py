"""Comparison of runs of any size and length: held-out loss over notes trained on and over computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.toolkit.charts import Chart, Series
from data.toolkit.record_schema import PRETRAINED, RESTORE
from data.toolkit.results import read_lines, unpack
from data.toolkit.runs import read_record
from data.toolkit.settings import flatten, leaves
from pretrain.settings import PretrainSettings
from symbolic.checkpoint.bundled import model_name
from symbolic.documents import require
from symbolic.errors import ConfigError


class Curve(NamedTuple):
    """The course of a run.

    Attributes:
        name: Name of its folder.
        corpus: Fingerprint of the shards it was trained on.
        about: Backbone and selector.
        origin: The checkpoint it started from as an addition to a text. The training of that one is not counted.
        parameters: Parameters of the backbone.
        notes: Tokens trained on until each evaluation, padding included.
        loss: Held-out cross-entropy in nats, mean of the eight fields.
        pitch: Held-out accuracy of pitch.
    """

    name: str
    corpus: str
    about: str
    origin: str
    parameters: int
    notes: Sequence[int]
    loss: Sequence[float]
    pitch: Sequence[float]

    @property
    def work(self) -> list[float]:
        """Operations until each evaluation: six a parameter and token. The scores of attention come on top."""
        return [6.0 * self.parameters * notes for notes in self.notes]


def read_curves(runs: Sequence[str | Path]) -> list[Curve]:
    """Read curves that can be compared.

    Args:
        runs: Folders of finished runs or files with one line of JSON a run.

    Raises:
        ConfigError: If there is no such run, or the runs were not measured on the same pieces.
    """
    found = [_curve(name, record) for run in runs for name, record in _records(Path(run))]
    others = [one.name for one in found if one.corpus != found[0].corpus]
    if others:
        raise ConfigError(
            f"{', '.join(others)}: trained on other music than {found[0].name}, or on another split of it. Their "
            "held-out losses cannot be compared. Compare runs on the same shards."
        )
    return found


def _records(run: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the names and records of a folder of a run or of a file of results."""
    if run.suffix != ".jsonl":
        return [(run.resolve().name, read_record(run, PRETRAINED))]
    records = [unpack(line, run) for line in read_lines(run)]
    if not records or any(not record.keys() >= PRETRAINED.marks for record in records):
        raise ConfigError(
            f"{run} holds no record of `pretrain`. Name the folder of a run, or a file of results."
        )
    for record in records:
        require(run, record, PRETRAINED.check, ConfigError, RESTORE)
    return [(record.get("name", run.stem), record) for record in records]


def _curve(name: str, record: Mapping[str, Any]) -> Curve:
    # A record may have settings that are no longer there, such as its optimiser.
    known = leaves(PretrainSettings)
    given = {name: value for name, value in flatten(record["settings"]).items() if name in known}
    settings = PretrainSettings.of(**given)
    model, tokens = settings.model, settings.budget * settings.training.batches_per_step
    measured = [entry["held_out"] for entry in record["history"]]
    seen = (record.get("from") or {}).get("held_out_trained_on") or 0
    origin = f", from {model_name(model.checkpoint)}" if model.checkpoint else ""
    return Curve(
        name,
        record["corpus"]["shards"],
        f"{model.preset} {model.backbone}, {settings.masking.selector}",
        origin + (f", which was trained on {seen:,} of the held-out pieces" if origin and seen else ""),
        record["parameters"]["backbone"],
        [entry["step"] * tokens for entry in record["history"]],
        [float(np.mean(list(one["loss"].values()))) for one in measured],
        [one["accuracy"]["pitch"] for one in measured],
    )


def curve_rows(curves: Sequence[Curve]) -> tuple[list[str], list[list[str]]]:
    """Return heads and a row with the end of every run."""
    header = [
        "run",
        "backbone, selector",
        "parameters",
        "notes trained on",
        "operations",
        "loss a field",
        "pitch",
    ]
    ends = [(f"{one.notes[-1]:,}", f"{one.work[-1]:.1e}", f"{one.loss[-1]:.3f}") for one in curves]
    return header, [
        [one.name, one.about + one.origin, f"{one.parameters:,}", *end, f"{100 * one.pitch[-1]:.1f} %"]
        for one, end in zip(curves, ends, strict=True)
    ]


def scaling_charts(curves: Sequence[Curve]) -> list[Chart]:
    """Return the held-out loss over notes trained on and over operations."""
    notes = [[count / 1e6 for count in one.notes] for one in curves]
    axes: list[tuple[str, list[list[float]], bool]] = [
        ("million notes trained on, padding included", notes, False),
        ("operations (6 a parameter and note)", [one.work for one in curves], True),
    ]
    charts: list[Chart] = []
    for x, places, log in axes:
        lines = [(one.name + one.origin, xs, one.loss) for one, xs in zip(curves, places, strict=True)]
        series: list[Series] = [{"name": name, "x": xs, "y": loss} for name, xs, loss in lines]
        charts.append({"title": "held-out loss", "x": x, "y": "nats a field", "series": series, "log": log})
    return charts
