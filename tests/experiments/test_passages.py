"""Measures of passages and the model of neighbouring notes, on music whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic import line

from experiments.ngrams import NeighbourModel
from experiments.passages import (
    bars_of,
    copied,
    grams,
    histogram_distances,
    loudness,
    self_similarity,
    told_apart,
)
from finetune.style.objective import hidden_cells, paired_interval, piece_losses
from symbolic.dataset import MusicDataset, collate
from symbolic.masking.randomness import generator_of
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import BAR, FIELDS, PITCH, RESERVED, VELOCITY


def ids(pitches, step=1.0):
    return Tokenizer()(line(np.asarray(pitches), step)).ids


def test_bars_count_from_the_first():
    found = bars_of(ids(range(40, 72)), 2, 4)
    assert (found[:, PITCH] - RESERVED).tolist() == list(range(48, 56))
    assert (found[:, BAR] - RESERVED).tolist() == [0] * 4 + [1] * 4


def test_histograms_differ_by_total_variation():
    one, other = ids([60, 60, 62, 62]), ids([60, 60, 60, 64])
    assert histogram_distances([one], [other]) == pytest.approx(
        {"pitch class": 0.5, "length": 0, "inter-onset": 0}
    )
    assert histogram_distances([one], [ids([60, 60, 62, 62], 0.5)])["inter-onset"] == 1


def test_loudness_is_compared_note_by_note_where_there_is_any():
    true = ids([60, 62, 64, 65])
    plain = true.copy()
    true[:, VELOCITY] = RESERVED + np.arange(4)
    moved = true.copy()
    moved[:, VELOCITY] += 2
    assert loudness([moved, plain], [true, plain], 4) == pytest.approx(
        {"velocity apart": 8, "with pitch": np.corrcoef(np.arange(4), [60, 62, 64, 65])[0, 1]}
    )
    assert loudness([plain], [true], 4)["with pitch"] == 0
    assert loudness([plain], [plain], 4) == {}


def test_a_passage_resembles_itself_most():
    one = ids([60, 62, 64, 65])
    assert self_similarity(one, one) == pytest.approx(1)
    assert self_similarity(ids([61, 63, 66, 68]), one) < 0.9


def test_copies_are_found_in_any_key():
    tune = [60, 64, 62, 65, 67, 64, 60, 59, 62, 60]
    known = grams(ids(tune))
    assert copied([ids(np.array(tune) + 5)], known) == 1
    assert copied([ids(np.array(tune)[::-1])], known) == 0
    assert np.isnan(copied([ids([60, 61])], known))


def test_passages_of_another_kind_are_told_apart():
    random = np.random.default_rng(0)
    low = [ids(random.integers(40, 50, 16)) for _ in range(20)]
    high = [ids(random.integers(70, 80, 16)) for _ in range(20)]
    assert told_apart(high, low).mean() == 1
    again = [ids(random.integers(40, 50, 16)) for _ in range(20)]
    assert 0.2 < told_apart(again, low).mean() < 0.8


def test_neighbours_predict_what_follows_what():
    sizes = Tokenizer().vocabulary.sizes
    scale = ids(60 + np.arange(24) % 8)
    model = NeighbourModel([scale] * 4, sizes)
    batch = collate([MusicDataset([line(60 + np.arange(24) % 8), line(np.full(24, 61))])[k] for k in (0, 1)])
    hidden = torch.zeros(batch.tokens.shape, dtype=torch.bool)
    hidden[:, 5, PITCH] = True
    losses = model.losses(batch, hidden)[:, 5, PITCH]
    assert losses[0] < 0.7 < 2 < losses[1]
    hidden[:, :, PITCH] = True  # with nothing beside it, how often a pitch occurs is all that is known
    assert model.losses(batch, hidden)[0, 5, PITCH] == pytest.approx(np.log(8 * 12 / 12), abs=0.8)


def test_everything_meets_the_same_hidden_cells():
    pieces = [line(np.arange(40, 72)), line(np.arange(50, 60))]
    batches = [collate([MusicDataset(pieces)[k] for k in (0, 1)])]
    met = []

    def losses(batch, hidden):
        met.append(hidden)
        return hidden.float() * 2

    sizes = Tokenizer().vocabulary.sizes
    found = [piece_losses(losses, sizes, batches, 2, 0) for _ in range(2)]
    assert all(torch.equal(one, other) for one, other in zip(met[:4], met[4:], strict=True))
    assert not torch.equal(met[0], met[1])
    assert found[0].pieces == pytest.approx(2)
    assert found[0].by_field()["pitch"] == pytest.approx(2)
    cells, weights = hidden_cells(batches[0], sizes, generator_of(torch.device("cpu"), 3))
    # Each window weighs as much as it has tokens.
    assert weights.sum((1, 2)).tolist() == pytest.approx(batches[0].attention_mask.sum(1).tolist())
    assert not cells[1, 10:].any()
    assert cells.shape[2] == len(FIELDS)


def test_an_interval_is_over_pieces():
    mean, low, high = paired_interval([1, 1, 1, 3])
    assert mean == 1.5
    assert 1 <= low < mean < high <= 3
