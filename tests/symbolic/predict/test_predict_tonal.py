"""Keys and chords in words: from classes of notes to names, places in time, tables and markers."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import symusic
import torch
from finetune_helpers import NANO, tune

from finetune.cli import main
from finetune.tasks import CHORD, KEY, Task
from finetune.training.model import build_model
from symbolic.backbone import build_backbone
from symbolic.music.midi.events import read_events
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import Music, note_array
from symbolic.predict.keys import CHORDS, KEYS, chords, key_probabilities
from symbolic.predict.loading import load
from symbolic.predict.midi_output import key_signature
from symbolic.predict.network import save_model
from symbolic.predict.tonality import TONAL_CLASSES, chord_mode, key_mode, tonal_labels
from symbolic.tokens.tokenizer import Tokenizer


def _sure(music: Music, tonality: Any, share: float = 0.9) -> np.ndarray:
    """(N, 24) probabilities that say this tonality of each note, and spread the rest."""
    classes = tonal_labels(music.notes["pitch"], np.broadcast_to(tonality, len(music)))
    probabilities = np.full((len(music), 24), (1 - share) / 23, dtype=np.float32)
    probabilities[np.arange(len(music)), classes] = share
    return probabilities


def test_names_are_read_back_as_the_tonalities_that_they_name() -> None:
    assert [key_mode(name) for name in KEYS] == list(range(24))
    assert [chord_mode(name) for name in CHORDS] == list(range(24))


@pytest.mark.parametrize("tonality", [0, 7, 12 + 9, 12 + 3])
def test_a_key_is_what_the_notes_say_together(tonality: int) -> None:
    music = tune(3)
    probabilities = _sure(music, tonality)
    probabilities[::3] = 1 / 24
    found = key_probabilities(music, probabilities)
    assert next(iter(found)) == KEYS[tonality]
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    assert found[KEYS[tonality]] == pytest.approx(0.9 * 2 / 3 + 1 / 72, abs=0.01)


def test_drums_have_no_say_in_a_key_or_a_chord() -> None:
    pitched, drums = note_array(np.arange(8) * 480, 480, 60), note_array([0, 100], 9, 36, 80, 128)
    music = Music(np.concatenate([drums, pitched]), 480)
    probabilities = _sure(music, 0)
    probabilities[:2] = np.nan
    assert next(iter(key_probabilities(music, probabilities))) == "C major"
    assert [chord.name for chord in chords(music, probabilities)] == ["C:maj"]


def test_chords_change_on_beats_and_go_on_where_nothing_is_new() -> None:
    onset = np.array([0, 240, 480, 960, 2400, 2640])  # beats 1, 1, 2, 3 of bar 1; 2, 2 of bar 2
    music = Music(note_array(onset, 200, [60, 64, 67, 62, 65, 69]), 480, tempos=np.array([[0.0, 60.0]]))
    probabilities = _sure(music, np.array([0, 0, 0, 2, 21, 21]))
    probabilities[1] = _sure(music, 5, 0.5)[1]  # outvoted
    found = chords(music, probabilities)
    assert [(one.name, one.onset, one.bar, one.beat) for one in found] == [
        ("C:maj", 0, 1, 1),
        ("D:maj", 960, 1, 3),
        ("A:min", 2400, 2, 2),
    ]
    assert [one.seconds for one in found] == [0.0, 2.0, 5.0]
    assert found[1].confidence == pytest.approx(0.9, abs=1e-3)
    assert found[0].confidence == pytest.approx((0.9 + 0.5 / 23 + 0.9) / 3, abs=0.01)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained checkpoints 'key' and 'chord', and a tune."""
    folder, tokenizer = tmp_path_factory.mktemp("tonal"), Tokenizer()
    torch.manual_seed(0)
    for task in (KEY, CHORD):
        _save(folder / task.name, task, tokenizer)
    write_midi(tune(5), folder / "new.mid")
    return folder


def _save(path: Path, task: Task, tokenizer: Tokenizer) -> None:
    model = build_model(build_backbone(NANO, tokenizer.vocabulary.sizes), task, "full")
    save_model(path, model, tokenizer, task.describe(), {}, np.array([], dtype=np.int64))


def test_a_key_stands_on_screen_in_both_tables_and_in_the_midi(
    base: Path, tmp_path: Path, capsys: Any
) -> None:
    files = {name: str(tmp_path / name) for name in ("x.csv", "x.json")}
    out = ["--out", str(tmp_path), "--csv", files["x.csv"], "--json", files["x.json"]]
    assert main(["predict", str(base / "key"), str(base / "new.mid"), *out]) == 0
    [entry] = json.loads(Path(files["x.json"]).read_text())
    key = entry["prediction"]
    assert key in KEYS
    assert entry["probabilities"][key] == max(entry["probabilities"].values())
    assert f"({key}; confidence 0." in capsys.readouterr().out
    with open(files["x.csv"]) as file:
        [token] = csv.DictReader(file)
    assert token["prediction"] == key
    assert float(token[key]) == pytest.approx(entry["probabilities"][key], abs=1e-6)
    assert {note["class"] for note in entry["notes"]} <= set(TONAL_CLASSES)
    score = symusic.Score(str(tmp_path / "new.mid"))
    [signature] = [
        event for events in _events(tmp_path / "new.mid") for event in events if event[1][:2] == b"\xff\x59"
    ]
    assert signature == (0, key_signature(key))
    assert [track.name for track in score.tracks] == ["MELODY", "PIANO"]


@pytest.mark.parametrize(
    ("key", "fifths", "minor"),
    [
        ("C major", 0, 0),
        ("F# major", 6, 0),
        ("Db major", -5, 0),
        ("A minor", 0, 1),
        ("G# minor", 5, 1),
        ("Eb minor", -6, 1),
    ],
)
def test_keys_are_written_as_signatures(key: str, fifths: int, minor: int) -> None:
    assert key_signature(key) == bytes([0xFF, 0x59, 2, fifths % 256, minor])


def test_every_key_has_a_signature() -> None:
    assert len({key_signature(key) for key in KEYS}) == len(KEYS)


def _events(path: Path) -> list[list[tuple[int, bytes]]]:
    return read_events(path.read_bytes(), "written").tracks


def test_chords_stand_in_the_json_and_as_markers(base: Path, tmp_path: Path, capsys: Any) -> None:
    out = ["--out", str(tmp_path), "--json", str(tmp_path / "x.json"), "--csv", str(tmp_path / "x.csv")]
    assert main(["predict", str(base / "chord"), str(base / "new.mid"), *out]) == 0
    [entry] = json.loads((tmp_path / "x.json").read_text())
    found = entry["chords"]
    assert f"({len(found)} chords: {found[0]['name']}" in capsys.readouterr().out
    assert all(one["name"] != other["name"] for one, other in pairwise(found))
    with open(tmp_path / "x.csv") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], int(row["bar"]), row["name"]) for row in rows] == [
        (str(base / "new.mid"), one["bar"], one["name"]) for one in found
    ]
    assert [float(row["confidence"]) for row in rows] == pytest.approx(
        [one["confidence"] for one in found], abs=1e-4
    )
    score = symusic.Score(str(tmp_path / "new.mid"))
    assert [(mark.time, mark.text) for mark in score.markers] == [
        (one["onset"], one["name"]) for one in found
    ]


def test_few_pitch_classes_make_a_key_a_guess(base: Path) -> None:
    model = load(base / "key")
    few, enough = (Music(note_array(range(4), 1, pitch), 1) for pitch in ([60, 72, 60, 48], [60, 62, 64, 65]))
    assert model(few).warnings == (
        "Only 1 of twelve pitch classes sounds: the key is hardly more than a guess.",
    )
    assert model(enough).warnings == ()
