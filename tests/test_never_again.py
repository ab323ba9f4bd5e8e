"""Faults of the published reference, each re-enacted in a line or two, and shown to be absent here.

The list is that of the project's style guide: an inverted selector, padding that is masked and scored, test
inputs that are masked and moved, test pieces in pretraining, labels readable from the order of notes, from the
program or from the velocity field, a pickled vocabulary, GPU numbers as defaults, no seed, no licence.
"""

import json
import pickle
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from finetune_helpers import nano_checkpoint, tune

from data.batches import Batch
from data.fingerprint import note_fingerprint
from data.leaks import check_leaks
from finetune.settings import FinetuneSettings
from finetune.tasks import MELODY
from finetune.training.model import build_model
from finetune.training.module import TaskModule
from pretrain.selectors.adversarial import extremes
from pretrain.selectors.base import Schedule
from pretrain.settings import PretrainSettings
from symbolic import Tokenizer, load
from symbolic.checkpoint.bundled import shipped_models
from symbolic.checkpoint.format import load_checkpoint
from symbolic.checkpoint.licence import licence_of
from symbolic.errors import CheckpointError, LeakError, TokenizerMismatch
from symbolic.masking.units import UNITS
from symbolic.predict.network import TaskModel
from symbolic.tokens.tokenizer import rebase_bars
from symbolic.tokens.vocabulary import HIDDEN, PAD, PROGRAM, RESERVED, VELOCITY, Vocabulary

HOME = Path(__file__).parents[1]


def test_selector_targets_are_not_inverted_in_every_second_window():
    recovery = torch.rand(6, 30, generator=torch.Generator().manual_seed(0))
    valid = torch.ones_like(recovery, dtype=torch.bool)
    targets, labelled = extremes(recovery, valid)

    def agreement(of):
        hard = torch.stack([recovery[i][labelled[i] & (of[i] == 1)].mean() for i in range(6)])
        easy = torch.stack([recovery[i][labelled[i] & (of[i] == 0)].mean() for i in range(6)])
        return hard - easy

    inverted = targets.clone()
    inverted[1::2] = 1 - inverted[1::2]  # the fault: a sign that flips inside the loop over the batch
    assert (agreement(inverted)[1::2] < 0).all()
    assert (agreement(targets) > 0).all()


def test_padding_is_neither_masked_nor_scored(tmp_path):
    attention_mask = torch.arange(40) < torch.tensor([[40], [8]])
    scores = torch.where(attention_mask, 0.0, 9.0)  # the selector would like nothing better than padding
    faulty = scores.topk(6, dim=1).indices  # the fault: whatever ranks highest
    assert not attention_mask.gather(1, faulty)[1].any()
    counts = Schedule().counts(
        attention_mask, torch.zeros_like(attention_mask), torch.Generator().manual_seed(0)
    )
    tokens = torch.full((2, 40, 8), RESERVED) * attention_mask[..., None]
    for unit in (kind(Vocabulary().sizes) for kind in UNITS.values()):
        ranking = unit.pool(
            scores[..., None].expand(-1, -1, unit.outputs), tokens, torch.ones_like(attention_mask)
        )
        chosen = unit.choose(ranking, tokens, attention_mask, counts, 6).spread(40)
        assert not chosen[~attention_mask].any()
        assert chosen[1].any()
        if unit.name == "token":
            assert int(chosen[1].any(-1).sum()) == int(counts[1]) >= 1

    model = build_model(load(nano_checkpoint(tmp_path / "nano")).backbone, MELODY, "full")
    module = TaskModule(model, np.zeros(80, dtype=np.int8), classes=3, steps=1, lr=1e-3)
    targets = module.targets(
        Batch(tokens, attention_mask, torch.tensor([0, 40]), torch.tensor([0, 1]), 0, True)
    )
    assert torch.equal(targets >= 0, attention_mask)


def test_what_is_tested_is_neither_masked_nor_transposed(tmp_path):
    backbone = load(nano_checkpoint(tmp_path / "nano")).backbone
    model: TaskModel = build_model(backbone, MELODY, "full").eval()
    seen = []
    backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    tokens = Tokenizer().encode(tune(0)).ids[:60]
    first, second = model.classes(tokens), model.classes(tokens)
    assert np.array_equal(first, second)
    assert np.array_equal(seen[0][0].numpy(), rebase_bars(tokens))


def test_a_transposed_test_piece_of_pretraining_is_found():
    piece = tune(1)
    moved = piece.notes.copy()
    moved["pitch"] += 3
    seen = np.array([note_fingerprint(piece.with_notes(moved)), note_fingerprint(tune(2))])
    with pytest.raises(LeakError, match="song 1"):
        check_leaks(seen, [("song 1", note_fingerprint(piece)), ("song 3", note_fingerprint(tune(3)))])


def test_no_label_can_be_read_from_the_order_of_notes():
    music = tune(4)
    order = np.random.default_rng(0).permutation(len(music.notes))
    shuffled = music.with_notes(music.notes[order])
    as_written = music.notes["track"]  # the fault: tokens in the order of tracks
    assert (np.diff(as_written) != 0).sum() == 1
    tokens, again = Tokenizer().encode(music), Tokenizer().encode(shuffled)
    assert np.array_equal(tokens.ids, again.ids)
    assert (np.diff(music.notes["track"][tokens.note_index].astype(int)) != 0).sum() > 50

    # Notes alike in all that is seen: which comes first tells nothing of the track.
    twins = np.repeat(music.notes, 2)
    twins["track"] = np.tile([0, 1], len(music.notes))
    source = Tokenizer().encode(music.with_notes(twins)).note_index
    first_of_pair = twins["track"][source][::2]
    assert 0.35 < first_of_pair.mean() < 0.65


def test_no_label_can_be_read_from_program_or_track():
    from symbolic.music.piano import as_one_piano

    music = tune(5)
    music.notes["program"] = np.where(music.notes["track"] == 0, 40, 0)  # the fault: a violin for the melody
    one = as_one_piano(music)
    assert set(Tokenizer().encode(one).ids[:, PROGRAM]) == {RESERVED}
    assert set(one.notes["track"]) == {0}


def test_a_hidden_velocity_leaves_no_trace():
    music = tune(6)
    louder = music.notes.copy()
    louder["velocity"] = np.random.default_rng(0).integers(1, 127, len(louder))
    plain, changed = (Tokenizer().encode(m, hide=("velocity",)) for m in (music, music.with_notes(louder)))
    assert np.array_equal(plain.ids, changed.ids)
    assert np.array_equal(plain.note_index, changed.note_index)
    assert set(plain.ids[:, VELOCITY]) == {HIDDEN}
    assert HIDDEN not in (PAD, RESERVED)


def test_nothing_pickled_is_ever_loaded(tmp_path):
    bait = tmp_path / "vocabulary.pkl"
    bait.write_bytes(pickle.dumps({"Bar": 0}))
    with pytest.raises(TokenizerMismatch):
        Tokenizer.load(bait)
    with pytest.raises(CheckpointError, match="never loaded"):
        load(bait)
    Tokenizer().save(tmp_path / "tokenizer.json")
    json.loads((tmp_path / "tokenizer.json").read_text())
    tracked = [p for p in HOME.rglob("*.p*") if p.suffix in (".pkl", ".pickle", ".pt", ".pth")]
    assert [p for p in tracked if ".venv" not in p.parts and "runs" not in p.parts] == []


def test_defaults_ask_for_no_gpu_and_every_run_has_a_seed():
    for settings in (PretrainSettings(), FinetuneSettings.of()):
        assert settings.training.accelerator == "auto"
        assert settings.training.seed == 0
        assert settings.training.precision is None  # half precision only where the processor is fast in it
    assert PretrainSettings().having(seed=7).training.seed == 7


def test_the_licence_is_stated_and_there():
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    # Of the code, and of the weights in symbolic/models, whose licence follows from their music.
    licences = {licence_of(load_checkpoint(name).chain).spdx for name in shipped_models()}
    licences.add("CC-BY-NC-SA-4.0")  # of the map learnt from (n)ASAP, which is no checkpoint
    assert project["license"] == " AND ".join(["Apache-2.0", *sorted(licences)])
    assert "Apache License" in (HOME / "LICENSE").read_text()
    models = HOME / "symbolic" / "models"
    weights = [
        models / name / file
        for name in (*shipped_models(), "asap-map")
        for file in ("LICENSE", "ATTRIBUTION.md")
    ]
    assert all(path.is_file() for path in weights)
    assert {path for part in project["license-files"] for path in HOME.glob(part)} == {
        HOME / "LICENSE",
        HOME / "data" / "toolkit" / "web" / "tinysynth.LICENSE",
        *weights,
    }
