"""What `finetune predict` says on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from finetune_helpers import tune

from finetune.cli import main
from symbolic.music.midi.writer import write_midi
from symbolic.predict import files
from symbolic.predict.files import FilePrediction
from symbolic.predict.predictions import NotePredictions


def test_warnings_stand_on_the_terminal_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_midi(tune(1), tmp_path / "song.mid")
    known = files.predict_files

    def warning(*rest: Any) -> Iterator[list[FilePrediction]]:
        for [found] in known(*rest):
            assert isinstance(found.result, NotePredictions)
            yield [replace(found, result=replace(found.result, warnings=("Unlike the training music.",)))]

    monkeypatch.setattr(files, "predict_files", warning)
    assert main(["predict", "key", str(tmp_path / "song.mid"), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert f"warning {tmp_path / 'song.mid'}: Unlike the training music." in said.err
    assert "Unlike" not in said.out
