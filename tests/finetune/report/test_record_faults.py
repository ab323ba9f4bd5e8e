"""Records that were damaged or changed by hand: a page is made of them, or they are refused in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmark_records import record
from variants import refused, variants_of_json

from data.toolkit.record_schema import TRAINED
from data.toolkit.results import BASELINES, RUNS, read_results
from data.toolkit.runs import read_record
from finetune.compare.cells import Cell
from finetune.compare.page import comparison_page
from finetune.compare.results import compared
from finetune.compare.storage import find_studies, save_study
from finetune.compare.study import Arm, Claim, Study, TaskUse
from finetune.report.card import card
from finetune.report.results_page import results_page
from finetune.settings import FinetuneSettings
from finetune.training.record import portable, save_record
from symbolic.checkpoint.licence import FINE_TUNING, Stage


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.tasks.metrics.SAMPLES", 10)


@pytest.mark.usefixtures("few_samples")
def test_changed_records_of_runs_are_shown_or_refused(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "a"
    run.mkdir(parents=True)

    def use() -> None:
        results_page(run.parent).markdown()
        found = read_record(run, TRAINED)
        card("m", found, "", (Stage("m", FINE_TUNING),), [found])

    origin = {"command": "finetune", "machine": record()["machine"]}
    trained_on = {"from": "a", "title": "b", "run": "c", "budget": 1.0, **origin}
    changed = record(path="x", warnings=["w"], whole=70, transfer=trained_on)
    (run / "record.json").write_text(json.dumps(changed))
    use()
    assert refused(run / "record.json", variants_of_json(changed), use, 11) > 50


def saved(folder: Path) -> Path:
    """A study of two arms among results, beside a run of its own."""
    arms, claim = (Arm("full"), Arm("lora")), Claim("c", "s", ("lora",), ("full",))
    study = Study("S", (TaskUse("genre"),), arms, claims=(claim,), checkpoints={"default": "x"})
    outcomes = {
        ("genre", arm.name): {
            "record": portable({**record(right, arm.method, "x"), "folder": "f"}),
            "lr": 0.1,
            "usual": 0.1,
            "trials": [{"lr": 0.1, "valid": 0.5}, {"lr": 0.2, "valid": 0.5}],
        }
        for arm, right in zip(study.arms, (0.5, 0.6), strict=True)
    }
    comparison = {**{one: record()[one] for one in ("command", "time", "versions", "machine")}}
    comparison |= compared(study, outcomes, {("genre", "x"): "why"})
    save_record(folder, "run", record(0.7))
    path = folder / "studies" / "s.jsonl"
    save_study(path, study, outcomes, comparison)
    (folder / "one").mkdir()
    (folder / "one" / "comparison.json").write_text(json.dumps(comparison))
    return path


def line_variants(path: Path, number: int) -> Iterator[tuple[str, bytes]]:
    """Yield variants of one line of a file."""
    lines = path.read_bytes().splitlines()
    for name, variant in variants_of_json(json.loads(lines[number])):
        yield name, b"\n".join([*lines[:number], variant, *lines[number + 1 :]])


@pytest.mark.usefixtures("few_samples")
@pytest.mark.parametrize(
    ("file", "number", "step", "least"),
    [
        (BASELINES, 0, 37, 10),
        (RUNS, 0, 23, 10),
        ("studies/s.jsonl", 0, 19, 10),
        ("studies/s.jsonl", 1, 23, 10),
    ],
)
def test_changed_lines_of_results_are_shown_or_refused(
    file: str, number: int, step: int, least: int, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    saved(folder)
    path = folder / file

    def use() -> None:
        read_results(folder)
        for _, study in find_studies(folder):
            comparison_page(study).markdown()

    use()
    assert refused(path, line_variants(path, number), use, step) >= least


@pytest.mark.parametrize("file", ["outcome.json", "lr-1/record.json"])
def test_changed_arms_are_resumed_or_refused(file: str, tmp_path: Path) -> None:
    cell = Cell(
        "full", "genre", FinetuneSettings.of(task="genre"), None, (1.0,), (), 1, str(tmp_path / "out" / "arm")
    )
    folder = Path(cell.folder)
    (folder / "lr-1").mkdir(parents=True)
    trial = {"lr": 1.0, "valid": 0.5, "run": "lr-1"}
    outcome = {"question": cell.question, "usual": 1.0, "trials": [trial], "lr": 1.0, "run": "lr-1"}
    (folder / "outcome.json").write_text(json.dumps(outcome))
    (folder / "lr-1" / "record.json").write_text(json.dumps(record()))
    study = Study("S", (TaskUse("genre"),), (Arm("full"),))

    def use() -> None:
        if found := cell.outcome():
            compared(study, {("genre", "full"): found}, {})

    use()
    variants = variants_of_json(json.loads((folder / file).read_text()))
    assert refused(folder / file, variants, use, 23) > 5


@pytest.mark.usefixtures("few_samples")
def test_changed_comparisons_are_shown_or_refused(tmp_path: Path) -> None:
    saved(tmp_path / "results")
    path = tmp_path / "results" / "one" / "comparison.json"
    variants = variants_of_json(json.loads(path.read_text()))
    assert refused(path, variants, lambda: results_page(path.parent), 17) > 10
