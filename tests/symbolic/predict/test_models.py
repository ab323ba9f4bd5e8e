"""Loaded models on every kind of music, alone and in lists; their note features are never missing."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finetune_helpers import nano_checkpoint, tune
from torch.nn import functional as F

import symbolic
from symbolic.backbone import BackboneConfig, build_backbone
from symbolic.errors import CheckpointError, ConfigError, MusicFileError
from symbolic.heads import SequenceHead
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import Music, note_array
from symbolic.predict.network import TaskModel, save_model
from symbolic.predict.predictor import NotePredictor, PiecePredictor
from symbolic.predict.pretrained import PretrainedModel
from symbolic.predict.tonality import TONAL_CLASSES
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import FIELDS

TASK = {"title": "", "label": "dance", "classes": ["waltz", "reel"], "hide": [], "one_piano": True}


@pytest.fixture(scope="module")
def tiny() -> PretrainedModel:
    return PretrainedModel.from_pretrained("tiny")


@pytest.fixture(scope="module")
def velocity() -> NotePredictor:
    """A model that reads note features."""
    return NotePredictor.from_pretrained("velocity")


@pytest.fixture(scope="module")
def dances(tmp_path_factory: pytest.TempPathFactory) -> PiecePredictor:
    torch.manual_seed(0)
    config = BackboneConfig(dim=16, layers=1, heads=2, ffn=16, window=16)
    model = TaskModel(build_backbone(config, Tokenizer().vocabulary.sizes), SequenceHead(16, 2))
    folder = tmp_path_factory.mktemp("dances") / "dances"
    save_model(folder, model, Tokenizer(), {**TASK, "name": "dances", "level": "sequence"})
    return PiecePredictor.from_pretrained(folder)


def with_drums() -> Music:
    music = tune(4, bars=6)
    return music.with_notes(np.concatenate([note_array([0, 480], 60, 38, 100, 128, 2), music.notes]))


def moved_notes(music: Music, semitones: int) -> Music:
    notes = music.notes.copy()
    notes["pitch"] = (notes["pitch"].astype(int) + semitones).astype(np.uint8)
    return music.with_notes(notes)


class TestVectors:
    def test_a_piece_is_the_mean_and_deviation_of_every_layer(self, tiny: PretrainedModel) -> None:
        music = tune(3, bars=6)
        tokens = tiny.tokenizer(music)
        assert len(tokens) < tiny.backbone.config.window
        with torch.no_grad():
            states = tiny.backbone.states(torch.from_numpy(tokens.ids.astype(np.int64))[None])
        normed = torch.stack([F.layer_norm(state[0], state.shape[-1:]) for state in states])
        expected = torch.cat([normed.mean(1).flatten(), normed.std(1, correction=0).flatten()])
        found = tiny.embed(music)
        assert found.shape == (2 * 128 * 5,)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-4)
        np.testing.assert_array_equal(tiny(music), found)

    def test_a_list_gives_one_vector_for_each_piece(self, tiny: PretrainedModel) -> None:
        pieces = [tune(seed, bars=bars) for seed, bars in ((1, 2), (2, 40), (3, 9))]
        together = tiny.embed(pieces)
        assert together.shape == (3, 1280)
        np.testing.assert_allclose(together, [tiny.embed(one) for one in pieces], atol=1e-4)
        assert tiny.embed([]).shape == (0, 1280)

    def test_several_keys_give_their_mean(self, tiny: PretrainedModel) -> None:
        music = tune(3, bars=6)
        moved = [moved_notes(music, shift) for shift in (0, 4, -4)]
        np.testing.assert_allclose(tiny.embed(music, 3), np.mean(tiny.embed(moved), axis=0), atol=1e-4)
        np.testing.assert_allclose(tiny.embed([music, moved[1]], keys=3)[0], tiny.embed(music, 3), atol=1e-4)
        for wrong in (0, 13, 2.5):
            with pytest.raises(ConfigError, match="whole number from 1 to 12"):
                tiny.embed(music, wrong)

    def test_a_note_has_the_state_of_its_token_and_drums_have_one(self, tiny: PretrainedModel) -> None:
        music = with_drums()
        tokens, found = tiny.tokenizer(music), tiny.embed_notes(music)
        with torch.no_grad():
            states = tiny.backbone(torch.from_numpy(tokens.ids.astype(np.int64))[None])[0]
        assert found.shape == (len(music), 128)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found[tokens.note_index], states, atol=1e-5)

    @pytest.mark.parametrize("name", ["melody", "velocity"])
    def test_states_are_those_of_the_prediction(self, name: str) -> None:
        """With the note features that a model was trained with."""
        model, music, seen = NotePredictor.from_pretrained(name), with_drums(), []
        assert isinstance(model.model, TaskModel)
        with torch.no_grad():
            hook = model.model.head.register_forward_pre_hook(lambda _, given: seen.append(given[0][0]))
            model(music)
            hook.remove()
        [states] = seen
        index = model._encode(music).note_index
        np.testing.assert_allclose(model.embed_notes(music)[index], states, atol=1e-5)
        last = F.layer_norm(states, states.shape[-1:]).mean(0)
        np.testing.assert_allclose(model.embed(music).reshape(2, 5, 128)[0, -1], last, atol=1e-4)


class TestFill:
    def test_hidden_fields_get_distributions(self, tiny: PretrainedModel) -> None:
        tokens = tiny.tokenizer(tune(5, bars=60))
        assert len(tokens) > 2 * tiny.backbone.config.window
        masked = np.zeros(len(tokens), dtype=bool)
        masked[[0, 7, len(tokens) - 1]] = True
        found = tiny.fill(tokens, masked)
        assert list(found) == list(FIELDS)
        for values, size in zip(found.values(), tiny.tokenizer.vocabulary.sizes, strict=True):
            assert values.shape == (3, size)
            np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-5)
        ids = tokens.ids.copy()
        ids[masked, FIELDS.index("pitch")] = 70
        np.testing.assert_array_equal(tiny.fill(ids, masked)["pitch"], found["pitch"])

    def test_single_fields_can_be_hidden(self, tiny: PretrainedModel) -> None:
        tokens = tiny.tokenizer(tune(5, bars=4))
        masked = np.zeros(tokens.ids.shape, dtype=bool)
        masked[[2, 3], FIELDS.index("pitch")] = True
        masked[3, FIELDS.index("duration")] = True
        found = tiny.fill(tokens, masked)
        assert {name: len(values) for name, values in found.items() if len(values)} == {
            "pitch": 2,
            "duration": 1,
        }
        assert len(tiny.fill(tokens, np.zeros(len(tokens), dtype=bool))["pitch"]) == 0

    def test_wrong_shapes_and_models_are_refused(self, tiny: PretrainedModel, tmp_path: Path) -> None:
        tokens = tiny.tokenizer(tune(5, bars=4))
        with pytest.raises(ConfigError, match="masked of"):
            tiny.fill(tokens, np.zeros(3, dtype=bool))
        bare = PretrainedModel.from_pretrained(nano_checkpoint(tmp_path / "nano"))
        with pytest.raises(ConfigError, match="no heads for fields"):
            bare.fill(tokens, np.zeros(len(tokens), dtype=bool))


class TestInputs:
    def test_all_kinds_of_music_are_read_alike(self, velocity: NotePredictor, tmp_path: Path) -> None:
        import music21

        path = tmp_path / "song.mid"
        write_midi(tune(6, bars=4), path)
        music = symbolic.read_music(path)
        expected = velocity(music)
        for one in (path, str(path), music.to_symusic(), music.to_pretty_midi()):
            found = velocity(one)
            np.testing.assert_array_equal(
                found.classes[np.lexsort((found.music.notes["pitch"], found.music.notes["onset"]))],
                expected.classes[np.lexsort((music.notes["pitch"], music.notes["onset"]))],
            )
        score = music21.converter.parse("tinynotation: 4/4 c4 d e f g a b c'")
        assert len(velocity(_as_score(score))) == 8

    def test_lists_are_predicted_in_order(self, velocity: NotePredictor, dances: PiecePredictor) -> None:
        pieces = [tune(seed, bars=bars) for seed, bars in ((1, 2), (2, 30), (3, 9))]
        for found, one in zip(velocity(pieces), pieces, strict=True):
            assert found.music is one
            np.testing.assert_allclose(found.probabilities, velocity(one).probabilities, atol=1e-4)
        for piece, one in zip(dances(pieces), pieces, strict=True):
            assert piece.probabilities == pytest.approx(dances(one).probabilities, abs=1e-5)

    def test_an_error_names_the_file(
        self, velocity: NotePredictor, tiny: PretrainedModel, tmp_path: Path
    ) -> None:
        write_midi(tune(1, bars=2), tmp_path / "good.mid")
        (tmp_path / "bad.mid").write_bytes(b"MThd")
        write_midi(Music(note_array([0], 1, 36, 80, 128), 4), tmp_path / "drums.mid")
        write_midi(Music(note_array([0, 4 * 70_000], 1, 60, 80), 1), tmp_path / "long.mid")
        for name, reason in (("bad", ""), ("drums", "no pitched notes"), ("long", "bars"), ("absent", "")):
            with pytest.raises(MusicFileError, match=rf"{name}\.mid.*{reason}"):
                velocity([tmp_path / "good.mid", tmp_path / f"{name}.mid"])
        with pytest.raises(MusicFileError, match="this Music: it holds no notes"):
            tiny.embed(Music(note_array([], [], []), 480))


class TestResults:
    def test_arrays_are_aligned_with_the_notes(self, velocity: NotePredictor) -> None:
        music = with_drums()
        found = velocity(music)
        drums = music.drums
        assert len(found) == len(found.labels) == len(music)
        assert set(found.labels[drums]) == {None}
        assert set(found.labels[~drums]) <= set(velocity.classes)
        np.testing.assert_array_equal(found.classes[~drums], found.probabilities[~drums].argmax(axis=1))
        np.testing.assert_array_equal(found.confidence[~drums], found.probabilities[~drums].max(axis=1))
        assert np.isnan(found.probabilities[drums]).all()
        assert sum(found.counts.values()) == (~drums).sum()
        assert repr(found).startswith(f"NotePredictions({len(music)} notes: ")

    def test_notes_are_written_as_json_csv_and_midi(self, velocity: NotePredictor, tmp_path: Path) -> None:
        found = velocity(with_drums())
        entry = json.loads(found.to_json(tmp_path / "x.json").read_text())
        assert entry == found.to_dict()
        assert [note["onset"] for note in entry["notes"]] == sorted(found.music.notes["onset"].tolist())
        with found.to_csv(tmp_path / "x.csv").open() as file:
            lines = list(csv.DictReader(file))
        assert [line["class"] or None for line in lines] == [note["class"] for note in entry["notes"]]
        written = symbolic.read_music(found.write(tmp_path / "x.mid"))
        assert len(written) == len(found)

    def test_a_piece_has_a_label_and_probabilities(self, dances: PiecePredictor, tmp_path: Path) -> None:
        found = dances(tune(2))
        assert found.label in ("waltz", "reel")
        assert found.confidence == max(found.probabilities.values())
        assert json.loads(found.to_json(tmp_path / "x.json").read_text()) == found.to_dict()
        assert found.to_csv(tmp_path / "x.csv").read_text().splitlines()[0] == "class,probability"
        assert repr(found) == f"PiecePrediction({found.label}, confidence {found.confidence:.2f})"

    @pytest.mark.parametrize("label", ["key", "chord"])
    def test_keys_and_chords_follow_from_notes(self, label: str) -> None:
        music = tune(2, bars=4)
        probabilities = np.full((len(music), 24), 1 / 24, dtype=np.float32)
        found = symbolic.NotePredictions(
            music, np.zeros(len(music), dtype=np.int64), probabilities, TONAL_CLASSES, "x", label
        )
        assert (found.key is not None) == (label == "key")
        assert bool(found.chords) == (label == "chord")
        assert len(found.keys) == (24 if label == "key" else 0)


class TestNames:
    def test_a_repr_says_what_a_model_is(self, velocity: NotePredictor, tiny: PretrainedModel) -> None:
        assert "transformer, 4 layers x 128, window 256" in repr(tiny)
        assert "1,145,584 parameters" in repr(tiny)
        assert repr(velocity).startswith("NotePredictor('velocity': 6 classes of a note: 0-31, 32-47")
        for words in ("conformer, 4 layers x 128", "note features", "licence CC BY 4.0"):
            assert words in repr(velocity)
        assert "trained on pop909; made on tiny-conformer" in repr(velocity)

    def test_a_saved_model_is_the_same(
        self, velocity: NotePredictor, dances: PiecePredictor, tiny: PretrainedModel, tmp_path: Path
    ) -> None:
        music = tune(7, bars=3)
        one = NotePredictor.from_pretrained(velocity.save_pretrained(tmp_path / "velocity"))
        np.testing.assert_array_equal(one(music).probabilities, velocity(music).probabilities)
        two = symbolic.load(dances.save_pretrained(tmp_path / "dances"))
        assert isinstance(two, PiecePredictor)
        assert two(music).probabilities == dances(music).probabilities
        three = PretrainedModel.from_pretrained(tiny.save_pretrained(tmp_path / "tiny"))
        np.testing.assert_array_equal(three.embed(music), tiny.embed(music))
        assert repr(three) == repr(tiny)
        assert list(three.heads) == ["fields"]

    @pytest.mark.parametrize(
        ("device", "message"), [("tpu", "no such device"), ("cuda:99", "finds no such device here. Use cpu")]
    )
    def test_devices_that_are_not_here_are_refused(self, device: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            symbolic.load("tiny", device)
        with pytest.raises(ConfigError, match=message):
            symbolic.load("tiny").to(device)

    def test_models_move_between_devices(self) -> None:
        model = PretrainedModel.from_pretrained("tiny").to("meta")
        assert {one.device.type for one in model.backbone.parameters()} == {"meta"}
        assert {one.device.type for one in model.heads["fields"].parameters()} == {"meta"}

    def test_a_model_of_another_class_is_refused(self) -> None:
        with pytest.raises(
            ConfigError,
            match=r"tiny is a pretrained model.* This needs a model that predicts labels of notes",
        ):
            NotePredictor.from_pretrained("tiny")

    def test_a_folder_from_a_hub_is_loaded(self, velocity: NotePredictor, tmp_path: Path) -> None:
        """As `snapshot_download` gives it from its cache, without a network."""
        hub = pytest.importorskip("huggingface_hub")
        home = tmp_path / "models--someone--velocity"
        velocity.save_pretrained(home / "snapshots" / ("0" * 40))
        (home / "refs").mkdir()
        (home / "refs" / "main").write_text("0" * 40)
        folder = hub.snapshot_download("someone/velocity", cache_dir=tmp_path, local_files_only=True)
        np.testing.assert_array_equal(
            symbolic.load(folder)(tune(1, bars=2)).classes, velocity(tune(1, bars=2)).classes
        )


def test_without_a_backbone_there_are_no_vectors(tmp_path: Path) -> None:
    from symbolic.predict.classifiers.pieces import FeatureClassifier

    save_model(tmp_path / "m", FeatureClassifier(2), Tokenizer(), {**TASK, "name": "d", "level": "sequence"})
    model = PiecePredictor.from_pretrained(tmp_path / "m")
    assert "hand-made features, no backbone" in repr(model)
    with pytest.raises(CheckpointError, match="has no backbone"):
        model.embed(tune(1))


def _as_score(part: Any) -> Any:
    from music21 import stream

    score = stream.Score()
    score.insert(0, part)
    return score
