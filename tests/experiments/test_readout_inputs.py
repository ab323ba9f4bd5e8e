"""Inputs of a read-out."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.inputs import counted, states, stretch_owners
from symbolic.features.pairs import pair_histograms
from symbolic.music.notes import Music, note_array
from symbolic.predict.loading import load
from symbolic.tokens.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def pieces():
    random = np.random.default_rng(0)
    lengths = (20, 100, 200)  # whole; halves; quarters
    music = [Music(note_array(4 * np.arange(n), 8, random.integers(50, 80, n)), 16) for n in lengths]
    return [Tokenizer()(one).ids for one in music]


def test_all_counted_inputs_describe_the_same_stretches(pieces) -> None:
    assert stretch_owners(pieces).tolist() == [0, 1, 1, 1, *[2] * 7]
    for pitch_classes in (False, True):
        found = counted(pieces, pitch_classes)
        assert {name: len(one.numbers) for name, one in found.items()} == dict.fromkeys(found, 11)
        rows = [pair_histograms(one, pitch_classes=pitch_classes) for one in pieces]
        pairs = np.concatenate([np.concatenate(list(one.values()), axis=1) for one in rows])
        assert found["pairs"].width == pairs.shape[1]
        centred = pairs - pairs.mean(0)
        np.testing.assert_allclose(found["pairs"].numbers, centred @ centred.T, atol=1e-3)


def test_states_are_means_and_deviations_of_all_layers_and_of_the_last(pieces) -> None:
    model = load("tiny")
    found = states(model, pieces)
    assert {name: one.numbers.shape for name, one in found.items()} == {
        "states": (11, 2 * 5 * 128),
        "last states": (11, 2 * 128),
    }
    everything = found["states"].numbers.reshape(11, 2, 5, 128)
    np.testing.assert_array_equal(everything[:, :, -1].reshape(11, -1), found["last states"].numbers)
    np.testing.assert_allclose(everything[:, 0].mean(-1), 0, atol=1e-3)  # each state is normed


def test_every_input_gives_probabilities_of_pieces(pieces) -> None:
    twice = [*pieces, *pieces]
    owners = stretch_owners(twice)
    train = owners < 4
    for one in counted(twice, pitch_classes=False).values():
        found = one.log_posteriors(owners % 2, owners, train, 3)
        assert found.shape == (6, 3)
        np.testing.assert_allclose(np.exp(found).sum(1), 1)
