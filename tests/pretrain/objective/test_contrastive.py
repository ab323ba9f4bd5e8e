"""Pairs of windows, their augmentation, and the loss that finds partners."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from made import tune
from prepared import run
from pretrain_helpers import SIZES

from data.corpora.folder import FolderCorpus
from pretrain.objective.augmentation import as_performed, augment
from pretrain.objective.contrastive import SETTLED, Contrastive
from pretrain.objective.pairs import FEWEST, PairBatches
from pretrain.settings import PretrainSettings
from pretrain.training.run import run as pretrain
from symbolic.errors import ConfigError, CorpusError
from symbolic.masking.corruption import Corrupted
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import Music, note_array
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import (
    BAR,
    DURATION,
    MASK,
    PITCH,
    POSITION,
    PROGRAM,
    RESERVED,
    TEMPO,
    TIME_SIGNATURE,
    VELOCITY,
    Vocabulary,
)

VOC = Vocabulary()


def loss_of(head, hidden, seen=None):
    tokens = torch.full((*hidden.shape[:2], 8), RESERVED)
    seen = tokens if seen is None else seen
    real = torch.ones(hidden.shape[:2], dtype=torch.bool)
    nothing = torch.zeros_like(tokens, dtype=torch.bool)
    return head.loss(hidden, tokens, real, Corrupted(seen, nothing, nothing))


def paired(count, spread):
    """States of `count` pairs of windows; partners differ by `spread`."""
    one = torch.randn(count, 1, 6, 16)
    return (one + spread * torch.randn(count, 2, 6, 16)).flatten(0, 1)


def test_partners_that_are_alike_have_a_low_loss():
    torch.manual_seed(0)
    head = Contrastive(16, SIZES)
    near, far = loss_of(head, paired(8, 0.01)).item(), loss_of(head, paired(8, 10.0)).item()
    assert near < far
    measures = head.flush()
    assert measures["chance"] == pytest.approx(1 / 15)
    assert measures["temperature"] == pytest.approx(0.1)
    assert measures["top_1"] > 0.5
    assert measures["uniformity"] < 0


def test_it_learns_to_find_partners():
    torch.manual_seed(0)
    head = Contrastive(16, SIZES)
    optimizer = torch.optim.Adam(head.parameters(), 1e-2)
    losses, hidden = [], paired(8, 1.0)
    for _ in range(40):
        loss = loss_of(head, hidden)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_masked_notes_do_not_count():
    torch.manual_seed(0)
    head, hidden = Contrastive(16, SIZES), paired(4, 0.1)
    seen = torch.full((8, 6, 8), RESERVED)
    seen[:, 3] = MASK
    before = loss_of(head, hidden, seen)
    hidden[:, 3] += 5
    torch.testing.assert_close(loss_of(head, hidden, seen), before)
    assert not torch.allclose(loss_of(head, hidden), before)


def test_equal_states_have_a_gradient_and_collapse_is_an_error():
    torch.manual_seed(0)
    head, hidden = Contrastive(16, SIZES), torch.ones(128, 6, 16, requires_grad=True)
    loss_of(head, hidden).backward()
    assert hidden.grad.isfinite().all()
    head.flush()  # random weights may begin so
    head.batches.fill_(SETTLED)
    loss_of(head, hidden)
    with pytest.raises(ConfigError, match="--contrastive collapsed"):
        head.flush()
    assert head.flush()["top_1"] == 0  # nothing since


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "music").mkdir()
    for seed in range(10):
        write_midi(tune(seed, 90), folder / "music" / f"t{seed}.mid")
    return run(FolderCorpus(folder / "music"), folder / "shards")


def test_a_batch_holds_pairs_of_one_piece_that_share_no_note(shards):
    batches = PairBatches(shards, np.arange(10), 2 * 8 * FEWEST)
    assert (batches.pairs, batches.length) == (8, FEWEST)
    for step in range(5):
        batch = batches[step]
        assert batch.piece[0::2].tolist() == batch.piece[1::2].tolist()
        assert len(set(batch.piece[0::2].tolist())) == 8
        assert batch.tokens.shape[1] <= FEWEST
        assert torch.equal(batch.tokens, PairBatches(shards, np.arange(10), 2 * 8 * FEWEST)[step].tokens)
    random = np.random.default_rng(0)
    for _ in range(50):
        one, other = batches._pair([3], random)
        assert one[1] <= other[0] or other[1] <= one[0]


def test_too_few_pieces_are_refused(shards):
    with pytest.raises(CorpusError, match="needs 8 pieces of 64 notes"):
        PairBatches(shards, np.arange(5), 1024)


def test_augmentation_keeps_order_and_ranges():
    window, random = Tokenizer()(tune(0, 90)).ids[7:90], np.random.default_rng(0)
    for _ in range(20):
        found = augment(window, VOC, random).astype(int)
        assert 0.75 * len(window) < len(found) <= len(window)
        assert found[0, BAR] == RESERVED
        assert (np.diff(found[:, BAR]) >= 0).all()
        for field in (PITCH, VELOCITY, TEMPO):
            assert found[:, field].min() >= RESERVED
            assert found[:, field].max() < VOC.sizes[field]
        assert set(np.diff(np.unique(found[:, PROGRAM]))) <= {
            *np.diff(np.unique(window[:, PROGRAM]).astype(int))
        }


def test_a_note_stays_when_all_would_be_dropped():
    window = Tokenizer()(tune(0)).ids[:1]
    assert all(len(augment(window, VOC, np.random.default_rng(seed))) == 1 for seed in range(40))


def test_performed_music_keeps_its_times():
    """Quarters at 60 a minute are halves at the nominal 120, whatever the time signature."""
    notes = note_array([0, 480, 960, 1440], 480, [60, 62, 64, 65])
    music = Music(notes, 480, np.array([[0, 3, 4]]), np.array([[0, 60.0]]))
    window = Tokenizer()(music).ids
    found = as_performed(window, VOC).astype(int) - RESERVED
    assert (found[:, BAR] * 64 + found[:, POSITION]).tolist() == pytest.approx([0, 32, 64, 96], abs=1)
    assert VOC.durations[found[:, DURATION]].tolist() == pytest.approx([32] * 4, abs=1)
    assert VOC.time_signatures[found[0, TIME_SIGNATURE]].tolist() == [4, 4]
    assert VOC.tempos[found[0, TEMPO]] == pytest.approx(120, rel=0.03)
    assert found[:, PITCH].tolist() == [60, 62, 64, 65]


@pytest.mark.slow
def test_a_run_records_how_partners_are_found(shards, tmp_path):
    folder = tmp_path / "run"
    settings = {
        "steps": 4,
        "evaluations": 2,
        "tokens_per_batch": 2 * 8 * FEWEST,
        "jobs": 1,
        "accelerator": "cpu",
    }
    pretrain(PretrainSettings.of(folder=str(shards.path), out=str(folder), contrastive=True, **settings))
    history = json.loads((folder / "record.json").read_text())["history"]
    assert all(0 <= entry["training"]["contrastive"]["top_1"] <= 1 for entry in history)
    assert history[-1]["training"]["auxiliary"]["contrastive"] > 0
    with pytest.raises(ConfigError, match="no token can be retired"):
        pretrain(
            PretrainSettings.of(
                folder=str(shards.path),
                out=str(folder / "b"),
                contrastive=True,
                selector="adversarial",
                **settings,
            )
        )
