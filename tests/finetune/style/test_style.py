"""`finetune style`: an adapter learns a folder, is loaded with its base, and writes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made import write_tunes
from synthetic import line

import symbolic
from finetune import cli
from symbolic.backbone import BackboneConfig, build_backbone
from symbolic.checkpoint.format import save_checkpoint
from symbolic.generate.sampling import Sampling
from symbolic.heads import FieldHeads
from symbolic.music.midi.writer import write_midi

SHAPE = BackboneConfig(dim=16, layers=2, heads=2, ffn=32, window=32)
STYLE = ["--share", "30%", "--epochs", "12", "--batch", "4", "--lr", "0.02", "--accelerator", "cpu"]


@pytest.fixture(scope="module")
def styled(tmp_path_factory):
    """A folder with scales that rise from C, a random model and its style."""
    home = tmp_path_factory.mktemp("style")
    (home / "tunes").mkdir()
    for number in range(6):
        write_midi(line(60 + np.arange(32) % 8), home / "tunes" / f"{number}.mid")
    (home / "tunes" / "bad.mid").write_bytes(b"nothing")
    torch.manual_seed(0)
    tokenizer = symbolic.Tokenizer()
    sizes = tokenizer.vocabulary.sizes
    backbone, heads = build_backbone(SHAPE, sizes), FieldHeads(SHAPE.dim, sizes)
    torch.nn.init.normal_(
        heads.projection.weight, std=0.5
    )  # heads that tell values apart, as trained ones do
    save_checkpoint(home / "nano", backbone, tokenizer, heads={"fields": heads})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        command = ["style", "tunes", "--from", "nano", "--out", "run", "--transposition", "0", *STYLE]
        assert cli.main(command) == 0
    return home


def test_a_style_lowers_the_loss_of_held_out_pieces(styled):
    style = symbolic.load(styled / "run")
    measured = style.checkpoint.provenance["held_out"]
    assert measured["after"]["all"] < 0.9 * measured["before"]["all"]


def test_the_backbone_stays_and_the_adapter_is_small(styled):
    base, style = symbolic.load(styled / "nano"), symbolic.load(styled / "run")
    before, after = base.backbone.state_dict(), symbolic.adapters.backbone_state(style.backbone)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert style.backbone.adapter.count() <= 0.3 * sum(one.numel() for one in before.values())
    heads = zip(base.heads["fields"].parameters(), style.heads["fields"].parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in heads)


def test_a_style_writes_other_notes_than_its_base(styled):
    music, asked = line(np.arange(60, 92)), {"bars": (2, 3), "sampling": Sampling(steps=1, sweeps=0)}
    base = symbolic.load(styled / "nano")
    plain, own = base.infill(music, **asked), base.infill(music, **asked, style=styled / "run")
    assert plain[0].notes.tolist() != own[0].notes.tolist()
    assert own[0].notes.tolist() == symbolic.load(styled / "run").infill(music, **asked)[0].notes.tolist()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent"], "absent is no folder"),
        (["few"], "holds fewer than two music files"),
        (["tunes", "--share", "200%"], "--share 200%: write a share above 0"),
        (["tunes", "--out", "run"], "already holds a run"),
        (["tunes", "--from", "melody"], "it has no heads for fields"),
    ],
)
def test_what_cannot_be_learnt_is_refused(styled, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(styled)
    write_tunes(styled / "few", 1)
    assert cli.main(["style", *arguments]) == 2
    assert words in capsys.readouterr().err
