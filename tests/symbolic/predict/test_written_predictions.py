"""Files made of predictions: MIDI, CSV and JSON, and what is not written over."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from dirty import meta, midi, scale, track

from symbolic.errors import ConfigError, MusicFileError
from symbolic.music.files import read_music
from symbolic.music.midi.reader import parse_midi
from symbolic.music.notes import Music
from symbolic.predict.predictions import NotePredictions

NAMES = ("melody", "accompaniment")


def predicted(music: Music, label: str = "melody", names: tuple[str, ...] = NAMES) -> NotePredictions:
    """Predict the two classes in turns."""
    classes = np.arange(len(music)) % 2
    return NotePredictions(
        music, classes, np.eye(len(names), dtype=np.float32)[classes], names, "test", label
    )


@pytest.fixture
def found(tmp_path: Path) -> NotePredictions:
    (tmp_path / "a.mid").write_bytes(
        midi(track((0, meta(3, "=Flöte".encode())), (0, meta(5, b"la")), *scale(4)))
    )
    return predicted(read_music(tmp_path / "a.mid"))


def test_the_file_that_was_read_is_not_written_over(found: NotePredictions, tmp_path: Path) -> None:
    before = (tmp_path / "a.mid").read_bytes()
    with pytest.raises(MusicFileError, match=r"the file that was read\. .*overwrite=True"):
        found.write(tmp_path / "a.mid")
    assert (tmp_path / "a.mid").read_bytes() == before
    found.write(tmp_path / "a.mid", overwrite=True)
    assert set(read_music(tmp_path / "a.mid").tracks) == {"=Flöte", "melody"}


@pytest.mark.parametrize("name", ["to_csv", "to_json", "write"])
def test_a_missing_folder_is_named_with_a_remedy(found: NotePredictions, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"absent.x cannot be written .*make this one"):
        getattr(found, name)(tmp_path / "absent" / "x")
    with pytest.raises(MusicFileError, match=r"absent.x: it cannot be written .*make this one"):
        found.music.write(tmp_path / "absent" / "x")


def test_tables_of_notes_name_note_and_track(found: NotePredictions, tmp_path: Path) -> None:
    with found.to_csv(tmp_path / "x.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["index"] for line in lines] == ["0", "1", "2", "3"]
    assert {line["track"] for line in lines} == {"0"}
    assert all(line["part"].endswith("=Flöte") for line in lines)
    notes = json.loads(found.to_json(tmp_path / "x.json").read_text(encoding="utf-8"))["notes"]
    assert [note["part"] for note in notes] == ["=Flöte"] * 4
    assert [note["class"] for note in notes] == [line["class"] for line in lines]


def test_velocities_are_written_in_place(found: NotePredictions, tmp_path: Path) -> None:
    loud = predicted(found.music, "velocity", ("1-31", "96-127")).write(tmp_path / "x.mid")
    assert read_music(loud).notes["velocity"].tolist() == [16, 112, 16, 112]
    assert b"\xff\x05\x02la" in loud.read_bytes()


def test_a_file_that_changed_is_left_out_with_a_word(found: NotePredictions, tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(midi(track(*scale(9))))
    with pytest.warns(UserWarning, match="does not hold these notes any more"):
        found.write(tmp_path / "x.mid")
    assert len(parse_midi((tmp_path / "x.mid").read_bytes(), "x")) == 4
