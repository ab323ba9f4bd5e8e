"""From scores to performances."""

import os

import numpy as np
import pytest
from musicxml_text import chord, note, notes, score

from symbolic.errors import MusicFileError
from symbolic.mapping.expression import ASPECTS, play, rule_weights
from symbolic.mapping.learnt import load_map
from symbolic.mapping.written import NAMES, Written, read_score, written_features
from symbolic.music.musicxml.markings import MARKING
from symbolic.music.notes import Music, note_array

FLAT = np.zeros((len(NAMES), len(ASPECTS)))
WEIGHTS = [rule_weights(), *([load_map().weights] if load_map() else [])]


def dynamics(name):
    return f"<direction><direction-type><dynamics><{name}/></dynamics></direction-type></direction>"


@pytest.fixture
def tune(tmp_path):
    path = tmp_path / "tune.musicxml"
    bars = [dynamics("p") + notes("C4 D4 E4 F4"), chord("C4 E4 G4", 4), dynamics("ff") + notes("C4 D4 E4 F4")]
    path.write_text(score([*bars, note("C4", 4)]))
    return read_score(path)


def test_flat_weights_play_what_is_written(tune):
    found = play(tune, FLAT, tempo=60)
    quarters = tune.music.notes["onset"] / tune.music.resolution
    np.testing.assert_allclose(found.seconds(found.notes["onset"]), quarters, atol=2e-3)
    assert set(found.notes["velocity"].tolist()) == {64}
    assert found.notes["pitch"].tolist() == tune.music.notes["pitch"].tolist()


@pytest.mark.parametrize("weights", WEIGHTS, ids=["rule", "learnt"][: len(WEIGHTS)])
def test_forte_is_louder_than_piano_and_the_end_slows(tune, weights):
    found = play(tune, weights)
    bar = tune.music.notes["onset"] // (4 * tune.music.resolution)
    assert found.notes["velocity"][bar == 2].mean() > found.notes["velocity"][bar == 0].mean() + 5
    top = tune.music.notes["pitch"] == 67
    assert found.notes["velocity"][top] > found.notes["velocity"][(bar == 1) & ~top].mean()
    seconds = np.sort(found.seconds(found.notes["onset"]))
    assert seconds[-1] - seconds[-2] > seconds[1] - seconds[0]


@pytest.mark.parametrize("weights", WEIGHTS, ids=["rule", "learnt"][: len(WEIGHTS)])
def test_a_performance_is_playable(tune, weights):
    found = play(tune, weights)
    assert found.notes["onset"].min() >= 0
    assert found.notes["duration"].min() >= 1
    assert len(found) == len(tune.music)


def test_grace_notes_come_before_their_note(tmp_path):
    path = tmp_path / "grace.musicxml"
    graces = note("D4", first="<grace/>") + note("E4", first="<grace/>")
    path.write_text(score([note("C4", 2) + graces + note("F4", 2)]))
    found = play(read_score(path), FLAT, tempo=60)
    onset = found.seconds(found.notes["onset"])
    by_pitch = dict(zip(found.notes["pitch"].tolist(), onset.tolist(), strict=True))
    assert by_pitch[60] < by_pitch[62] < by_pitch[64] < by_pitch[65]


def test_features_have_names_and_no_gaps(tune):
    found = written_features(tune)
    assert found.shape == (len(tune.music), len(NAMES))
    assert np.isfinite(found).all()
    level = found[:, NAMES.index("level")]
    assert (level.min(), level.max()) == (-1, 2)


def test_scores_without_markings_and_without_notes_are_played():
    music = Music(note_array([0, 480], 480, [60, 62]), 480)
    assert len(play(Written(music, np.zeros(2, dtype=MARKING)), rule_weights())) == 2
    empty = Music(music.notes[:0], 480)
    assert len(play(Written(empty, np.zeros(0, dtype=MARKING)), rule_weights())) == 0


def test_a_pipe_is_no_score_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "score.musicxml")
    with pytest.raises(MusicFileError, match="a pipe or a device, no file"):
        read_score(tmp_path / "score.musicxml")
