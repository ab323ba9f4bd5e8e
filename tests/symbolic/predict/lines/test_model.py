"""The melody model: one voice, votes of tracks, warnings, and that it is saved and loaded whole."""

import numpy as np
import pytest
import torch

from finetune.baselines.boosting import fit_boosting
from symbolic.errors import CheckpointError
from symbolic.music.notes import Music, note_array
from symbolic.predict.lines.decoding import LineDecoder, LineSettings
from symbolic.predict.lines.features import LEFT_OUT, line_features, line_names
from symbolic.predict.lines.model import MelodyLines
from symbolic.predict.lines.tracks import track_votes
from symbolic.predict.loading import load
from symbolic.predict.network import save_model, task_model
from symbolic.tokens.tokenizer import Tokenizer

TASK = {
    "name": "melody",
    "title": "Melody",
    "level": "note",
    "label": "melody",
    "classes": ["melody", "accompaniment"],
    "hide": [],
    "one_piano": True,
}


def song(bars=8):
    """A tune above a chord on each beat, on two tracks."""
    draw = np.random.default_rng(3)
    beats = np.arange(4 * bars) * 480
    tune = note_array(beats, 470, 72 + draw.integers(-3, 4, len(beats)), 80, 0, 0)
    chords = [note_array(beats, 470, pitch, 60, 0, 1) for pitch in (48, 52, 55)]
    return Music(np.concatenate([tune, *chords]), 480, tracks=("tune", "chords"))


def fitted():
    """A model that takes the top of each chord."""
    tokens = Tokenizer().encode(song())
    melody = (song().notes["track"][tokens.note_index] != 0).astype(np.int64)
    model, features = MelodyLines(), line_features(tokens.ids)
    model.first = fit_boosting(features, melody, 2, 40)
    shares = np.where(melody == 0, 0.8, 0.1)
    model.second = fit_boosting(line_features(tokens.ids, shares), melody, 2, 40)
    model.decoder.set(LineSettings(own=1.0, vote=1.0, behind=0.5, interval=-0.2, overlap=-1.0))
    model.farthest.fill_(3.0)
    model.centre.copy_(torch.from_numpy(features.mean(axis=0, dtype=np.float64)))
    return model


def melody_of(found):
    """(N,) whether notes are melody."""
    return found.classes == 0


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A checkpoint of that model."""
    return save_model(tmp_path_factory.mktemp("lines") / "tops", fitted(), Tokenizer(), TASK)


def test_a_saved_model_predicts_what_it_did(saved):
    tokens = Tokenizer().encode(song()).ids
    again = task_model(load(saved).checkpoint)
    assert np.array_equal(again.logits(tokens), fitted().logits(tokens))
    assert again.decoder.settings == fitted().decoder.settings


def test_a_tune_above_chords_is_found(saved):
    music = song()
    assert np.array_equal(melody_of(load(saved)(music)), music.notes["track"] == 0)


def test_one_voice_is_melody(saved):
    line = song().with_notes(song().notes[song().notes["track"] == 1][:20])
    found = load(saved)(line)
    assert melody_of(found).all()
    assert found.mean_confidence > 0.95


def test_drums_have_no_class_and_change_nothing(saved):
    music = song()
    drums = note_array(np.arange(32) * 480, 100, 38, 90, 128, 2)
    more = Music(np.concatenate([music.notes, drums]), 480, tracks=("tune", "chords", "drums"))
    found = load(saved)(more)
    assert (found.classes[-32:] == -1).all()
    assert np.array_equal(found.classes[:-32], load(saved)(music).classes)


def test_tracks_vote_unless_ignored(saved):
    music, model = song(), load(saved)
    notes = music.notes.copy()
    low = (notes["track"] == 0) & (notes["onset"] % 3840 == 0)
    notes["pitch"][low] = 40  # below the chords: only its track speaks for it
    odd = music.with_notes(notes)
    voted = model(odd).probabilities[low, 0]
    model.tracks = "ignore"
    assert (voted > model(odd).probabilities[low, 0]).all()


def test_votes_are_of_given_values():
    votes = track_votes(np.array([0.0, 0.0, -50.0, -50.0]), np.array([0, 0, 1, 1]))
    least = np.log(0.003 / 0.997)
    assert votes[:, 0] == pytest.approx([0, 0, least, least])
    assert votes[:, 1] == pytest.approx([0, 0, least, least])
    assert votes[:, 2] == pytest.approx([0, 0, least, least])


def test_music_unlike_the_training_pieces_is_named(saved):
    model = load(saved)
    assert model(song()).warnings == ()
    notes = note_array(np.arange(400) * 7, 9000, 40 + np.arange(400) * 7 % 50)
    (warning,) = model(Music(notes, 480)).warnings
    assert "unlike" in warning


def test_no_feature_is_an_absolute_value_of_its_corpus():
    music = song()
    tokens = Tokenizer().encode(music).ids
    notes = music.notes.copy()
    notes["pitch"] += 5
    notes["velocity"] -= 20
    assert not LEFT_OUT & {*line_names(predicted=True)}
    assert np.allclose(
        line_features(tokens), line_features(Tokenizer().encode(music.with_notes(notes)).ids), atol=1e-4
    )


def test_damaged_trees_are_refused(saved, tmp_path):
    model = fitted()
    model.first.take(model.second._text(), np.arange(2))  # they were fitted to more features
    folder = save_model(tmp_path / "damaged", model, Tokenizer(), TASK)
    with pytest.raises(CheckpointError, match="damaged"):
        load(folder)


def test_lines_decide_what_a_network_says_and_the_rest_keep_proportions():
    tokens = Tokenizer().encode(song())
    tune = song().notes["track"][tokens.note_index] == 0
    logits = np.where(tune[:, None], np.log([0.4, 0.45, 0.15]), np.log([0.1, 0.6, 0.3]))
    found = np.exp(LineDecoder(LineSettings(freedom=2.0, follow=1.0)).decided(logits, tokens.ids, None))
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (found[tune, 0] > 0.5).all()
    assert (found[~tune, 0] < 0.5).all()
    assert found[:, 1] / found[:, 2] == pytest.approx(np.where(tune, 3, 2), rel=1e-4)
