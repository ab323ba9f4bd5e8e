"""Cells of CSV are no formulas, whatever files and classes are called."""

import csv
from types import SimpleNamespace

from symbolic.predict.files import FilePrediction
from symbolic.predict.predictions import PiecePrediction
from symbolic.predict.writers import CsvPieces


def test_no_cell_begins_a_formula(tmp_path):
    found = PiecePrediction({"=1+1": 0.75, "@b, c": 0.25}, task="x")
    found.to_csv(tmp_path / "one.csv")
    table = CsvPieces(tmp_path / "all.csv", [SimpleNamespace(name="x", piece_classes=("=1+1", "@b, c"))])
    table.add([FilePrediction("-2.mid", "x", found)])
    table.close()
    with (tmp_path / "one.csv").open(newline="") as one, (tmp_path / "all.csv").open(newline="") as every:
        assert list(csv.reader(one))[1:] == [["'=1+1", "0.750000"], ["'@b, c", "0.250000"]]
        assert list(csv.reader(every)) == [
            ["file", "prediction", "'=1+1", "'@b, c"],
            ["'-2.mid", "'=1+1", "0.750000", "0.250000"],
        ]
