"""Pages of predictions: what they hold is what was predicted, and nothing is loaded."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pages import Reader

import symbolic
from data.toolkit.page import asset
from finetune.predict.comparison import by_rule
from finetune.predict.page import prediction_page
from finetune.predict.pages import Pages, write_page
from symbolic.errors import ConfigError
from symbolic.music.notes import Music, note_array
from symbolic.predict.classifiers.discriminants import Reason
from symbolic.predict.files import FilePrediction
from symbolic.predict.keys import chords
from symbolic.predict.predictions import NotePredictions, PiecePrediction
from symbolic.predict.tonality import TONAL_CLASSES, tonal_labels

MELODY = ("melody", "accompaniment")
VELOCITIES = ("0-63", "64-95", "96-127")


def piece() -> Music:
    """Four bars of C major and G major by turns, with a drum, in no order of time."""
    bars = np.arange(4)
    upper = note_array(1920 * bars + 960, 480, 79, 100, 0, 0)
    chord = np.array([[60, 64, 67], [55, 59, 62]])[bars % 2]
    lower = note_array(1920 * bars.repeat(3), 1920, chord.ravel(), 50, 0, 1)
    drums = note_array([0, 480], 120, 38, 90, 128, 2)
    notes = np.concatenate([upper, drums, lower])
    return Music(notes, 480, np.array([[0, 4, 4]]), np.array([[0.0, 60.0]]), ("Voice", "Piano", "<b>"))


def predicted(music: Music, names: tuple[str, ...], label: str, seed: int = 0) -> NotePredictions:
    """Random probabilities; drums have none."""
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(len(names)), len(music)).astype(np.float32)
    classes = probabilities.argmax(axis=1)
    probabilities[music.drums], classes[music.drums] = np.nan, -1
    return NotePredictions(music, classes, probabilities, names, label, label)


def degrees(music: Music, tonality: Any) -> NotePredictions:
    """Sure predictions of a root or tonic for each note."""
    classes = tonal_labels(music.notes["pitch"], np.broadcast_to(tonality, len(music))).astype(np.int64)
    classes[music.drums] = -1
    probabilities = np.eye(24, dtype=np.float32)[classes]
    return NotePredictions(music, classes, probabilities, TONAL_CLASSES, "chord", "chord")


def page_of(result: Any, music: Music, **about: Any) -> tuple[str, Reader, dict[str, Any]]:
    """The page as text, parsed, and its data."""
    found = FilePrediction("songs/a*b*.mid", "model", result, (Path("out/a.mid"),), "", music, **about)
    text = prediction_page(found, "model", "Title of a task").html()
    read = Reader(text)
    return text, read, read.islands["prediction-data"]


def test_the_notes_of_the_page_are_those_that_were_predicted() -> None:
    music = piece()
    found = predicted(music, MELODY, "melody")
    _, _, data = page_of(found, music)
    notes = data["notes"]
    entries = found.to_dict()["notes"]
    names = [*data["classes"], None]
    assert [names[kind] for kind in notes["class"]] == [entry["class"] for entry in entries]
    sure = [entry["confidence"] or 0 for entry in entries]
    assert [one / 1000 for one in notes["confidence"]] == pytest.approx(sure, abs=6e-4)
    assert notes["start"] == [round(1000 * entry["seconds"]) for entry in entries]
    assert [pitch % 128 for pitch in notes["pitch"]] == [entry["pitch"] for entry in entries]
    assert [pitch >= 128 for pitch in notes["pitch"]] == [entry["class"] is None for entry in entries]
    assert notes["rule"] == by_rule(found).classes[[entry["index"] for entry in entries]].tolist()
    assert data["parts"] == ["Voice", "Piano", "<b>"]
    assert data["bars"] == [0, 4000, 8000, 12000]


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (MELODY, "melody"),
        (TONAL_CLASSES, "key"),
        (TONAL_CLASSES, "chord"),
        (VELOCITIES, "velocity"),
        (MELODY, "x"),
    ],
)
def test_pages_of_every_kind_nest_and_load_nothing(names: tuple[str, ...], label: str) -> None:
    music = piece()
    text, read, data = page_of(predicted(music, names, label), music)
    assert read.loads == []
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'" in text
    assert "a*b*.mid: model" in read.text
    assert {len(column) for column in data["notes"].values()} == {len(music)}
    assert len(data["group_of"]) == len(data["classes"]) == len(names)
    assert max(data["group_of"]) < len(data["groups"])


def test_melody_is_compared_with_the_skyline() -> None:
    music = piece()
    rule = by_rule(predicted(music, MELODY, "melody"))
    assert rule.task == "skyline"
    assert {music.tracks[track] for track in music.notes["track"][rule.classes == 0]} == {"Voice", "Piano"}
    assert (rule.classes[music.notes["pitch"] == 79] == 0).all()
    assert (rule.classes[music.drums] == -1).all()
    assert rule.probabilities[~music.drums].sum() == (~music.drums).sum()


def test_keys_and_chords_are_compared_with_templates() -> None:
    music = piece()
    assert by_rule(replace(degrees(music, 0), label="key")).key in ("C major", "G major")
    rule = by_rule(degrees(music, 0))
    assert [chord.name for chord in rule.chords] == ["C:maj", "G:maj", "C:maj", "G:maj"]
    _, read, data = page_of(degrees(music, 0), music)
    model, template = data["lanes"]
    assert model["spans"] == [[0, 16000, "C", 1.0]]
    assert [span[:3] for span in template["spans"]] == [
        [round(1000 * chord.seconds), round(1000 * chord.seconds) + 4000, name]
        for chord, name in zip(chords(music, rule.probabilities), ("C", "G", "C", "G"), strict=True)
    ]
    minor = page_of(degrees(music, 12 + 9), music)[2]["lanes"][0]
    assert [span[2] for span in minor["spans"]] == ["Am"]
    assert "The model finds 1 chords and templates of triads find 4." in " ".join(read.text)


def test_velocities_are_compared_with_the_file_and_played() -> None:
    music = piece()
    found = predicted(music, VELOCITIES, "velocity")
    rule = by_rule(found)
    assert [rule.labels[k] for k in np.flatnonzero(~music.drums)] == ["96-127"] * 4 + ["0-63"] * 12
    _, _, data = page_of(found, music)
    expected = found.probabilities[~music.drums] @ np.array([31.5, 79.5, 111.5])
    played = [
        v for v, kind in zip(data["notes"]["velocity"], data["notes"]["class"], strict=True) if kind >= 0
    ]
    assert sorted(played) == sorted(expected.round().astype(int).tolist())


def test_labels_without_a_rule_are_compared_with_one_class() -> None:
    music = piece()
    found = predicted(music, MELODY, "section")
    rule = by_rule(found)
    most = max(found.counts, key=lambda name: found.counts[name])
    assert set(rule.labels[~music.drums]) == {most}
    assert any("There is no rule" in text for text in page_of(found, music)[1].text)


def test_a_piece_shows_probabilities_reasons_and_its_tracks() -> None:
    music = piece()
    result = PiecePrediction({"reel": 0.25, "waltz": 0.75}, [Reason("metre", 1.5, -0.25)], "dances")
    _, read, data = page_of(result, music)
    text = " ".join(read.text)
    assert "waltz 0.750 reel 0.250" in text
    assert "metre +1.5 -0.25" in text
    assert "share of training pieces" not in text
    beside = replace(result, shares={"reel": 0.4, "waltz": 0.6})
    assert "waltz 0.750 0.600 reel 0.250 0.400" in " ".join(page_of(beside, music)[1].text)
    assert data["groups"] == ["Voice", "Piano", "<b>"]
    assert np.bincount(data["notes"]["class"]).tolist() == [4, 12, 2]


def test_warnings_and_repairs_are_shown() -> None:
    music = replace(piece(), repairs=("values above 127 clipped: 2",))
    found = replace(predicted(music, MELODY, "melody"), warnings=("Unlike the training music.",))
    text, _, _ = page_of(found, music)
    assert '<p class="missing">Repaired when the file was read: values above 127 clipped: 2</p>' in text
    assert '<p class="missing">Unlike the training music.</p>' in text


def test_the_synthesiser_is_as_published_and_named() -> None:
    script = asset("data.toolkit", "tinysynth.min.js")
    digest = "864269534ada22f57da86884d8c8dd5f4c71ca3658c584f8a35d781965dff1ab"
    assert hashlib.sha256(script.encode()).hexdigest() == digest
    assert "Apache License" in asset("data.toolkit", "tinysynth.LICENSE")
    assert "webaudio-tinysynth 1.1.3" in page_of(predicted(piece(), MELODY, "melody"), piece())[0]


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    task: Any = {"title": "Melody extraction"}
    return Pages(tmp_path, [SimpleNamespace(name="melody", task=task)])  # type: ignore[list-item]


def file_in(folder: Path, file: str) -> FilePrediction:
    """A prediction for a file in the folder "songs"."""
    music = replace(piece(), repairs=("clipped",) if "new" in file else ())
    result = replace(predicted(music, MELODY, "melody"), warnings=("Odd.",) if "new" in file else ())
    return FilePrediction(
        f"songs/{file}", "melody", result, (), "", music, (folder / file).with_suffix(".mid")
    )


def test_the_index_leads_to_every_page_and_names_skipped_files(pages: Pages, tmp_path: Path) -> None:
    for file in ("new & #1.xml", "b/index.mid", "index.mid"):
        [found] = pages.add([file_in(tmp_path, file)])
        assert found.written[0].is_file()
    assert pages.add([FilePrediction("songs/bad.mid", skipped="songs/bad.mid: no music")])[0].written == ()
    text = pages.write_index().read_text(encoding="utf-8")
    read = Reader(text)
    assert read.loads == ["new%20%26%20%231.html", "b/index.html", "index-file.html"]
    assert [one for one in read.text if one.endswith((".mid", ".xml"))] == [
        "new & #1.xml",
        "b/index.mid",
        "index.mid",
        "bad.mid",
    ]
    assert {"warnings and repairs", "Odd.; clipped", "skipped: no music"} <= set(read.text)


def test_a_page_can_be_written_from_python(tmp_path: Path) -> None:
    key = symbolic.load("key")
    assert isinstance(key, symbolic.NotePredictor)
    text = write_page(key, piece(), tmp_path / "new" / "song.html").read_text(encoding="utf-8")
    assert str(key(piece()).key) in Reader(text).text


def test_a_folder_that_cannot_be_written_is_named(pages: Pages, tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    with pytest.raises(ConfigError, match=r"song.html cannot be written .* Name another folder with --out"):
        pages.add([file_in(tmp_path, "b/song.mid")])
