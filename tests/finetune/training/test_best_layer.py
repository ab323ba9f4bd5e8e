"""--probe best: the layer that validation chooses, kept, loaded and predicted with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finetune_helpers import NANO, PLAN, trained_in_two_goes

from finetune.settings import TrainSettings
from finetune.tasks.data import TaskData
from finetune.training.run import method_options
from finetune.training.seed import train_seed
from finetune.training.source import Source
from symbolic.predict.network import load_model

pytestmark = pytest.mark.usefixtures("own_cache")
BEST = replace(PLAN, method="probe", epochs=2, options={"kind": "best"})


@pytest.mark.parametrize("level", ["notes", "dances"])
def test_the_layer_is_the_best_on_validation_and_the_checkpoint_hears_no_other(
    level: str, source: Source, tmp_path: Path, request: Any
) -> None:
    data: TaskData = request.getfixturevalue(level)
    result = train_seed(data, source, BEST, 0, tmp_path / "best", {})
    probe = result.summary["probe"]
    alone = [train_seed(data, source, replace(BEST, options={"kind": "last"}), 0, tmp_path / "last", {})]
    assert len(probe["valid_accuracy"]) == NANO.layers + 1
    assert probe["valid_accuracy"][-1] == max(e["valid_accuracy"] for e in alone[0].summary["history"])
    assert max(probe["valid_accuracy"]) == probe["valid_accuracy"][probe["layer"]]
    model, _, _ = load_model(tmp_path / "best" / "checkpoint")
    assert model.mix is not None
    assert torch.equal(model.mix.weights.softmax(0).nonzero()[:, 0], torch.tensor([probe["layer"]]))
    assert (data.evaluate(model.classes, "test") == result.counts["test"]).all()
    assert result.summary["cost"]["steps"] == 3 * alone[0].summary["cost"]["steps"]
    assert sorted(p.name for p in (tmp_path / "best").iterdir()) == [
        "checkpoint",
        "counts.npz",
        "result.json",
    ]


def test_test_labels_have_no_say_in_the_layer(notes: TaskData, source: Source, tmp_path: Path) -> None:
    labels = notes.labels.copy()
    for piece in notes.splits["test"]:
        extent = slice(int(notes.shards.offsets[piece]), int(notes.shards.offsets[piece + 1]))
        labels[extent] = np.where(labels[extent] >= 0, 1 - labels[extent], -1)
    told, lied = (
        train_seed(data, source, BEST, 0, tmp_path / name, {})
        for name, data in (("told", notes), ("lied", replace(notes, labels=labels)))
    )
    assert told.summary["probe"] == lied.summary["probe"]
    assert told.summary["history"] == lied.summary["history"]
    assert told.summary["test"]["accuracy"] == pytest.approx(1 - lied.summary["test"]["accuracy"])


def test_an_interrupted_choice_ends_as_if_never_interrupted(
    dances: TaskData, source: Source, tmp_path: Path
) -> None:
    whole = train_seed(dances, source, BEST, 0, tmp_path / "whole", {})
    resumed = trained_in_two_goes(dances, source, BEST, tmp_path / "seed", validations=2)
    assert resumed.summary["probe"] == whole.summary["probe"]
    assert resumed.summary["history"] == whole.summary["history"]
    assert (resumed.counts["test"] == whole.counts["test"]).all()


def test_the_flag_names_it() -> None:
    assert method_options(TrainSettings(method="probe", probe="best")) == {"kind": "best"}
