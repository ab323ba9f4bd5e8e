"""States of training are whole in their own folder, whatever the folder for temporary files is."""

import os
import signal
import tempfile

import pytest
import torch

from data.toolkit.states import StateFiles, read_state
from symbolic.errors import CheckpointError


def state(step):
    return {
        "global_step": step,
        "state_dict": {"weight": torch.full((64, 64), float(step))},
        "counterpoint": {},
    }


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A saved state, with a folder for temporary files that nobody may use."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    StateFiles().save_checkpoint(state(1), tmp_path / "run" / "last.ckpt")
    return tmp_path / "run" / "last.ckpt"


def test_a_state_needs_no_folder_for_temporary_files(path):
    assert read_state(path)["global_step"] == 1
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_a_process_killed_in_mid_write_leaves_the_old_state(path):
    if (child := os.fork()) == 0:
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        StateFiles().save_checkpoint(state(2), path)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert len(list(path.parent.iterdir())) == 2, "a part is there"
    assert read_state(path)["global_step"] == 1
    StateFiles().save_checkpoint(state(3), path)
    assert read_state(path)["global_step"] == 3
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"], "the part is gone"


@pytest.mark.parametrize("damage", ["cut off", "other bytes", "text", "empty", "other content"])
def test_a_damaged_state_is_refused_by_name(path, damage):
    content = path.read_bytes()
    middle = len(content) // 2
    spoilt = {
        "cut off": content[:middle],
        "other bytes": content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :],
        "text": b"hello",
        "empty": b"",
        "other content": content,
    }
    path.write_bytes(spoilt[damage])
    if damage == "other content":
        torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"last\.ckpt is damaged .* delete it: --resume"):
        read_state(path)
