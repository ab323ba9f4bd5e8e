"""Initialisation from a checkpoint: the same weights, all its music, and no other size."""

import json

import numpy as np
import pytest
import torch
from made import tune, write_tunes

from pretrain import cli
from pretrain.settings import PretrainSettings
from pretrain.training.building import build_objective
from pretrain.training.initialisation import load_initialisation
from symbolic.adapters import attach
from symbolic.checkpoint.format import load_checkpoint, save_checkpoint
from symbolic.errors import ConfigError
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import Vocabulary

FLAGS = [
    "--steps",
    "2",
    "--evaluations",
    "1",
    "--tokens_per_batch",
    "256",
    "--jobs",
    "1",
    "--selector",
    "uniform",
]


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    return write_tunes(tmp_path_factory.mktemp("music"), 24)


@pytest.fixture(scope="module")
def run(music, tmp_path_factory):
    """Two steps from a bundled model."""
    out = tmp_path_factory.mktemp("runs") / "on"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERPOINT_CACHE", str(tmp_path_factory.mktemp("cache")))
        assert cli.main([str(music), "--from", "tiny", "--out", str(out), *FLAGS]) == 0
        yield out


def test_a_run_starts_with_the_weights_of_the_checkpoint():
    settings = PretrainSettings.of(checkpoint="tiny")
    start = load_initialisation(settings, Tokenizer())
    sizes = Vocabulary().sizes
    loaded = build_objective(settings, sizes, start)
    fresh = build_objective(PretrainSettings(), sizes)
    found = load_checkpoint("tiny")
    tokens = torch.from_numpy(Tokenizer().encode(tune(0, 40)).ids.astype(np.int64))[None]
    theirs = found.build_heads()["fields"].eval()(found.build_backbone().eval()(tokens))
    for objective, same in ((loaded.eval(), True), (fresh.eval(), False)):
        ours = objective.heads(objective.backbone(tokens))
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True)) is same


def test_the_checkpoint_names_all_pieces_trained_on(run, music):
    before, after = (load_checkpoint(path).pretrained_on for path in ("tiny", run))
    assert np.isin(before, after).all()
    record = json.loads((run / "record.json").read_text())
    new = len(after) - len(before)
    assert 0 < new <= record["corpus"]["training_pieces"]
    assert record["from"]["pieces"] == len(before)
    assert record["from"]["weights"] == load_checkpoint("tiny").fingerprint
    assert record["from"]["held_out_trained_on"] == 0


def test_held_out_pieces_of_the_checkpoint_are_counted(run, music, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))
    known = load_checkpoint(run)
    seen = json.loads((run / "record.json").read_text())["from"]["held_out"]
    shards = PretrainSettings.of(folder=str(music), jobs=1).data.shards("folder", str(music), Tokenizer())
    save_checkpoint(
        tmp_path / "all",
        known.build_backbone(),
        Tokenizer(),
        heads=known.build_heads(),
        pretrained_on=shards.fingerprints,
    )
    flags = ["--from", str(tmp_path / "all"), "--out", str(tmp_path / "again"), *FLAGS]
    assert cli.main([str(music), *flags]) == 0
    assert (
        f"{seen} of the {seen} held-out pieces were in the training data of --from" in capsys.readouterr().out
    )


def test_unknown_music_of_a_checkpoint_stays_unknown(tmp_path):
    backbone = load_checkpoint("tiny").build_backbone()
    save_checkpoint(tmp_path / "unknown", backbone, Tokenizer())
    start = load_initialisation(PretrainSettings.of(checkpoint=str(tmp_path / "unknown")), Tokenizer())
    assert start.trained_on(np.arange(3)) is None
    assert start.describe(np.arange(3))["held_out_trained_on"] is None


def test_another_kind_is_refused():
    with pytest.raises(ConfigError, match="a transformer cannot become a conformer"):
        load_initialisation(PretrainSettings.of(checkpoint="tiny", backbone="conformer"), Tokenizer())


def test_an_adapter_is_refused(tmp_path):
    backbone = load_checkpoint("tiny").build_backbone()
    attach(backbone, "lora")
    save_checkpoint(tmp_path / "adapted", backbone, Tokenizer())
    with pytest.raises(ConfigError, match="has an adapter"):
        load_initialisation(PretrainSettings.of(checkpoint=str(tmp_path / "adapted")), Tokenizer())


def test_a_run_is_not_resumed_from_other_weights(music, run, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))
    found = load_checkpoint(run)
    arguments = [str(music), "--from", str(tmp_path / "model"), "--out", str(tmp_path / "run"), *FLAGS]
    backbone = found.build_backbone()
    save_checkpoint(tmp_path / "model", backbone, Tokenizer(), pretrained_on=[1])
    assert cli.main(arguments) == 0
    next(backbone.parameters()).data.add_(1)
    save_checkpoint(tmp_path / "model", backbone, Tokenizer(), pretrained_on=[1])
    assert cli.main([*arguments, "--resume"]) == 2
    assert "holds other weights than when" in capsys.readouterr().err


def test_the_card_names_the_initial_checkpoint(run, music, tmp_path):
    assert cli.main(["export", str(run), str(tmp_path / "model"), "--shards", str(music)]) == 0
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "It started from `tiny` (weights " in card
