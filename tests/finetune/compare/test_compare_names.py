"""Runs of one method are told apart by name and title, and what is usual stays unsaid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmark_records import record
from finetune_helpers import nano_checkpoint

from finetune.report.tables import title_of
from finetune.settings import FinetuneSettings
from finetune.tasks import TASKS
from finetune.training.run import run_name
from finetune.training.weights import open_weights


def test_what_is_usual_goes_unsaid(tmp_path: Path) -> None:
    source, task = open_weights(nano_checkpoint(tmp_path / "nano"), "tiny"), TASKS["genre"]
    plain = FinetuneSettings.of(method="probe", probe="all")
    assert run_name(task, task.protocols[0], plain, source) == "genre-probe-nano"


@pytest.mark.parametrize(
    ("settings", "name", "title"),
    [
        ({"method": "probe", "probe": "last"}, "genre-probe-nano-probelast", "probe (last)"),
        (
            {"method": "conv", "layers": "0,2-3", "share": "0.5%", "budget": 0.1},
            "genre-conv-nano-layers0_2-3-share0.5pct-budget0.1",
            "conv (layers 0,2-3, share 0.5%)",
        ),
        (
            {"method": "lora", "layers": "upper75%"},
            "genre-lora-nano-layersupper75pct",
            "lora (layers upper75%)",
        ),
        (
            {"method": "lora", "size": 4, "options": "scale=2,feedforward=false"},
            "genre-lora-nano-size4-optionsscale=2_feedforward=false",
            "lora (size 4, scale=2,feedforward=false)",
        ),
    ],
)
def test_what_is_unusual_stands_in_name_and_title(
    settings: dict[str, Any], name: str, title: str, tmp_path: Path
) -> None:
    source, task = open_weights(nano_checkpoint(tmp_path / "nano"), "tiny"), TASKS["genre"]
    made = FinetuneSettings.of(**settings)
    assert run_name(task, task.protocols[0], made, source) == name
    written = record(method=settings["method"], path="nano", settings=made.identity)
    assert title_of(written) == f"{title}, from nano, 2 seeds"
