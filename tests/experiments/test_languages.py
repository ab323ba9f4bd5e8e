"""Maps between the states of two backbones, and how they are measured."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import symbolic
from experiments.languages.arms import Setting, core_unit, unit, unpaired_unit
from experiments.languages.attention import CrossAttention
from experiments.languages.core import SOURCE, TARGET, Core
from experiments.languages.maps import Heads, Residual, Segments, moments, orthogonal, ridge
from experiments.languages.measures import interval, retrieval, right
from experiments.languages.pools import KEYS, opaque
from experiments.languages.sides import Language, language, segments_of
from experiments.languages.states import SEGMENT, Paired, Side
from experiments.languages.training import train
from experiments.languages.unpaired import Unpaired
from symbolic.music.notes import Music, note_array

DIM, CLASSES = 8, 5


def heads():
    torch.manual_seed(0)
    found = Heads({"pitch": nn.Linear(DIM, CLASSES)}, {"key": nn.Linear(DIM, 3)})
    return found.requires_grad_(False)


def segments(seed, count=6, notes=16):
    """States of one side are a rotation of those of the other."""
    generator = torch.Generator().manual_seed(seed)
    source = torch.randn(count, notes, DIM, generator=generator)
    turned = torch.linalg.qr(torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(9)))[0]
    target = source @ turned
    with torch.no_grad():
        labels = {name: one.argmax(-1) for name, one in heads()(target).items()}
    return Segments(source, target, labels)


def setting():
    unpaired = torch.randn(5 * SEGMENT, DIM)
    side = Language(None, unpaired, unpaired + 0.1, heads())
    return Setting(
        [segments(one) for one in range(9)],
        segments(20),
        segments(21),
        np.repeat(np.arange(3), 2),
        side,
        side,
    )


@pytest.mark.parametrize("fitted", [ridge, orthogonal])
def test_linear_maps_find_a_rotation_from_pairs(fitted):
    pairs, other = segments(0, count=60), segments(1)
    far = (other.source @ fitted(pairs) - other.target).abs().max()
    assert far < 0.5


@pytest.mark.parametrize("kind", [Residual, CrossAttention])
def test_a_network_starts_as_its_linear_map(kind):
    linear = torch.randn(DIM, DIM)
    states = torch.randn(3, 4, DIM)
    torch.testing.assert_close(kind(linear)(states), states @ linear)


def test_cross_attention_reads_the_other_notes_of_a_segment():
    network, states = CrossAttention(torch.eye(DIM)), torch.randn(1, 4, DIM)
    torch.nn.init.eye_(network.gather.weight)
    other = states.clone()
    other[0, 3] += 1
    assert (network(states) - network(other))[0, 0].abs().max() > 1e-4
    assert network(states[:, :1]).shape == (1, 1, DIM)


def test_a_core_starts_as_the_linear_maps_of_both_ways():
    linear, back = torch.randn(DIM, DIM), torch.randn(DIM, DIM)
    core, states = Core(linear, back), torch.randn(3, 4, DIM)
    torch.testing.assert_close(core(states), states @ linear)
    torch.testing.assert_close(core(states, TARGET, SOURCE), states @ back)
    torch.testing.assert_close(core(states, TARGET, TARGET), states)


def test_a_core_learns_from_pairs_and_unpaired_music():
    assert core_unit(setting(), 5, 0, steps=8)["core"]["finds R@1"].mean() == 1


def unpaired_losses(kind, change):
    """Return the first losses of the identity as map, for sides that are equal but for a change."""
    here = torch.randn(6 * SEGMENT, DIM, generator=torch.Generator().manual_seed(1))
    here = (here - here.mean(0)) / here.std(0)
    one, other = Language(None, here, change(here), heads()), Language(None, here, here, heads())
    same = Residual(torch.eye(DIM))
    return Unpaired(same, Residual(torch.eye(DIM)), one, other, {kind: 1.0}, torch.Generator().manual_seed(2))


@pytest.mark.parametrize(("kind", "least"), [("cycle", 0), ("masked", 0)])
def test_unpaired_losses_vanish_where_nothing_is_lost(kind, least):
    assert float(unpaired_losses(kind, lambda states: states)(None).detach()) == pytest.approx(
        least, abs=1e-6
    )


def test_hidden_fields_cost_where_predictions_change():
    assert float(unpaired_losses("masked", lambda states: states + 1)(None).detach()) > 0.01


def test_distributions_are_matched_without_pairs():
    near = unpaired_losses("match", lambda states: states)
    far = Residual(3 * torch.eye(DIM))
    far_losses = Unpaired(
        far, near.back, setting().source, setting().target, {"match": 1.0}, torch.Generator().manual_seed(2)
    )
    before = float(far_losses(None).detach())
    assert before > 4 * float(near(None).detach())
    train(far, heads(), None, segments(20), True, torch.Generator(), far_losses, steps=24)
    assert float(far_losses(None).detach()) < 0.8 * before


def test_maps_learn_from_unpaired_music_with_and_without_pairs():
    found = unpaired_unit(setting(), 5, 0, steps=8)
    assert set(found) == {"residual", "attention", "residual, unpaired", "attention, unpaired"}
    assert found["residual"]["finds R@1"].mean() == 1
    assert set(unpaired_unit(setting(), 0, 0, steps=4)) == {"residual, unpaired", "attention, unpaired"}


def test_moments_give_the_other_sides_covariance():
    here, there = torch.randn(5000, DIM) * 2, torch.randn(5000, DIM) @ torch.randn(DIM, DIM)
    torch.testing.assert_close((here @ moments(here, there)).T.cov(), there.T.cov(), atol=0.2, rtol=0.2)


def test_true_pairs_teach_more_than_wrong_ones():
    found = unit(setting(), 5, 0, steps=40)
    assert set(found) == {"ridge", "orthogonal", "residual", "supervised", "shuffled"}
    assert found["residual"]["pitch"].mean() > found["shuffled"]["pitch"].mean() + 0.2
    assert found["residual"]["finds R@1"].mean() == 1
    assert "finds R@1" not in found["supervised"]
    assert {"pitch mended", "pitch broken"} <= set(found["residual"])


def test_true_states_and_frequencies_bound_a_map():
    found = unit(setting(), 0, 0)
    assert found["true states"]["pitch"].tolist() == [1, 1, 1]
    assert found["unigram"]["pitch"].mean() < 0.7
    assert found["unigram"]["pitch nats"].mean() > found["true states"]["pitch nats"].mean()


def test_ties_in_retrieval_count_as_missed():
    same = torch.ones(4, 3, DIM)
    found = retrieval(same, same, np.array([0, 0, 1, 1]))
    assert found["finds R@1"].tolist() == [0, 0]
    assert found["is found MRR"].tolist() == [0.25, 0.25]


def test_a_place_is_that_in_the_quarter():
    logits = torch.zeros(1, 1, 132)
    logits[0, 0, 4 + 2 * 16 + 4] = 9
    found = right({"position": logits}, {"position": torch.tensor([[4 + 16 + 4]])})
    assert not found["position"].item()
    assert found["place"].item()


def test_intervals_cover_draws_and_pieces():
    mean, low, high = interval(np.array([[0.0, 1.0], [0.2, 0.8]]))
    assert mean == pytest.approx(0.5)
    assert low < 0.2
    assert high > 0.8
    assert interval(np.ones((3, 4))) == (1, 1, 1)


def test_pitches_of_scores_are_exchanged_once_for_all():
    music = Music(note_array(range(128), 1, range(128)), 480)
    once, again = opaque(music).notes["pitch"], opaque(music).notes["pitch"]
    assert sorted(once.tolist()) == list(range(128))
    assert once.tolist() == again.tolist()
    assert (np.diff(once.astype(int)) != 1).mean() > 0.9
    assert music.notes["pitch"].tolist() == list(range(128))


def test_sides_come_from_unpaired_music_alone(tmp_path):
    pool = tmp_path / "score"
    pool.mkdir()
    for name, first in (("a", 60), ("b", 61)):
        pitch = first + np.arange(2 * SEGMENT) % 12
        Music(note_array(np.arange(len(pitch)) * 240, 240, pitch), 480).write(pool / f"{name}.mid")
    (tmp_path / KEYS).write_text(json.dumps({"a": 0, "b": -5}))
    tiny = symbolic.load("tiny")
    side = language(tiny, pool, ("pitch", "position"), with_key=True)
    tokens, states = tiny.tokenizer(pool / "a.mid"), tiny.embed_notes(pool / "a.mid")
    ids = np.tile(tokens.ids[:SEGMENT].astype(np.int64), (1, 1, 1))
    one = Side(states[tokens.note_index][None, :SEGMENT], ids)
    pairs = segments_of([Paired("a", "train", one, one, np.array([0]))], side, side, to_score=True)
    logits = side.heads(pairs.target)
    hidden = tiny.heads["fields"](torch.from_numpy(one.states))
    torch.testing.assert_close(logits["pitch"], hidden[3].float(), atol=1e-3, rtol=1e-3)
    assert pairs.labels["key"].tolist() == [0]
    assert logits["key"].shape == (1, 12)
