"""Expansion of a backbone: the same outputs, and copies that learn apart."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made import write_tunes

from pretrain import cli
from pretrain.settings import PretrainSettings
from pretrain.training.building import build_objective
from pretrain.training.expansion import expand, expand_heads, obstacles
from pretrain.training.initialisation import load_initialisation
from symbolic.backbone import BackboneConfig, build_backbone, preset
from symbolic.checkpoint.format import load_checkpoint, save_checkpoint
from symbolic.documents import read_json
from symbolic.errors import ConfigError
from symbolic.heads import FieldHeads
from symbolic.relations import RELATIONS
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import Vocabulary

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
    """A backbone whose weights are far from their initial ones, a larger one expanded from it, and the heads of "
    "both."""
    torch.manual_seed(0)
    small, heads = build_backbone(config, SIZES).eval(), FieldHeads(config.dim, SIZES)
    for parameter in [*small.parameters(), *heads.parameters()]:
        torch.nn.init.normal_(parameter, 0.1, 0.3)
    shape = replace(config, **larger)
    large, others = build_backbone(shape, SIZES).eval(), FieldHeads(shape.dim, SIZES)
    assert obstacles(config, shape) == []
    for name, parameter in large.named_parameters():
        if "query.weight" not in name:  # where some keep their initial values
            torch.nn.init.constant_(parameter, torch.nan)
    expand(small, large)
    expand_heads(heads, others)
    return small, heads, large, others


def objective_of(settings, start):
    return build_objective(settings, Vocabulary().sizes, start)


def tokens(*shape):
    return torch.stack([torch.randint(4, size, shape) for size in SIZES], dim=-1)


@pytest.mark.parametrize("kind", ["transformer", "conformer"])
@pytest.mark.parametrize("larger", LARGER.values(), ids=LARGER)
def test_the_larger_model_has_the_outputs_of_the_smaller(kind, larger):
    small, heads, large, others = pair(replace(SMALL, kind=kind), larger)
    music = tokens(3, 12)
    attention_mask = torch.arange(12) < torch.tensor([[12], [7], [12]])
    before, after = (
        torch.cat(h(b(music, attention_mask)), dim=-1)[attention_mask]
        for b, h in ((small, heads), (large, others))
    )
    assert before.std() > 0.3
    torch.testing.assert_close(after, before, atol=5e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["transformer", "conformer"])
def test_copies_learn_apart_and_added_layers_learn(kind):
    _, _, large, others = pair(replace(SMALL, kind=kind), {"dim": 32, "heads": 4, "ffn": 64, "layers": 4})
    torch.stack([logits.square().mean() for logits in others(large(tokens(4, 12)))]).sum().backward()

    def alike(gradient, dim=0):
        """Cosine of what two copies of some units are to learn: AdamW moves alike what differs by a factor."""
        return torch.cosine_similarity(*(part.flatten() for part in gradient.chunk(2, dim)), dim=0)

    assert alike(large.embedding.tables[3].weight.grad, dim=1) < 0.98
    for block, added in zip(large.blocks, (False, True) * 2, strict=True):
        ups = [part for name, part in block.named_modules() if name.endswith((".up", "attention.value"))]
        downs = [
            part
            for name, part in block.named_modules()
            if name.endswith((".down", "attention.output", ".narrow"))
        ]
        assert all(bool((part.weight == 0).all()) is added for part in downs)
        for part in downs if added else [*downs, *ups]:
            assert part.weight.grad.abs().max() > 0
            assert alike(part.weight.grad) < 0.98


def test_keys_of_new_frequencies_learn():
    _, _, large, others = pair(SMALL, {"dim": 32, "heads": 2})
    key, width = large.blocks[0].attention.key, 16
    new = [
        head * width + half * width // 2 + pair for head in (0, 1) for half in (0, 1) for pair in (1, 3, 5, 7)
    ]
    assert key.weight[new].abs().max() == 0
    others(large(tokens(4, 12)))[3].square().mean().backward()
    assert key.weight.grad[new].abs().amax(dim=1).min() > 0


def test_obstacles_are_named():
    assert obstacles(preset("tiny"), preset("base")) == obstacles(preset("small"), preset("base")) == []
    assert obstacles(preset("mini"), preset("small")) == ["dim 384 is no multiple of 256"]
    assert obstacles(preset("base"), preset("tiny")) == [
        "layers 4 are fewer than 12",
        "heads 4 are fewer than 12",
        "ffn 512 are fewer than 3,072",
        "dim 128 is no multiple of 768",
        "32 dimensions a head are no multiple of 64",
    ]
    assert obstacles(SMALL, replace(SMALL, kind="conformer")) == ["a transformer cannot become a conformer"]


@pytest.mark.parametrize("kind", ["transformer", "conformer"])
def test_bundled_models_expand_to_a_larger_preset(kind):
    name = {"transformer": "tiny", "conformer": "tiny-conformer"}[kind]
    settings = PretrainSettings.of(checkpoint=name, preset="small", backbone=kind)
    start = load_initialisation(settings, Tokenizer())
    # Its window too: an expanded model is trained as any of its size.
    found = load_checkpoint(name)
    assert start.config == replace(preset("small"), kind=kind, relations=found.config.relations)
    objective = objective_of(settings, start).eval()
    music = torch.randint(4, 20, (1, 30, 8))
    theirs = found.build_heads()["fields"](found.build_backbone().eval()(music))
    for one, other in zip(objective.heads(objective.backbone(music)), theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-4)
    nothing = np.empty(0, dtype=np.int64)
    assert start.describe(nothing)["expanded_from"] == found.config.to_dict()
    same = PretrainSettings.of(checkpoint=name)
    assert load_initialisation(same, Tokenizer()).config.kind == kind
    assert "expanded_from" not in load_initialisation(same, Tokenizer()).describe(nothing)


def test_heads_missing_in_a_checkpoint_are_random(tmp_path):
    save_checkpoint(tmp_path / "bare", load_checkpoint("tiny").build_backbone(), Tokenizer())
    found = {}
    for name, checkpoint in (("bare", str(tmp_path / "bare")), ("whole", "tiny"), ("none", None)):
        settings = PretrainSettings.of(checkpoint=checkpoint, preset="mini")
        objective = objective_of(settings, load_initialisation(settings, Tokenizer()))
        found[name] = objective.heads.projection.weight.std()
    assert found["bare"] == found["none"] != found["whole"]


def test_a_larger_checkpoint_does_not_shrink(tmp_path):
    save_checkpoint(tmp_path / "mini", build_backbone(preset("mini"), Vocabulary().sizes), Tokenizer())
    with pytest.raises(
        ConfigError,
        match=r"layers 4 are fewer than 6; .* own size, --preset mini --backbone transformer, or a larger",
    ):
        load_initialisation(PretrainSettings.of(checkpoint=str(tmp_path / "mini")), Tokenizer())


def test_the_remedy_names_no_preset_that_does_not_exist(tmp_path):
    save_checkpoint(tmp_path / "own", build_backbone(SMALL, Vocabulary().sizes), Tokenizer())
    settings = PretrainSettings.of(checkpoint=str(tmp_path / "own"), backbone="conformer")
    with pytest.raises(ConfigError, match=r"size, 2 layers of 16 dimensions; .* --backbone transformer\.$"):
        load_initialisation(settings, Tokenizer())


def test_an_expanded_run_names_its_checkpoint(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))
    music, out, model = write_tunes(tmp_path / "music", 24), tmp_path / "run", tmp_path / "model"
    flags = ["--steps", "1", "--evaluations", "1", "--tokens_per_batch", "256", "--jobs", "1"]
    assert cli.main([str(music), "--from", "tiny", "--preset", "mini", "--out", str(out), *flags]) == 0
    assert "expanded from tiny, 4 layers of 128 dimensions" in capsys.readouterr().out
    assert read_json(out / "record.json")["from"]["expanded_from"]["dim"] == 128
    assert cli.main(["export", str(out), str(model), "--shards", str(music)]) == 0
    assert (
        "It was expanded from `tiny` (4 layers of 128 dimensions; weights "
        in (model / "README.md").read_text()
    )
    assert load_checkpoint(model).config == replace(preset("mini"), relations=tuple(RELATIONS))


def test_relations_grow_with_the_model():
    sizes, names = Vocabulary().sizes, tuple(RELATIONS)
    torch.manual_seed(0)
    small = build_backbone(replace(SMALL, relations=names[2:5]), sizes).eval()
    torch.nn.init.normal_(small.embedding.relations.weight)
    large = build_backbone(replace(SMALL, dim=48, heads=6, relations=names), sizes).eval()
    expand(small, large)
    music = torch.stack([torch.randint(4, size, (2, 12)) for size in sizes], dim=-1)
    torch.testing.assert_close(large(music), small(music).repeat(1, 1, 3), atol=1e-5, rtol=1e-4)


def test_a_model_is_given_relations_without_a_change(tmp_path):
    found = load_checkpoint("tiny")
    before = build_backbone(replace(found.config, relations=()), found.tokenizer.vocabulary.sizes)
    saved = save_checkpoint(tmp_path / "plain", before, found.tokenizer)
    settings = PretrainSettings.of(checkpoint=str(saved), relations="all")
    start = load_initialisation(settings, Tokenizer())
    assert start.config.relations == tuple(RELATIONS)
    assert "expanded_from" not in start.describe(np.empty(0, dtype=np.int64))
    objective = objective_of(settings, start).eval()
    music = torch.stack([torch.randint(4, size, (2, 12)) for size in Vocabulary().sizes], dim=-1)
    assert torch.equal(objective.backbone(music), before.eval()(music))


def test_relations_are_those_asked_for_or_of_the_checkpoint(tmp_path):
    def shape(**settings):
        return load_initialisation(PretrainSettings.of(**settings), Tokenizer()).config

    assert shape().relations == tuple(RELATIONS)
    assert shape(relations="none").relations == ()
    assert shape(relations="octave,degree", relative_pitch=True).relations == ("octave", "degree")
    assert not shape(relative_pitch=True).absolute_pitch
    assert shape(checkpoint="tiny").relations == tuple(RELATIONS)
    found = load_checkpoint("tiny")
    backbone = build_backbone(replace(found.config, relations=("octave",)), found.tokenizer.vocabulary.sizes)
    saved = str(save_checkpoint(tmp_path / "related", backbone, found.tokenizer))
    assert shape(checkpoint=saved).relations == ("octave",)
    with pytest.raises(ConfigError, match="with the relations octave"):
        shape(checkpoint=saved, relations="none")
    with pytest.raises(ConfigError, match="with absolute pitch"):
        shape(checkpoint=saved, relative_pitch=True)
    with pytest.raises(ConfigError, match=r"--relations bass: There is no relation 'bass'"):
        PretrainSettings.of(relations="bass")
