"""Predictions written as MusicXML: the score that was read, with what was predicted and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from musicxml_text import backup, note, notes, score

from symbolic.errors import ConfigError, MusicFileError
from symbolic.music.files import read_music
from symbolic.predict.files import predict_files
from symbolic.predict.predictions import NotePredictions
from symbolic.predict.predictor import NotePredictor
from symbolic.predict.sources import Source
from symbolic.predict.tonality import TONAL_CLASSES

TEXT = score(
    [
        notes("E5 D5 C5 E5") + backup(4) + note("C3", 4, tie="start"),
        note("G3", 4) + backup(4) + note("C3", 4, tie="stop"),
    ]
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "song.musicxml").write_text(TEXT, encoding="utf-8")
    return tmp_path / "song.musicxml"


def predicted(path: Path, classes: list[int], names: tuple[str, ...], label: str) -> NotePredictions:
    """Predictions of these classes, each with a probability of one."""
    probabilities = np.eye(len(names), dtype=np.float32)[classes]
    return NotePredictions(read_music(path), np.array(classes), probabilities, names, label, label)


def written(found: NotePredictions, path: Path) -> str:
    """The text of the written score. Its notes are those that were read."""
    text = found.write(path).read_text(encoding="utf-8")
    np.testing.assert_array_equal(read_music(path).notes["pitch"], found.music.notes["pitch"])
    np.testing.assert_array_equal(read_music(path).notes["onset"], found.music.notes["onset"])
    return text


def test_classes_become_colours(path: Path, tmp_path: Path) -> None:
    melody = (read_music(path).notes["pitch"] < 72).astype(int).tolist()
    found = predicted(path, melody, ("melody", "accompaniment"), "melody")
    text = written(found, tmp_path / "out.musicxml")
    assert re.findall(r'<note color="#D55E00"><pitch><step>(.)', text) == ["E", "D", "C", "E"]
    assert text.replace(' color="#D55E00"', "") == TEXT


def test_velocities_become_the_loudness_of_notes(path: Path, tmp_path: Path) -> None:
    bins = ("0-31", "32-63", "64-95", "96-127")
    found = predicted(path, [0, 1, 2, 3, 1, 2], bins, "velocity")
    text = written(found, tmp_path / "out.musicxml")
    assert re.sub(r' dynamics="[0-9.]+"', "", text) == TEXT
    again = read_music(tmp_path / "out.musicxml")
    assert again.notes["velocity"].tolist() == [16, 48, 80, 112, 48, 80]


def test_a_key_becomes_words_above_the_first_note(path: Path, tmp_path: Path) -> None:
    found = predicted(path, [TONAL_CLASSES.index(TONAL_CLASSES[0])] * 6, TONAL_CLASSES, "key")
    words = f'<direction placement="above"><direction-type><words>{found.key}</words></direction-type></direction>'
    text = written(found, tmp_path / "out.musicxml")
    assert text.count(words) == 1
    assert text.replace(words, "") == TEXT
    assert text.index(words) < text.index("<note>")


def test_chords_become_chord_symbols(path: Path, tmp_path: Path) -> None:
    degrees = [(pitch - 3) % 12 for pitch in read_music(path).notes["pitch"].tolist()]  # above E flat, minor
    minor = [len(TONAL_CLASSES) // 2 + degree for degree in degrees]
    found = predicted(path, minor, TONAL_CLASSES, "chord")
    assert [chord.name for chord in found.chords] == ["Eb:min"]
    text = written(found, tmp_path / "out.musicxml")
    symbol = "<root><root-step>E</root-step><root-alter>-1</root-alter></root><kind>minor</kind>"
    assert text.replace(f"<harmony>{symbol}</harmony>", "") == TEXT
    assert text.count("<harmony>") == 1


def test_chord_symbols_keep_to_one_part_where_they_can(path: Path, tmp_path: Path) -> None:
    upper, lower = [note("r") + note("E5", 3)], [notes("C3 G3 C3") + note("r")]
    path.write_text(score(upper, lower), encoding="utf-8")
    onsets = read_music(path).notes["onset"] // read_music(path).resolution
    roots = [(0, 7, 0)[onset] for onset in onsets]
    degrees = (read_music(path).notes["pitch"].astype(int) - roots) % 12
    found = predicted(path, degrees.tolist(), TONAL_CLASSES, "chord")
    assert [chord.name for chord in found.chords] == ["C:maj", "G:maj", "C:maj"]
    text = written(found, tmp_path / "out.musicxml")
    assert text.count("<harmony>") == text.partition('<part id="P2">')[2].count("<harmony>") == 3


def test_archives_come_back_as_archives(path: Path, tmp_path: Path) -> None:
    found = predicted(path, [0] * 6, ("melody", "accompaniment"), "melody")
    assert found.write(tmp_path / "out.mxl").read_bytes().startswith(b"PK")
    assert len(read_music(tmp_path / "out.mxl")) == 6


def test_music_from_elsewhere_or_changed_is_refused(path: Path, tmp_path: Path) -> None:
    found = predicted(path, [0] * 6, ("melody", "accompaniment"), "melody")
    midi = found.write(tmp_path / "song.mid")
    with pytest.raises(MusicFileError, match="only music that was read from MusicXML"):
        predicted(midi, [0] * 6, ("melody", "accompaniment"), "melody").write(tmp_path / "out.xml")
    path.write_text(TEXT.replace("<step>D", "<step>F"), encoding="utf-8")
    with pytest.raises(MusicFileError, match="does not hold these notes any more"):
        found.write(tmp_path / "out.musicxml")


def test_scores_come_back_beside_midi(melody: NotePredictor, path: Path, tmp_path: Path) -> None:
    [[found]] = predict_files([melody], [Source(str(path), Path("song.mid"))], tmp_path / "out")
    assert [path.name for path in found.written] == ["song.mid", "song.musicxml"]
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["song.mid", "song.musicxml"]
    with pytest.raises(ConfigError, match="would be written over"):
        next(predict_files([melody], [Source(str(path), Path("song.mid"))], tmp_path))
