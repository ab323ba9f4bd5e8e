"""The command: help on a screen, clear errors, a table of results from records alone."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from finetune_helpers import nano_checkpoint, write_folder

from data.toolkit.command import parse
from data.toolkit.results import read_lines, read_results
from data.toolkit.settings import leaves
from finetune.cli import _COMMANDS, main
from finetune.settings import FinetuneSettings
from finetune.tasks import TASKS
from finetune.training.record import save_record
from symbolic.backbone import PRESETS
from symbolic.errors import ConfigError

KEPT = Path("kept/finetune.jsonl")

EXPERIMENTS = sorted((Path(__file__).parents[2] / "finetune" / "experiments").glob("*.yaml"))


@pytest.mark.parametrize("arguments", [[], *([name] for name in (*TASKS, *_COMMANDS))], ids=str)
def test_help_fits_a_screen(arguments: list[str], capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with suppress(SystemExit):
        assert main([*arguments, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100


def test_help_lists_every_command(capsys: Any) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n  {name} " in printed for name in (*TASKS, *_COMMANDS))


def test_help_of_a_task_names_its_protocols(capsys: Any) -> None:
    with suppress(SystemExit):
        main(["composer", "--help"])
    assert "published, folds" in capsys.readouterr().out


def test_help_and_usage_errors_do_not_wait_for_torch() -> None:
    code = (
        "import sys; from finetune.cli import main\n"
        "try: main(['melody', '--help'])\nexcept SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'lightning', 'symusic', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_wrong_folders_tables_and_corpora_do_not_wait_for_torch(tmp_path: Path) -> None:
    write_folder(tmp_path / "tunes", 3)
    (tmp_path / "table.csv").write_text("file,genre\ntune00.mid,waltz\n")
    table = ["sequence", str(tmp_path / "tunes"), "--labels", str(tmp_path / "table.csv")]
    wrong = [
        (table, "no column 'label'; its columns are file, genre"),
        (["note", str(tmp_path), "--tracks", "a"], "two different tracks"),
        (["compare", str(tmp_path / "none")], "or name a folder of music"),
        *((words, "Corpus 'emopia' is not in") for words in (["emotion"], ["compare", "emotion"])),
    ]
    root = f"import os; os.environ['COUNTERPOINT_DATA'] = {str(tmp_path)!r}"
    code = (
        f"{root}; import sys; from finetune.cli import main\n"
        f"for words, _ in {wrong!r}: assert main(words) == 2, words\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'lightning', 'symusic', 'sklearn')))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stderr.splitlines()
    assert [said in line for (_, said), line in zip(wrong, lines, strict=True)] == [True] * len(wrong)


def test_an_unknown_option_is_answered_in_a_line(capsys: Any) -> None:
    assert main(["--vresion"]) == 2
    assert capsys.readouterr().err == (
        "error: There is no option '--vresion'; did you mean '--version'? see finetune --help.\n"
    )


def test_the_presets_are_those_of_the_backbones() -> None:
    assert leaves(FinetuneSettings)["preset"].about["choices"] == tuple(PRESETS)


def test_an_unknown_command_is_answered_with_those_there_are(capsys: Any) -> None:
    assert main(["melodie"]) == 2
    said = capsys.readouterr().err
    assert "melody_songs, velocity, velocity_any" in said
    assert "sequence, note" in said


def test_tasks_lists_protocols_and_presence_of_corpora(tmp_path: Path, capsys: Any) -> None:
    tunes = tmp_path / "nottingham" / "MIDI"
    tunes.mkdir(parents=True)
    (tunes / "jigs1.mid").touch()
    assert main(["tasks", "--root", str(tmp_path)]) == 0
    tokens = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert set(tokens) == {"task", *TASKS}
    assert tokens["genre"] == ["genre", "sequence", "nottingham", "5", "tunes", "files"]
    assert tokens["composer"] == ["composer", "sequence", "pianist8", "8", "published", "folds", "absent"]


def test_an_unknown_protocol_is_answered_with_those_there_are(capsys: Any) -> None:
    for command in (["composer"], ["baselines", "composer"]):
        assert main([*command, "--protocol", "clips"]) == 2
        assert "published, folds" in capsys.readouterr().err


def test_all_wrong_settings_are_named_at_once(capsys: Any) -> None:
    wrong = ["--method", "magic", "--preset", "huge", "--lr", "-1", "--seeds", "0", "--seed", "-3"]
    wrong += ["--budget", "1.5"]
    assert main(["genre", *wrong]) == 2
    said = capsys.readouterr().err
    assert all(
        flag in said for flag in ("--method magic", "--preset huge", "--lr", "--seeds", "--seed", "--budget")
    )


@pytest.mark.parametrize("tracks", ["MELODY", "MELODY,melody", ","])
def test_notes_need_two_different_tracks(tracks: str) -> None:
    with pytest.raises(ConfigError, match="two different tracks"):
        FinetuneSettings.of(task="note", folder="x", tracks=tracks)


@pytest.mark.parametrize("task", TASKS)
def test_without_a_folder_of_data_sets_the_remedy_is_named(task: str, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("COUNTERPOINT_DATA", raising=False)
    assert main([task]) == 2
    said = capsys.readouterr().err
    assert "--root" in said
    assert "$COUNTERPOINT_DATA" in said
    assert main(["baselines", task, "--root", "/nowhere"]) == 2
    assert "/nowhere" in capsys.readouterr().err


def test_what_does_not_exist_is_named(tmp_path: Path, capsys: Any) -> None:
    assert main(["baselines", "harmony"]) == 2
    assert "melody_songs, velocity, velocity_any" in capsys.readouterr().err
    assert main(["baselines", "melody", "--budget", "0"]) == 2
    assert "--budget" in capsys.readouterr().err
    assert main(["sequence", str(tmp_path / "absent")]) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert main(["genre", "--from", str(tmp_path / "absent")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert main(["report", str(tmp_path)]) == 2
    assert "holds no record" in capsys.readouterr().err


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_committed_experiment_is_valid(path: Path) -> None:
    settings = parse("finetune", "", FinetuneSettings, ["--config", str(path)])
    assert settings.training.seeds >= 5
    assert TASKS[path.stem.split("-")[0]].protocol(settings.data.protocol)


def test_experiments_are_there_for_every_task_and_protocol() -> None:
    wanted = {
        task.name if protocol is task.protocols[0] else f"{task.name}-{protocol.name}"
        for task in TASKS.values()
        for protocol in task.protocols
    }
    assert {path.stem for path in EXPERIMENTS} >= wanted


def test_every_setting_has_its_line_of_help() -> None:
    assert all(leaf.about["help"] for leaf in leaves(FinetuneSettings).values())


def test_a_run_a_second_one_and_the_table_of_both(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "tunes")
    nano_checkpoint(tmp_path / "nano")
    common = ["sequence", "tunes", "--tokens_per_batch", "1024", "--jobs", "0", "--accelerator", "cpu"]
    for arguments in (["--from", "nano", "--epochs", "4"], ["--from", "scratch", "--epochs", "0.3"]):
        assert main([*common, *arguments, "--seeds", "2", "--results", "kept"]) == 0
    printed = capsys.readouterr().out
    assert "majority class" in printed
    assert "full, from nano, 2 seeds" in printed
    assert "window-level accuracy" in printed
    assert re.search(r"\ntrained on +20\nselected by +2\ntested +2\nall +24\n", printed)
    assert "warning: Only 2 pieces are tested" in printed
    assert {line["name"] for line in read_lines(KEPT)} == {"sequence-full-nano", "sequence-full-scratch-tiny"}
    # The same again takes its place; what is called the same, and is not, has a place of its own.
    again = [*common, "--from", "scratch", "--epochs", "0.3", "--seeds", "2", "--results", "kept"]
    assert main([*again, "--out", "b"]) == 0
    assert main([*again, "--lr", "0.01", "--out", "c"]) == 0
    fresh = [line for line in read_lines(KEPT) if "scratch" in line["name"]]
    assert [line["settings"]["training"]["lr"] for line in fresh] == [1e-3, 1e-2]
    old = next(one for one in read_results("kept") if one.get("name") == "sequence-full-scratch-tiny")
    old = {name: value for name, value in old.items() if name != "name"}
    before = len(read_lines(KEPT))
    assert save_record("kept", "sequence-full-scratch-tiny", {**old, "command": "again"}) == KEPT
    assert len(read_lines(KEPT)) == before
    assert any(line["command"] == "again" for line in read_lines(KEPT))
    for weights in ("some", "other"):
        save_record(
            "kept", "sequence-full-nano", {**old, "backbone": {**old["backbone"], "weights": weights}}
        )
    assert len(read_lines(KEPT)) == before + 1
    assert read_lines(KEPT)[-1]["name"] == "sequence-full-nano-2"
    assert main(["report", "runs"]) == 0
    page = (tmp_path / "runs" / "RESULTS.md").read_text()
    assert page.count("\n| hand-made features + logistic regression |") == 1
    assert "| full, from scratch, 2 seeds |" in page
    assert "paired bootstrap over song groups" in page
    assert "p = " in page
