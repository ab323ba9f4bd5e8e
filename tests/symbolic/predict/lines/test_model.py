"""The melody model: one voice, votes of tracks, warnings, and that it is saved and loaded whole."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from finetune.across.scoring import skyline
from finetune.baselines.boosting import fit_boosting
from symbolic.backbone import BackboneConfig, build_backbone
from symbolic.errors import CheckpointError
from symbolic.features.note_table import NoteTable
from symbolic.heads import NoteHead
from symbolic.music.notes import Music, note_array
from symbolic.predict.lines.decoding import LineSettings, complete
from symbolic.predict.lines.features import LEFT_OUT, line_features, line_names
from symbolic.predict.lines.gate import Gate
from symbolic.predict.lines.model import MelodyLines
from symbolic.predict.lines.texture import MAKES, TEXTURE, texture
from symbolic.predict.lines.tracks import named_melody, track_votes
from symbolic.predict.loading import load
from symbolic.predict.network import TaskModel, save_model, task_model
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import Vocabulary

TASK = {
    "name": "melody_lines",
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
    """Lines whose trees take the top of each chord."""
    tokens = Tokenizer().encode(song())
    melody = (song().notes["track"][tokens.note_index] != 0).astype(np.int64)
    model = MelodyLines()
    model.trees = fit_boosting(line_features(tokens.ids, np.where(melody == 0, 0.8, 0.1)), melody, 2, 40)
    model.set(LineSettings(own=1.0, vote=1.0, behind=0.5, interval=-0.2, overlap=-1.0))
    table = NoteTable.of(tokens.ids, Vocabulary())
    model.gate.centre[:] = texture(table, melody == 0, np.where(melody == 0, 0.9, 0.1))
    model.gate.usual.centre[:] = model.gate.centre[: len(MAKES)]
    model.gate.weights[:, 1, -1] = 1.0  # the line decides
    model.gate.usual.farthest[...] = 0.3
    return model


def network():
    """An untrained network beside these lines."""
    torch.manual_seed(0)
    backbone = build_backbone(
        BackboneConfig(dim=16, layers=1, heads=1, ffn=16, window=64), Vocabulary().sizes
    )
    return TaskModel(backbone, NoteHead(16, 2), lines=fitted()).eval()


def melody_of(found):
    """(N,) whether notes are melody."""
    return found.classes == 0


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A checkpoint of that model."""
    return save_model(tmp_path_factory.mktemp("lines") / "tops", network(), Tokenizer(), TASK)


def test_a_saved_model_predicts_what_it_did(saved):
    tokens = Tokenizer().encode(song()).ids
    again, lines = task_model(load(saved).checkpoint), fitted()
    logits = network().logits(tokens)
    assert np.array_equal(again.lines.decided(logits, tokens)[0], lines.decided(logits, tokens)[0])
    assert again.lines.settings == lines.settings


def test_a_tune_above_chords_is_found(saved):
    music = song()
    assert np.array_equal(melody_of(load(saved)(music)), music.notes["track"] == 0)


def test_one_voice_is_melody(saved):
    line = song().with_notes(song().notes[song().notes["track"] == 1][:20])
    found = load(saved)(line)
    assert melody_of(found).all()
    assert found.mean_confidence > 0.95


def test_the_network_reads_no_piece_of_one_voice(saved, monkeypatch):
    model, read = load(saved), []

    def logits(pieces):
        read.extend(map(len, pieces))
        return [np.zeros((len(one), 2), dtype=np.float32) for one in pieces]

    monkeypatch.setattr(model.model, "batch_logits", logits)
    line = song().with_notes(song().notes[song().notes["track"] == 1][:20])
    assert melody_of(model([line, song()])[0]).all()
    assert read == [len(song())]


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


def test_the_name_of_a_track_votes_unless_all_are_named_so(saved):
    music, model = song(), load(saved)
    notes = music.notes.copy()
    low = (notes["track"] == 0) & (notes["onset"] % 3840 == 0)
    notes["pitch"][low] = 40  # below the chords: only its track speaks for it

    def chance(*names):
        return model(replace(music, notes=notes, tracks=names)).probabilities[low, 0]

    assert (chance("Lead Vocal", "Piano") > chance("1", "2")).all()
    assert np.array_equal(chance("Voice 1", "Voice 2"), chance("1", "2"))
    model.tracks = "ignore"
    assert np.array_equal(chance("Lead Vocal", "Piano"), chance("1", "2"))


def test_lyrics_vote_as_names_do(saved):
    music, model = song(), load(saved)
    notes = music.notes.copy()
    low = (notes["track"] == 0) & (notes["onset"] % 3840 == 0)
    notes["pitch"][low] = 40  # below the chords: only its track speaks for it

    def chance(*sung):
        return model(replace(music, notes=notes, sung=sung)).probabilities[low, 0]

    assert (chance(0) > chance()).all()
    assert np.array_equal(chance(0, 1), chance())


@pytest.mark.parametrize(
    ("name", "melody"),
    [
        *(
            (name, True)
            for name in ("MELODY", "Lead vocal", "vocals_L", "Gesang", "Vox", "Flute solo", "Lead")
        ),
        *(
            (name, False)
            for name in ("Backing vocals", "Lead guitar", "Lead 2 (sawtooth)", "Choir", "Piano", "")
        ),
    ],
)
def test_names_of_melody_tracks(name, melody):
    assert named_melody([name]).tolist() == [melody]


def test_votes_are_of_given_values():
    votes = track_votes(np.array([0.0, 0.0, -50.0, -50.0]), np.array([0, 0, 1, 1]))
    least = np.log(0.003 / 0.997)
    assert votes[:, 0] == pytest.approx([0, 0, least, least])
    assert votes[:, 1] == pytest.approx([0, 0, least, least])
    assert votes[:, 2] == pytest.approx([0, 0, least, least])


def cloud():
    """Long notes that begin one after the other in no order."""
    onset = np.arange(400) * 7
    return Music(note_array(onset, 9000, 40 + onset % 50), 480)


def test_music_unlike_the_training_pieces_is_named(saved):
    model = load(saved)
    assert model(song()).warnings == ()
    (warning,) = model(cloud()).warnings
    assert "unlike" in warning


def test_no_warning_where_line_and_skyline_agree():
    """Chords that are struck ever faster: unlike the fitted song, but its tops are plain."""
    music, model = song(), network().lines
    notes = music.notes.copy()
    notes["onset"], notes["duration"] = notes["onset"] // 16, 9000
    tokens = Tokenizer().encode(music.with_notes(notes))
    tune = notes["track"][tokens.note_index] == 0
    logits = np.where(tune[:, None], [4, -4], [-4, 4]).astype(np.float32)
    model.gate.weights[:, 2, -1], model.gate.usual.farthest[...] = 20.0, 0.01
    assert model.decided(logits, tokens.ids)[1] == ()
    model.gate.weights[:, 2, -1] = -20.0
    assert len(model.decided(logits, tokens.ids)[1]) == 1


def test_music_unlike_the_training_pieces_gets_its_skyline(saved):
    found = melody_of(load(saved)(cloud()))
    assert np.array_equal(found, skyline(cloud()) == 0)


def test_the_texture_sets_what_line_and_skyline_count():
    gate, numbers = Gate(), np.zeros(len(TEXTURE))
    numbers[2] = 1.5
    gate.weights[0, :, -1] = [-0.5, 2.0, 0.0]
    gate.weights[0, 2, 2] = 3.0  # the skyline counts where this number is high
    line, above = np.array([1.0, -1.0]), np.array([False, True])
    found = gate.calibrated(line, above, numbers, tracked=False)
    assert np.log(found / (1 - found)) == pytest.approx([-0.5 + 2, -0.5 - 2 + 4.5])
    assert gate.calibrated(line, above, numbers, tracked=True) == pytest.approx([0.5, 0.5])


def test_a_melody_of_unsure_notes_has_no_holes():
    chance = np.array([0.9, 0.1, 0.42, 0.05, 0.9, 0.42, 0.02])
    found = complete(chance)
    assert ((found > 0.5) == (chance > 0.4)).all()
    assert (np.argsort(found) == np.argsort(chance)).all()
    assert np.array_equal(found[chance > 0.8], chance[chance > 0.8])


def test_notes_that_are_hardly_melody_are_not_raised():
    assert (complete(np.full(9, 0.2)) < 0.5).all()
    sure = np.repeat([0.99, 0.01], 8)
    assert np.array_equal(complete(sure), sure)


def test_texture_is_of_given_values():
    """Two beats of three notes, the last above a note that still sounds."""
    notes = note_array([0, 0, 480, 480, 480, 960], [960, 480, 480, 480, 480, 480], [48, 60, 52, 55, 64, 67])
    tokens = Tokenizer().encode(Music(notes, 480))
    above = np.array([0, 1, 0, 0, 1, 1], dtype=bool)
    melody = np.array([0.0, 1.0, 0.0, 0.0, 0.5, 0.5])
    found = dict(zip(TEXTURE, texture(NoteTable.of(tokens.ids, Vocabulary()), above, melody), strict=True))
    wanted = {
        **{"notes_together": np.log(2), "three_together": 1 / 3, "two_together": 2 / 3, "doublings": 1 / 3},
        **{"equal_lengths": 4 / 5, "gap_below_top": (12 + 9) / 24, "unisons": 0, "highest": 0.5},
        **{
            "melody": 1 / 3,
            "melody_on_top": 1,
            "top_as_melody": 2 / 3,
            "sureness": 4 / 6,
            "best_of_onsets": 2 / 3,
        },
    }
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)


def test_no_feature_is_an_absolute_value_of_its_corpus():
    music = song()
    tokens = Tokenizer().encode(music).ids
    notes = music.notes.copy()
    notes["pitch"] += 5
    flat = np.full(len(notes), 0.5)
    notes["velocity"] -= 20
    assert not LEFT_OUT & {*line_names()}
    assert np.allclose(
        line_features(tokens, flat),
        line_features(Tokenizer().encode(music.with_notes(notes)).ids, flat),
        atol=1e-4,
    )


def test_damaged_trees_are_refused(tmp_path):
    model = network()
    other = fit_boosting(
        np.arange(400, dtype=np.float32).reshape(50, 8).repeat(40, axis=1), np.arange(50) % 2, 2, 3
    )
    model.lines.trees.take(other._text(), np.arange(2))  # they were fitted to more features
    folder = save_model(tmp_path / "damaged", model, Tokenizer(), TASK)
    with pytest.raises(CheckpointError, match="damaged"):
        load(folder)
