"""`finetune embed` and `finetune similar`."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from made import write_tunes

from finetune import cli


@pytest.fixture
def tunes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tunes(tmp_path / "tunes", 3)
    (tmp_path / "tunes" / "bad.mid").write_bytes(b"nothing")


def test_a_table_has_a_row_for_each_file_that_is_read(tunes, capsys, tmp_path):
    assert cli.main(["embed", "tunes", "--inputs", "relations,features", "--out", "deep/x.csv"]) == 0
    told = capsys.readouterr()
    assert "3 files, 396 numbers each" in told.out
    assert "bad.mid" in told.err
    rows = list(csv.DictReader((tmp_path / "deep" / "x.csv").read_text().splitlines()))
    assert [row["midi_file"] for row in rows] == ["t000.mid", "t001.mid", "t002.mid"]
    assert cli.main(["embed", "tunes", "--inputs", "relations,features", "--out", "x.npz"]) == 0
    saved = np.load("x.npz")
    assert saved["values"].shape == (3, 396)
    assert (
        float(rows[1]["degree_major_0"]) == saved["values"][1, list(saved["columns"]).index("degree_major_0")]
    )


def test_parquet_has_the_columns_that_benchmarks_read(tunes):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert cli.main(["embed", "tunes", "--inputs", "features", "--out", "x.parquet"]) == 0
    assert parquet.read_table("x.parquet").column_names[0] == "midi_file"


def test_neighbours_are_printed_and_written_as_a_page(tunes, capsys, tmp_path):
    assert cli.main(["similar", "tunes", "--inputs", "features", "--most", "1"]) == 0
    assert "t001.mid" in capsys.readouterr().out
    assert "cosine" in (tmp_path / "similar.html").read_text()


def test_what_does_not_exist_is_refused(tunes, capsys):
    assert cli.main(["embed", "tunes", "--inputs", "smell", "--out", "x.txt"]) == 2
    told = capsys.readouterr().err
    assert "--inputs smell" in told
    assert "--out x.txt: must end in .parquet, .csv, .npz" in told
    assert cli.main(["similar", "tunes/t000.mid", "--inputs", "features"]) == 2
    assert "two files or more" in capsys.readouterr().err
