"""Checkpoints: they rebuild their model alone, are written whole, and refuse whatever is not one."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from symbolic.adapters import attach
from symbolic.backbone import Backbone, BackboneConfig, build_backbone
from symbolic.checkpoint.bundled import ATTRIBUTION, CARD, LICENCE
from symbolic.checkpoint.files import FILES, NETWORK
from symbolic.checkpoint.format import load_checkpoint, save_checkpoint
from symbolic.errors import CheckpointError, ConfigError, TokenizerMismatch
from symbolic.heads import FieldHeads, SequenceHead
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import Vocabulary

TOKENIZER = Tokenizer(Vocabulary())
CONFIG = BackboneConfig(dim=16, layers=1, heads=2, ffn=16, window=16)
ROWS = torch.randint(4, 30, (2, 6, 8), generator=torch.manual_seed(1))


@pytest.fixture
def backbone() -> Backbone:
    torch.manual_seed(0)
    return build_backbone(CONFIG, TOKENIZER.vocabulary.sizes).eval()


@pytest.fixture
def saved(backbone: Backbone, tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path / "model", backbone, TOKENIZER)


def edit_config(path: Path, **changes: object) -> None:
    values = json.loads((path / "config.json").read_text()) | changes
    (path / "config.json").write_text(json.dumps(values))


def test_a_pretraining_checkpoint_comes_back_whole(backbone: Backbone, tmp_path: Path) -> None:
    fields, selector = FieldHeads(16, TOKENIZER.vocabulary.sizes), nn.Linear(16, 1)
    path = save_checkpoint(
        tmp_path / "deep" / "model",
        backbone,
        TOKENIZER,
        heads={"fields": fields},
        parts={"selector": selector},
        provenance={"seed": 3},
        pretrained_on=[7, -5, 7],
    )
    checkpoint = load_checkpoint(path, TOKENIZER)
    assert torch.equal(checkpoint.build_backbone().eval()(ROWS), backbone(ROWS))
    hidden = backbone(ROWS)
    again = checkpoint.build_heads()["fields"]
    assert all(torch.equal(a, b) for a, b in zip(again(hidden), fields(hidden), strict=True))
    other = nn.Linear(16, 1)
    checkpoint.load_part("selector", other)
    assert torch.equal(other.weight, selector.weight)
    assert checkpoint.parts == ("backbone", "heads", "selector")
    assert checkpoint.provenance == {"seed": 3}
    assert checkpoint.task == {}
    assert checkpoint.pretrained_on is not None
    np.testing.assert_array_equal(checkpoint.pretrained_on, [-5, 7])
    assert checkpoint.pretrained_on.dtype == np.int64


def test_fingerprints_differ_for_weights_and_adapters(backbone: Backbone, tmp_path: Path) -> None:
    def saved(name: str) -> str:
        return load_checkpoint(save_checkpoint(tmp_path / name, backbone, TOKENIZER)).fingerprint

    first = saved("first")
    assert saved("again") == first
    adapter = attach(backbone, "lora")
    adapted = saved("adapted")
    assert adapted != first
    with torch.no_grad():
        adapter.parameters()[0].add_(1)
    assert saved("trained") not in (first, adapted)


@pytest.mark.parametrize("method", ["lora", "adapter"])
def test_a_task_checkpoint_keeps_adapter_and_backbone_apart(
    method: str, backbone: Backbone, tmp_path: Path
) -> None:
    plain = {f"backbone.{name}": tensor.clone() for name, tensor in backbone.state_dict().items()}
    adapter = attach(backbone, method)
    for parameter in adapter.parameters():
        nn.init.normal_(parameter)
    head = SequenceHead(16, 3)
    path = save_checkpoint(
        tmp_path / "task", backbone, TOKENIZER, heads={"emotion": head}, task={"name": "emotion"}
    )
    assert adapter.attached
    weights = load_file(path / "model.safetensors")
    assert {name for name in weights if name.startswith("backbone.")} == plain.keys()
    assert all(torch.equal(weights[name], plain[name]) for name in plain)
    checkpoint = load_checkpoint(path)
    again = checkpoint.build_backbone().eval()
    assert again.adapter.method == adapter.method
    assert torch.equal(again(ROWS), backbone(ROWS))
    assert checkpoint.task == {"name": "emotion"}
    assert checkpoint.pretrained_on is None


def test_parts_can_do_without_a_backbone(tmp_path: Path) -> None:
    part = nn.Linear(2, 3)
    saved = save_checkpoint(tmp_path / "model", None, TOKENIZER, parts={"table": part})
    checkpoint = load_checkpoint(saved)
    again = nn.Linear(2, 3)
    checkpoint.load_part("table", again)
    assert torch.equal(again.weight, part.weight)
    assert checkpoint.parts == ("table",)
    for use in (checkpoint.build_backbone, lambda: checkpoint.config):
        with pytest.raises(CheckpointError, match="has no backbone"):
            use()
    with pytest.raises(ConfigError, match="save it without the base 'tiny'"):
        save_checkpoint(tmp_path / "based", None, TOKENIZER, parts={"table": part}, base="tiny")


def test_files_are_as_readable_as_any_other(backbone: Backbone, tmp_path: Path) -> None:
    attach(backbone, "lora")
    old = os.umask(0o022)
    try:
        texts = {CARD: "what", LICENCE: "on what terms", ATTRIBUTION: "from whom"}
        path = save_checkpoint(tmp_path / "model", backbone, TOKENIZER, pretrained_on=[1], texts=texts)
    finally:
        os.umask(old)
    assert {entry.name for entry in path.iterdir()} == FILES - {NETWORK}
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in path.iterdir()} == {0o644}
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


def test_saving_again_replaces_and_leaves_nothing_behind(backbone: Backbone, saved: Path) -> None:
    save_checkpoint(saved, backbone, TOKENIZER, task={"second": True})
    assert load_checkpoint(saved).task == {"second": True}
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]


def test_a_failed_save_leaves_the_old_checkpoint(backbone: Backbone, saved: Path) -> None:
    with pytest.raises(TypeError):
        save_checkpoint(saved, backbone, TOKENIZER, provenance={"not JSON": object()})
    assert load_checkpoint(saved).build_backbone()
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]


def test_saving_over_something_else_is_refused(backbone: Backbone, saved: Path) -> None:
    (saved / "thesis.tex").write_text("years of work")
    with pytest.raises(CheckpointError, match="other things than a checkpoint"):
        save_checkpoint(saved, backbone, TOKENIZER)
    assert (saved / "thesis.tex").exists()


def test_a_part_cannot_take_a_reserved_name(backbone: Backbone, tmp_path: Path) -> None:
    for name in ("heads", "a.b"):
        with pytest.raises(ConfigError, match=name):
            save_checkpoint(tmp_path / "model", backbone, TOKENIZER, parts={name: nn.Linear(1, 1)})


@pytest.mark.parametrize("suffix", ["pt", "ckpt", "bin", "pkl"])
def test_pickled_files_are_refused_unopened(suffix: str, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "exploded"),)

    path = tmp_path / f"model.{suffix}"
    torch.save(Bomb(), path)
    with pytest.raises(CheckpointError, match=r"never loaded: give the directory"):
        load_checkpoint(path)
    assert not (tmp_path / "exploded").exists()


def test_a_pickle_in_the_place_of_weights_is_refused(saved: Path) -> None:
    torch.save({"backbone.norm.bias": torch.zeros(16)}, saved / "model.safetensors")
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_checkpoint(saved).build_backbone()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "provenance.json"])
def test_a_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(CheckpointError, match=f"lacks {name}"):
        load_checkpoint(saved)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere does not exist"):
        load_checkpoint(tmp_path / "nowhere")


def test_damaged_and_unknown_configs_are_refused(saved: Path) -> None:
    edit_config(saved, format_version=99)
    with pytest.raises(CheckpointError, match="format version 99"):
        load_checkpoint(saved)
    edit_config(saved, format_version=2, backbone={"dim": 16})
    with pytest.raises(ConfigError, match="'layers' is missing"):
        load_checkpoint(saved)
    (saved / "config.json").write_text('{"format_version": 2}')
    with pytest.raises(CheckpointError, match="lacks tokenizer, backbone"):
        load_checkpoint(saved)
    (saved / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="not valid JSON"):
        load_checkpoint(saved)


def test_whatever_does_not_fit_the_schema_is_named(saved: Path) -> None:
    task = {
        "name": "m",
        "title": "M",
        "level": "bar",
        "classes": ["a", 1],
        "hide": [],
        "one_piano": "yes",
        "x": 0,
    }
    edit_config(saved, heads=[], parts={"selector": 3}, task=task, base={"model": "tiny"}, extra=1)
    with pytest.raises(CheckpointError) as refused:
        load_checkpoint(saved)
    for words in (
        "extra is unknown",
        "heads is not an object",
        "parts.selector is not an object",
        "base.weights is missing",
        "task.x is unknown",
        "task.label is missing",
        "task.classes is not a list of texts",
        "task.one_piano is not true or false",
        "task.level is 'bar', not one of note, sequence",
    ):
        assert words in str(refused.value)


def test_weights_of_another_shape_are_refused(saved: Path) -> None:
    edit_config(saved, backbone=CONFIG.to_dict() | {"layers": 2})
    with pytest.raises(CheckpointError, match=r"part 'backbone'.*do not fit"):
        load_checkpoint(saved).build_backbone()
    with pytest.raises(CheckpointError, match="no part 'selector'; it has backbone"):
        load_checkpoint(saved).load_part("selector", nn.Linear(1, 1))


def test_another_tokenizer_is_refused(saved: Path) -> None:
    other = Tokenizer(Vocabulary(velocity_bins=16))
    with pytest.raises(TokenizerMismatch, match=f"{TOKENIZER.fingerprint}.*{other.fingerprint}"):
        load_checkpoint(saved, other)
    other.save(saved / "tokenizer.json")
    with pytest.raises(CheckpointError, match="of different checkpoints"):
        load_checkpoint(saved)
