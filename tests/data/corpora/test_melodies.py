"""Labels of the melody: which part it is in each kind of music."""

import numpy as np
import pytest

from data.corpora.base import LeftOut, Reading
from data.corpora.melodies import SOURCES, choir, first_part, melody_alone, single_voice, solo
from symbolic.music.notes import Music, note_array


def music(*names):
    """A chord of one note for each named track."""
    count = len(names)
    notes = note_array(np.zeros(count, int), 480, np.arange(count) + 60, 64, 0, np.arange(count))
    return Music(notes, 480, tracks=tuple(names))


def labels(labeller, piece):
    """Labels of a piece that needs no reading of its corpus."""
    return labeller(piece, Reading(piece)).note_labels["melody"].tolist()


@pytest.mark.parametrize(
    "names", [("Canto", "Piano"), ("[Voice]", "Fortepian"), ("VIOLINO.", "PIANO"), ("Śpiew.", "[Organo]")]
)
def test_a_solo_above_keyboards_is_the_melody(names):
    assert labels(solo, music(*names)) == [0, 1]
    assert labels(solo, music(*names[::-1])) == [1, 0]


@pytest.mark.parametrize(
    "names", [("Canto", "Alto", "Piano"), ("Piano", "Piano"), ("Canto",), ("Corno", "Piano")]
)
def test_other_parts_are_no_solo(names):
    with pytest.raises(LeftOut, match="other parts"):
        labels(solo, music(*names))


@pytest.mark.parametrize(
    "names",
    [
        ("CANTVS.", "ALTVS.", "TENOR.", "BASSVS."),
        ("Soprano", "Alto", "Baſso"),
        ("[Discantus]", "Tenor", "Bassus"),
    ],
)
def test_the_first_voice_of_a_choir_is_the_melody(names):
    assert labels(choir, music(*names)) == [0] + [1] * (len(names) - 1)


@pytest.mark.parametrize(
    "names", [("Tenor", "Tenor", "Basso"), ("Canto", "Basso"), ("Canto", "Alto", "Organo")]
)
def test_other_parts_are_no_choir(names):
    with pytest.raises(LeftOut, match="other parts"):
        labels(choir, music(*names))


def test_one_part_has_no_accompaniment():
    with pytest.raises(LeftOut, match="one part"):
        labels(first_part, music("Soprano"))


def test_one_voice_is_all_melody_unless_notes_sound_together():
    line = Music(note_array([0, 480, 960], [480, 490, 480], [60, 62, 64]), 480)
    assert labels(single_voice, line) == [0, 0, 0]
    with pytest.raises(LeftOut, match="several voices"):
        labels(single_voice, music("a", "b"))


def test_the_melody_alone_keeps_no_other_note():
    piece = music("MELODY", "PIANO")
    found = melody_alone(piece, Reading(piece, {"melody": np.array([0, 1], dtype=np.int8)}))
    assert found.music.notes["pitch"].tolist() == [60]
    assert found.note_labels["melody"].tolist() == [0]


def test_chorales_have_their_soprano_and_become_one_piano():
    source = SOURCES["chorales"]
    corpus = source.open()
    pieces = source.pieces(corpus)
    assert len(pieces) > 300
    _, found = source.read(corpus, pieces[0])
    assert found.music.tracks == ("piano",)
    melody = found.note_labels["melody"] == 0
    assert found.music.notes["pitch"][melody].mean() > found.music.notes["pitch"][~melody].mean()
