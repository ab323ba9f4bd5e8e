"""A larger backbone that begins with what a smaller one knows: the same answers, and copies that learn apart."""

from dataclasses import replace

import pytest
import torch
from made import write_tunes

from pretrain import cli
from pretrain.beginning import beginning
from pretrain.building import build_module
from pretrain.config import PretrainSettings
from pretrain.freezing import FreezeBook
from pretrain.growing import grow, grow_heads, obstacles
from symbolic.backbone import BackboneConfig, build_backbone, preset
from symbolic.checkpoint import load_checkpoint
from symbolic.heads import FieldHeads
from symbolic.storage import read_json
from symbolic.tokenizer import Tokenizer
from symbolic.vocabulary import Vocabulary

SIZES = (12, 10, 9, 11, 8, 7, 6, 8)
SMALL = BackboneConfig(dim=16, layers=2, heads=2, ffn=32, window=16)
LARGER = {
    "wider": {"dim": 48, "heads": 6, "ffn": 96},
    "more heads, not all of them doubled": {"dim": 48, "heads": 3},
    "wider heads": {"dim": 64},
    "wider within": {"ffn": 40},
    "deeper": {"layers": 5},
    "all of it": {"dim": 96, "layers": 3, "heads": 3, "ffn": 100},
}


def pair(config, larger):
    """A backbone whose weights are far from their beginning, another grown from it, and the heads of both."""
    torch.manual_seed(0)
    small, heads = build_backbone(config, SIZES).eval(), FieldHeads(config.dim, SIZES)
    for parameter in [*small.parameters(), *heads.parameters()]:
        torch.nn.init.normal_(parameter, 0.1, 0.3)
    shape = replace(config, **larger)
    large, others = build_backbone(shape, SIZES).eval(), FieldHeads(shape.dim, SIZES)
    assert obstacles(config, shape) == []
    grow(small, large)
    grow_heads(heads, others)
    return small, heads, large, others


def rows(*shape):
    return torch.stack([torch.randint(4, size, shape) for size in SIZES], dim=-1)


@pytest.mark.parametrize("kind", ["transformer", "conformer"])
@pytest.mark.parametrize("larger", LARGER.values(), ids=LARGER)
def test_it_says_what_the_smaller_one_said(kind, larger):
    if kind == "conformer":
        larger = {name: value for name, value in larger.items() if name != "layers"}
    small, heads, large, others = pair(replace(SMALL, kind=kind), larger)
    music = rows(3, 12)
    real = torch.arange(12) < torch.tensor([[12], [7], [12]])
    before, after = (torch.cat(h(b(music, real)), dim=-1)[real] for b, h in ((small, heads), (large, others)))
    assert before.std() > 0.3
    torch.testing.assert_close(after, before, atol=2e-4, rtol=1e-4)


def test_copies_learn_apart_and_added_layers_learn():
    _, _, large, others = pair(SMALL, {"dim": 32, "heads": 4, "ffn": 64, "layers": 4})
    torch.stack([logits.square().mean() for logits in others(large(rows(4, 12)))]).sum().backward()
    for block in large.blocks:
        for unit in (block.feedforward.up, block.attention.value, block.attention.query):
            first, second = unit.weight.grad.chunk(2)
            # What is added writes nothing yet, and so hears of no loss but through what writes.
            assert (first - second).abs().max() > 0 or block.feedforward.down.weight.abs().max() == 0
        assert block.feedforward.down.weight.grad.abs().max() > 0
        assert block.attention.output.weight.grad.abs().max() > 0


def test_keys_of_new_angles_learn():
    _, _, large, others = pair(SMALL, {"dim": 32, "heads": 2})
    key, width = large.blocks[0].attention.key, 16
    new = [
        head * width + half * width // 2 + pair for head in (0, 1) for half in (0, 1) for pair in (1, 3, 5, 7)
    ]
    assert key.weight[new].abs().max() == 0
    others(large(rows(4, 12)))[3].square().mean().backward()
    assert key.weight.grad[new].abs().amax(dim=1).min() > 0


def test_what_cannot_grow():
    assert obstacles(preset("tiny"), preset("base")) == obstacles(preset("small"), preset("base")) == []
    assert obstacles(preset("mini"), preset("small")) == ["dim 384, no multiple of 256"]
    smaller = ["layers 4", "heads 4", "ffn 512", "dim 128, no multiple of 768"]
    assert obstacles(preset("base"), preset("tiny")) == [*smaller, "32 dimensions a head, no multiple of 64"]


def test_no_kind_becomes_another_and_a_conformer_grows_no_deeper():
    conformer = replace(SMALL, kind="conformer")
    assert obstacles(SMALL, conformer) == ["kind conformer"]
    assert obstacles(conformer, replace(conformer, layers=3)) == ["layers 3"]


def test_a_run_of_a_larger_preset_grows_from_what_comes_along(tmp_path):
    settings = PretrainSettings(checkpoint="tiny", preset="mini")
    start = beginning(settings, Tokenizer())
    assert start.config == preset("mini")
    module = build_module(settings, Vocabulary().sizes, FreezeBook(tmp_path, 8), 1, start)
    objective, found = module.objective.eval(), load_checkpoint("tiny")
    music = torch.randint(4, 20, (1, 30, 8))
    theirs = found.build_heads()["fields"](found.build_backbone().eval()(music))
    ours = objective.heads(objective.backbone(music))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    assert start.describe(torch.arange(3).numpy())["grown_from"] == found.config.to_dict()
    assert "grown_from" not in beginning(PretrainSettings(checkpoint="tiny"), Tokenizer()).describe(
        torch.arange(3).numpy()
    )


def test_a_grown_run_says_in_record_and_card_what_it_grew_from(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))
    music, out, model = write_tunes(tmp_path / "music", 24), tmp_path / "run", tmp_path / "model"
    flags = ["--steps", "1", "--evaluations", "1", "--rows_per_batch", "256", "--jobs", "1"]
    assert cli.main([str(music), "--from", "tiny", "--preset", "mini", "--out", str(out), *flags]) == 0
    assert read_json(out / "record.json")["from"]["grown_from"]["dim"] == 128
    assert cli.main(["export", str(out), str(model), "--shards", str(music)]) == 0
    assert (
        "It went on from `tiny` (grown from 4 layers of 128 dimensions; weights "
        in (model / "README.md").read_text()
    )
    assert load_checkpoint(model).config == preset("mini")
