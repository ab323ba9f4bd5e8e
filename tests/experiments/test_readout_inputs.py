"""Inputs of a read-out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch

from experiments.inputs import counted, states, stretch_owners
from symbolic.features.pairs import pair_histograms
from symbolic.music.notes import Music, note_array
from symbolic.predict.loading import load
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.transposition import transpose


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


def test_states_are_pooled_by_their_moments(pieces) -> None:
    model = load("tiny")
    found = states(model, pieces)
    assert {name: one.numbers.shape for name, one in found.items()} == {
        "states": (11, 2 * 5 * 128),
        "last states": (11, 2 * 128),
        "moments": (11, 4 * 5 * 128),
        "units": (11, 4 * 512),
    }
    everything = found["moments"].numbers.reshape(11, 4, 5, 128)
    np.testing.assert_array_equal(everything[:, :2].reshape(11, -1), found["states"].numbers)
    np.testing.assert_array_equal(everything[:, :2, -1].reshape(11, -1), found["last states"].numbers)
    np.testing.assert_allclose(everything[:, 0].mean(-1), 0, atol=1e-3)  # each state is normed
    with torch.inference_mode():
        last = model.backbone(torch.from_numpy(pieces[0].astype(np.int64))[None])[0].numpy()
    last = (last - last.mean(1, keepdims=True)) / last.std(1, keepdims=True)
    assert scipy.stats.moment(last, 3) == pytest.approx(everything[0, 2, -1] ** 3, abs=1e-2)
    steps = np.square(np.diff(last, axis=0)).sum(0) / len(last)
    np.testing.assert_allclose(everything[0, 3, -1], np.sqrt(steps), atol=1e-2)
    assert not any(one._forward_pre_hooks for one in model.backbone.modules())


def test_states_in_several_keys_are_the_means_of_those_in_each(pieces) -> None:
    model = load("tiny")
    together = states(model, pieces, keys=3)
    apart = [states(model, [transpose(one, by) for one in pieces]) for by in (-4, 0, 4)]
    for name, found in together.items():
        each = [one[name].numbers for one in apart]
        np.testing.assert_allclose(found.numbers, np.mean(each, axis=0), atol=1e-5)
        assert found.width == apart[0][name].width


def test_a_high_piece_is_transposed_as_far_as_its_notes_go() -> None:
    high = Tokenizer()(Music(note_array(4 * np.arange(20), 8, [120 + n % 8 for n in range(20)]), 16)).ids
    found, still = (states(load("tiny"), [high], keys)["states"].numbers for keys in (2, 1))
    np.testing.assert_allclose(found, still, atol=1e-6)  # six semitones up would leave the range


def test_every_input_gives_probabilities_of_pieces(pieces) -> None:
    twice = [*pieces, *pieces]
    owners = stretch_owners(twice)
    train = owners < 4
    for one in counted(twice, pitch_classes=False).values():
        found = one.log_posteriors(owners % 2, owners, train, 3)
        assert found.shape == (6, 3)
        np.testing.assert_allclose(np.exp(found).sum(1), 1)
