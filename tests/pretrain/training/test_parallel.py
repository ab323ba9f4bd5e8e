"""Several processes on one machine train the model that one process trains."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from made import write_tunes

from symbolic.storage import read_tensors

FLAGS = [
    "--selector",
    "adversarial",
    "--steps",
    "12",
    "--evaluations",
    "4",
    "--tokens_per_batch",
    "256",
    "--freeze_every",
    "0.5",
    "--jobs",
    "1",
    "--accelerator",
    "cpu",
]
PAIR = ["--devices", "2"]


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    return write_tunes(tmp_path_factory.mktemp("music"), 40)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    # A run of another test in this process may have agreed on a folder.
    inherited = {name: value for name, value in os.environ.items() if name != "COUNTERPOINT_RUN_FOLDER"}
    return {
        **inherited,
        "COUNTERPOINT_CACHE": str(tmp_path_factory.mktemp("cache")),
        "OMP_NUM_THREADS": "1",
    }


def start(music, out, environment, *flags):
    """The command, in a process group of its own, so that all its processes can be killed at once."""
    command = [sys.executable, "-m", "pretrain.cli", str(music), "--out", str(out), *FLAGS, *flags]
    return subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finish(*arguments):
    process = start(*arguments)
    output = process.communicate(timeout=240)[0].decode()
    assert process.returncode == 0, output[-3000:]


def history_of(out):
    return json.loads((out / "record.json").read_text())["history"]


def weights_of(out):
    return read_tensors(out / "checkpoint" / "model.safetensors")


@pytest.fixture(scope="module")
def alone(music, environment, tmp_path_factory):
    """One process that takes both processes' batches, one after the other."""
    out = tmp_path_factory.mktemp("runs") / "alone"
    finish(music, out, environment, "--accumulate", "2")
    return out


@pytest.fixture(scope="module")
def pair(music, environment, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "pair"
    finish(music, out, environment, *PAIR)
    return out


def assert_alike(one, other):
    assert len(history_of(one)) == len(history_of(other)) == 4
    for ours, theirs in zip(history_of(one), history_of(other), strict=True):
        assert ours["training"]["frozen_share"] == theirs["training"]["frozen_share"]
        assert ours["training"]["mask_rate"] == theirs["training"]["mask_rate"]
        for name in ("loss", "selector_loss"):
            assert ours["training"][name] == pytest.approx(theirs["training"][name], rel=1e-4)
        for field, loss in ours["held_out"]["loss"].items():
            assert loss == pytest.approx(theirs["held_out"]["loss"][field], rel=1e-4, abs=1e-5)
    assert history_of(one)[-1]["training"]["frozen_share"] > 0.2
    ours, theirs = weights_of(one), weights_of(other)
    assert set(ours) == set(theirs)
    assert all(torch.allclose(ours[name], theirs[name], rtol=1e-2, atol=1e-4) for name in ours)


def test_a_pair_has_the_losses_of_one_process(alone, pair):
    assert_alike(alone, pair)


def test_weights_that_are_shared_out_have_them_too(alone, music, environment, tmp_path):
    finish(music, tmp_path / "shared", environment, *PAIR, "--strategy", "fsdp")
    assert_alike(alone, tmp_path / "shared")


def test_a_pair_expands_the_model_as_one_process_does(music, environment, tmp_path):
    grown = ["--from", "tiny", "--preset", "mini", "--steps", "4"]
    finish(music, tmp_path / "alone", environment, *grown, "--accumulate", "2")
    finish(music, tmp_path / "pair", environment, *grown, *PAIR)
    assert_alike(tmp_path / "alone", tmp_path / "pair")


def test_a_pair_that_is_killed_resumes_to_the_same_bits(pair, music, environment, tmp_path):
    out = tmp_path / "killed"
    process = start(music, out, environment, *PAIR)
    deadline = time.monotonic() + 120
    while not (out / "state" / "last.ckpt").exists() and process.poll() is None:
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (out / "record.json").exists(), "the run ended before it could be killed"
    finish(music, out, environment, *PAIR, "--resume")
    assert history_of(out) == history_of(pair)
    ours, theirs = weights_of(out), weights_of(pair)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_processes_started_from_outside_must_name_their_folder(music, environment):
    process = subprocess.run(
        [sys.executable, "-m", "pretrain.cli", str(music), *FLAGS, *PAIR],
        env={**environment, "WORLD_SIZE": "2", "RANK": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 2
    assert "--out" in process.stderr
