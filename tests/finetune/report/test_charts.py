"""Charts of a run hold the numbers of its record."""

from __future__ import annotations

from benchmark_records import record

from finetune.report.charts import run_charts


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


def test_a_probe_that_came_first_has_no_training_loss() -> None:
    one = record(0.75)
    first = {**one["seeds"][0]["history"][0], "step": 0}
    del first["train_loss"]
    one["seeds"] = [{**one["seeds"][0], "history": [first, *one["seeds"][0]["history"]]}]
    training, validation = run_charts(one)[0]["series"]
    assert (training["x"], validation["x"]) == ([5.0], [0.0, 5.0])
