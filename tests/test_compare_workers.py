"""Arms at work in processes of their own. Little is imported here, for every process imports it again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from finetune.compare.cells import Cell
from finetune.compare.study import TaskUse
from finetune.compare.workers import work


def crash(cell: Cell) -> None:
    """In the place of training, in another process."""
    if cell.arm == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if cell.arm == "broken":
        raise ValueError("a bug")
    Path(cell.folder, "memory").write_text(str(os.getpid()))


def test_each_arm_has_a_process_and_a_crash_is_told(tmp_path: Path) -> None:
    def cell(arm: str) -> Cell:
        use = TaskUse("genre")
        return Cell(arm, use, None, {}, None, (1.0,), (), 1, str(tmp_path / arm))

    told = {one.arm: reason for one, reason in work(map(cell, ["killed", "broken", "a", "b"]), crash, 2)}
    assert "signal 9" in told["killed"]
    assert told["broken"].startswith("ValueError: a bug.")
    assert "Traceback" in (tmp_path / "broken" / "log.txt").read_text()
    assert told["a"] == told["b"] == ""
    numbers = {(tmp_path / arm / "memory").read_text() for arm in "ab"}
    assert len(numbers | {str(os.getpid())}) == 3
