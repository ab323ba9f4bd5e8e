"""Changes of pieces: what they move, and that labels stay with their notes."""

import numpy as np
import pytest

from data.corpora.textures import FINE
from finetune.lines import augmentation
from finetune.lines.augmentation import augmented
from symbolic.music.notes import Music, note_array

QUARTER = 480


@pytest.fixture
def piece():
    """Two notes of melody above two chords of three notes."""
    onset = np.array([0, 0, 0, 0, 960, 960, 960, 960])
    pitch = [76, 48, 52, 55, 74, 47, 50, 55]
    return Music(note_array(onset, 900, pitch, [90, 60, 61, 62] * 2), QUARTER), np.int8([0, 1, 1, 1] * 2)


def changed(name, piece, seed=0):
    """Notes and labels after one change."""
    music, labels = piece
    change = getattr(augmentation, name)
    return change(music.notes.copy(), labels.copy(), QUARTER, np.random.default_rng(seed))


def test_flat_velocity_is_one(piece):
    notes, _ = changed("flatten", piece)
    assert len(np.unique(notes["velocity"])) == 1


def test_melody_moves_alone(piece):
    notes, labels = changed("raise_melody", piece)
    moved = notes["pitch"].astype(int) - piece[0].notes["pitch"]
    assert np.array_equal(moved, np.where(labels == 0, 12, 0))


def test_doubled_melody_is_unknown(piece):
    notes, labels = changed("double", piece)
    assert labels.tolist() == [0, 1, 1, 1, 0, 1, 1, 1, -1, -1]
    assert notes["pitch"][-2:].tolist() == [64, 62]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_broken_chords_begin_and_end_in_time(piece, seed):
    notes, _ = changed("arpeggiate", piece, seed)
    chord = notes[1:4]
    assert len(np.unique(chord["onset"])) == 3
    assert (chord["onset"] + chord["duration"] == 900).all()
    assert np.array_equal(notes[[0, 4]], piece[0].notes[[0, 4]])


def test_held_accompaniment_is_longer(piece):
    notes, labels = changed("hold", piece)
    assert (notes["duration"][labels == 1] > 900).all()
    assert (notes["duration"][labels == 0] == 900).all()


@pytest.mark.parametrize("seed", range(8))
def test_any_change_keeps_labels_beside_their_notes(piece, seed):
    music, labels = augmented(*piece, np.random.default_rng(seed))
    assert len(music) == len(labels)
    assert music.resolution == QUARTER * FINE
    assert (labels == 0).sum() == 2
    assert (music.notes["duration"] > 0).all()
    assert (music.notes["onset"] >= 0).all()


def test_one_seed_gives_one_piece(piece):
    one, two = (augmented(*piece, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one[0].notes, two[0].notes)
    assert not np.array_equal(
        piece[0].notes["pitch"], augmented(*piece, np.random.default_rng(4))[0].notes["pitch"]
    )
