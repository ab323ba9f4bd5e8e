"""Comparisons: ranks, differences, claims and tables, from made-up records."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from benchmark_records import counts_of, record, write_records
from compare_helpers import check_study
from pages import Reader

from data.toolkit.records import portable_command, portable_text
from finetune.compare.charts import size_chart
from finetune.compare.page import comparison_page, write_page
from finetune.compare.results import CONTRADICTED, HELD, OPEN, compared, mean_ranks, ranks, strangers, verdict
from finetune.compare.run import portable_comparison
from finetune.compare.study import Arm, Claim, Study, TaskUse
from finetune.compare.tables import cost_rows, failure_lines, rank_rows, score_rows
from finetune.report.results_page import results_page
from finetune.settings import SCRATCH
from finetune.tasks.metrics import accuracy, pack_counts, paired_bootstrap

FULL, FRESH = Arm("full"), Arm("full", SCRATCH)
LORA, ADAPTER, PROBE = Arm("lora"), Arm("adapter"), Arm("probe")
ORIGIN = {
    "command": "finetune compare genre --from /home/me/x,conformer=/home/me/y",
    "time": "2026-01-01",
    "versions": {"torch": "2"},
    "machine": {"system": "Linux", "processor": "x86_64", "cores": 2},
}


def outcome(
    right: float, arm: Arm, rates: tuple[float, ...] = (0.1, 0.2, 0.3), **more: Any
) -> dict[str, Any]:
    """A cell that chose the last of its rates."""
    made = record(right, arm.method, "" if arm.checkpoint == SCRATCH else "x", **more)
    cost = {"saved_bytes": 4_000, "seconds_per_epoch": 2.0, "peak_memory_bytes": 1_500_000_000}
    made["seeds"] = [{**seed, "cost": {**seed["cost"], **cost}} for seed in made["seeds"]]
    trials = [{"lr": rate, "valid": rate} for rate in rates]
    return {"record": made, "lr": rates[-1], "usual": rates[0], "trials": trials}


def comparison(*claims: Claim, **failed: str) -> dict[str, Any]:
    arms = (FULL, FRESH, LORA, PROBE, ADAPTER)
    study = Study("A study", (TaskUse("genre"),), arms, claims=claims, checkpoints={"default": "/home/me/x"})
    scores = {"full": 0.75, "scratch": 0.5, "lora": 0.75, "probe": 0.4, "adapter": 0.9}
    outcomes = {
        ("genre", arm.name): outcome(scores[arm.name], arm, parameters=10 ** (2 + number))
        for number, arm in enumerate(arms)
        if arm.name not in failed
    }
    found = compared(study, outcomes, {("genre", arm): reason for arm, reason in failed.items()})
    return {**ORIGIN, **json.loads(json.dumps(found))}


def test_equals_share_the_mean_rank() -> None:
    assert ranks([0.9, 0.5, 0.7]) == [1, 3, 2]
    assert ranks([0.5, 0.9, 0.5, 0.9, 0.1]) == [3.5, 1.5, 3.5, 1.5, 5]
    assert ranks([0.3] * 3) == [2, 2, 2]


def test_mean_ranks_need_scores_on_every_task() -> None:
    def task(**scores: float) -> dict[str, Any]:
        return {
            "rows": [{"arm": arm, "test": {"accuracy": {"mean": score}}} for arm, score in scores.items()]
        }

    arms = (FULL, FRESH, LORA, Arm("lora", label="wide"), PROBE)
    first = task(full=0.8, scratch=0.9, lora=0.7, wide=0.6, probe=0.5)
    second = task(full=0.7, scratch=0.9, lora=0.8, wide=0.6)
    found = {one["arm"]: one for one in mean_ranks(arms, [first, second])}
    assert list(found) == ["scratch", "full", "lora", "wide"]
    assert [one["rank"] for one in found.values()] == [1, 2.5, 2.5, 4]
    assert [one["among_paper"] for one in found.values()] == [None, 1.5, 1.5, None]
    assert found["lora"]["paper"] == 2.8
    assert found["scratch"]["paper"] is found["wide"]["paper"] is None
    narrow = (FULL, Arm("lora", size=1))
    same = task(**{arm.name: 0.5 for arm in narrow})
    assert [one["among_paper"] for one in mean_ranks(narrow, [same])] == [None, None]


def test_differences_are_paired_and_to_the_right_arms() -> None:
    [task] = comparison()["tasks"]
    rows = {row["arm"]: row for row in task["rows"]}
    gap = paired_bootstrap([counts_of(0.9)], [counts_of(0.5)], accuracy)
    assert rows["adapter"]["above"]["scratch"]["mean"] == pytest.approx(gap.mean)
    assert rows["adapter"]["above"]["scratch"]["low"] == pytest.approx(gap.low)
    baseline = paired_bootstrap([counts_of(0.9)], [counts_of(0.4, 1)], accuracy)
    assert rows["adapter"]["above"]["best baseline"]["mean"] == pytest.approx(baseline.mean)
    assert rows["full"]["above"]["full"] is None
    assert rows["scratch"]["above"]["scratch"] is rows["scratch"]["above"]["full"] is None
    assert rows["full"]["rank"] == rows["lora"]["rank"] == 2.5
    assert [task["best_baseline"], rows["full"]["share"]] == ["look-up", 100 / 5000]


def test_full_of_another_checkpoint_is_not_compared() -> None:
    other = Arm("lora", "conformer")
    study = Study("s", (TaskUse("genre"),), (FULL, other), checkpoints={"default": "x", "conformer": "y"})
    outcomes = {("genre", arm.name): outcome(0.7, arm) for arm in study.arms}
    [_, row] = compared(study, outcomes, {})["tasks"][0]["rows"]
    assert row["above"]["full"] is None


def test_scratch_of_the_same_kind_is_compared() -> None:
    arms = (FULL, FRESH, Arm("full", SCRATCH, like="conformer"), Arm("lora", "conformer"))
    study = Study("s", (TaskUse("genre"),), arms, checkpoints={"default": "x", "conformer": "y"})
    scores = {"full": 0.5, "scratch": 0.6, "scratch, conformer": 0.7, "lora, conformer": 0.9}
    outcomes = {("genre", arm.name): outcome(scores[arm.name], arm) for arm in arms}
    for arm in arms:
        kind = "conformer" if "conformer" in arm.name else "transformer"
        outcomes["genre", arm.name]["record"]["backbone"]["config"] = {"dim": 64, "kind": kind}
    rows = {row["arm"]: row for row in compared(study, outcomes, {})["tasks"][0]["rows"]}
    gap = paired_bootstrap([counts_of(0.9)], [counts_of(0.7)], accuracy)
    assert rows["lora, conformer"]["above"]["scratch"]["mean"] == pytest.approx(gap.mean)


def test_a_claim_is_held_only_where_the_interval_says_so() -> None:
    assert [verdict(0.01, 0.1), verdict(-0.1, -0.01), verdict(-0.1, 0.1), verdict(0, 0.1)] == [
        HELD, CONTRADICTED, OPEN, OPEN,
    ]  # fmt: skip
    found = comparison(
        Claim("adapters win", "A", ("adapter",), ("full",)),
        Claim("probes win", "B", ("probe",), ("full", "lora")),
        Claim("they differ", "C", ("full",), ("lora",)),
        Claim("elsewhere", "D", ("full",), ("lora",), tasks=("melody",)),
    )["claims"]
    assert [one["verdict"] for one in found] == [HELD, CONTRADICTED, OPEN]
    assert found[2]["gap"]["mean"] == 0


def test_several_arms_count_by_their_mean() -> None:
    [claim] = comparison(Claim("c", "A", ("adapter", "probe"), ("scratch",)))["claims"]
    scores = [float(accuracy(counts_of(right).sum(axis=1)).mean()) for right in (0.9, 0.4, 0.5)]
    assert claim["gap"]["mean"] == pytest.approx((scores[0] + scores[1]) / 2 - scores[2])
    assert claim["arms"] == [2, 1]


def test_an_arm_that_failed_is_named_and_settles_no_claim() -> None:
    found = comparison(Claim("c", "A", ("adapter",), ("full",)), adapter="it broke in /home/me/x.txt")
    assert failure_lines(found) == ["adapter on genre failed: it broke in /home/me/x.txt"]
    assert found["claims"][0]["verdict"] == OPEN
    assert "adapter did not finish" in found["claims"][0]["reason"]
    assert "adapter" not in {row[0] for row in rank_rows(found)[1]}
    kept = json.dumps(portable_comparison(found))
    assert "/home" not in kept
    assert "it broke in x.txt" in kept


def test_arms_trained_on_other_music_are_left_out() -> None:
    outcomes = {("genre", arm.name): outcome(0.7, arm) for arm in (FULL, LORA, PROBE)}
    # As of old, when tokens were not noted.
    outcomes["genre", "probe"]["record"]["corpus"] = {"shards": "cafe"}
    assert strangers(outcomes) == {}
    outcomes["genre", "full"]["record"]["corpus"] = {"shards": "feed", "tokenizer": "ours"}
    outcomes["genre", "lora"]["record"]["corpus"] = {"shards": "beef", "tokenizer": "ours"}
    outcomes["genre", "probe"]["record"]["corpus"] = {"shards": "cafe", "tokenizer": "REMI"}
    [(place, reason)] = strangers(outcomes).items()
    assert place == ("genre", "lora")
    assert "was trained on other music, labels or sides than 'full'" in reason


def test_arms_scored_on_other_pieces_are_left_out() -> None:
    outcomes = {("genre", arm.name): outcome(0.7, arm) for arm in (FULL, LORA, PROBE)}
    assert strangers(outcomes) == {}
    outcomes["genre", "lora"]["record"]["test_counts"] = pack_counts(counts_of(0.7)[:, 1:])
    [(place, reason)] = strangers(outcomes).items()
    assert place == ("genre", "lora")
    assert "than 'full'" in reason


def test_tables_show_scores_and_costs() -> None:
    [task] = comparison()["tasks"]
    heads, rows = score_rows(task)
    assert [row[0] for row in rows] == [
        *("majority class", "look-up"),
        *("full", "scratch", "lora", "probe", "adapter"),
    ]
    assert all(len(row) == len(heads) for row in rows)
    heads, rows = cost_rows(task)
    assert rows[0][1:] == [
        "100",
        "2.00 %",
        "4.0 kB",
        "2.0",
        "1,500.0 MB",
        "0.3 *",
        "0.1: 10.0, 0.2: 20.0, 0.3: 30.0",
    ]


def test_columns_in_which_nothing_stands_are_left_out() -> None:
    features = Arm("features", SCRATCH)
    study = Study("s", (TaskUse("genre"),), (features,))
    found = outcome(0.7, features, rates=(0.0,))
    found["record"]["backbone"] = {"source": "features"}
    for seed in found["record"]["seeds"]:
        seed["cost"]["peak_memory_bytes"] = None
    [task] = compared(study, {("genre", "features"): found}, {})["tasks"]
    assert score_rows(task)[0][-2:] == ["95 % of accuracy", "above best baseline"]
    assert cost_rows(task)[0] == ["cost", "trained", "share", "file", "s an epoch"]


def test_ranks_of_a_paper_need_its_claims() -> None:
    assert comparison()["ranks"] == []  # on a single task they repeat its scores
    [*found] = comparison(Claim("c", "Ding & Lerch, arXiv 2411.19371", ("adapter",), ("full",)))["ranks"]
    assert found[0]["arm"] == "adapter"
    assert {one["arm"]: one["paper"] for one in found}["lora"] == 2.8
    study = Study("s", (TaskUse("genre"), TaskUse("metre")), (FULL, LORA), checkpoints={"default": "x"})
    outcomes = {(use.name, arm.name): outcome(0.7, arm) for use in study.tasks for arm in study.arms}
    ranks_here = compared(study, outcomes, {})["ranks"]
    assert [one["paper"] for one in ranks_here] == [None, None]
    assert rank_rows({"ranks": ranks_here})[0] == ["arm", "mean rank"]


def test_warnings_of_every_arm_are_kept_once() -> None:
    study = Study("s", (TaskUse("genre"),), (FULL, LORA), checkpoints={"default": "x"})
    outcomes = {("genre", arm.name): outcome(0.7, arm, warnings=["Odd classes."]) for arm in study.arms}
    [task] = compared(study, outcomes, {})["tasks"]
    assert [one.partition(":")[0] for one in task["warnings"]] == [
        "Odd classes.",
        "Only 20 pieces are tested",
    ]


def test_the_page_shows_all_and_loads_nothing(tmp_path: Path) -> None:
    found = comparison(Claim("adapters win", "arXiv 2411.19371", ("adapter",), ("full",)), probe="it broke")
    page = Reader(write_page(tmp_path, found).read_text(encoding="utf-8"))
    text = " ".join(page.text)
    for words in (
        *("A study", "adapters win", "1 held, 0 contradicted", "probe on genre failed", "Mean rank", "4.75"),
        "one in twenty",
    ):
        assert words in text, words
    assert page.loads == []
    assert page.tags.count("img") == len(list((tmp_path / "figures").iterdir())) == 1
    markdown = comparison_page(found).markdown()
    assert "| adapters win | arXiv 2411.19371 | genre | 1 against 1 |" in markdown
    assert "one in twenty" in markdown
    assert "paired by song group and by seed" in markdown


def test_arms_of_one_size_make_no_chart() -> None:
    [task] = comparison()["tasks"]
    chart = size_chart(task)
    assert chart is not None
    assert chart["title"] == "Accuracy over trained parameters"
    assert chart["level_name"] == "best baseline"
    assert size_chart({**task, "rows": [{**row, "trained": 5} for row in task["rows"]]}) is None


def test_a_grid_draws_a_line_for_every_body_and_place() -> None:
    arms = tuple(
        Arm("conv", label=f"{place} {share}", axes={"place": place, "share": share})
        for place in ("all", "last")
        for share in ("2%", "1%")
    )
    study = Study("s", (TaskUse("genre"),), (FULL, *arms), checkpoints={"default": "x"})
    sizes = {"2%": 100, "1%": 50}
    outcomes = {
        ("genre", arm.name): outcome(0.7, arm, parameters=sizes.get(arm.axes.get("share", ""), 5000))
        for arm in study.arms
    }
    chart = size_chart(compared(study, outcomes, {})["tasks"][0])
    assert chart is not None
    lines = {line["name"]: line["x"] for line in chart["series"]}
    assert lines == {"full": [5000], "all": [50, 100], "last": [50, 100]}


def test_a_study_is_linked_and_its_records_are_in_no_other_table(tmp_path: Path) -> None:
    folder = write_records(tmp_path / "runs", a=record(0.6))
    study = folder / "studies" / "s"
    write_records(study / "records", b=record(0.9, path="x"))
    (study / "comparison.json").write_text(json.dumps(comparison(Claim("c", "A", ("adapter",), ("full",)))))
    page = results_page(folder).markdown()
    assert "from x" not in page
    assert "### A study\n\n[All its tables](studies/s/comparison.md): 5 arms on genre, " in page
    assert re.search(
        r"^\| c \| A \| genre \| 1 against 1 \| \+\d+\.\d \(.* to .*\) \| held \|$", page, re.MULTILINE
    )
    assert (
        "(../runs/studies/s/comparison.md)" in results_page(folder, beside=tmp_path / "elsewhere").markdown()
    )


STUDIES = sorted((Path(__file__).parents[3] / "results" / "studies").glob("*.jsonl"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_committed_study_matches_its_records(path: Path) -> None:
    check_study(path)


def test_committed_results_name_no_path_of_a_machine() -> None:
    assert (
        portable_command("finetune x --from /a/b,c=/d/e --root=/f/g 6/8")
        == "finetune x --from b,c=e --root=g 6/8"
    )
    assert portable_text("No /a/b/c.txt here: '/d/e', 6/8 and/or /f.") == "No c.txt here: 'e', 6/8 and/or f."
