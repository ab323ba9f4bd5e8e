"""Recalls and charts hold the numbers of counts and records."""

from __future__ import annotations

import numpy as np
import pytest
from benchmark_records import CLASSES, counts_of, record

from finetune.report.charts import backbone_of, recalls, run_charts, task_charts


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
    assert rare.low < rare.value < rare.high
    assert rare.high - rare.low > 0.7
    assert np.isnan([absent.value, absent.low, absent.high]).all()
    assert absent.note == "0"


def test_all_right_is_not_certain() -> None:
    counts = np.zeros((1, 5, 2, 2), dtype=np.int64)
    counts[0, :, 0, 0] = counts[0, :, 1, 0] = 1
    right, wrong = recalls(counts, ("a", "b"))
    assert (right.value, right.high, wrong.value, wrong.low) == (1.0, 1.0, 0.0, 0.0)
    # Wilson (1927), as statistical tables give it for 5 of 5.
    assert right.low == pytest.approx(0.5655, abs=1e-3)
    assert wrong.high == pytest.approx(1 - right.low)


def test_budgets_of_one_method_make_a_line() -> None:
    runs = [record(right, budget=budget, path="x") for right, budget in ((0.7, 1.0), (0.5, 0.1), (0.3, 0.01))]
    [chart] = task_charts(runs, runs[0])
    line, baseline = chart["series"]
    assert (line["name"], baseline["name"]) == ("full, x", "best baseline")
    assert line["x"] == pytest.approx([1, 10, 100])
    assert line["y"] == sorted(line["y"])
    assert all(low <= y <= high for low, y, high in zip(line["low"], line["y"], line["high"], strict=True))
    assert baseline["y"] == pytest.approx(
        [100 * runs[0]["baselines"][1]["test"]["scores"]["accuracy"]["mean"]] * 3, abs=0.01
    )


def test_methods_are_placed_by_trained_parameters() -> None:
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
        max(baseline["test"]["scores"]["accuracy"]["mean"] * 100 for baseline in runs[0]["baselines"]),
        abs=0.01,
    )


def test_arms_of_one_method_have_their_own_lines() -> None:
    arms: list[dict[str, object]] = [{"size": 4}, {"size": 4, "options": "scale=2"}]
    runs = [
        record(0.6, method="lora", parameters=parameters, budget=budget, settings=arm)
        for parameters, arm in enumerate(arms, 1)
        for budget in (0.1, 1.0)
    ]
    names = ["lora (size 4), scratch", "lora (size 4, scale=2), scratch"]
    budgets, parameters = task_charts(runs, runs[1])
    assert sorted(series["name"] for series in budgets["series"]) == sorted([*names, "best baseline"])
    assert [series["name"] for series in parameters["series"]] == names


def test_a_run_without_comparable_runs_has_no_chart() -> None:
    ours = record()
    other_task = record(parameters=5)
    other_task["task"]["name"] = "melody"
    other_music = record(parameters=6, corpus={"shards": "beef"})
    assert task_charts([ours], ours) == []
    assert task_charts([ours, other_task, other_music, record(parameters=7, protocol="folds")], ours) == []


def test_curves_show_every_seed_and_the_best_baseline() -> None:
    one = record(0.75)
    loss, accuracy = run_charts(one)
    assert [series["name"] for series in loss["series"]] == [
        f"{side}, seed {seed}" for seed in range(2) for side in ("training", "validation")
    ]
    assert [series["y"] for series in accuracy["series"]] == [[75.0]] * 2
    assert accuracy["level"] == round(100 * one["baselines"][1]["valid"]["scores"]["accuracy"]["mean"], 2)


def test_curves_of_folds_are_their_mean_in_a_band() -> None:
    one = record(0.75)
    entry = dict(one["seeds"][0]["history"][0])
    accuracies = [[0.2, 0.4], [0.6], [0.7, 0.6]]
    folds = [
        {"history": [{**entry, "step": 10 * (n + 1) + f, "valid_accuracy": a} for n, a in enumerate(those)]}
        for f, those in enumerate(accuracies)
    ]
    one["seeds"] = [{**one["seeds"][0], "folds": folds}]
    [series] = run_charts(one)[1]["series"]
    assert series["x"] == [11.0, 21.0]
    assert series["y"] == [50.0, 50.0]
    assert (series["low"], series["high"]) == ([20.0, 40.0], [70.0, 60.0])


@pytest.mark.parametrize(
    ("path", "name"), [("runs/pretrain/x/checkpoint", "x"), ("runs/x/", "x"), ("x", "x"), ("", "scratch")]
)
def test_a_backbone_is_named_after_its_run(path: str, name: str) -> None:
    assert backbone_of(record(path=path)) == name
