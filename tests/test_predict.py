"""Predictions on new files: notes kept, bad files skipped by name, tracks never told from their order."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetune_helpers import METRES, nano_checkpoint, tune, write_folder

from finetune.cli import main
from finetune.predict import Forecaster, predict_files, tracks_by_class
from finetune.source import find_checkpoint
from symbolic.errors import CheckpointError
from symbolic.files import read_music, write_midi
from symbolic.notes import Music, note_array

RUN = ["--epochs", "5", "--lr", "0.01", "--rows_per_batch", "1024", "--jobs", "0", "--accelerator", "cpu"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with runs 'notes' (adapter), 'probe' and 'dances', made by the command."""
    base = tmp_path_factory.mktemp("predict")
    folder, nano = str(write_folder(base / "tunes")), str(nano_checkpoint(base / "nano"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERPOINT_CACHE", str(base / "cache"))
        note = ["note", folder, "--tracks", "MELODY,PIANO", "--from", nano, *RUN]
        assert main([*note, "--out", str(base / "notes")]) == 0
        assert main([*note, "--out", str(base / "probe"), "--method", "probe"]) == 0
        dances = ["sequence", folder, "--from", nano, *RUN, "--epochs", "12"]
        assert main([*dances, "--out", str(base / "dances")]) == 0
    return base


@pytest.fixture(scope="module")
def melody(runs: Path) -> Forecaster:
    return Forecaster.load(runs / "notes", "cpu")


def _notes(music: Music) -> list[tuple[int, ...]]:
    columns = [music.notes[name] for name in ("onset", "duration", "pitch", "velocity", "program")]
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def test_the_melody_becomes_a_track_and_no_note_changes(runs: Path, tmp_path: Path) -> None:
    write_midi(tune(100), tmp_path / "new.mid")
    assert (
        main(["predict", str(runs / "notes"), str(tmp_path / "new.mid"), "--out", str(tmp_path / "out")]) == 0
    )
    before, after = read_music(tmp_path / "new.mid"), read_music(tmp_path / "out" / "new.mid")
    assert _notes(before) == _notes(after)
    assert (before.metres == after.metres).all()
    assert (before.tempi == after.tempi).all()
    assert after.tracks == ("MELODY", "PIANO")
    upper = after.notes["pitch"][after.notes["track"] == 0]
    assert (upper >= 67).mean() > 0.9


def test_predictions_follow_notes_and_not_tracks(melody: Forecaster) -> None:
    plain, swapped = tune(101), tune(101, swapped=True)
    shuffled = swapped.with_notes(np.random.default_rng(0).permutation(swapped.notes))
    key = ["onset", "pitch", "duration"]
    found = [melody.notes(music)[np.argsort(music.notes, order=key)] for music in (plain, swapped, shuffled)]
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


def test_a_programme_does_not_tell(melody: Forecaster) -> None:
    plain = tune(102)
    notes = plain.notes.copy()
    notes["program"][notes["track"] == 0] = 73
    assert (melody.notes(plain) == melody.notes(plain.with_notes(notes))).all()


def test_long_pieces_are_predicted_whole(melody: Forecaster) -> None:
    music = tune(103, bars=80)
    assert len(music) > 10 * 64
    truth = music.notes["track"]
    assert (melody.notes(music) == truth).mean() > 0.9


def test_drums_are_asked_nothing_and_kept(melody: Forecaster) -> None:
    music = tune(104)
    drums = note_array(np.arange(8) * 480, 60, 38, 100, 128, 2)
    both = Music(np.concatenate([music.notes, drums]), 480, music.metres, tracks=("MELODY", "PIANO", "KIT"))
    classes = melody.notes(both)
    assert (classes[-8:] == -1).all()
    assert (classes[:-8] >= 0).all()
    written = tracks_by_class(both, classes, melody.classes)
    assert written.tracks[written.notes["track"][-1]] == "drums"


def test_a_probe_predicts_too(runs: Path) -> None:
    music = tune(105)
    assert (Forecaster.load(runs / "probe", "cpu").notes(music) == music.notes["track"]).mean() > 0.6


def test_bad_files_among_good_ones_are_skipped_and_named(runs: Path, tmp_path: Path, capsys: Any) -> None:
    good, bad = tmp_path / "good.mid", tmp_path / "bad.mid"
    write_midi(tune(106), good)
    bad.write_bytes(b"MThd, but no music")
    write_midi(Music(note_array([0, 1], 1, 36, 80, 128), 4), tmp_path / "drums.mid")
    files = [str(bad), str(good), str(tmp_path / "drums.mid"), str(tmp_path / "absent.mid")]
    assert main(["predict", str(runs / "notes"), *files, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert [line.split(":")[0] for line in printed.err.splitlines()] == [
        f"skipped  {tmp_path / name}" for name in ("bad.mid", "drums.mid", "absent.mid")
    ]
    assert str(tmp_path / "out" / "good.mid") in printed.out
    assert main(["predict", str(runs / "notes"), str(bad), "--out", str(tmp_path / "out")]) == 2


def test_files_of_one_name_do_not_overwrite_one_another(melody: Forecaster, tmp_path: Path) -> None:
    files = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        files.append(str(tmp_path / str(number) / "song.mid"))
        write_midi(tune(number), files[-1])
    written = [outcome.written for outcome in predict_files(melody, files, tmp_path / "out")]
    assert written == [tmp_path / "out" / "song.mid", tmp_path / "out" / "song-2.mid"]


def test_pieces_get_probabilities_on_screen_and_in_files(runs: Path, tmp_path: Path, capsys: Any) -> None:
    for dance in METRES:
        write_midi(tune(107, dance), tmp_path / f"{dance}.mid")
    (tmp_path / "bad.mid").write_bytes(b"")
    files = [str(tmp_path / f"{name}.mid") for name in (*METRES, "bad")]
    tables = ["--csv", str(tmp_path / "table.csv"), "--json", str(tmp_path / "table.json")]
    assert main(["predict", str(runs / "dances"), *files, *tables]) == 0
    assert "waltz" in capsys.readouterr().out
    with (tmp_path / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["prediction"] for row in rows] == list(METRES)
    assert all(float(row["waltz"]) + float(row["reel"]) == pytest.approx(1, abs=1e-5) for row in rows)
    listed = json.loads((tmp_path / "table.json").read_text())
    assert [bool(entry["skipped"]) for entry in listed] == [False, False, True]


def test_a_run_is_found_by_its_folder_its_seed_or_its_checkpoint(runs: Path) -> None:
    expected = runs / "notes" / "seed-0" / "checkpoint"
    for path in (runs / "notes", runs / "notes" / "seed-0", expected):
        assert find_checkpoint(path) == expected


def test_what_is_no_run_is_refused_with_the_remedy(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a complete checkpoint"):
        Forecaster.load(tmp_path)
    with pytest.raises(CheckpointError, match="not fine-tuned"):
        Forecaster.load(runs / "nano")
