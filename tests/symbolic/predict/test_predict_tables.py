"""Answers of one or several runs as JSON and CSV; runs of one backbone share it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetune_helpers import METRES, tune

from finetune.cli import main
from symbolic.errors import ConfigError
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import note_array
from symbolic.predict.loading import load, load_predictors
from symbolic.predict.predictions import NotePredictions
from symbolic.predict.predictor import NotePredictor


def test_every_note_stands_in_the_json_with_its_time_and_class(
    runs: Path, melody: NotePredictor, tmp_path: Path
) -> None:
    music = tune(108)
    drums = note_array([0, 480], 60, 38, 100, 128, 2)
    both = replace(music, notes=np.concatenate([music.notes, drums]), tempos=np.array([[0.0, 60.0]]))
    write_midi(both, tmp_path / "new.mid")
    (tmp_path / "bad.mid").touch()
    arguments = [str(tmp_path / "new.mid"), str(tmp_path / "bad.mid"), "--out", str(tmp_path / "out")]
    assert main(["predict", str(runs / "notes"), *arguments, "--json", str(tmp_path / "all.json")]) == 0
    entry, skipped = json.loads((tmp_path / "all.json").read_text())
    assert "bad.mid" in skipped["skipped"]
    assert entry["ticks_per_quarter"] == 480
    notes = entry["notes"]
    assert sorted((note["onset"], note["pitch"]) for note in notes) == sorted(
        zip(both.notes["onset"].tolist(), both.notes["pitch"].tolist(), strict=True)
    )
    assert [note["onset"] for note in notes] == sorted(both.notes["onset"].tolist())
    assert all(note["seconds"] == pytest.approx(note["onset"] / 480, abs=1e-3) for note in notes)
    asked = [note for note in notes if note["class"] is not None]
    assert len(notes) - len(asked) == 2
    assert all(0.5 <= note["confidence"] <= 1 for note in asked)
    assert {name: sum(note["class"] == name for note in asked) for name in melody.classes} == entry["counts"]


def test_adapters_of_one_backbone_share_it_and_answer_as_alone(runs: Path) -> None:
    names = ["lora", "dances-adapter", "probe", "dances"]
    with pytest.raises(ConfigError, match="Several runs of one task"):
        load_predictors([runs / "lora", runs / "lora"])
    together = load_predictors([runs / name for name in names])
    assert together[0].backbone is together[1].backbone
    assert len({id(one.backbone) for one in together}) == 3
    assert [one.name for one in together] == ["lora", "dances-adapter", "probe", "dances"]
    music = tune(112)
    for _ in range(2):
        for name, one in zip(names, together, strict=True):
            alone, found = load(runs / name)(music), one(music)
            if isinstance(found, NotePredictions):
                np.testing.assert_array_equal(found.confidence, alone.confidence)
            else:
                assert found.probabilities == alone.probabilities


def test_several_runs_answer_in_one_pass(runs: Path, tmp_path: Path, capsys: Any) -> None:
    for dance in METRES:
        write_midi(tune(113, dance), tmp_path / f"{dance}.mid")
    given = [str(runs / "lora"), str(runs / "dances"), *(str(tmp_path / f"{dance}.mid") for dance in METRES)]
    files = [
        "--out",
        str(tmp_path / "out"),
        "--csv",
        str(tmp_path / "x.csv"),
        "--json",
        str(tmp_path / "x.json"),
    ]
    assert main(["predict", *given, *files]) == 0
    assert (tmp_path / "out" / "note" / "waltz.mid").is_file()
    with (tmp_path / "x.csv").open() as file:
        assert [token["prediction"] for token in csv.DictReader(file)] == list(METRES)
    entries = json.loads((tmp_path / "x.json").read_text())
    assert [entry["task"] for entry in entries] == ["note", "sequence"] * 2
    assert "  note:" in capsys.readouterr().out


def test_two_tables_of_pieces_stand_side_by_side(runs: Path, tmp_path: Path) -> None:
    write_midi(tune(115, "reel"), tmp_path / "new.mid")
    given = [str(runs / "dances"), str(runs / "dances-adapter"), str(tmp_path / "new.mid")]
    assert main(["predict", *given, "--csv", str(tmp_path / "x.csv")]) == 0
    with (tmp_path / "x.csv").open() as file:
        [token] = csv.DictReader(file)
    assert token["dances prediction"] == "reel"
    for name in ("dances", "dances-adapter"):
        assert float(token[f"{name} waltz"]) + float(token[f"{name} reel"]) == pytest.approx(1, abs=1e-5)


def test_a_table_of_notes_holds_every_probability(runs: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_midi(tune(114), tmp_path / f"{name}.mid")
    (tmp_path / "bad.mid").touch()
    given = [str(runs / "notes"), *(str(tmp_path / f"{name}.mid") for name in ("a", "bad", "b"))]
    files = [
        "--out",
        str(tmp_path / "out"),
        "--csv",
        str(tmp_path / "x.csv"),
        "--json",
        str(tmp_path / "x.json"),
    ]
    assert main(["predict", *given, *files]) == 0
    with (tmp_path / "x.csv").open() as file:
        lines = list(csv.DictReader(file))
    entry, skipped, _ = json.loads((tmp_path / "x.json").read_text())
    assert skipped["skipped"]
    assert entry["written"] == [str(tmp_path / "out" / "a.mid")]
    assert [line["file"] for line in lines] == [name for name in given[1::2] for _ in entry["notes"]]
    for line, note in zip(lines, entry["notes"], strict=False):
        assert line["class"] == note["class"]
        assert [float(line[f"p({name})"]) for name in entry["classes"]] == note["probabilities"]
        assert max(note["probabilities"]) == note["confidence"]
        assert sum(note["probabilities"]) == pytest.approx(1, abs=1e-3)
        assert (float(line["beat"]), int(line["bar"])) == (note["beat"], note["bar"])
        assert note["part"] in ("MELODY", "PIANO")


def test_models_of_notes_share_a_line_in_the_table(runs: Path, tmp_path: Path) -> None:
    write_midi(tune(114), tmp_path / "a.mid")
    given = [
        str(runs / "notes"),
        str(runs / "probe"),
        str(tmp_path / "a.mid"),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(["predict", *given, "--csv", str(tmp_path / "x.csv")]) == 0
    with (tmp_path / "x.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(tune(114))
    assert {line["notes class"] for line in lines} | {line["probe class"] for line in lines} <= {
        "MELODY",
        "PIANO",
    }
    assert all(line["probe p(MELODY)"] for line in lines)


@pytest.mark.parametrize("flag", ["--csv", "--json"])
def test_standard_output_holds_the_table_alone(runs: Path, tmp_path: Path, capsys: Any, flag: str) -> None:
    for name in ("a", "b"):
        write_midi(tune(114), tmp_path / f"{name}.mid")
    assert (
        main(["predict", str(runs / "notes"), str(tmp_path), "--out", str(tmp_path / "out"), flag, "-"]) == 0
    )
    printed = capsys.readouterr()
    assert f"{tmp_path / 'a.mid'}  ->  " in printed.err
    if flag == "--json":
        assert [Path(entry["file"]).name for entry in json.loads(printed.out)] == ["a.mid", "b.mid"]
    else:
        assert len(list(csv.DictReader(printed.out.splitlines()))) == 2 * len(tune(114))


def test_two_tables_on_standard_output_are_refused(runs: Path, tmp_path: Path, capsys: Any) -> None:
    write_midi(tune(114), tmp_path / "a.mid")
    given = [str(runs / "notes"), str(tmp_path / "a.mid"), "--out", str(tmp_path / "out")]
    assert main(["predict", *given, "--csv", "-", "--json", "-"]) == 2
    assert "cannot both be standard output" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_pieces_get_probabilities_on_screen_and_in_files(runs: Path, tmp_path: Path, capsys: Any) -> None:
    for dance in METRES:
        write_midi(tune(107, dance), tmp_path / f"{dance}.mid")
    (tmp_path / "bad.mid").write_bytes(b"")
    files = [str(tmp_path / f"{name}.mid") for name in (*METRES, "bad")]
    tables = ["--csv", str(tmp_path / "table.csv"), "--json", str(tmp_path / "table.json")]
    assert main(["predict", str(runs / "dances"), *files, *tables]) == 0
    assert "waltz" in capsys.readouterr().out
    with (tmp_path / "table.csv").open() as file:
        tokens = list(csv.DictReader(file))
    assert [token["prediction"] for token in tokens] == list(METRES)
    assert all(float(token["waltz"]) + float(token["reel"]) == pytest.approx(1, abs=1e-5) for token in tokens)
    listed = json.loads((tmp_path / "table.json").read_text())
    assert [bool(entry["skipped"]) for entry in listed] == [False, False, True]
