"""Curves: budgets become tasks of one comparison; table, chart and CSV say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmark_records import counts_of, record
from pages import Reader

from finetune.budgets import budget_title, read_budgets
from finetune.compare.curve import curve_chart, curve_csv, curve_page, curve_rows
from finetune.compare.results import compared
from finetune.compare.settings import CurveSettings
from finetune.settings import SCRATCH, FinetuneSettings
from finetune.tasks.metrics import accuracy, bootstrap_interval
from symbolic.errors import ConfigError

ORIGIN = {"command": "finetune curve genre", "time": "2026-01-01", "versions": {}, "machine": {"cores": 2}}


def made(**settings: Any) -> dict[str, Any]:
    """A curve of made-up records; full fine-tuning failed on the smallest budget."""
    study = CurveSettings(what=["genre"], methods="features,full", checkpoint="x", **settings).study()
    scores = {("features", 1): 0.5, ("full", 1): 0.8, ("features", 0.1): 0.4, ("full", 0.1): 0.3}
    outcomes, failures = {}, {("genre-budget10", "full"): "too few"}
    for use in study.tasks:
        for arm in study.arms:
            if (use.name, arm.name) in failures:
                continue
            one = record(
                scores.get((arm.name, use.budget), 0.3), arm.method, "" if arm.checkpoint == SCRATCH else "x"
            )
            one["split"] = {**one["split"], "train": 100 if use.budget == 1 else 10 if use.budget > 1 else 12}
            one["warnings"] = [] if use.budget == 1 else ["Odd."]
            cost = {"saved_bytes": 1, "seconds_per_epoch": None, "peak_memory_bytes": None}
            one["seeds"] = [{**seed, "cost": {**seed["cost"], **cost}} for seed in one["seeds"]]
            outcomes[use.name, arm.name] = {"record": one, "lr": 0.1, "trials": [{"lr": 0.1, "valid": 0.5}]}
    return {**ORIGIN, **compared(study, outcomes, failures)}


def test_budgets_are_shares_or_pieces() -> None:
    assert read_budgets("1%, 0.1,100%,30,1") == (0.01, 0.1, 1, 30, 1)
    assert [budget_title(one) for one in (0.03, 1, 30)] == [
        "3% of the labels",
        "100% of the labels",
        "30 training pieces",
    ]
    with pytest.raises(ConfigError) as error:
        read_budgets("0,200%,1.5,few")
    assert len(error.value.problems) == 4


def test_a_curve_is_a_study_of_budgets() -> None:
    study = CurveSettings(what=["genre"], budgets="100%,10,0.1", checkpoint="x").study()
    assert [use.budget for use in study.tasks] == [0.1, 10, 1]
    assert [arm.name for arm in study.arms] == ["features", "probe", "lora", "full"]
    assert (study.trials, study.seeds, study.title) == ((1.0,), 3, "genre: accuracy over labels")
    assert study.runs == 2 * 4 * 3 + (1 + 3 * 3)  # with all labels, hand-made features are fitted once
    with pytest.raises(ConfigError, match="one task"):
        CurveSettings(what=["genre", "emotion"])


def test_a_row_for_each_method_and_a_column_for_each_budget() -> None:
    heads, rows = curve_rows(made(budgets="10,10%,100%"))
    assert heads == [
        "20 test pieces, %",
        "10 training pieces",
        "10%: 12 training pieces",
        "100%: 100 training pieces",
    ]
    assert [row[0] for row in rows] == ["majority class", "features", "full"]
    assert rows[2][1] == "–"
    counts = counts_of(0.8)
    low, high = bootstrap_interval(counts, accuracy, over_seeds=True)
    assert (
        rows[2][3] == f"{100 * accuracy(counts.sum(axis=1)).mean():.1f} ({100 * low:.1f} to {100 * high:.1f})"
    )


def test_an_interval_over_seeds_is_wider() -> None:
    counts = counts_of(0.5)
    counts[1] = counts_of(0.9)[1]
    low, high = bootstrap_interval(counts, accuracy)
    lower, higher = bootstrap_interval(counts, accuracy, over_seeds=True)
    assert lower < low < high < higher
    one = counts[:1]
    assert bootstrap_interval(one, accuracy, over_seeds=True) == bootstrap_interval(one, accuracy)


def test_chart_and_csv_hold_the_same_numbers() -> None:
    found = made(budgets="10,10%,100%")
    lines = {line["name"]: line for line in curve_chart(found)["series"]}
    assert lines["features"]["x"] == [10, 12, 100]
    assert lines["full"]["x"] == [12, 100]
    head, *rows = curve_csv(found).decode().splitlines()
    assert head.startswith("budget,training pieces,test pieces,method,seeds,accuracy")
    cells = [row.split(",") for row in rows]
    assert [cell[:4] for cell in cells][-1] == ["100% of the labels", "100", "20", "full"]
    assert [round(100 * float(cell[5]), 2) for cell in cells if cell[3] == "full"] == lines["full"]["y"]


def test_the_page_names_failures_and_warnings(tmp_path: Path) -> None:
    page = Reader(curve_page(made(budgets="10,10%,100%")).html())
    text = " ".join(page.text)
    assert "full on genre-budget10 failed: too few" in text
    assert "With 10 training pieces and 10% of the labels: Odd." in text
    assert "Only 20 pieces are tested" in text
    assert page.tags.count("img") == 1


def test_a_budget_may_be_a_number_of_pieces() -> None:
    assert FinetuneSettings.of(budget=30).data.budget == 30
    with pytest.raises(ConfigError, match=r"budget 2\.5"):
        FinetuneSettings.of(budget=2.5)
