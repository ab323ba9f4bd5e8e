"""Melodies set anew: where they lie, what their chords are, and that every note has its label."""

import numpy as np
import pytest

from data.corpora import textures
from data.corpora.textures import ABOVE, AMONG, BELOW, FIGURES, FINE, INSIDE, WRITTEN, Texture, textured
from symbolic.music.notes import Music, note_array

TUNE = [72, 74, 76, 77, 79, 77, 76, 74]
SETTINGS = [(place, figure) for place in (ABOVE, BELOW, AMONG, INSIDE) for figure in FIGURES]


def piece():
    """A tune in quarters above chords of C and G in halves."""
    tune = note_array(np.arange(8) * 480, 480, TUNE, 80, 0, 0)
    chords = [
        note_array(np.arange(4) * 960, 960, pitches, 70, 0, 1)
        for pitches in ([48, 43, 48, 43], [52, 50, 52, 50], [55, 47, 55, 47])
    ]
    return Music(np.concatenate([tune, *chords]), 480, tracks=("tune", "chords")), np.int8([0] * 8 + [1] * 12)


def set_in(texture, seed=0):
    """Notes of the melody, of the rest, and the music."""
    music, labels = textured(*piece(), texture, np.random.default_rng(seed))
    assert len(music) == len(labels)
    return music.notes[labels == 0], music.notes[labels == 1], music


@pytest.mark.parametrize(("place", "figure"), SETTINGS)
def test_a_tune_keeps_its_rhythm_and_pitch_classes(place, figure):
    tune, rest, music = set_in(Texture(place, figure))
    assert music.resolution == 480 * FINE
    assert tune["onset"].tolist() == (np.arange(8) * 480 * FINE).tolist()
    assert (tune["pitch"] % 12).tolist() == [pitch % 12 for pitch in TUNE]
    assert {*(rest["pitch"] % 12).tolist()} <= {0, 2, 4, 7, 11}
    assert (rest["duration"] > 0).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("figure", [WRITTEN, *FIGURES])
def test_a_tune_in_the_left_hand_lies_below_its_chords(figure, seed):
    tune, rest, _ = set_in(Texture(BELOW, figure), seed)
    assert np.median(tune["pitch"]) < rest["pitch"].min()
    assert tune["pitch"].min() >= 33


@pytest.mark.parametrize("seed", range(4))
def test_a_tenor_lies_between_bass_and_pads_on_tracks_in_any_order(seed):
    tune, rest, _ = set_in(Texture(AMONG, "held", apart=True), seed)
    bass, pads = sorted(
        (rest[rest["track"] == one] for one in np.unique(rest["track"])), key=lambda one: one["pitch"][0]
    )
    assert bass["pitch"].max() < np.median(tune["pitch"]) < pads["pitch"].min()
    assert not {*tune["track"]} & {*rest["track"]}


def test_a_tune_in_octaves_is_melody_in_both():
    tune, rest, _ = set_in(Texture(octaves=True))
    assert sorted(tune["pitch"].tolist()) == sorted([*TUNE, *(pitch + 12 for pitch in TUNE)])
    assert len(rest) == 12


def test_a_held_chord_has_its_bass_and_commonest_tones():
    _, rest, _ = set_in(Texture(ABOVE, "held"))
    first = rest[rest["onset"] == 0]
    assert {*(first["pitch"] % 12).tolist()} == {0, 4, 7}
    assert first["pitch"].max() - first["pitch"].min() < 12


def test_strings_are_struck_one_after_the_other():
    _, rest, _ = set_in(Texture(INSIDE, "strummed"))
    first = np.sort(rest["onset"])[:5]
    assert (np.diff(first) > 0).all()
    assert first[-1] < 480 * FINE / 4


def test_a_louder_tune_is_louder_than_its_chords():
    for louder in (False, True):
        tune, rest, _ = set_in(Texture(BELOW, "broken", louder=louder))
        assert (tune["velocity"].min() > rest["velocity"].max()) == louder


def test_unknown_notes_of_a_written_accompaniment_stay_unknown():
    music, labels = piece()
    labels[-1] = -1
    assert (textured(music, labels, Texture(BELOW), np.random.default_rng(0))[1] == -1).sum() == 1


def test_a_melody_alone_stays_as_it_is():
    music, labels = piece()
    alone = music.with_notes(music.notes[labels == 0])
    found, _ = textured(alone, labels[labels == 0], Texture(BELOW, "held"), np.random.default_rng(0))
    assert found.notes["pitch"].tolist() == TUNE


def test_any_texture_is_of_known_names():
    draw = np.random.default_rng(0)
    found = [textures.any_texture(draw) for _ in range(200)]
    assert {one.place for one in found} == {ABOVE, BELOW, AMONG, INSIDE}
    assert {one.figure for one in found} == {WRITTEN, *FIGURES}
    assert all(one.place in (ABOVE, BELOW) for one in found if one.figure == WRITTEN)
