"""Arms at work in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from finetune.compare import workers
from finetune.compare.cells import Cell
from finetune.compare.workers import work
from finetune.settings import FinetuneSettings
from symbolic.errors import ConfigError


def cell_of(folder: Path, arm: str) -> Cell:
    """A cell of which only name and folder matter."""
    return Cell(arm, "genre", FinetuneSettings(), None, (1.0,), (), 1, str(folder / arm))


def crash(cell: Cell) -> None:
    """In the place of training, in another process."""
    if cell.arm == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if cell.arm == "broken":
        raise ValueError("a bug")
    Path(cell.folder, "memory").write_text(str(os.getpid()))


def test_each_arm_has_a_process_and_a_crash_is_told(tmp_path: Path) -> None:
    told = {
        one.arm: reason
        for one, reason in work([cell_of(tmp_path, arm) for arm in ("killed", "broken", "a", "b")], crash, 2)
    }
    assert "signal 9" in told["killed"]
    assert told["broken"].startswith("ValueError: a bug.")
    assert "Traceback" in (tmp_path / "broken" / "log.txt").read_text()
    assert told["a"] == told["b"] == ""
    numbers = {(tmp_path / arm / "memory").read_text() for arm in "ab"}
    assert len(numbers | {str(os.getpid())}) == 3


def look(cell: Cell) -> None:
    """Tell what stands ready in a process, before anything else is imported there."""
    ready = "finetune.training.run" in sys.modules
    import torch

    found = [ready, torch.get_num_threads(), os.environ.get("A_SETTING"), os.environ.get("PYTHONSAFEPATH")]
    Path(cell.folder, "found.json").write_text(json.dumps(found))


def test_a_process_starts_with_its_libraries_and_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        monkeypatch.setenv("A_SETTING", f"of {threads}")  # changed after the server has begun
        assert [reason for _, reason in work([cell_of(tmp_path, threads)], look, 1)] == [""]
        ready, *others = json.loads((tmp_path / threads / "found.json").read_text())
        assert others == [int(threads), f"of {threads}", None]
        assert ready or not sys.platform.startswith("linux")


def name_ours(cell: Cell) -> None:
    """Tell which of our packages stand ready in a process."""
    Path(cell.folder, "found.json").write_text(json.dumps(["data" in sys.modules]))


def test_a_file_called_as_one_of_our_packages_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text("raise SystemExit('the wrong one')\n")
    code = (
        "import sys\n"
        f"sys.path[:] = [*{[str(Path(__file__).parents[up]) for up in (0, 2, 3)]!r}, *sys.path]\n"
        "from pathlib import Path\n"
        "from finetune.compare import workers\n"
        "from test_compare_workers import cell_of, name_ours\n"
        "workers.PRELOAD = ('data.toolkit.records',)\n"  # all of them take seconds
        "if __name__ == '__main__':\n"
        f"    print(list(workers.work([cell_of(Path({str(tmp_path)!r}), 'a')], name_ours, 1))[0][1] == '')\n"
    )
    (tmp_path / "script").mkdir()
    script = tmp_path / "script" / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["True"], done.stderr
    assert json.loads((tmp_path / "a" / "found.json").read_text())[0]


def test_a_process_that_cannot_start_is_an_error_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start() -> None:
        raise BrokenPipeError(32, "Broken pipe")

    context = SimpleNamespace(Process=lambda **_: SimpleNamespace(start=start))
    monkeypatch.setattr(workers, "_context", lambda: context)
    with pytest.raises(ConfigError, match=r"arm 'a' cannot start .* --parallel 0"):
        list(work([cell_of(tmp_path, "a")], look, 1))


class Unborn:
    """Ends a process that reads what it is to do."""

    def __call__(self, cell: Cell) -> None: ...

    def __reduce__(self) -> tuple[Callable[..., object], tuple[int]]:
        return os._exit, (3,)


def test_why_an_arm_failed_before_is_not_why_it_fails_now(tmp_path: Path) -> None:
    failure = tmp_path / "a" / "failure.json"
    failure.parent.mkdir()
    failure.write_text('{"reason": "of old"}')
    [(_, reason)] = work([cell_of(tmp_path, "a")], Unborn(), 1)
    assert "status 3" in reason
    assert "of old" not in reason


def sleep(cell: Cell) -> None:
    """In the place of a training that takes hours."""
    Path(cell.folder, "pid").write_text(str(os.getpid()))
    time.sleep(600)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux which processes live")
def test_processes_end_with_the_one_that_began_them(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from finetune.compare import workers\n"
        "from test_compare_workers import cell_of, sleep\n"
        "workers.PRELOAD = ()\n"
        "if __name__ == '__main__':\n"
        f"    list(workers.work([cell_of(Path({str(tmp_path)!r}), 'a')], sleep, 1))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    search = os.pathsep.join(
        map(str, (Path(__file__).parent, Path(__file__).parents[2], Path(__file__).parents[3]))
    )
    process = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": search})
    number = tmp_path / "a" / "pid"
    _until(lambda: number.is_file() and number.read_text() != "")
    process.kill()
    process.wait()
    _until(lambda: not _lives(int(number.read_text())))


def _lives(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
