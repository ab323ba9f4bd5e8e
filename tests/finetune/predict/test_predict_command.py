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


def test_several_processes_give_what_one_gives_in_order(tmp_path: Path, capsys: Any) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    for number in range(3):
        write_midi(tune(number), songs / f"{number}.mid")
    (songs / "1b.mid").write_bytes(b"no music")
    found = []
    for jobs in ("1", "2"):
        out = tmp_path / jobs
        assert (
            main(
                ["predict", "key", str(songs), "--out", str(out), "--csv", str(out / "k.csv"), "--jobs", jobs]
            )
            == 0
        )
        shown = capsys.readouterr()
        assert "1b.mid" in shown.err
        found.append(
            (shown.out.replace(str(out), "OUT"), (out / "k.csv").read_bytes(), (out / "2.mid").read_bytes())
        )
    assert found[0] == found[1]
    assert [line.partition(".mid")[0][-1] for line in found[0][0].splitlines()] == ["0", "1", "2"]
