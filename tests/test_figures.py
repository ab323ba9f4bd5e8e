"""Recalls and charts: numbers of the counts and records, and nothing drawn where there is nothing to compare."""

from __future__ import annotations

import numpy as np
import pytest
from benchmark_records import CLASSES, counts_of, record

from finetune.figures import backbone_of, recalls, task_charts


def test_recalls_are_means_over_seeds_with_intervals_around_them() -> None:
    counts = counts_of(0.5)
    found = recalls(counts, CLASSES)
    expected = np.mean([seed.sum(axis=0).diagonal() / seed.sum(axis=(0, 2)) for seed in counts], axis=0)
    assert [one.value for one in found] == pytest.approx(expected)
    assert all(one.low < one.value < one.high for one in found)
    assert [one.note for one in found] == ["240"] * 3


def test_a_class_without_items_has_no_recall_and_a_rare_one_has() -> None:
    counts = counts_of(0.5)
    counts[:, :, 2] = 0
    counts[:, 1:, 1] = 0
    _, rare, absent = recalls(counts, CLASSES)
    assert rare.low == rare.value == rare.high
    assert np.isnan([absent.value, absent.low, absent.high]).all()
    assert absent.note == "0"


def test_budgets_of_one_method_make_a_line_above_the_floors() -> None:
    runs = [record(right, budget=budget, path="x") for right, budget in ((0.7, 1.0), (0.5, 0.1), (0.3, 0.01))]
    [chart] = task_charts(runs, runs[0])
    line, floor = chart["series"]
    assert (line["name"], floor["name"]) == ("full, x", "best floor")
    assert line["x"] == pytest.approx([1, 10, 100])
    assert line["y"] == sorted(line["y"])
    assert all(low <= y <= high for low, y, high in zip(line["low"], line["y"], line["high"], strict=True))
    assert floor["y"] == pytest.approx(
        [100 * runs[0]["floors"][1]["test"]["scores"]["accuracy"]["mean"]] * 3, abs=0.01
    )


def test_methods_stand_over_what_they_train() -> None:
    runs = [
        record(0.7, method="full", path="x", parameters=10**6),
        record(0.6, method="lora", path="x", parameters=10**4),
        record(0.9, method="lora", path="x", parameters=10, budget=0.5),
    ]
    _, chart = task_charts(runs, runs[0])
    assert [(series["name"], series["x"]) for series in chart["series"]] == [
        ("lora, x", [10**4]),
        ("full, x", [10**6]),
    ]
    assert chart["log"]
    assert chart["level"] == pytest.approx(
        max(floor["test"]["scores"]["accuracy"]["mean"] * 100 for floor in runs[0]["floors"]), abs=0.01
    )


def test_one_run_alone_or_beside_strangers_has_no_chart() -> None:
    ours = record()
    other_task = record(parameters=5)
    other_task["task"]["name"] = "melody"
    other_music = record(parameters=6, corpus={"shards": "beef"})
    assert task_charts([ours], ours) == []
    assert task_charts([ours, other_task, other_music, record(parameters=7, protocol="folds")], ours) == []


@pytest.mark.parametrize(
    ("path", "name"), [("runs/pretrain/x/checkpoint", "x"), ("runs/x/", "x"), ("x", "x"), ("", "scratch")]
)
def test_a_backbone_is_called_by_its_run(path: str, name: str) -> None:
    assert backbone_of(record(path=path)) == name
