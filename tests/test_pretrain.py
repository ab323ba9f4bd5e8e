"""Pretraining end to end, on a folder of made tunes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from made import tune, write_tunes

from data.batches import Batch
from pretrain import cli
from pretrain.freezing import FreezeBook
from pretrain.look import look_at
from pretrain.module import Pretraining
from pretrain.pictures import curves
from pretrain.selectors import SELECTORS, Schedule, build_selector
from symbolic.backbone import BackboneConfig, build_backbone
from symbolic.checkpoint import load_checkpoint
from symbolic.heads import FieldHeads
from symbolic.storage import read_tensors
from symbolic.tokenizer import Tokenizer
from symbolic.vocabulary import RESERVED, Vocabulary

SIZES = Vocabulary().sizes
FLAGS = [
    "--steps",
    "24",
    "--evaluations",
    "6",
    "--rows_per_batch",
    "256",
    "--freeze_every",
    "0.5",
    "--jobs",
    "1",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tunes(tmp_path_factory.mktemp("music"), 40)


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    """Shards go to a cache of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERPOINT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """One finished run that nothing interrupted."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert cli.main([str(folder), "--out", str(out), *FLAGS]) == 0
    return out


def record_of(out: Path):
    return json.loads((out / "record.json").read_text())


def test_a_run_leaves_checkpoint_record_report_and_pictures(run):
    record = record_of(run)
    assert record["history"][-1]["step"] == 24
    assert len(record["history"]) == 6
    assert record["corpus"]["training_pieces"] < record["corpus"]["pieces"]
    checkpoint = load_checkpoint(run / "checkpoint", Tokenizer())
    assert len(checkpoint.pretrained_on) == record["corpus"]["training_pieces"]
    assert set(checkpoint.parts) == {"backbone", "heads", "selector"}
    checkpoint.build_backbone()
    assert (run / "report.html").stat().st_size < 2e6
    for name in ("curves", "calibration", "roll-held-out", "roll-training"):
        assert (run / "pictures" / f"{name}.png").stat().st_size > 5000


def test_the_record_holds_the_selectors_measurements(run):
    for entry in record_of(run)["history"]:
        training, selector = entry["training"], entry["held_out"]["selector"]
        assert training["padding_share"] == 0
        assert 0.02 < training["mask_rate"] <= 0.16
        assert 0 < training["learning_rate"] <= 2e-3
        assert set(training["chosen_loss"]) == set(entry["held_out"]["accuracy"])
        assert {
            "correlation",
            "correlation_even",
            "correlation_odd",
            "entropy",
            "overlap_with_hardest",
        } <= set(selector)
    assert record_of(run)["history"][-1]["training"]["frozen_share"] > 0.05


def test_a_run_killed_at_any_moment_resumes_to_the_same_bits(folder, run, tmp_path):
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "pretrain.cli", str(folder), "--out", str(out), *FLAGS]
    started = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ.copy()
    )
    deadline = time.monotonic() + 120
    while not (out / "state" / "last.ckpt").exists() and started.poll() is None:
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.02)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert not (out / "record.json").exists(), "the run ended before it could be killed"
    assert cli.main([str(folder), "--out", str(out), "--resume", *FLAGS]) == 0
    assert record_of(out)["history"] == record_of(run)["history"]
    ours, theirs = (read_tensors(r / "checkpoint" / "model.safetensors") for r in (out, run))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_resuming_a_finished_run_changes_nothing(folder, run):
    before = record_of(run)["history"]
    assert cli.main([str(folder), "--out", str(run), "--resume", *FLAGS]) == 0
    assert record_of(run)["history"] == before


def test_a_small_folder_without_a_validation_piece_holds_some_out(tmp_path):
    small = write_tunes(tmp_path / "small", 6, first=100)
    (small / "labels.csv").write_text("file,split\n" + "".join(f"t10{i}.mid,train\n" for i in range(6)))
    out = tmp_path / "run"
    assert cli.main([str(small) + "/", "--out", str(out), *FLAGS, "--steps", "4"]) == 0
    assert record_of(out)["corpus"]["training_pieces"] == 5
    assert record_of(out)["settings"]["folder"] == str(small)


def test_one_piece_is_too_few(tmp_path, capsys):
    assert cli.main([str(write_tunes(tmp_path / "one", 1)), "--out", str(tmp_path / "run"), *FLAGS]) == 2
    assert "1 pieces" in capsys.readouterr().err


def test_a_second_run_does_not_overwrite_the_first(folder, run, capsys):
    assert cli.main([str(folder), "--out", str(run), *FLAGS]) == 2
    assert "--resume" in capsys.readouterr().err


def test_resuming_with_other_settings_is_refused_by_name(folder, run, capsys):
    assert cli.main([str(folder), "--out", str(run), "--resume", *FLAGS, "--seed", "5", "--lr", "0.1"]) == 2
    error = capsys.readouterr().err
    assert "--seed" in error
    assert "--lr" in error


def test_resuming_on_another_corpus_is_refused(tmp_path, capsys):
    music, out = write_tunes(tmp_path / "music", 40), tmp_path / "run"
    flags = [str(music), "--out", str(out), "--selector", "uniform", "--steps", "1", "--jobs", "1"]
    assert cli.main(flags) == 0
    min(path for path in music.rglob("*") if path.is_file()).unlink()
    assert cli.main([*flags, "--resume"]) == 2
    assert "changed since" in capsys.readouterr().err


def test_a_run_that_diverges_says_so_and_leaves_no_checkpoint(folder, tmp_path, capsys):
    flags = ["--steps", "12", "--evaluations", "2", "--lr", "1e30", "--rows_per_batch", "256", "--jobs", "1"]
    assert cli.main([str(folder), "--out", str(tmp_path / "run"), *flags]) == 2
    assert "--lr" in capsys.readouterr().err
    assert not (tmp_path / "run" / "checkpoint").exists()


def test_curves_of_a_single_evaluation_can_be_seen(run):
    record = record_of(run)
    figure = curves(record["history"][:1], record["floors"])
    single = [line for axes in figure.axes for line in axes.lines if len(line.get_xdata()) == 1]
    assert single
    assert all(line.get_marker() == "o" for line in single)


@pytest.mark.parametrize("selector", ["uniform", "scheduled"])
def test_controls_run_too(folder, tmp_path, selector):
    out = tmp_path / selector
    assert cli.main([str(folder), "--out", str(out), *FLAGS, "--steps", "8", "--selector", selector]) == 0
    last = record_of(out)["history"][-1]
    assert "selector" not in last["held_out"]
    assert (last["training"]["frozen_share"] > 0) == (selector == "scheduled")
    assert "selector" not in load_checkpoint(out / "checkpoint").parts


def make_module(name, tmp_path, dropout=0.0):
    torch.manual_seed(0)
    shape = BackboneConfig(dim=32, layers=2, heads=2, ffn=64, window=64, dropout=dropout)
    selector = build_selector(name, Schedule(), SIZES, shape)
    return Pretraining(
        build_backbone(shape, SIZES), FieldHeads(32, SIZES), selector, FreezeBook(tmp_path, 10_000)
    )


def make_batch(windows=6, length=48, pad=9):
    encoded = [Tokenizer().encode(tune(seed, length)).rows for seed in range(windows)]
    rows = torch.from_numpy(np.stack(encoded).astype(np.int64))
    real = torch.ones(rows.shape[:2], dtype=torch.bool)
    real[::2, length - pad :] = False
    rows[~real] = 0
    return Batch(
        rows, real, torch.arange(windows) * length, torch.arange(windows), 3, True
    ), torch.zeros_like(real)


@pytest.mark.parametrize("name", SELECTORS)
def test_neither_players_loss_reaches_the_other(name, tmp_path):
    module = make_module(name, tmp_path)
    seen = {}
    module.selector.loss = seen_loss(module, seen)
    module.training_step(make_batch(), 0).backward()
    backbone = {n: p.grad.clone() for n, p in module.backbone.named_parameters()}
    assert all(g.abs().sum() > 0 for n, g in backbone.items() if "attention.key.bias" not in n)

    alone = make_module(name, tmp_path)
    alone.selector.loss = lambda scores, recovery, valid: scores.sum() * 0.0
    alone.training_step(make_batch(), 0).backward()
    for n, p in alone.backbone.named_parameters():
        assert torch.equal(p.grad, backbone[n]), n
    if module.selector.learns:
        assert not seen["recovery_has_gradient"]
        assert all(p.grad is None or p.grad.abs().sum() == 0 for p in alone.selector.parameters())
        assert sum(p.grad.abs().sum() for p in module.selector.parameters() if p.grad is not None) > 0


def seen_loss(module, seen):
    original = module.selector.loss

    def loss(scores, recovery, valid):
        seen["recovery_has_gradient"] = recovery.requires_grad
        return original(scores, recovery, valid)

    return loss


@pytest.mark.parametrize("name", SELECTORS)
def test_what_stands_in_padding_never_matters(name, tmp_path):
    losses = []
    for filling in (0, RESERVED + 3):
        module = make_module(name, tmp_path)
        batch, frozen = make_batch()
        rows = batch.rows.clone()
        rows[~batch.real] = filling
        losses.append(module.training_step((batch._replace(rows=rows), frozen), 0))
    assert torch.allclose(losses[0], losses[1], atol=1e-6)


def test_a_step_is_a_function_of_seed_and_step(tmp_path):
    first, second = (make_module("adversarial", tmp_path).training_step(make_batch(), 0) for _ in range(2))
    batch, frozen = make_batch()
    other = make_module("adversarial", tmp_path).training_step((batch._replace(step=4), frozen), 0)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_frozen_rows_are_never_masked_by_the_adversary(tmp_path):
    module = make_module("adversarial", tmp_path)
    batch, frozen = make_batch()
    frozen[:, ::2] = batch.real[:, ::2]
    masked = []
    module.backbone.register_forward_pre_hook(lambda _, args: masked.append(args[0]))
    for step in range(10):
        module.training_step((batch._replace(step=step), frozen), 0)
        changed = (masked[-1] != batch.rows).any(-1)
        assert changed.any()
        assert not (changed & (frozen | ~batch.real)).any()


@pytest.mark.parametrize(("selector", "masks_frozen"), [("adversarial", False), ("scheduled", True)])
def test_a_look_chooses_from_the_rows_that_the_selector_may_mask(selector, masks_frozen, tmp_path):
    module, tokenizer = make_module(selector, tmp_path), Tokenizer()
    rows = tokenizer.encode(tune(0)).rows[:40]
    look = look_at(module, tokenizer, rows, np.ones(len(rows), dtype=bool))
    assert look.chosen.any() == masks_frozen
