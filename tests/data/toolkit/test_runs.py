"""Run folders and records."""

import json
import os
from pathlib import Path

import pytest
from variants import variants_of_bytes

from data.toolkit.record_schema import PRETRAINED, TRAINED, Kind
from data.toolkit.records import machine_kind, provenance, write_json
from data.toolkit.runs import begin, find_folder, read_record
from data.toolkit.safewrite import write, write_lines
from symbolic.documents import anything, fields, whole
from symbolic.errors import ConfigError
from symbolic.replacing import replacing


def test_runs_of_one_name_get_numbers_and_the_latest_is_resumed(tmp_path):
    base = tmp_path / "runs" / "x"
    assert find_folder(base, {"a": 1}, None, resume=False) == base
    begin(base, {"a": 1})
    second = find_folder(base, {"a": 1}, None, resume=False)
    assert second.name == "x-2"
    begin(second, {"a": 1})
    os.utime(base / "settings.json", (2e9, 2e9))
    assert find_folder(base, {"a": 1}, None, resume=True) == base
    assert find_folder(base, {"a": 2}, None, resume=False).name == "x-3"


def test_a_longer_name_is_another_run(tmp_path):
    base = tmp_path / "genre-full-scratch-tiny"
    for number, name in enumerate((base.name, f"{base.name}-2", f"{base.name}-budget0.1")):
        begin(tmp_path / name, {"a": 1})
        os.utime(tmp_path / name / "settings.json", (2e9 + number, 2e9 + number))
    assert find_folder(base, {"a": 1}, None, resume=True).name == f"{base.name}-2"


def test_a_run_is_not_overwritten_or_resumed_with_other_settings(tmp_path):
    begin(tmp_path / "run", {"a": 1, "b": 2, "c": 3})
    with pytest.raises(ConfigError, match="--resume"):
        find_folder("x", {"a": 1}, str(tmp_path / "run"), resume=False)
    with pytest.raises(ConfigError) as error:
        find_folder("x", {"a": 5, "b": 6, "c": 3}, str(tmp_path / "run"), resume=True, flags={"b": "bee"})
    assert "--a was 1" in str(error.value)
    assert "--bee was 2" in str(error.value)
    assert "--c" not in str(error.value)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"run cannot be written .* --out"):
        begin(tmp_path / "file" / "run", {"a": 1})


def test_settings_that_were_not_given_are_named_as_users_write_them(tmp_path):
    begin(tmp_path / "run", {"lr": None, "checkpoint": None, "size": 3})
    now = {"lr": 0.5, "checkpoint": "tiny", "size": None}
    words = {"flags": {"checkpoint": "from"}, "unset": {"checkpoint": "scratch"}}
    with pytest.raises(ConfigError) as error:
        find_folder("x", now, str(tmp_path / "run"), resume=True, **words)
    text = " ".join(str(error.value).split())
    assert "--lr was not given when" in text
    assert f"--from was scratch when {tmp_path / 'run'} began and is 'tiny' now" in text
    assert "--size was 3" in text
    assert "is not given now" in text


def test_a_record_is_read_if_it_has_the_needed_keys(tmp_path):
    cake = Kind("bake", frozenset({"a"}), fields({"a": whole(0, 9)}, more=True))
    with pytest.raises(ConfigError, match="holds no record of `bake`"):
        read_record(tmp_path, cake)
    write_json(tmp_path / "record.json", {"a": 1, "b": 2})
    assert read_record(tmp_path, cake) == {"a": 1, "b": 2}
    with pytest.raises(ConfigError, match="holds no record of `bake`"):
        read_record(tmp_path, cake._replace(marks=frozenset({"a", "c"})))
    write_json(tmp_path / "record.json", {"a": -1})
    with pytest.raises(ConfigError, match=r"record\.json does not fit: a is -1, not from 0 to 9\. Restore"):
        read_record(tmp_path, cake)


def test_what_is_no_run_of_a_command_is_named_with_the_command_for_it(tmp_path):
    with pytest.raises(ConfigError, match=r"It is a model already.* `pretrain export`"):
        read_record(Path("tiny"), TRAINED)
    write_json(tmp_path / "record.json", {"history": [], "files": {}, "settings": {}})
    with pytest.raises(ConfigError, match="It is a run of `pretrain`: export it by `pretrain export`"):
        read_record(tmp_path, TRAINED)
    write_json(tmp_path / "record.json", {"test_counts": [], "checkpoint": ""})
    with pytest.raises(ConfigError, match="It is a run of `finetune`: export it by `finetune export`"):
        read_record(tmp_path, PRETRAINED)


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_that_was_killed_as_it_began_can_begin_again(tmp_path, resume):
    with replacing(tmp_path / "settings.json") as file:  # a process that is killed here leaves the part
        file.write(b"{")
        assert len(list(tmp_path.iterdir())) == 1
        assert find_folder("x", {"seed": 0}, str(tmp_path), resume=resume) == tmp_path


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("...")
    with pytest.raises(ConfigError, match="no run's"):
        find_folder("x", {}, str(tmp_path / "letters"), resume=False)


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("experiments/readout.py", "python -m experiments.readout composer"),
        ("data/splits/__main__.py", "python -m data.splits composer"),
        ("pretrain/cli.py", "pretrain composer"),
        ("data/cli.py", "corpora composer"),
        ("/usr/bin/finetune", "finetune composer"),
    ],
)
def test_a_record_names_the_command_that_makes_it_again(program, command, monkeypatch):
    root = Path(__file__).parents[3]
    monkeypatch.setattr("sys.argv", [str(root / program), "composer"])
    assert provenance()["command"] == command


def test_provenance_names_versions_and_machine_but_no_place(monkeypatch):
    for program in ("/somewhere/bin/pretrain", "/somewhere/pretrain/cli.py"):
        monkeypatch.setattr("sys.argv", [program, "my folder", "--seed", "1"])
        found = provenance()
        assert found["command"] == "pretrain 'my folder' --seed 1"
    assert provenance(["finetune", "melody", "a b"])["command"] == "finetune melody 'a b'"
    assert {"python", "torch", "numpy"} <= set(found["versions"])
    assert set(machine_kind()) <= {"system", "processor", "cores", "accelerator"}


def test_json_is_written_whole(tmp_path):
    path = tmp_path / "deep" / "record.json"
    write_json(path, {"a": "é"})
    write_json(path, {"a": "ü"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": "ü"}
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]


def test_records_hold_no_nan_and_any_name(tmp_path):
    write_json(
        tmp_path / "r.json", {"loss": [float("nan"), {"a": float("-inf")}, 1.5], "file": "a\udcff.mid"}
    )
    text = (tmp_path / "r.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name)) == {
        "loss": [None, {"a": None}, 1.5],
        "file": "a\udcff.mid",
    }


def test_resuming_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no run called x\. Leave --resume out"):
        find_folder(tmp_path / "x", {}, None, resume=True)
    assert find_folder(tmp_path / "x", {}, str(tmp_path / "new"), resume=True) == tmp_path / "new"


def test_damaged_settings_and_records_are_refused_by_name(tmp_path):
    for name, content in variants_of_bytes(b'{"settings": {"a": 1}}'):
        (tmp_path / "settings.json").write_bytes(content)
        (tmp_path / "record.json").write_bytes(content)
        with pytest.raises(ConfigError, match=r"settings\.json"):
            find_folder("x", {"a": 1}, str(tmp_path), resume=True)
        with pytest.raises(ConfigError, match=r"record\.json"):
            read_record(tmp_path, Kind(name, frozenset(), anything))


def test_two_processes_may_write_one_file_at_a_time(tmp_path, monkeypatch):
    path = tmp_path / "floors.json"

    def lines():
        yield b"mine, "
        with monkeypatch.context() as other:
            other.setattr("os.getpid", lambda: 1)
            write(path, b"another's")
        assert path.read_bytes() == b"another's"
        yield b"whole"

    write_lines(path, lines())
    assert path.read_bytes() == b"mine, whole"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
