"""The command from a study to its page: whole, killed and gone on with, with an arm that fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from compare_helpers import check_study
from finetune_helpers import nano_checkpoint, write_folder
from forked import begun

from data.toolkit.results import read_lines
from finetune.cli import main
from finetune.training import run
from finetune.training import seed as training

COMMON = [
    "--seeds",
    "2",
    "--trials",
    "1,2",
    "--epochs",
    "0.4",
    "--tokens_per_batch",
    "1024",
    "--accelerator",
    "cpu",
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: Any) -> Path:
    """A folder with tunes and a checkpoint, in which commands run."""
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "tunes")
    nano_checkpoint(tmp_path / "nano")
    return tmp_path


def words(methods: str = "full,lora", *more: str) -> list[str]:
    return ["compare", "tunes", "--methods", methods, "--from", "nano", "--jobs", "0", *COMMON, *more]


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_a_study_from_command_to_page(place: Path, capsys: Any, monkeypatch: Any) -> None:
    trained: list[str] = []
    train = training.train_seed

    def counted(data: Any, source: Any, plan: Any, seed: int, folder: Path, *more: Any) -> Any:
        if not (folder / "result.json").is_file():
            trained.append(str(folder))
        return train(data, source, plan, seed, folder, *more)

    monkeypatch.setattr(run, "train_seed", counted)
    assert main(words("full,lora,scratch", "--parallel", "0", "--out", "out", "--results", "kept")) == 0
    # Of every arm one seed for each rate, and one seed more of the better: none is trained twice.
    assert len(trained) == len(set(trained)) == 3 * 3
    found = read(Path("out/comparison.json"))
    [task] = found["tasks"]
    assert [row["arm"] for row in task["rows"]] == ["full", "lora", "scratch"]
    for row in task["rows"]:
        valid = {trial["lr"]: trial["valid"] for trial in row["trials"]}
        assert len(valid) == 2
        assert valid[row["lr"]] == max(valid.values())
        assert row["seeds"] == 2
        assert row["peak_memory_bytes"] is None  # not its own in this process
    folder = Path("out/sequence-tunes/lora")
    lost = [path for path in folder.glob("lr-*") if not (path / "record.json").is_file()]
    assert len(lost) == 1
    assert not list(lost[0].rglob("checkpoint"))
    [tried] = lost[0].rglob("result.json")
    assert "valid" in read(tried)
    assert "test" not in read(tried)
    record = read(next(folder.glob("lr-*/record.json")))
    assert record["command"].startswith(
        "finetune sequence tunes --from nano --method lora --epochs 0.4 --lr 0.00"
    )
    assert "# tunes: full, lora, scratch\n" in Path("out/comparison.md").read_text(encoding="utf-8")
    assert "Mean rank" not in Path("out/comparison.html").read_text(encoding="utf-8")  # of one task
    printed = capsys.readouterr().out
    assert "above scratch" in printed
    assert "warning: Only" in printed
    study = Path("kept/studies/tunes-full-lora-scratch.jsonl")
    assert len(read_lines(study)) == 1 + 3
    assert len(read_lines(Path("kept/baselines.jsonl"))) == 1
    check_study(study)
    assert str(place) not in "".join(path.read_text(encoding="utf-8") for path in Path("kept").rglob("*.*"))
    assert main(["report", "kept"]) == 0
    assert "studies/tunes-full-lora-scratch.md" in Path("kept/RESULTS.md").read_text(encoding="utf-8")

    trained.clear()
    assert main(words("full,lora,scratch", "--parallel", "0", "--out", "out")) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert (
        main(words("full,lora,scratch", "--parallel", "0", "--out", "out", "--resume", "--seeds", "3")) == 0
    )
    assert sorted(Path(folder).name for folder in trained) == ["seed-2"] * 3


def test_what_is_fitted_at_once_is_compared_too(place: Path, capsys: Any) -> None:
    assert main(words("features,probe", "--parallel", "0", "--out", "out")) == 0
    [task] = read(Path("out/comparison.json"))["tasks"]
    assert [(row["arm"], row["seeds"], len(row["trials"])) for row in task["rows"]] == [
        ("features", 1, 1),
        ("probe", 2, 1),
    ]
    assert len(list(Path("out").rglob("result.json"))) == 1 + 2  # the folder names its sides
    printed = capsys.readouterr().out
    assert "rate" not in printed.split("cost", 1)[1].splitlines()[0]


def test_an_arm_that_fails_costs_no_other(place: Path, capsys: Any) -> None:
    text = """
    title: Odd
    tasks: [{task: sequence, folder: tunes}]
    arms:
      - {method: lora, size: 1}
      - {label: tiny, method: adapter, share: 0.001%}
    """
    Path("odd.yaml").write_text(text, encoding="utf-8")
    arguments = [
        "compare",
        "odd.yaml",
        "--from",
        "nano",
        "--jobs",
        "0",
        *COMMON,
        "--parallel",
        "0",
        "--out",
        "out",
    ]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "tiny on sequence-tunes failed: Adapter method 'adapter' cannot be as small as" in error
    found = read(Path("out/comparison.json"))
    assert [row["arm"] for row in found["tasks"][0]["rows"]] == ["lora, size 1"]
    assert "tiny on sequence-tunes failed" in Path("out/comparison.html").read_text(encoding="utf-8")


def test_an_arm_without_a_result_is_named(place: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("finetune.compare.run.run_cell", lambda cell: None)
    assert main(words("lora", "--parallel", "0", "--out", "out")) == 2
    assert "lora on sequence-tunes failed: it ended without a result" in capsys.readouterr().err


def test_unknown_options_are_refused_before_any_music_is_read(place: Path, capsys: Any) -> None:
    text = "tasks: [{task: sequence, folder: tunes}]\narms: [{label: odd, method: lora, options: {depth: 2}}]"
    Path("odd.yaml").write_text(text, encoding="utf-8")
    assert main(["compare", "odd.yaml", "--from", "nano"]) == 2
    assert "Arm 'odd'" in capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there are no groups of processes")
def test_terminated_it_ends_with_143_and_its_processes(place: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-m", "finetune.cli", *words("lora", "--out", "out", "--parallel", "1")]
    process = subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    end = time.monotonic() + 200
    while not list(Path("out").rglob("settings.json")):  # written by the process of a cell
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.terminate()
    _, said = process.communicate(timeout=60)  # ends when all that write to the pipe have gone
    assert process.returncode == 143
    assert "--resume" in said
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_killed_and_given_again_it_goes_on(place: Path) -> None:
    arguments = words("lora", "--out", "out", "--parallel", "0")
    process = begun(main, arguments)
    end = time.monotonic() + 200
    while not list(Path("out").rglob("result.json")):
        assert process.is_alive()
        assert time.monotonic() < end
        time.sleep(0.02)
    process.kill()
    process.join()
    first = min(Path("out").rglob("result.json"), key=lambda path: path.stat().st_mtime)
    before = read(first)["cost"]  # its peak memory no second training would share to the byte
    assert not Path("out/comparison.json").exists()
    assert main([*arguments, "--resume"]) == 0
    assert read(first)["cost"] == before
    [task] = read(Path("out/comparison.json"))["tasks"]
    assert [row["seeds"] for row in task["rows"]] == [2]
    record = next(Path("out").rglob("record.json"))
    kept = read(record)
    record.unlink()
    assert main(["compare", "other", "--resume", "out"]) == 2  # another study
    assert main(["compare", "--resume", "out", "--parallel", "0"]) == 0  # all else as it was
    assert read(record)["seeds"] == kept["seeds"]
