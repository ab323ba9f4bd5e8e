"""Networks as ONNX: the logits of torch, without torch, and refused where they do not fit."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from symbolic.adapters import METHODS, attach
from symbolic.backbone import BackboneConfig, build_backbone
from symbolic.checkpoint.files import NETWORK
from symbolic.checkpoint.format import load_checkpoint
from symbolic.errors import CheckpointError, ConfigError
from symbolic.features.notes import note_matrix
from symbolic.heads import NoteHead, SequenceHead
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import Music, note_array
from symbolic.predict import onnx_network
from symbolic.predict.loading import load
from symbolic.predict.network import TaskModel, network_model, save_model
from symbolic.predict.note_codes import embedded_features
from symbolic.predict.note_features import NoteFeatureEmbedding
from symbolic.predict.onnx_network import OnnxNetwork
from symbolic.predict.predictor import NotePredictor
from symbolic.tokens.tokenizer import Tokenizer

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
NANO = BackboneConfig(dim=16, layers=2, heads=2, ffn=32, window=32)
ABOUT = {"name": "part", "title": "Part", "label": "part", "classes": ["a", "b", "c"]}


def piece(notes: int) -> Music:
    """Return random chords of a fixed seed."""
    random = np.random.default_rng(notes)
    onset = np.sort(random.integers(0, notes, notes)) * 120
    return Music(note_array(onset, random.integers(60, 900, notes), random.integers(40, 90, notes)), 480)


PIECES = [piece(notes) for notes in (70, 9, 33)]
"""Windows of several lengths, so that some are padded."""


def saved(folder: Path, kind: str, relations: tuple[str, ...], level: str, features: bool) -> Path:
    """Write a small untrained model with its network as ONNX."""
    from symbolic.predict.onnx_export import write_onnx

    torch.manual_seed(0)
    config = BackboneConfig(kind=kind, dim=16, layers=2, heads=2, ffn=32, window=32, relations=relations)
    backbone = build_backbone(config, Tokenizer().vocabulary.sizes)
    head = NoteHead(16, 3) if level == "note" else SequenceHead(16, 3)
    embedding = NoteFeatureEmbedding(16) if features else None
    if embedding is not None:
        embedding.fit(embedded_features(note_matrix(Tokenizer()(one).ids)) for one in PIECES)
    model = TaskModel(backbone, head, note_features=embedding)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    save_model(folder, model, Tokenizer(), {**ABOUT, "level": level, "hide": [], "one_piano": False})
    write_onnx(load_checkpoint(folder))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model of notes that reads relations."""
    base = tmp_path_factory.mktemp("onnx")
    return saved(base / "part", "transformer", ("pitch_class", "degree", "inter_onset"), "note", False)


@pytest.mark.parametrize(
    ("kind", "relations", "level", "features"),
    [
        ("transformer", ("pitch_class", "degree", "inter_onset"), "note", False),
        ("conformer", (), "note", True),
        ("transformer", (), "sequence", False),
    ],
)
def test_logits_are_those_of_torch(
    tmp_path: Path, kind: str, relations: tuple[str, ...], level: str, features: bool
) -> None:
    place = saved(tmp_path / "model", kind, relations, level, features)
    found = load(place)
    assert isinstance(found.model, OnnxNetwork)
    checkpoint = load_checkpoint(place)
    theirs = network_model(checkpoint)
    tokens = [found.tokenizer(one).ids for one in PIECES]
    for ours, expected in zip(found.model.batch_logits(tokens), theirs.batch_logits(tokens), strict=True):
        np.testing.assert_allclose(ours, expected, atol=2e-4)
        assert np.ptp(expected) > 0.1
    assert found.parameter_count == theirs.numbers
    assert found.embed(PIECES[1]).shape == (2 * 16 * 3,)  # by torch


def exported(folder: Path, model: TaskModel) -> None:
    """Write a model of pieces and its network as ONNX."""
    from symbolic.predict.onnx_export import write_onnx

    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    save_model(folder, model, Tokenizer(), {**ABOUT, "level": "sequence", "hide": [], "one_piano": False})
    write_onnx(load_checkpoint(folder))


def test_a_probe_reads_as_many_keys_as_by_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(NANO, Tokenizer().vocabulary.sizes)
    exported(tmp_path, TaskModel(backbone, SequenceHead(4 * NANO.dim, 3, 0.0, "mean"), (0, 1), keys=3))
    found, theirs = load(tmp_path), network_model(load_checkpoint(tmp_path))
    assert isinstance(found.model, OnnxNetwork)
    tokens = [found.tokenizer(one).ids for one in PIECES]
    expected = theirs.batch_logits(tokens)
    np.testing.assert_allclose(found.model.batch_logits(tokens), expected, atol=2e-4)
    theirs.keys = 1
    assert not np.allclose(theirs.batch_logits(tokens), expected, atol=1e-2)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_with_any_adapter_is_written_as_it_predicts(method: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(NANO, Tokenizer().vocabulary.sizes)
    attach(backbone, method)
    exported(tmp_path, TaskModel(backbone, SequenceHead(NANO.dim, 3)))
    found, theirs = load(tmp_path), network_model(load_checkpoint(tmp_path))
    assert isinstance(found.model, OnnxNetwork)
    tokens = [found.tokenizer(one).ids for one in PIECES]
    expected = theirs.batch_logits(tokens)
    np.testing.assert_allclose(found.model.batch_logits(tokens), expected, atol=2e-4)
    assert np.ptp(expected) > 0.1


def test_an_exported_folder_predicts_without_torch(folder: Path, tmp_path: Path) -> None:
    write_midi(PIECES[0], tmp_path / "song.mid")
    code = (
        "import sys; from finetune.cli import main\n"
        f"assert main(['predict', {str(folder)!r}, {str(tmp_path / 'song.mid')!r}, '--out', {str(tmp_path / 'out')!r},"
        f" '--csv', {str(tmp_path / 'notes.csv')!r}]) == 0\n"
        "print(*({'torch', 'lightning', 'lightgbm', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ""
    model = network_model(load_checkpoint(folder))
    labels = NotePredictor("part", load_checkpoint(folder), model)(tmp_path / "song.mid").labels
    with (tmp_path / "notes.csv").open(encoding="utf-8", newline="") as file:
        found = {int(line["index"]): line["class"] for line in csv.DictReader(file)}
    assert found == dict(enumerate(labels.tolist()))


def test_a_network_of_other_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    other = saved(tmp_path / "other", "transformer", (), "note", False)
    (other / NETWORK).write_bytes((folder / NETWORK).read_bytes())
    with pytest.raises(CheckpointError, match="not made of the weights"):
        load(other)
    (other / NETWORK).write_bytes(b"no network")
    with pytest.raises(CheckpointError, match="cannot be run"):
        load(other)


@pytest.mark.parametrize("threads", ["2,1", "", "all"])
def test_any_number_of_threads_that_others_take_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch, threads: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert OnnxNetwork(load_checkpoint(folder)).numbers > 0


def test_torch_runs_it_where_the_runtime_is_absent(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(onnx_network, "find_spec", lambda name: None)
    assert isinstance(load(folder).model, TaskModel)


def test_a_copy_is_a_whole_model(folder: Path, tmp_path: Path) -> None:
    copy = load(load(folder).save_pretrained(tmp_path / "copy"))
    assert isinstance(copy.model, TaskModel)
    assert copy.parameter_count == load(folder).parameter_count


def test_a_model_without_a_network_is_not_exported_as_one() -> None:
    from symbolic.predict.onnx_export import write_onnx

    with pytest.raises(ConfigError, match="has no network"):
        write_onnx(load_checkpoint("key"))
