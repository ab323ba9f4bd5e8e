"""Files of states that processes share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finetune.training.draws import mapped


@pytest.mark.parametrize("links", [True, False])
def test_a_file_of_states_appears_whole_and_is_found_again(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("this disk knows no links")

    if not links:
        monkeypatch.setattr("os.link", refuse)
    path = tmp_path / "states.npy"
    first = mapped(path, np.float16, (2, 3))
    assert not first.any()
    first[1, 2] = 5
    assert mapped(path, np.float16, (2, 3))[1, 2] == 5
    assert list(tmp_path.iterdir()) == [path]


def test_of_two_processes_that_begin_at_a_time_both_hold_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "known.npy"
    make = np.lib.format.open_memmap
    other: list[np.memmap] = []

    def slow(*arguments: Any, **more: Any) -> np.memmap:
        if not other:  # between our look for the file and its making
            monkeypatch.undo()
            other.append(mapped(path, np.bool_, (3,)))
        return make(*arguments, **more)

    monkeypatch.setattr(np.lib.format, "open_memmap", slow)
    ours = mapped(path, np.bool_, (3,))
    other[0][1] = True
    assert ours.tolist() == [False, True, False]
    assert list(tmp_path.iterdir()) == [path]
