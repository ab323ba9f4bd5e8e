"""RESULTS.md: numbers come from records, differences are paired, every row has its command."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark_records import counts_of, record, write_records

from data.toolkit.results import BASELINES, write_results
from finetune.cli import main
from finetune.report.results_page import results_page as page_of
from finetune.tasks.metrics import accuracy, pack_counts, paired_bootstrap
from symbolic.errors import CorpusError


def results_page(folder: Path) -> str:
    return page_of(folder).markdown()


def table(page: str, title: str = "Dances") -> list[dict[str, str]]:
    """The rows below a heading, by the heads of their columns."""
    lines = page.split(f"## {title}\n")[1].split("\n## ")[0].splitlines()
    rows = [line[2:-2].replace("\\|", "/").split(" | ") for line in lines if line.startswith("| ")]
    assert {len(row) for row in rows} == {len(rows[0])}
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pretrained = record(0.75, method="lora", path="runs/pretrain/x", parameters=64)
    return write_records(tmp_path / "runs", b=pretrained, a=record(0.6))


def test_rows_are_baselines_scratch_checkpoints_and_published(folder: Path) -> None:
    rows = table(results_page(folder))
    assert [row["20 test pieces, %"] for row in rows] == [
        *("majority class", "look-up", "full, from scratch, 2 seeds", "lora, from runs/pretrain/x, 2 seeds"),
        *("*reported:* Others", "*reported:* More"),
    ]
    assert rows[4]["protocol"] == "by / clip *(leaky)*"
    assert rows[4]["accuracy"] == "99.9"
    assert "leaky" not in rows[5]["protocol"]
    assert rows[3]["command"] == "`finetune genre --method lora runs/pretrain/x`"
    assert rows[0]["command"] == "`finetune baselines genre`"
    assert (rows[3]["trained"], rows[3]["seconds"]) == ("64", "10")
    assert rows[3]["machine"] == "2 cores, x86_64"


def test_the_summary_shows_the_best_run_of_each_kind(tmp_path: Path) -> None:
    page = results_page(
        write_records(
            tmp_path / "runs",
            fresh=record(0.1),
            lora=record(0.75, method="lora", path="x"),
            ssf=record(0.7, method="ssf", path="x"),
            leaky=record(0.9, method="probe", path="x", leaks={"leaky": True, "pieces": ["a"]}),
        )
    )
    [row] = table(page, "Summary")
    assert row["task"] == "[Dances](#dances)"
    assert (row["best baseline"], row[""]) == (
        "look-up",
        f"{100 * accuracy(counts_of(0.4, 1).sum(axis=1))[0]:.1f}",
    )
    assert row["from scratch"].endswith(" ↓")
    assert row["adapter"].endswith(" (lora) ↑")  # the one that is best on validation
    assert row["probe"].endswith("*leaky*")
    assert "full" not in row


def test_a_difference_that_may_be_chance_has_no_arrow(tmp_path: Path) -> None:
    same = {**record(0.4, path="x"), "test_counts": pack_counts(counts_of(0.4, 1))}
    [row] = table(results_page(write_records(tmp_path / "runs", a=same)), "Summary")
    assert row["full"][-1].isdigit()


def test_scores_and_differences_are_those_of_the_counts(folder: Path) -> None:
    rows = table(results_page(folder))
    ours, scratch, baseline = counts_of(0.75), counts_of(0.6), counts_of(0.4, 1)
    scores = 100 * accuracy(ours.sum(axis=1))
    assert rows[3]["accuracy"].startswith(f"{scores.mean():.1f} ± ")
    for column, other in (("above scratch", scratch), ("above best baseline", baseline)):
        gap = paired_bootstrap([ours], [other], accuracy)
        assert rows[3][column].startswith(
            f"{100 * gap.mean:+.1f} ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})"
        )
    assert rows[2]["above scratch"] == "–"


def test_scratch_of_another_size_is_not_compared(tmp_path: Path) -> None:
    large = record(0.6, backbone={"source": "random initialisation", "config": {"dim": 64}})
    folder = write_records(tmp_path / "runs", a=large, b=record(0.7, path="x"))
    assert table(results_page(folder))[3]["above scratch"] == "–"


def test_budgets_and_protocols_have_tables_of_their_own(tmp_path: Path) -> None:
    folder = write_records(tmp_path / "runs", a=record(), b=record(0.5, budget=0.1))
    page = results_page(folder)
    assert page.count("\n## Dances") == 2
    assert table(page, "Dances, 10% of the labels")[0]["command"] == "`finetune baselines genre --budget 0.1`"
    later = write_records(tmp_path / "later", a=record(budget=0.1, settings={"seed": 3}))
    baseline = table(results_page(later), "Dances, 10% of the labels")[0]
    assert baseline["command"] == "`finetune baselines genre --budget 0.1 --seed 3`"


def test_folds_show_their_deviation(tmp_path: Path) -> None:
    one = record()
    one["split"]["folds"] = [{"test": 4}] * 5
    for scores in (one["test"], *(baseline["test"]["scores"] for baseline in one["baselines"])):
        scores["accuracy"]["fold_sd"] = 0.0345
    rows = table(results_page(write_records(tmp_path / "runs", a=one)))
    assert [row["± over folds"] for row in rows] == ["± 3.5"] * 3 + ["–"] * 2


def test_baselines_alone_make_a_table_and_give_counts(tmp_path: Path) -> None:
    old = record()
    for baseline in old["baselines"]:
        del baseline["test_counts"]
    folder = write_records(tmp_path / "runs", a=old)
    assert table(results_page(folder))[2]["above best baseline"] == "–"
    alone = {
        name: value for name, value in record().items() if name not in ("test", "valid", "seeds", "method")
    }
    write_results(folder / BASELINES, lambda _: [{**alone, "command": "finetune baselines genre --x"}])
    rows = table(results_page(folder))
    assert rows[0]["command"] == "`finetune baselines genre --x`"
    assert "p = " in rows[2]["above best baseline"]
    (folder / "a" / "record.json").unlink()
    assert [row["20 test pieces, %"] for row in table(results_page(folder))][:2] == [
        "majority class",
        "look-up",
    ]


def test_runs_on_differently_prepared_music_are_not_compared(tmp_path: Path) -> None:
    other = record(0.9, path="x", corpus={**record()["corpus"], "shards": "beef"})
    page = results_page(write_records(tmp_path / "runs", a=record(), b=other))
    assert table(page, "Dances, prepared as beef")[2]["above scratch"] == "–"
    assert len(table(page, "Dances, prepared as feed")) == len(table(page, "Dances, prepared as beef"))
    assert [row["task"] for row in table(page, "Summary")] == [
        f"[Dances, prepared as {mark}](#dances-prepared-as-{mark})" for mark in ("beef", "feed")
    ]


def test_the_committed_table_matches_the_records() -> None:
    results = Path(__file__).parents[3] / "results"
    remedy = "run `finetune report results`"
    assert (results / "RESULTS.md").read_text(encoding="utf-8") == results_page(results), remedy


def test_leaky_runs_are_marked(tmp_path: Path) -> None:
    leaky = record(path="x", leaks={"leaky": True, "pieces": ["a"]})
    page = results_page(write_records(tmp_path / "runs", a=leaky))
    assert "| full, from x, 2 seeds, LEAKY |" in page


def test_the_command_writes_the_page(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "TABLE.md"
    assert main(["report", str(folder), "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == results_page(folder)


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text('{"selector": "uniform"}')
    with pytest.raises(CorpusError, match="no record"):
        results_page(tmp_path)
