"""One process at a time works in a folder."""

import os
import signal

import pytest

from data.toolkit.locks import LOCK, sole_writer
from symbolic.errors import ConfigError


def test_a_second_process_is_refused_with_the_number_of_the_first(tmp_path):
    folder = tmp_path / "run"
    with (
        sole_writer(folder, wait=False),
        pytest.raises(ConfigError, match=f"Process {os.getpid()} is at work"),
        sole_writer(folder, wait=False),
    ):
        pass
    with sole_writer(folder, wait=False):
        (folder / "settings.json").touch()


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    if (child := os.fork()) == 0:
        with sole_writer(tmp_path, wait=False):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert (tmp_path / LOCK).read_text() == str(child)
    with sole_writer(tmp_path, wait=False):
        assert (tmp_path / LOCK).read_text() == str(os.getpid())


def test_what_was_refused_leaves_no_folder(tmp_path):
    with pytest.raises(ZeroDivisionError), sole_writer(tmp_path / "run", wait=False):
        raise ZeroDivisionError
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigError, match="run cannot be written"),
        sole_writer(tmp_path / "file" / "run", wait=True),
    ):
        pass
