"""How commands end: terminated, on a full disk, with files refused by the system, with closed pipes."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made import tune
from prepared import script

from data.toolkit.command import guarded
from symbolic.music.midi.writer import write_midi


def raising(error):
    def run(argv):
        raise error

    return run


def test_sigterm_ends_a_command_as_an_interrupt_does(capsys):
    before = signal.getsignal(signal.SIGTERM)
    assert guarded(lambda argv: os.kill(os.getpid(), signal.SIGTERM), []) == 143
    assert "--resume" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before

    def in_training(argv):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            sys.exit(1)  # as Lightning does

    assert guarded(in_training, []) == 143


def test_what_is_tidied_up_is_not_cut_off_by_a_second_sigterm():
    tidied = []

    def run(argv):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            tidied.append(True)

    assert guarded(run, []) == 143
    assert tidied


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x.json"), "x.json: The disk is full"),
        (OSError(errno.EFBIG, "File too large"), "The disk is full"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "labels"), "labels: No such file"),
        (
            PermissionError(errno.EACCES, "Permission denied", "runs"),
            "runs: Permission denied. Check the path",
        ),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "Broken pipe"),
        (MemoryError(), "The memory does not suffice"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "The memory does not suffice"),
    ],
)
def test_what_the_machine_refuses_is_one_sentence_and_status_two(error, said, capsys):
    assert guarded(raising(error), []) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {said}")
    assert err.count("\n") == 1


def test_other_runtime_errors_keep_their_traceback():
    with pytest.raises(RuntimeError):
        guarded(raising(RuntimeError("shapes differ")), [])


def test_names_that_are_no_utf8_are_printed_with_escapes():
    code = "from data.toolkit.command import guarded; guarded(lambda _: print('a\\udcff.mid'), [])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.stdout == b"a\\udcff.mid\n"
    assert done.stderr == b""


def test_a_terminated_preparation_ends_its_workers_at_once(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    for seed in range(40):
        write_midi(tune(seed), folder / f"slow-{seed:02d}.mid")
    (folder / "endless-0.mid").write_bytes((folder / "slow-00.mid").read_bytes())
    child = script(
        tmp_path,
        "import sys",
        "from data.toolkit.command import guarded",
        "from prepared import Moody, run",
        f"def work(argv): run(Moody({str(folder)!r}), {str(tmp_path / 'out')!r}, jobs=2)",
        "if __name__ == '__main__': sys.exit(guarded(work, []))",
    )
    while not list((tmp_path / "out").glob("shard-*.json")):
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.02)
    began = time.monotonic()
    child.terminate()
    said = child.stderr.read()  # ends when the workers have gone
    assert child.wait() == 143
    assert said.startswith("interrupted; prepared music is kept")
    assert time.monotonic() - began < 30, "it waited for the endless file"
