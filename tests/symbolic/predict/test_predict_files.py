"""Files to predict: found in folders, skipped by name, and never written over."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from dirty import midi, off, on, scale, track
from finetune_helpers import tune

from finetune.cli import main
from symbolic.checkpoint.bundled import find_model
from symbolic.errors import CheckpointError, ConfigError
from symbolic.music.files import read_music
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import Music, note_array
from symbolic.predict.files import predict_files
from symbolic.predict.loading import load, load_predictors
from symbolic.predict.predictor import NotePredictor
from symbolic.predict.sources import find_sources


def test_bad_files_among_good_ones_are_skipped_and_named(runs: Path, tmp_path: Path, capsys: Any) -> None:
    good, bad = tmp_path / "good.mid", tmp_path / "bad.mid"
    write_midi(tune(106), good)
    bad.write_bytes(b"MThd, but no music")
    write_midi(Music(note_array([0, 1], 1, 36, 80, 128), 4), tmp_path / "drums.mid")
    (tmp_path / "empty").mkdir()
    files = [str(bad), str(good), *(str(tmp_path / name) for name in ("drums.mid", "absent.mid", "empty"))]
    assert main(["predict", str(runs / "notes"), *files, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert [line.split(":")[0] for line in printed.err.splitlines()] == [
        *(f"skipped  {tmp_path / name}" for name in ("bad.mid", "drums.mid", "absent.mid", "empty")),
        "1 of 5 files predicted; 4 skipped, each named above",
    ]
    assert str(tmp_path / "out" / "good.mid") in printed.out
    assert main(["predict", str(runs / "notes"), str(bad), "--out", str(tmp_path / "out")]) == 2


def test_files_too_long_for_tokens_or_midi_are_skipped(
    melody: NotePredictor, tmp_path: Path, monkeypatch: Any
) -> None:
    for name, last in (("a.mid", 4), ("b.mid", 70_000), ("c.mid", 4), ("d.mid", 4)):
        write_midi(Music(note_array([0, 4 * last], 1, 60, 80), 1), tmp_path / name)
    late = Music(note_array([0, 2**28 + 5], 1, 60, 80), 20_000)
    monkeypatch.setattr(
        "symbolic.predict.files.read_music",
        lambda path, pedal: late if path.endswith("c.mid") else read_music(path, pedal=pedal),
    )
    found = predict_files([melody], find_sources([str(tmp_path)], tmp_path / "out"), tmp_path / "out")
    outcomes = [one for [one] in found]
    assert [bool(outcome.written) for outcome in outcomes] == [True, False, False, True]
    assert "bars" in outcomes[1].skipped
    assert "2^28" in outcomes[2].skipped
    assert outcomes[2].result is None


@pytest.mark.parametrize(
    ("files", "out"),
    [
        (["song.mid", "elsewhere/song.mid"], "."),
        (["song.mid", "elsewhere/song.mid"], "link"),
        (["song.mid", "elsewhere/song.mid"], "elsewhere"),
        (["elsewhere"], "elsewhere"),
    ],
)
def test_nothing_is_written_over_what_is_read(
    runs: Path, tmp_path: Path, monkeypatch: Any, capsys: Any, files: list[str], out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    for path in (tmp_path / "song.mid", tmp_path / "elsewhere" / "song.mid"):
        write_midi(tune(107), path)
    before = (tmp_path / "song.mid").read_bytes(), (tmp_path / "elsewhere" / "song.mid").read_bytes()
    assert main(["predict", str(runs / "notes"), *files, "--out", out]) == 2
    assert "would be written over by its prediction. Name another folder." in capsys.readouterr().err
    assert before == (
        (tmp_path / "song.mid").read_bytes(),
        (tmp_path / "elsewhere" / "song.mid").read_bytes(),
    )


def test_files_of_one_name_do_not_overwrite_one_another(melody: NotePredictor, tmp_path: Path) -> None:
    files = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        files.append(str(tmp_path / str(number) / "song.mid"))
        write_midi(tune(number), files[-1])
    out = tmp_path / "out"
    written = [
        path for [one] in predict_files([melody], find_sources(files, out), out) for path in one.written
    ]
    assert written == [out / "song.mid", out / "song-2.mid"]
    assert all(path.is_file() for path in written)


def test_folders_are_walked_without_hidden_files_and_predictions(tmp_path: Path) -> None:
    for name in (
        "b.mid",
        "a/x.MID",
        "a/x.xml",
        "a/._x.mid",
        ".b/y.mid",
        "empty/y.txt",
        "out/b.mid",
        "notes.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    sources = find_sources([str(tmp_path)], tmp_path / "out")
    assert [source.file for source in sources] == [
        str(tmp_path / name) for name in ("a/x.MID", "a/x.xml", "b.mid")
    ]
    assert [source.place.as_posix() for source in sources] == ["a/x.mid", "a/x-2.mid", "b.mid"]
    with pytest.raises(ConfigError, match="no music files"):
        find_sources([str(tmp_path / "empty")], tmp_path / "out")


def test_folders_without_music_come_last_and_rename_no_file(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b.mid").touch()
    sources = find_sources([str(tmp_path / name) for name in ("b", "b.mid")], tmp_path / "out")
    assert [source.file for source in sources] == [str(tmp_path / name) for name in ("b.mid", "b")]
    assert sources[0].place.as_posix() == "b.mid"
    monkeypatch.chdir(tmp_path / "b")
    assert [source.file for source in find_sources([".", "../b.mid"], "out")] == ["../b.mid", "."]
    with pytest.raises(ConfigError, match="no music files"):
        find_sources(["."], "out")


def test_tunes_of_a_book_are_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    book = tmp_path / "in" / "book.abc"
    book.write_text("X:3\nK:C\nC|\n\nX:4\nK:G\nF|\n")
    for named in (tmp_path / "in", book):
        sources = find_sources([str(named)], tmp_path / "out")
        assert [(one.file, one.place.as_posix()) for one in sources] == [
            (f"{book}#3", "book-3.mid"),
            (f"{book}#4", "book-4.mid"),
        ]
    assert [one.file for one in find_sources([f"{book}#4"], tmp_path / "out")] == [f"{book}#4"]


def test_a_run_without_files_is_answered_with_the_remedy(runs: Path, capsys: Any) -> None:
    assert main(["predict", str(runs / "notes"), str(runs / "dances")]) == 2
    assert "after the run" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
def test_names_that_are_no_text_stop_nothing(runs: Path, tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "songs").mkdir()
    write_midi(tune(116), tmp_path / "songs" / os.fsdecode(b"\xff.mid"))
    (tmp_path / "songs" / os.fsdecode(b"\xfe.mid")).touch()
    files = [str(tmp_path / "songs"), "--out", str(tmp_path / "out"), "--json", str(tmp_path / "x.json")]
    assert main(["predict", str(runs / "notes"), *files]) == 0
    printed = capfd.readouterr()
    assert "\\udcff.mid" in printed.out
    assert "\\udcfe.mid" in printed.err
    assert [bool(entry["skipped"]) for entry in json.loads((tmp_path / "x.json").read_text())] == [
        True,
        False,
    ]
    assert (tmp_path / "out" / os.fsdecode(b"\xff.mid")).is_file()


def test_a_run_is_found_by_its_folder_its_seed_or_its_checkpoint(runs: Path) -> None:
    expected = runs / "notes" / "seed-0" / "checkpoint"
    for path in (runs / "notes", runs / "notes" / "seed-0", expected):
        assert find_model(path) == expected


def test_what_is_no_run_is_refused_with_the_remedy(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a complete checkpoint"):
        load(tmp_path)
    with pytest.raises(CheckpointError, match="not fine-tuned"):
        load_predictors([runs / "nano"])


def test_files_that_do_not_exist_are_named_before_a_model_is_loaded(tmp_path: Path, capsys: Any) -> None:
    absent = [str(tmp_path / name) for name in ("a.mid", "b.mid")]
    before = set(sys.modules)
    assert main(["predict", "melody", *absent]) == 2
    assert f"There is no such file or folder: {absent[0]}, {absent[1]}." in capsys.readouterr().err
    assert not {"lightgbm", "symbolic.predict.loading"} & (set(sys.modules) - before)


def test_each_model_has_a_folder_of_its_own(
    runs: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.mid").write_bytes(midi(track((0, on(60, 200)), (480, off()), *scale())))
    assert main(["predict", str(runs / "notes"), "song.mid"]) == 0
    assert (tmp_path / "predictions" / "notes" / "song.mid").is_file()
    assert "repaired song.mid: values above 127 clipped: 1" in capsys.readouterr().err


def test_pages_stand_beside_the_files_with_an_index(runs: Path, tmp_path: Path, capsys: Any) -> None:
    for name in ("a", "b"):
        write_midi(tune(114), tmp_path / f"{name}.mid")
    out = tmp_path / "out"
    models = [str(runs / "notes"), str(runs / "dances")]
    assert main(["predict", *models, str(tmp_path), "--out", str(out), "--page"]) == 0
    printed = capsys.readouterr().out
    for page in ("note/a.html", "note/b.html", "sequence/a.html", "sequence/b.html", "index.html"):
        assert (out / page).is_file()
        assert str(out / page) in printed
    index = (out / "index.html").read_text(encoding="utf-8")
    assert 'href="sequence/b.html"' in index
