"""A melody model fitted to made pieces: what it learns, and that chains and cards name its music."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from finetune.lines.card import card, chain_of
from finetune.lines.data import SHARES, Example, Share
from finetune.lines.fit import fit_lines
from finetune.lines.pieces import Rated, of_one_line
from symbolic.checkpoint.licence import licence_of
from symbolic.music.notes import Music, note_array
from symbolic.tokens.tokenizer import Tokenizer


def example(seed, share, on_top=True):
    """A tune of eight bars above or below repeated chords."""
    draw = np.random.default_rng(seed)
    beats = np.arange(32) * 480
    tune = note_array(beats, 470, (74 if on_top else 40) + draw.integers(-4, 5, 32), 80, 0, 0)
    chords = [note_array(beats, 470, 52 + step + draw.integers(0, 2), 60, 0, 1) for step in (0, 4, 7)]
    music = Music(np.concatenate([tune, *chords]), 480, tracks=("tune", "chords"))
    tokens = Tokenizer().encode(music)
    track = music.notes["track"][tokens.note_index].astype(np.int64)
    labels = (track != 0).astype(np.int8)
    logits = np.where(labels[:, None] == [0, 1], 1.0, 0.0)
    return Rated(Example(share, seed, tokens.ids, labels, track), logits)


def found(model, one, tracks=None):
    """(N,) whether notes are melody, and warnings."""
    log, warnings = model.decided(one.logits, one.example.tokens, tracks)
    return log[:, 0] > np.log(0.5), warnings


def fitted():
    """A model of tunes on top."""
    lieder, choir = SHARES[0], Share("polish_choir", 1.0, 4, 4)
    train = [example(seed, lieder) for seed in range(12)]
    return fit_lines(train, [example(seed, share) for share in (lieder, choir) for seed in (20, 21)])


@pytest.fixture(scope="module")
def model():
    """That model, fitted once."""
    return fitted()


def test_tunes_on_top_are_found_in_new_pieces(model):
    new = example(30, SHARES[0])
    for tracks in (None, new.example.tracks):
        assert np.array_equal(found(model, new, tracks)[0], new.example.labels == 0)


def test_music_like_the_validation_pieces_is_not_warned_about(model):
    assert found(model, example(20, SHARES[0]))[1] == ()


def test_a_duet_is_not_one_line_and_a_doubled_melody_is():
    one = example(20, SHARES[0]).example
    assert of_one_line(one)
    assert not of_one_line(replace(one, labels=np.zeros_like(one.labels)))
    twice = replace(one, tokens=one.tokens.repeat(2, axis=0), labels=one.labels.repeat(2))
    assert of_one_line(twice)


def test_one_seed_fits_one_model(model):
    again = fitted()
    assert np.array_equal(again.trees.text, model.trees.text)
    assert again.settings == model.settings


def test_the_chain_names_each_corpus_and_attribution_is_enough():
    chain = chain_of("tops", [SimpleNamespace(share=share, mark=1, tokens=np.zeros(9)) for share in SHARES])
    names = [source.name for source in chain[0].sources]
    assert names == ["openscore_lieder", "openscore_quartets", "polish_scores", "pop909"]
    assert licence_of(chain).spdx == "CC-BY-4.0"


def test_the_card_shows_every_source_and_what_stands_below():
    chain = chain_of("tops", [SimpleNamespace(share=SHARES[0], mark=1, tokens=np.zeros(9))])
    scores = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "interval": [0.4, 0.6], "mean": 0.5}
    row = {
        **{"source": "lieder", "title": "voice and piano", "pieces": 3, "model": scores},
        **{"skyline": scores | {"f1": 0.6}, "calibration_error": 0.01, "warned": 0.0},
    }
    text = card("tops", chain, {"command": "finetune lines tops"}, [row])
    assert "50.0 ↓" in text
    assert "below the skyline on lieder" in text
    assert "CC0" in text
