"""`finetune style`: an adapter learns a folder, is loaded with its base, and writes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made import write_tunes
from synthetic import line

import symbolic
from data.toolkit.results import read_lines
from finetune import cli
from finetune.style.module import StyleModule
from symbolic.backbone import BackboneConfig, build_backbone
from symbolic.checkpoint.format import save_checkpoint
from symbolic.documents import read_json
from symbolic.generate.constraints import Constraints
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
        places = ["--from", "nano", "--out", "run", "--results", "results"]
        command = ["style", "tunes", *places, "--transposition", "0", *STYLE]
        assert cli.main(command) == 0
    return home


def test_a_style_lowers_the_loss_of_held_out_pieces(styled):
    record = read_json(styled / "run" / "record.json")
    assert record["seeds"][0]["held_out"]["all"] < 0.9 * record["before"]["all"]
    assert record["gain"]["mean"] == pytest.approx(
        record["before"]["all"] - record["seeds"][0]["held_out"]["all"]
    )
    assert symbolic.load(styled / "run").checkpoint.provenance["held_out"] == record["seeds"][0]["held_out"]


def test_a_record_names_music_terms_and_base(styled):
    record = read_json(styled / "run" / "record.json")
    assert record["music"] == {
        "trained": 5,
        "held_out": ["3.mid"],
        "notes": 160,
        "microtonal": 0.0,
        "held_out_in_pretraining": None,
    }
    assert record["base"]["name"] == "nano"
    assert record["licence"] == "unstated"
    assert record["chain"][-1]["kind"] == "fine-tuning"
    (line,) = read_lines(styled / "results" / "style.jsonl")
    assert line["name"] == "run"
    assert line["gain"] == record["gain"]
    assert "/" not in line["settings"]["folder"]


def test_a_stopped_run_goes_on_to_the_same_weights(styled, monkeypatch, capsys):
    monkeypatch.chdir(styled)
    step = StyleModule.training_step

    def stopped(self, batch, index):
        if self.global_step == 13:
            raise KeyboardInterrupt
        return step(self, batch, index)

    command = ["style", "tunes", "--from", "nano", "--transposition", "0", *STYLE]
    with monkeypatch.context() as patch:
        patch.setattr(StyleModule, "training_step", stopped)
        assert cli.main([*command, "--out", "stopped"]) == 130
    assert cli.main(["style", "tunes", "--resume", "stopped", "--lr", "0.5"]) == 2
    assert "--lr was 0.02" in capsys.readouterr().err
    assert cli.main(["style", "tunes", "--resume", "stopped"]) == 0
    found = [read_json(styled / name / "record.json")["seeds"][0] for name in ("run", "stopped")]
    assert found[0]["history"] == found[1]["history"]
    assert found[0]["pieces"] == found[1]["pieces"]
    assert not list((styled / "stopped").glob("seed-*/last.ckpt"))


@pytest.mark.parametrize("method", ["full", "scratch", "lora"])
def test_controls_and_other_adapters_train_what_they_say(styled, monkeypatch, method):
    monkeypatch.chdir(styled)
    size = ["--share", "30%"] if method == "lora" else []
    short = ["--epochs", "1", "--batch", "4", "--accelerator", "cpu", "--out", method, *size]
    assert cli.main(["style", "tunes", "--from", "nano", "--method", method, *short]) == 0
    base, own = symbolic.load(styled / "nano"), symbolic.load(styled / method)
    same = torch.equal(
        base.backbone.embedding.state_dict().popitem()[1], own.backbone.embedding.state_dict().popitem()[1]
    )
    assert same == (method == "lora")
    trained = read_json(styled / method / "record.json")["seeds"][0]["trained_parameters"]
    assert (trained == base.parameter_count) == (method != "lora")


def test_the_backbone_stays_and_the_adapter_is_small(styled):
    base, style = symbolic.load(styled / "nano"), symbolic.load(styled / "run")
    before, after = base.backbone.state_dict(), symbolic.adapters.backbone_state(style.backbone)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert style.backbone.adapter.count() <= 0.3 * sum(one.numel() for one in before.values())
    heads = zip(base.heads["fields"].parameters(), style.heads["fields"].parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in heads)


def test_a_style_writes_other_notes_than_its_base(styled):
    music, asked = line(np.arange(60, 92)), {"bars": (2, 3), "sampling": Sampling(steps=1)}
    base = symbolic.load(styled / "nano")
    plain, own = base.infill(music, **asked), base.infill(music, **asked, style=styled / "run")
    assert plain[0].notes.tolist() != own[0].notes.tolist()
    assert own[0].notes.tolist() == symbolic.load(styled / "run").infill(music, **asked)[0].notes.tolist()


def in_makam(number):
    """A scale whose third and seventh notes are tuned low on the way down."""
    music = line(60 + np.r_[:8, 7:-1:-1, :8, 7:-1:-1], velocity=50 + number)
    falls = np.diff(music.notes["pitch"].astype(int), append=0) <= 0
    music.notes["cents"] = np.where(falls & np.isin(music.notes["pitch"], (62, 66)), -42, 0)
    return music


def test_a_style_of_microtonal_music_writes_commas(styled, monkeypatch, capsys):
    monkeypatch.chdir(styled)
    (styled / "makam").mkdir()
    for number in range(5):
        write_midi(in_makam(number), styled / "makam" / f"{number}.mid")
    assert cli.main(["style", "makam", "--from", "nano", "--out", "commas", *STYLE]) == 0
    assert "12 % of the notes lie off twelve tones, so the style has commas" in capsys.readouterr().out
    found = read_json(styled / "commas" / "record.json")["seeds"][0]["commas"]
    assert found["model"] < found["by_pitch"] < found["unigram"]
    style = symbolic.load(styled / "commas")
    assert style.comma_field.embedding.weight.any()
    only = Constraints(lowest=62, highest=62)
    asked = {"bars": (2, 7), "sampling": Sampling(steps=2), "constraints": only}
    plain = symbolic.load(styled / "nano").infill(styled / "makam" / "0.mid", **asked)[0]
    (own,) = style.infill(styled / "makam" / "0.mid", **asked)
    assert not plain.notes["cents"].any()
    assert set(own.notes["cents"].tolist()) == {0, -42}
    for variant in (plain, own):  # bends of the notes that are gone move nothing
        variant.write(styled / "again.mid")
        columns = ["onset", "pitch", "cents"]
        again = symbolic.read_music(styled / "again.mid").notes[columns]
        assert sorted(again.tolist()) == sorted(variant.music.notes[columns].tolist())
    style.save_pretrained(styled / "kept")
    kept = symbolic.load(styled / "kept").infill(styled / "makam" / "0.mid", **asked)[0]
    assert kept.notes.tolist() == own.notes.tolist()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent"], "absent is no folder"),
        (["empty"], "empty holds no music files"),
        (["few"], "fewer than two pieces could be read"),
        (["tunes", "--share", "200%"], "--share 200%: write a share above 0"),
        (["tunes", "--method", "full", "--share", "1%"], "--share: --method full trains all weights"),
        (["tunes", "--out", "run"], "already holds a run"),
        (
            ["tunes", "--from", "melody"],
            "--from melody: it does not recover hidden fields. Name a pretrained model",
        ),
    ],
)
def test_what_cannot_be_learnt_is_refused(styled, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(styled)
    write_tunes(styled / "few", 1)
    (styled / "empty").mkdir(exist_ok=True)
    assert cli.main(["style", *arguments]) == 2
    assert words in capsys.readouterr().err
