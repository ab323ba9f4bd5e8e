"""Training of the network: windows of given shares, and a run that is cut off goes on to the same weights."""

import lightning
import numpy as np
import pytest
import torch

from finetune.lines import network
from finetune.lines.command import TASK
from finetune.lines.data import Example, Share
from finetune.lines.network import RandomWindows, initial_network, train_network
from finetune.training.weights import open_weights
from symbolic.backbone import BackboneConfig, build_backbone
from symbolic.heads import NoteHead
from symbolic.music.notes import Music, note_array
from symbolic.predict.network import TaskModel, save_model
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import BAR, RESERVED, Vocabulary

COMMON, RARE = Share("lieder", 1.0), Share("pop", 3.0)


def backbone():
    """A small one, as its seed has it."""
    torch.manual_seed(1)
    return build_backbone(BackboneConfig(dim=16, layers=1, heads=1, ffn=16, window=32), Vocabulary().sizes)


def untrained():
    """A network of that backbone and its head."""
    return TaskModel(backbone(), NoteHead(16, 2))


def example(share, count, pitch):
    """A scale of melody notes above repeated ones."""
    onset = np.repeat(np.arange(count // 2) * 480, 2)
    music = Music(note_array(onset, 400, np.tile([pitch, 40], count // 2)), 480)
    tokens = Tokenizer().encode(music)
    labels = (music.notes["pitch"][tokens.note_index] == 40).astype(np.int8)
    return Example(share, pitch, tokens.ids, labels, np.zeros(count, dtype=np.int64))


@pytest.fixture
def pieces():
    """Much of one kind and little of the other."""
    return [example(COMMON, 400, 70), example(COMMON, 200, 71), example(RARE, 40, 72)]


def test_each_source_has_its_share_of_windows(pieces):
    windows = RandomWindows(pieces, np.array([0, 400, 600]), backbone(), seed=0)
    assert windows.chance == pytest.approx([1 / 6, 1 / 12, 3 / 4])


def test_windows_know_their_place_and_begin_with_bar_0(pieces):
    place = np.array([0, 400, 600, 640])
    batch = RandomWindows(pieces, place, backbone(), seed=0)[5]
    ids = np.concatenate([one.tokens for one in pieces])
    for tokens, start in zip(batch.tokens.numpy(), batch.start.tolist(), strict=True):
        assert tokens[0, BAR] == RESERVED
        assert np.array_equal(tokens[:, BAR + 1 :], ids[start : start + 32, BAR + 1 :])


def test_a_run_that_is_cut_off_goes_on_to_the_same_weights(pieces, tmp_path, monkeypatch):
    monkeypatch.setattr(network, "INTERVAL", 2)
    monkeypatch.setattr(network, "VALIDATION", 2)
    whole = train_network(untrained(), pieces, pieces, 6, tmp_path / "whole.ckpt")
    with monkeypatch.context() as context:
        context.setattr(network, "StepProgress", lambda *_: Stop(4))
        with pytest.raises(ValueError, match="cut off"):
            train_network(untrained(), pieces, pieces, 6, tmp_path / "cut.ckpt")
    again = train_network(untrained(), pieces, pieces, 6, tmp_path / "cut.ckpt")
    assert_same(whole, again)


def test_the_last_state_of_a_run_is_taken_as_it_is(pieces, tmp_path, monkeypatch):
    monkeypatch.setattr(network, "VALIDATION", 2)
    whole = train_network(untrained(), pieces, pieces, 3, tmp_path / "whole.ckpt")
    monkeypatch.setattr(network, "StepProgress", lambda *_: Stop(0))
    assert_same(whole, train_network(untrained(), pieces, pieces, 3, tmp_path / "whole.ckpt"))


def test_a_melody_model_gives_its_head_and_a_backbone_gets_a_new_one(tmp_path):
    model, seeds = untrained(), (1, 2)
    folder = save_model(tmp_path / "tops", model, Tokenizer(), TASK)
    for seed in seeds:
        assert_same(model, initial_network(open_weights(folder), seed))
    other = save_model(tmp_path / "other", model, Tokenizer(), TASK | {"name": "hand"})
    heads = [initial_network(open_weights(other), seed).head.state_dict() for seed in seeds]
    assert any(not torch.equal(heads[0][name], heads[1][name]) for name in heads[0])


def assert_same(one, other):
    """Two models have the same weights."""
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


class Stop(lightning.Callback):
    """Ends the run before a step."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step >= self.step:
            raise ValueError("cut off")
