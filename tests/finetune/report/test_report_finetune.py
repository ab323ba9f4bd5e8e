"""The page of a run holds the numbers of its record."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchmark_records import counts_of, record
from pages import Reader

from finetune.report.page import write_report

PREDICTIONS = [
    {"piece": name, "true": "reel", "predicted": found, "p reel": f"{p}", "p waltz": f"{1 - p}"}
    for name, found, p in (("a", "reel", 0.9), ("b", "waltz", 0.4), ("c", "waltz", 0.1))
]


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write a page into the folder `runs/own` and read it as a browser would."""

    def written(one: dict[str, Any], right: float = 0.6) -> Reader:
        out = tmp_path / "runs" / "own"
        out.mkdir(parents=True, exist_ok=True)
        data: Any = SimpleNamespace(task=SimpleNamespace(level="sequence"))
        results: Any = [
            SimpleNamespace(counts={"test": counts}, summary={"seed": 0}, predictions=PREDICTIONS)
            for counts in counts_of(right)
        ]
        write_report(out, one, data, results)
        return Reader((out / "report.html").read_text(encoding="utf-8"))

    return written


def test_the_page_holds_scores_and_pictures(write: Any, tmp_path: Path) -> None:
    one = record()
    read = write(one)
    assert f"{100 * one['test']['accuracy']['mean']:.1f}" in " ".join(read.text)
    assert "by | clip (leaky)" in read.text
    assert one["command"] in read.text
    assert read.loads == []
    assert read.tags.count("img") == 2
    names = {path.name for path in (tmp_path / "runs" / "own").glob("*.png")}
    assert names == {"confusion.png", "curves.png"}


def test_the_page_accounts_for_pieces_and_warns_of_small_tests(write: Any) -> None:
    one = record()
    one["split"]["left_out"] = {"no row in the labels file": 3}
    one["warnings"] = ["Odd classes."]
    text = " ".join(write(one).text)
    assert "Odd classes." in text
    assert "Only 20 pieces are tested: one piece more or less right is 5 points." in text
    assert "20 test pieces, %" in text
    assert "left out: no row in the labels file 3 all 73" in text
    assert "a reel reel 90.0" in text
    assert text.index("c reel waltz 90.0") < text.index("b reel waltz 60.0") < text.index("a reel reel")
    one["split"]["test"] = 30
    assert "are tested: one piece" not in " ".join(write(one).text)


def test_names_in_a_record_are_text_and_no_markup(write: Any) -> None:
    one = record()
    one["corpus"]["title"] = "<script>alert(1)</script>"
    read = write(one)
    assert "<script>alert(1)</script>" in " ".join(read.text)
    assert "script" not in read.tags


def test_the_page_names_the_classifier_of_each_probe(write: Any) -> None:
    one = record()
    assert "classifier of each probe" not in write(one).text
    one["seeds"] = [
        {
            **seed,
            "folds": [
                {**seed, "probe": {"classifier": f"C={fold}", "valid_accuracy": {}}} for fold in (2, 0)
            ],
        }
        for seed in one["seeds"]
    ]
    read = write(one)
    assert "classifier of each probe" in read.text
    assert "C=2, C=0, C=2, C=0" in read.text


def test_the_page_shows_saved_parameters_of_an_adapter(write: Any) -> None:
    one = record()
    for kept, said in ((40, "1,000 of 5,000, 40 saved"), (1000, "1,000 of 5,000")):
        one["seeds"][0]["cost"]["kept_parameters"] = kept
        assert said in write(one).text
