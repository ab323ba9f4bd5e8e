"""Scores of melody models across kinds of music, from given predictions."""

from types import SimpleNamespace

import numpy as np
import pytest

from data.corpora.melodies import SOURCES
from data.fingerprint import note_fingerprint
from finetune.across.command import HEAD, table
from finetune.across.scoring import Scored, across, calibration_error, score, skyline
from finetune.cli import main
from symbolic.errors import ConfigError, CorpusError
from symbolic.music.notes import Music, note_array
from symbolic.predict.predictions import NotePredictions


def scored(truth, predicted, skyline, melody=None, warned=False):
    """One piece."""
    melody = np.where(np.array(predicted) == 0, 1.0, 0.0) if melody is None else melody
    arrays = (np.array(one, dtype=np.int64) for one in (truth, predicted, skyline))
    return Scored(*arrays, np.asarray(melody), warned)


def test_scores_of_melody_are_given_values():
    pieces = {
        "a": scored([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], warned=True),
        "b": scored([0, 1], [0, 1], [1, 1]),
    }
    found = score(pieces)
    model, baseline = found["model"], found["skyline"]
    assert (model["precision"], model["recall"], model["f1"]) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert model["mean"] == pytest.approx((0.5 + 1) / 2)
    assert (baseline["precision"], baseline["recall"]) == pytest.approx((1, 2 / 3))
    assert (found["pieces"], found["notes"], found["warned"]) == (2, 6, pytest.approx(4 / 6))
    assert found["by_piece"] == {"a": 0.5, "b": 1.0}


def test_a_piece_without_a_right_note_scores_zero():
    found = score({"a": scored([0, 0], [1, 1], [1, 1])})
    assert (found["model"]["f1"], found["model"]["precision"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("probability", "true", "error"),
    [
        ([0.75] * 4, [True, True, True, False], 0.0),
        ([0.25] * 4, [False, False, False, True], 0.0),
        ([0.95] * 2, [True, False], 0.45),
        ([1.0, 0.0], [True, False], 0.0),
    ],
)
def test_calibration_error_is_of_the_likelier_class(probability, true, error):
    assert calibration_error(np.array(probability), np.array(true)) == pytest.approx(error)


def test_skyline_is_above_all_that_sounds():
    notes = note_array([0, 0, 480, 960], [960, 480, 480, 480], [72, 60, 64, 50])
    assert skyline(Music(notes, 480)).tolist() == [0, 1, 1, 0]


def test_a_table_marks_what_stands_below_the_skyline():
    row = {"source": "lieder", "title": "voice and piano"} | score({"a": scored([0, 1], [1, 1], [0, 1])})
    (cells,) = table([row])
    assert len(cells) == len(HEAD)
    assert cells[2] == "100.0"
    assert cells[5] == "0.0 ↓"


class Fake:
    """Everything is melody."""

    name, classes = "fake", ["melody", "accompaniment"]

    def __init__(self, *trained_on):
        self.checkpoint = SimpleNamespace(pretrained_on=np.array(trained_on) if trained_on else None)

    def __call__(self, music):
        count = len(music)
        shares = np.tile(np.float32([0.9, 0.1]), (count, 1))
        return NotePredictions(
            music, np.zeros(count, dtype=np.int64), shares, ("melody", "accompaniment"), warnings=("odd",)
        )


def test_chorales_are_scored_and_seen_pieces_left_out():
    (row,) = across(Fake(), ["chorales"], most=2)
    assert (row["pieces"], row["trained_on"]) == (2, 0)
    assert row["model"]["recall"] == 1
    assert row["skyline"]["recall"] > 0.95
    assert row["warned"] == 1
    source = SOURCES["chorales"]
    corpus = source.open()
    marks = [
        note_fingerprint(corpus.read(one)) for one in source.pieces(corpus) if one.key in row["by_piece"]
    ]
    (less,) = across(Fake(marks[0]), ["chorales"], most=2)
    assert (less["pieces"], less["trained_on"]) == (1, 1)
    with pytest.raises(CorpusError, match="trained on"):
        across(Fake(*marks), ["chorales"], most=2)


def test_unknown_sources_and_other_models_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'lieder'"):
        across(Fake(), ["leider"])
    other = Fake()
    other.classes = ["top", "rest"]
    with pytest.raises(ConfigError, match="no melody"):
        across(other, ["chorales"])


def test_the_command_refuses_a_model_of_pieces(capsys):
    assert main(["across", "tiny", "--sources", "chorales"]) == 2
    assert "predicts no notes" in capsys.readouterr().err
