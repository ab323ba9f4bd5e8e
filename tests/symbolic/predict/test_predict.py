"""Predictions on new files: notes kept, bad files skipped by name, memory bounded, one backbone for many runs."""

from __future__ import annotations

import csv
import json
import os
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetune_helpers import METRES, nano_checkpoint, tune, write_folder

from finetune.cli import main
from symbolic.checkpoint.bundled import find_model
from symbolic.errors import CheckpointError, ConfigError
from symbolic.music.files import read_music
from symbolic.music.midi import write_midi
from symbolic.music.notes import Music, note_array
from symbolic.predict.files import find_sources, predict_files
from symbolic.predict.loading import load, load_predictors
from symbolic.predict.network import TaskModel
from symbolic.predict.predictions import NotePredictions, tracks_by_class, with_velocities
from symbolic.predict.predictor import NotePredictor

RUN = ["--epochs", "5", "--lr", "0.01", "--tokens_per_batch", "1024", "--jobs", "0", "--accelerator", "cpu"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with runs 'notes', 'probe', 'dances', and adapters 'lora' and 'dances-adapter', made by the command."""
    base = tmp_path_factory.mktemp("predict")
    folder, nano = str(write_folder(base / "tunes")), str(nano_checkpoint(base / "nano"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERPOINT_CACHE", str(base / "cache"))
        note = ["note", folder, "--tracks", "MELODY,PIANO", "--from", nano, *RUN]
        assert main([*note, "--out", str(base / "notes")]) == 0
        probe = [word for word in note if word not in ("--lr", "0.01")]
        assert main([*probe, "--out", str(base / "probe"), "--method", "probe"]) == 0
        dances = ["sequence", folder, "--from", nano, *RUN, "--epochs", "12"]
        assert main([*dances, "--out", str(base / "dances")]) == 0
        lora = ["--method", "lora", "--epochs", "1", "--out", str(base / "lora")]
        assert main([*note, *lora]) == 0
        adapter = ["--method", "adapter", "--epochs", "1", "--out", str(base / "dances-adapter")]
        assert main([*dances, *adapter]) == 0
    return base


@pytest.fixture(scope="module")
def melody(runs: Path) -> Any:
    return load(runs / "notes")


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
    assert (before.time_signatures == after.time_signatures).all()
    assert (before.tempos == after.tempos).all()
    assert after.tracks == ("MELODY", "PIANO")
    upper = after.notes["pitch"][after.notes["track"] == 0]
    assert (upper >= 67).mean() > 0.9


def test_predictions_follow_notes_and_not_tracks(melody: NotePredictor) -> None:
    plain, swapped = tune(101), tune(101, swapped=True)
    shuffled = swapped.with_notes(np.random.default_rng(0).permutation(swapped.notes))
    key = ["onset", "pitch", "duration"]
    found = [
        melody(music).classes[np.argsort(music.notes, order=key)] for music in (plain, swapped, shuffled)
    ]
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


def test_programs_do_not_reveal_the_class(melody: NotePredictor) -> None:
    plain = tune(102)
    notes = plain.notes.copy()
    notes["program"][notes["track"] == 0] = 73
    assert (melody(plain).classes == melody(plain.with_notes(notes)).classes).all()


def test_long_pieces_are_predicted_whole(melody: NotePredictor) -> None:
    music = tune(103, bars=80)
    assert len(music) > 10 * 64
    truth = music.notes["track"]
    assert (melody(music).classes == truth).mean() > 0.9


def test_drums_are_asked_nothing_and_kept(melody: NotePredictor) -> None:
    music = tune(104)
    drums = note_array(np.arange(8) * 480, 60, 38, 100, 128, 2)
    both = Music(
        np.concatenate([music.notes, drums]), 480, music.time_signatures, tracks=("MELODY", "PIANO", "KIT")
    )
    found = melody(both)
    classes, confidence = found.classes, found.confidence
    assert (classes[-8:] == -1).all()
    assert np.isnan(confidence[-8:]).all()
    assert (classes[:-8] >= 0).all()
    written = tracks_by_class(both, classes, melody.classes)
    assert written.tracks[written.notes["track"][-1]] == "drums"


def test_a_probe_predicts_too(runs: Path) -> None:
    music = tune(105)
    assert (load(runs / "probe")(music).classes == music.notes["track"]).mean() > 0.6


def test_bad_files_among_good_ones_are_skipped_and_named(runs: Path, tmp_path: Path, capsys: Any) -> None:
    good, bad = tmp_path / "good.mid", tmp_path / "bad.mid"
    write_midi(tune(106), good)
    bad.write_bytes(b"MThd, but no music")
    write_midi(Music(note_array([0, 1], 1, 36, 80, 128), 4), tmp_path / "drums.mid")
    files = [str(bad), str(good), str(tmp_path / "drums.mid"), str(tmp_path / "absent.mid")]
    assert main(["predict", str(runs / "notes"), *files, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert [line.split(":")[0] for line in printed.err.splitlines()] == [
        *(f"skipped  {tmp_path / name}" for name in ("bad.mid", "drums.mid", "absent.mid")),
        "1 of 4 files predicted; 3 skipped, each named above",
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
        "symbolic.predict.files.read_music", lambda path: late if path.endswith("c.mid") else read_music(path)
    )
    found = predict_files([melody], find_sources([str(tmp_path)], tmp_path / "out"), tmp_path / "out")
    outcomes = [one for [one] in found]
    assert [outcome.written is not None for outcome in outcomes] == [True, False, False, True]
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
    written = [one.written for [one] in predict_files([melody], find_sources(files, out), out)]
    assert written == [out / "song.mid", out / "song-2.mid"]
    assert all(path.is_file() for path in written if path)


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


def test_a_run_without_files_is_answered_with_the_remedy(runs: Path, capsys: Any) -> None:
    assert main(["predict", str(runs / "notes"), str(runs / "dances")]) == 2
    assert "after the run" in capsys.readouterr().err


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


def test_confidence_is_the_probability_of_the_class(melody: NotePredictor) -> None:
    music = tune(109)
    tokens = melody.tokenizer.encode(music, hide=melody.task["hide"])
    assert isinstance(melody.model, TaskModel)
    logits = melody.model.logits(tokens.ids).astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert melody(music).confidence[tokens.note_index] == pytest.approx(probabilities.max(1), rel=1e-5)


def test_predicted_velocities_are_set_on_the_tracks_that_were(melody: NotePredictor, tmp_path: Path) -> None:
    music = tune(110)
    probabilities = np.resize(np.array([[np.nan, np.nan], [1, 0], [0.25, 0.75]]), (len(music), 2))
    written = with_velocities(music, probabilities, ["1-31", "96-127"])
    assert (written.notes["velocity"][0::3] == music.notes["velocity"][0::3]).all()
    assert set(written.notes["velocity"][1::3].tolist()) == {16}
    assert set(written.notes["velocity"][2::3].tolist()) == {round(0.25 * 16 + 0.75 * 111.5)}
    for name in ("onset", "duration", "pitch", "program", "track"):
        assert (written.notes[name] == music.notes[name]).all()


def test_a_velocity_run_writes_expected_values_and_leaves_drums(runs: Path, tmp_path: Path) -> None:
    """By a run that is not sure of itself, having learnt for one epoch."""
    unsure, music = load(runs / "lora"), tune(110)
    drums = note_array(np.arange(4) * 480, 240, 38, 99, 128, 2)
    music = replace(music, notes=np.concatenate([music.notes, drums]), tracks=(*music.tracks, "KIT"))
    write_midi(music, tmp_path / "new.mid")
    task = {**unsure.task, "label": "velocity", "classes": ["1-1", "127-127"]}
    unsure.checkpoint = replace(unsure.checkpoint, task=task)
    [[outcome]] = predict_files([unsure], find_sources([str(tmp_path / "new.mid")], "out"), tmp_path / "out")
    assert outcome.written is not None
    found = outcome.result
    assert isinstance(found, NotePredictions)
    after = read_music(outcome.written)
    assert after.tracks == ("MELODY", "PIANO", "KIT")
    assert set(after.notes["velocity"][after.drums].tolist()) == {99}
    asked, right = ~found.music.drums, found.classes == 0
    surer = np.where(right, found.confidence, 1 - found.confidence)[asked]
    expected = (surer + (1 - surer) * 127).round()
    assert len(set(expected.tolist())) > 3
    assert np.sort(after.notes["velocity"][~after.drums]).tolist() == np.sort(expected).tolist()


def test_memory_is_bounded_by_a_batch_and_the_result(melody: NotePredictor) -> None:
    held = []
    watch = melody.model.register_forward_pre_hook(lambda _, given: held.append(given[0].numel()))
    short = tune(111, bars=160)
    melody(short)
    of_short = max(held)
    copies = 120_000 // len(short) + 1
    shift = np.repeat(np.arange(copies) * 160 * 3 * 480, len(short))
    notes = np.tile(short.notes, copies)
    notes["onset"] += shift
    long = short.with_notes(notes)
    assert len(long) >= 120_000
    tracemalloc.start()
    try:
        classes = melody(long).classes
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        watch.remove()
    assert max(held) == of_short
    assert peak < 200 * len(long)
    assert (classes == long.notes["track"]).mean() > 0.9


def test_drums_alone_can_have_a_class_as_a_piece(runs: Path, tmp_path: Path, capsys: Any) -> None:
    write_midi(Music(note_array([0, 480], 60, 36, 80, 128), 480), tmp_path / "drums.mid")
    assert main(["predict", str(runs / "dances"), str(tmp_path / "drums.mid")]) == 0
    assert "waltz" in capsys.readouterr().out


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


def test_a_table_of_pieces_is_refused_where_notes_are_asked(runs: Path, tmp_path: Path, capsys: Any) -> None:
    write_midi(tune(114), tmp_path / "new.mid")
    table = ["--csv", str(tmp_path / "table.csv")]
    assert main(["predict", str(runs / "notes"), str(tmp_path / "new.mid"), *table]) == 2
    assert "--json" in capsys.readouterr().err


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


def test_a_run_is_found_by_its_folder_its_seed_or_its_checkpoint(runs: Path) -> None:
    expected = runs / "notes" / "seed-0" / "checkpoint"
    for path in (runs / "notes", runs / "notes" / "seed-0", expected):
        assert find_model(path) == expected


def test_what_is_no_run_is_refused_with_the_remedy(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a complete checkpoint"):
        load(tmp_path)
    with pytest.raises(CheckpointError, match="not fine-tuned"):
        load_predictors([runs / "nano"])
