"""Checkpoints of strangers: whatever they hold, they load or are refused in words, soon, and touch nothing else."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finetune_helpers import NANO as PLAIN
from finetune_helpers import tune
from safetensors.torch import load_file, save_file
from variants import variants_of_bytes, variants_of_json

from symbolic.adapters import attach
from symbolic.backbone import build_backbone
from symbolic.checkpoint.format import save_checkpoint
from symbolic.errors import CheckpointError, ConfigError, CounterpointError
from symbolic.features import feature_names
from symbolic.heads import FieldHeads, NoteHead, SequenceHead
from symbolic.music.midi.writer import write_midi
from symbolic.predict.classifiers.forest import Forest, Tree
from symbolic.predict.classifiers.pieces import FeatureClassifier
from symbolic.predict.files import predict_files
from symbolic.predict.loading import load, load_predictors
from symbolic.predict.network import TaskModel, save_model
from symbolic.predict.pretrained import PretrainedModel
from symbolic.predict.sources import find_sources
from symbolic.tokens.tokenizer import Tokenizer

TOKENIZER = Tokenizer()
NANO = replace(PLAIN, relations=("octave",))
TASK = {"title": "Made", "label": "x", "classes": ["a", "b"], "hide": [], "one_piano": False}
EVERY = 17
"""One variant in so many is tried by default, and all of them among the slow tests."""


def _backbone() -> Any:
    torch.manual_seed(0)
    return build_backbone(NANO, TOKENIZER.vocabulary.sizes)


def pretrained(path: Path) -> None:
    heads = {"fields": FieldHeads(NANO.dim, TOKENIZER.vocabulary.sizes)}
    save_checkpoint(
        path, _backbone(), TOKENIZER, heads=heads, pretrained_on=[1, 2], provenance={"command": "x"}
    )


def adapted(path: Path) -> None:
    backbone = _backbone()
    attach(backbone, "lora", rank=2)
    task = {"name": "notes", "level": "note", **TASK}
    save_model(path, TaskModel(backbone, NoteHead(NANO.dim, 2)), TOKENIZER, task)


def probed(path: Path) -> None:
    model = TaskModel(_backbone(), SequenceHead(2 * 2 * NANO.dim, 2, pooling="mean"), [0, 2])
    save_model(path, model, TOKENIZER, {"name": "pieces", "level": "sequence", **TASK})


def handmade(path: Path) -> None:
    tree = Tree(
        np.array([0, -1, 1, -1, -1]), np.zeros(5), np.array([2, 0, 4, 0, 0]), np.tile([0.25, 0.75], (3, 1))
    )
    model = FeatureClassifier(2)
    model.forest = Forest.of(2, [tree, tree])
    save_model(path, model, TOKENIZER, {"name": "pieces", "level": "sequence", **TASK})


MODELS = (pretrained, adapted, probed, handmade)
JSON = ("config.json", "tokenizer.json", "provenance.json", "adapter.json")


def used(path: Path, out: Path) -> None:
    """Load a checkpoint and predict as the command does."""
    model = load(path)
    if isinstance(model, PretrainedModel):
        model.embed(tune(0))
        return
    model(tune(0))
    sources = find_sources([str(out.parent / "song.mid")], out)
    list(predict_files(load_predictors([path, path.parent / "second"]), sources, out))


def tried(path: Path, out: Path, name: str) -> None:
    """Use a variant: it works or is refused, within seconds."""
    began = time.process_time()
    try:
        used(path, out)
    except CounterpointError:
        pass
    except Exception as error:
        raise AssertionError(f"{name} is a traceback: {error!r}") from error
    assert time.process_time() - began < 5, name


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder within others, beside a second model, of which nothing may change."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    adapted(inner / "second")
    write_midi(tune(0), inner / "song.mid")
    before = _files(tmp_path, inner)
    yield inner
    assert _files(tmp_path, inner) == before, "a file outside"


def _files(outer: Path, inner: Path) -> set[Path]:
    ours = {inner / "model", inner / "out"}
    return {path for path in outer.rglob("*") if not ours & {path, *path.parents}}


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("step", [EVERY, pytest.param(1, marks=pytest.mark.slow)])
def test_variants_of_json_are_used_or_refused(make: Callable[[Path], None], step: int, place: Path) -> None:
    model = place / "model"
    make(model)
    used_files = [name for name in JSON if (model / name).is_file()]
    assert used_files
    for file in used_files:
        content = (model / file).read_bytes()
        for number, (name, variant) in enumerate(variants_of_json(json.loads(content))):
            if number % step == 0:
                (model / file).write_bytes(variant)
                tried(model, place / "out", f"{file} {name}")
        (model / file).write_bytes(content)
    used(model, place / "out")


def _spoilt_tensors(tensors: dict[str, torch.Tensor]) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    for name, tensor in list(tensors.items())[:: max(1, len(tensors) // 3)]:
        yield f"{name} removed", {key: one for key, one in tensors.items() if key != name}
        yield f"{name} longer", {**tensors, name: torch.cat([tensor.flatten(), tensor.flatten()])}
        yield f"{name} of booleans", {**tensors, name: tensor != 0}
        yield f"{name} as complex", {**tensors, name: tensor.to(torch.complex64)}
        if tensor.is_floating_point():
            for number in (float("nan"), float("inf")):
                yield f"{name} {number}", {**tensors, name: torch.full_like(tensor, number)}
    yield "another", {**tensors, "backbone.another": torch.zeros(1)}
    yield "none", {}


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_variants_of_weights_are_used_or_refused(
    make: Callable[[Path], None], step: int, place: Path
) -> None:
    model = place / "model"
    make(model)
    for file in ("model.safetensors", "adapter.safetensors", "pretrained_on.safetensors"):
        if not (model / file).is_file():
            continue
        content, tensors = (model / file).read_bytes(), load_file(model / file)
        for name, variant in list(_spoilt_tensors(tensors))[::step]:
            save_file(variant, model / file)
            tried(model, place / "out", f"{file} {name}")
        for name, spoilt in list(variants_of_bytes(content))[::step]:
            (model / file).write_bytes(spoilt)
            tried(model, place / "out", f"{file} {name}")
        (model / file).write_bytes(content)


@pytest.mark.parametrize("make", [pretrained, adapted, handmade])
def test_nan_in_weights_is_refused_by_name(make: Callable[[Path], None], place: Path) -> None:
    model = place / "model"
    make(model)
    tensors = load_file(model / "model.safetensors")
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    save_file({**tensors, name: torch.full_like(tensors[name], float("nan"))}, model / "model.safetensors")
    with pytest.raises(CheckpointError, match="holds NaN"):
        load(model)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("other", lambda nodes: nodes.fill_(0)),  # a cycle: every right child is the first root
        ("other", lambda nodes: nodes.add_(100)),
        ("other", lambda nodes: nodes.neg_()),
        ("roots", lambda roots: roots.add_(5)),
        ("roots", lambda roots: roots.fill_(-1)),
        ("feature", lambda features: features.fill_(len(feature_names()))),
        ("feature", lambda features: features.fill_(0)),  # the last node has no child
        ("feature", lambda features: features.fill_(-2)),
        ("leaf", lambda leaves: leaves.fill_(7)),
    ],
)
def test_trees_that_lead_nowhere_or_round_are_refused(name: str, change: Any, place: Path) -> None:
    model = place / "model"
    handmade(model)
    tensors = load_file(model / "model.safetensors")
    change(tensors[f"features.forest.{name}"])
    save_file(tensors, model / "model.safetensors")
    with pytest.raises(CheckpointError, match="trees are damaged"):
        load(model)


def test_what_is_no_regular_file_is_refused(place: Path) -> None:
    model = place / "model"
    pretrained(model)
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        (model / file).rename(place / "model" / "kept")
        os.mkfifo(model / file)
        with pytest.raises(CounterpointError):
            used(model, place / "out")
        (model / file).unlink()
        (model / "kept").rename(model / file)


@pytest.mark.parametrize("name", ["../../outside", "/outside", "..", ".hidden", "a/b", "a\\b", "", "x" * 200])
def test_a_name_that_is_a_path_is_refused(name: str, place: Path) -> None:
    task, network = {"name": name, "level": "note", **TASK}, TaskModel(_backbone(), NoteHead(NANO.dim, 2))
    with pytest.raises((CheckpointError, ConfigError, KeyError)):
        save_model(place / "model", network, TOKENIZER, task)
    adapted(place / "model")
    config = json.loads((place / "model" / "config.json").read_text())
    config["task"]["name"] = name
    config["heads"] = {name: config["heads"]["notes"]}
    (place / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"no such name|is not"):
        load(place / "model")
