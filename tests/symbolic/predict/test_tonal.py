"""The regression of keys and chords: it moves with the music, learns from few pieces and comes back from disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finetune.baselines.tonal import fit_tonal
from symbolic.errors import CheckpointError
from symbolic.features.harmony import CHORD_KINDS, KEY_KINDS, chord_histograms, key_histograms
from symbolic.music.notes import DRUM_PROGRAM, NOTE, Music
from symbolic.predict.classifiers.tonal import TonalClassifier
from symbolic.predict.keys import KEYS
from symbolic.predict.network import load_model, save_model
from symbolic.predict.tonality import TONAL_CLASSES, tonal_labels
from symbolic.tokens.tokenizer import Tokenizer

MAJOR, MINOR = (0, 4, 7), (0, 3, 7)


def song(
    tonic: int, mode: int, seed: int = 0, drums: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens of tonic, fourth, fifth and tonic with a tune above; notes' key and chord labels."""
    draw, notes, chord = np.random.default_rng(seed), [], []
    shapes = (MAJOR, MINOR)
    for beat, (root, minor) in enumerate(((0, mode), (5, mode), (7, 0), (0, mode)) * 3):
        for step in shapes[minor]:
            notes.append((beat * 480, 480, 48 + tonic + root + step))
            chord.append((tonic + root) % 12 + 12 * minor)
        notes.append((beat * 480, 240, 72 + tonic + root + shapes[minor][draw.integers(3)]))
        chord.append(chord[-1])
        if drums:
            notes.append((beat * 480, 120, 36))
            chord.append(-1)
    made = np.zeros(len(notes), dtype=NOTE)
    made["onset"], made["duration"], made["pitch"] = np.array(notes).T
    made["velocity"] = 64
    made["program"] = np.where(made["pitch"] == 36, DRUM_PROGRAM, 0)
    tokens = Tokenizer().encode(Music(made, resolution=480))
    pitch = made["pitch"][tokens.note_index]
    key = np.full(len(pitch), tonic + 12 * mode)
    return tokens.ids, tonal_labels(pitch, key), tonal_labels(pitch, np.array(chord)[tokens.note_index])


@pytest.fixture(scope="module", params=["piece", "beat"])
def model(request: pytest.FixtureRequest) -> TonalClassifier:
    pieces = []
    for number in range(8):
        tokens, key, chord = song(number, number % 2, number)
        pieces.append((tokens, key if request.param == "piece" else chord))
    return fit_tonal(pieces, request.param)


def test_unseen_tonics_are_recognised(model: TonalClassifier) -> None:
    for tonic, mode in ((9, 0), (10, 1), (11, 0)):
        tokens, key, chord = song(tonic, mode, 50)
        truth = key if model.span == "piece" else chord
        assert (model.classes(tokens) == truth).mean() == 1.0
        if model.span == "piece":
            logits, _ = model.tonality_logits(tokens)
            assert KEYS[int(logits[0].argmax())] == KEYS[tonic + 12 * mode]


def test_degrees_do_not_change_when_music_is_transposed(model: TonalClassifier) -> None:
    here, there = (song(tonic, 1, 3)[0] for tonic in (2, 7))
    np.testing.assert_allclose(model.logits(here), model.logits(there), atol=1e-9)


def test_drums_count_for_nothing(model: TonalClassifier) -> None:
    plain, mixed = song(4, 0)[0], song(4, 0, drums=True)[0]
    pitched, _ = model.tonality_logits(plain)
    np.testing.assert_allclose(model.tonality_logits(mixed)[0], pitched, atol=1e-9)
    assert model.logits(mixed).shape == (len(mixed), len(TONAL_CLASSES))


def test_it_comes_back_from_disk_and_other_histograms_are_refused(
    model: TonalClassifier, tmp_path: Path
) -> None:
    task = {"name": "t", "title": "t", "level": "note", "label": "key", "classes": list(TONAL_CLASSES)}
    task |= {"hide": [], "one_piano": False}
    save_model(tmp_path / "m", model, Tokenizer(), task)
    found, _, _ = load_model(tmp_path / "m")
    assert isinstance(found, TonalClassifier)
    tokens = song(3, 1)[0]
    np.testing.assert_array_equal(found.logits(tokens), model.logits(tokens))
    assert (
        found.numbers
        == model.numbers
        == 2 * (len(KEY_KINDS if model.span == "piece" else CHORD_KINDS) * 12 + 1)
    )
    about = model.describe()
    assert TonalClassifier.described(24, {**about, "histograms": ["other"]}) is None
    assert TonalClassifier.described(24, {**about, "span": ["piece"]}) is None
    assert TonalClassifier.described(23, about) is None
    described = tmp_path / "m" / "config.json"
    described.write_text(described.read_text(encoding="utf-8").replace('"bass"', '"other"'))
    with pytest.raises(CheckpointError):
        load_model(tmp_path / "m")


def test_histograms_are_shares() -> None:
    tokens = song(0, 0)[0]
    assert np.square(key_histograms(tokens)[:-1]).sum(axis=1) == pytest.approx(1)
    beats, place = chord_histograms(tokens)
    assert beats.shape == (12, len(CHORD_KINDS), 12)
    assert place.max() == 11
    assert not beats[0, CHORD_KINDS.index("beat before")].any()
    drums = song(0, 0, drums=True)[0]
    only = drums[~np.isin(drums[:, 3], tokens[:, 3])]
    assert not key_histograms(only).any()
    assert not chord_histograms(only)[0].any()
