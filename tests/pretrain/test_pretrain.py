"""Pretraining end to end, on a folder of made tunes."""

import errno
import json
import math
import os
import resource
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from forked import begun
from made import tune, write_tunes
from pretrain_helpers import make_module

from data.toolkit.charts import draw_charts
from data.toolkit.failures import explained
from data.toolkit.locks import sole_writer
from pretrain import cli
from pretrain.objective.masked import Objective
from pretrain.report.charts import run_charts
from pretrain.report.inspection import inspect_window
from pretrain.settings import LEARNING_RATES
from pretrain.training.module import PretrainModule
from symbolic.checkpoint.format import load_checkpoint
from symbolic.errors import ConfigError
from symbolic.storage import read_tensors
from symbolic.tokens.tokenizer import Tokenizer

FLAGS = [
    "--selector",
    "adversarial",
    "--mask_low",
    "0.1",
    "--mask_high",
    "0.3",
    "--mask_cap",
    "0.15",
    "--steps",
    "24",
    "--evaluations",
    "6",
    "--tokens_per_batch",
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
    for name in ("curves", "calibration"):
        assert (run / "pictures" / f"{name}.png").stat().st_size > 5000


def test_the_record_holds_the_selectors_measurements(run):
    for entry in record_of(run)["history"]:
        training, selector = entry["training"], entry["held_out"]["selector"]
        assert training["padding_share"] == 0
        assert 0.02 < training["mask_rate"] <= 0.16
        assert 0 < training["learning_rate"] <= LEARNING_RATES["tiny"]
        assert set(training["chosen_loss"]) == set(entry["held_out"]["accuracy"])
        assert {
            "correlation",
            "correlation_even",
            "correlation_odd",
            "entropy",
            "overlap_with_hardest",
        } <= set(selector)
    assert record_of(run)["history"][-1]["training"]["frozen_share"] > 0.05


def kill_when_kept(flags, out):
    """Run in a process of its own, killed as soon as it has a state to go on from."""
    started = begun(cli.main, [*flags, "--out", str(out)])
    deadline = time.monotonic() + 240
    while not (out / "state" / "last.ckpt").exists() and started.is_alive():
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.02)
    started.kill()
    started.join()
    assert not (out / "record.json").exists(), "the run ended before it could be killed"


def assert_same_run(ours, theirs):
    assert record_of(ours)["history"] == record_of(theirs)["history"]
    ours, theirs = (read_tensors(run / "checkpoint" / "model.safetensors") for run in (ours, theirs))
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def assert_resumes(flags, folder):
    """Killed and resumed in one folder, and whole in another, a run is the same."""
    kill_when_kept(flags, folder / "killed")
    assert cli.main([*flags, "--out", str(folder / "killed"), "--resume"]) == 0
    assert cli.main([*flags, "--out", str(folder / "whole")]) == 0
    assert_same_run(folder / "killed", folder / "whole")


def test_a_run_killed_at_any_moment_resumes_to_the_same_bits(folder, run, tmp_path):
    kill_when_kept([str(folder), *FLAGS], tmp_path / "killed")
    assert cli.main([str(folder), "--out", str(tmp_path / "killed"), "--resume", *FLAGS]) == 0
    assert_same_run(tmp_path / "killed", run)


def test_a_killed_run_of_learnability_resumes_to_the_same_bits(folder, tmp_path):
    flags = [str(folder), *FLAGS, "--steps", "8", "--evaluations", "2"]
    flags += ["--selector", "learnability", "--accumulate", "2"]
    assert_resumes(flags, tmp_path)
    slow = read_tensors(tmp_path / "whole" / "checkpoint" / "model.safetensors")
    pairs = [
        (weights, slow[name.replace(".slow.", ".network.")])
        for name, weights in slow.items()
        if ".slow." in name
    ]
    assert any(not torch.equal(behind, ahead) for behind, ahead in pairs)


def test_a_killed_run_of_an_expanded_model_resumes_to_the_same_bits(folder, tmp_path):
    flags = [str(folder), *FLAGS, "--steps", "6", "--evaluations", "2", "--from", "tiny", "--preset", "mini"]
    assert_resumes(flags, tmp_path)


def test_resuming_a_finished_run_changes_nothing(folder, run):
    before = record_of(run)["history"]
    assert cli.main([str(folder), "--out", str(run), "--resume", *FLAGS]) == 0
    assert record_of(run)["history"] == before


def test_a_small_folder_without_validation_holds_pieces_out(tmp_path):
    small = write_tunes(tmp_path / "small", 6, first=100)
    (small / "labels.csv").write_text("file,split\n" + "".join(f"t10{i}.mid,train\n" for i in range(6)))
    out = tmp_path / "run"
    assert cli.main([str(small) + "/", "--out", str(out), *FLAGS, "--steps", "4"]) == 0
    assert record_of(out)["corpus"]["training_pieces"] == 5
    assert record_of(out)["settings"]["data"]["folder"] == str(small)


def test_one_piece_is_too_few(tmp_path, capsys):
    assert cli.main([str(write_tunes(tmp_path / "one", 1)), "--out", str(tmp_path / "run"), *FLAGS]) == 2
    assert "has 1 piece, and none can be trained on" in capsys.readouterr().err


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


BRIEF = [
    "--selector", "uniform", "--steps", "12", "--evaluations", "4", "--tokens_per_batch", "256", "--jobs", "1",
]  # fmt: skip


def state_of(out):
    """What a run would be resumed from."""
    return torch.load(out / "state" / "last.ckpt", weights_only=True)


def test_a_diverged_run_leaves_no_checkpoint(folder, tmp_path, capsys):
    flags = [
        "--steps",
        "12",
        "--evaluations",
        "2",
        "--lr",
        "1e30",
        "--tokens_per_batch",
        "256",
        "--jobs",
        "1",
    ]
    assert cli.main([str(folder), "--out", str(tmp_path / "run"), *flags]) == 2
    assert "--lr" in capsys.readouterr().err
    assert not (tmp_path / "run" / "checkpoint").exists()


def test_a_diverged_run_keeps_its_last_sound_state(folder, tmp_path, capsys, monkeypatch):
    sound = PretrainModule.training_step

    def spoilt(self, batch, batch_idx):
        return sound(self, batch, batch_idx) * (math.nan if self.global_step >= 7 else 1.0)

    monkeypatch.setattr(PretrainModule, "training_step", spoilt)
    assert cli.main([str(folder), "--out", str(tmp_path / "run"), *BRIEF]) == 2
    assert "diverged" in capsys.readouterr().err
    state = state_of(tmp_path / "run")
    assert state["global_step"] == 6
    assert all(weights.isfinite().all() for weights in state["state_dict"].values())
    assert not (tmp_path / "run" / "record.json").exists()


def test_a_full_disk_ends_a_run_with_its_last_state_kept(folder, tmp_path, capsys, monkeypatch):
    """From the second state on, no file may grow to its size, so that writing it breaks off half-way."""
    before, saved = resource.getrlimit(resource.RLIMIT_FSIZE), []
    keep = PretrainModule.on_save_checkpoint

    def filling(self, checkpoint):
        saved.append(self.global_step)
        if len(saved) == 2:
            half = (tmp_path / "run" / "state" / "last.ckpt").stat().st_size // 2
            resource.setrlimit(resource.RLIMIT_FSIZE, (half, before[1]))
        keep(self, checkpoint)

    monkeypatch.setattr(PretrainModule, "on_save_checkpoint", filling)
    try:
        assert cli.main([str(folder), "--out", str(tmp_path / "run"), *BRIEF]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    error = capsys.readouterr().err
    assert "disk is full" in error
    assert "--resume" in error
    assert saved == [3, 6]
    assert state_of(tmp_path / "run")["global_step"] == 3


def test_sigterm_keeps_the_last_state_as_an_interrupt_does(folder, tmp_path, capsys, monkeypatch):
    sound = PretrainModule.training_step

    def terminated(self, batch, batch_idx):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))  # states need no such folder
        if self.global_step == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return sound(self, batch, batch_idx)

    monkeypatch.setattr(PretrainModule, "training_step", terminated)
    assert cli.main([str(folder), "--out", str(tmp_path / "run"), *BRIEF]) == 143
    assert "--resume" in capsys.readouterr().err
    assert state_of(tmp_path / "run")["global_step"] == 6
    monkeypatch.undo()
    (tmp_path / "run" / "state" / "last.ckpt").write_bytes(b"half")
    assert cli.main([str(folder), "--out", str(tmp_path / "run"), "--resume", *BRIEF]) == 2
    assert "last.ckpt is damaged" in capsys.readouterr().err


def test_a_folder_in_use_by_another_process_is_refused(folder, tmp_path, capsys):
    with sole_writer(tmp_path / "run", wait=False):
        assert cli.main([str(folder), "--out", str(tmp_path / "run"), *BRIEF]) == 2
    assert f"Process {os.getpid()} is at work" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_too_little_memory_is_reported_with_a_remedy(error, folder, tmp_path, capsys, monkeypatch):
    def hungry(*_):
        raise error

    monkeypatch.setattr(Objective, "forward", hungry)
    assert cli.main([str(folder), "--out", str(tmp_path / "run"), *BRIEF]) == 2
    said = capsys.readouterr().err
    assert "--tokens_per_batch" in said
    assert "Nothing of the run was saved" in said


def test_other_failures_are_bugs_and_keep_their_traceback(tmp_path):
    state = tmp_path / "last.ckpt"
    for error in (RuntimeError("shapes differ"), OSError(errno.EACCES, "not allowed")):
        with pytest.raises(type(error)), explained(state):
            raise error
    state.touch()
    with pytest.raises(ConfigError, match="Use --resume to continue"), explained(state):
        raise OSError(errno.ENOSPC, "no space")


def test_curves_of_a_single_evaluation_can_be_seen(run):
    record = record_of(run)
    first = {**record, "history": record["history"][:1]}
    figure = draw_charts(*run_charts(first))
    single = [line for axes in figure.axes for line in axes.lines if len(line.get_xdata()) == 1]
    assert single
    assert all(line.get_marker() == "o" for line in single)


@pytest.mark.parametrize("selector", ["uniform", "scheduled"])
def test_controls_run_too(folder, tmp_path, selector):
    out = tmp_path / selector
    assert cli.main([str(folder), "--out", str(out), *BRIEF, "--selector", selector]) == 0
    last = record_of(out)["history"][-1]
    assert "selector" not in last["held_out"]
    assert (last["training"]["frozen_share"] > 0) == (selector == "scheduled")
    assert "selector" not in load_checkpoint(out / "checkpoint").parts


@pytest.mark.parametrize(("selector", "masks_frozen"), [("adversarial", False), ("scheduled", True)])
def test_an_inspection_chooses_only_tokens_that_may_be_masked(selector, masks_frozen, tmp_path):
    module, tokenizer = make_module(tmp_path, selector), Tokenizer()
    tokens = tokenizer.encode(tune(0)).ids[:40]
    inspection = inspect_window(module, tokenizer, tokens, np.ones(len(tokens), dtype=bool))
    assert inspection.chosen.any() == masks_frozen
