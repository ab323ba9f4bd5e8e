"""Predictions of notes and pieces: no note changes, and tracks and programs reveal nothing."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetune_helpers import tune

from finetune.cli import main
from symbolic.music.files import read_music
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import Music, note_array
from symbolic.predict.files import FilePrediction, predict_files
from symbolic.predict.loading import load
from symbolic.predict.midi_output import expected_velocities
from symbolic.predict.network import TaskModel
from symbolic.predict.predictions import NotePredictions
from symbolic.predict.predictor import NotePredictor
from symbolic.predict.sources import find_sources
from symbolic.predict.writers import described


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


def test_drums_are_asked_nothing_and_kept(melody: NotePredictor, tmp_path: Path) -> None:
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
    written = read_music(found.write(tmp_path / "out.mid"))
    assert written.tracks[written.notes["track"][written.drums][0]] == "KIT"


def test_a_probe_predicts_too(runs: Path) -> None:
    music = tune(105)
    assert (load(runs / "probe")(music).classes == music.notes["track"]).mean() > 0.6


def test_confidence_is_the_probability_of_the_class(melody: NotePredictor) -> None:
    music = tune(109)
    tokens = melody.tokenizer.encode(music, hide=melody.task["hide"])
    assert isinstance(melody.model, TaskModel)
    logits = melody.model.logits(tokens.ids).astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert melody(music).confidence[tokens.note_index] == pytest.approx(probabilities.max(1), rel=1e-5)


def test_velocities_are_expected_values() -> None:
    music = tune(110)
    probabilities = np.resize(np.array([[np.nan, np.nan], [1, 0], [0.25, 0.75]]), (len(music), 2))
    expected = expected_velocities(music.notes["velocity"], probabilities, ["1-31", "96-127"])
    assert (expected[0::3] == music.notes["velocity"][0::3]).all()
    assert set(expected[1::3].tolist()) == {16}
    assert set(expected[2::3].tolist()) == {round(0.25 * 16 + 0.75 * 111.5)}


def test_velocities_are_summed_up_as_numbers() -> None:
    music = Music(note_array([0, 1, 2], 1, [60, 62, 36], 64, [0, 0, 128]), 4)
    classes, chances = np.array([0, 1, -1]), np.array([[1, 0], [0, 1], [np.nan, np.nan]], dtype=np.float32)
    found = NotePredictions(music, classes, chances, ("32-48", "96-104"), "velocity", "velocity")
    assert found.velocities == "velocities 40 to 100, mean 70"
    assert repr(found) == "NotePredictions(3 notes: velocities 40 to 100, mean 70; confidence 1.00)"
    line = described(FilePrediction("a.mid", "velocity", found, (Path("out/a.mid"),)))
    assert line == "a.mid  ->  out/a.mid  (velocities 40 to 100, mean 70; confidence 1.00)"


def test_a_velocity_run_writes_expected_values_and_leaves_drums(runs: Path, tmp_path: Path) -> None:
    """By a run that is not sure of itself, having learnt for one epoch."""
    unsure, music = load(runs / "lora"), tune(110)
    drums = note_array(np.arange(4) * 480, 240, 38, 99, 128, 2)
    music = replace(music, notes=np.concatenate([music.notes, drums]), tracks=(*music.tracks, "KIT"))
    write_midi(music, tmp_path / "new.mid")
    task = {**unsure.task, "label": "velocity", "classes": ["1-1", "127-127"]}
    unsure.checkpoint = replace(unsure.checkpoint, task=task)
    [[outcome]] = predict_files([unsure], find_sources([str(tmp_path / "new.mid")], "out"), tmp_path / "out")
    found = outcome.result
    assert isinstance(found, NotePredictions)
    after = read_music(*outcome.written)
    assert after.tracks == ("MELODY", "PIANO", "KIT")
    assert set(after.notes["velocity"][after.drums].tolist()) == {99}
    asked, right = ~found.music.drums, found.classes == 0
    surer = np.where(right, found.confidence, 1 - found.confidence)[asked]
    expected = (surer + (1 - surer) * 127).round()
    assert len(set(expected.tolist())) > 3
    assert np.sort(after.notes["velocity"][~after.drums]).tolist() == np.sort(expected).tolist()


@pytest.mark.parametrize("least", [30_000, pytest.param(120_000, marks=pytest.mark.slow)])
def test_memory_is_bounded_by_a_batch_and_the_result(least: int, melody: NotePredictor) -> None:
    held = []
    watch = melody.model.register_forward_pre_hook(lambda _, given: held.append(given[0].numel()))
    short = tune(111, bars=160)
    melody(short)
    of_short = max(held)
    copies = least // len(short) + 1
    shift = np.repeat(np.arange(copies) * 160 * 3 * 480, len(short))
    notes = np.tile(short.notes, copies)
    notes["onset"] += shift
    long = short.with_notes(notes)
    assert len(long) >= least
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
