"""Lines and tables of a record: what may be claimed, and nothing that was not measured."""

from __future__ import annotations

import pytest
from benchmark_records import counts_of, record

from finetune.report.tables import published_table, table_lines, verdict_line, window_line
from finetune.tasks.metrics import pack_counts


@pytest.mark.parametrize(
    ("right", "claim"),
    [(0.8, "It is better."), (0.1, "It is worse."), (0.4, "No difference can be claimed.")],
)
def test_a_run_is_better_only_if_the_interval_says_so(right: float, claim: str) -> None:
    one = record(right)
    one["baselines"][1]["test_counts"] = pack_counts(counts_of(0.4, 2).mean(axis=0).round().astype(int))
    said = verdict_line(one)
    assert said.startswith("Against the best baseline, look-up: ")
    assert said.endswith(claim)


def test_without_saved_counts_nothing_is_claimed() -> None:
    one = record()
    del one["test_counts"]
    assert verdict_line(one) == ""


def test_one_seed_has_no_deviation() -> None:
    one = record()
    one["test"]["window_accuracy"] = {"mean": 0.5, "sd": 0.0}
    assert window_line(one) == "window-level accuracy: 50.0 ± 0.0 %, of 20 test pieces"
    one["seeds"] = one["seeds"][:1]
    assert window_line(one) == "window-level accuracy: 50.0 %, of 20 test pieces"


def test_published_scores_do_not_stand_beside_a_part_of_the_labels() -> None:
    assert len(published_table(record())[1]) == 2
    assert published_table(record(budget=0.1))[1] == []


def test_columns_of_plain_text_are_in_line() -> None:
    assert table_lines(["name", "x"], [["a", "10"], ["bcdef", "1"]]) == [
        "name    x",
        "a      10",
        "bcdef   1",
    ]
