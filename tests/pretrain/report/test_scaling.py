"""Comparison of runs by notes trained on and by computation."""

import json
from pathlib import Path

import pytest
from variants import variants_of_json

from data.toolkit.page import markdown_table
from pretrain import cli
from pretrain.report.scaling import curve_rows, read_curves, scaling_charts
from symbolic.errors import ConfigError
from symbolic.tokens.vocabulary import FIELDS

HOME = Path(__file__).parents[3]


def write(folder, preset="tiny", shards="a", seen=0, **settings):
    """A record of a run with two measurements."""
    folder.mkdir(parents=True)
    history = [
        {
            "step": step,
            "held_out": {
                "loss": {name: loss + place for place, name in enumerate(FIELDS)},
                "accuracy": dict.fromkeys(FIELDS, 1 / (1 + loss)),
            },
        }
        for step, loss in ((10, 2.0), (20, 1.0))
    ]
    record = {
        "history": history,
        "corpus": {"name": "tunes", "shards": shards, "training_pieces": 8, "held_out_windows": 4},
        "parameters": {"backbone": 1000, "heads": 10},
        "settings": {"preset": preset, **settings},
        "from": {"pieces": 5, "weights": "f", "held_out_trained_on": seen}
        if "checkpoint" in settings
        else None,
        "baselines": dict.fromkeys(FIELDS, 0.5),
        "files": {"checkpoint": "checkpoint"},
        "command": "pretrain",
        "time": "2026-01-01",
        "versions": {"torch": "2"},
        "machine": {"cores": 2, "processor": "x86_64"},
    }
    (folder / "record.json").write_text(json.dumps(record))
    return folder


def test_notes_count_batches_of_all_processes(tmp_path):
    run = write(tmp_path / "a", tokens_per_batch=512, devices=2, accumulate=3, selector="uniform")
    [curve] = read_curves([run])
    assert list(curve.notes) == [10 * 512 * 6, 20 * 512 * 6]
    assert curve.work == [6 * 1000 * notes for notes in curve.notes]
    assert list(curve.loss) == [2 + 3.5, 1 + 3.5]
    assert curve.about == "tiny transformer, uniform"


@pytest.mark.parametrize("checkpoint", ["tiny", "models/tiny", "runs/tiny/checkpoint"])
def test_table_and_chart_name_the_checkpoint_of_a_run(checkpoint, tmp_path):
    curves = read_curves([write(tmp_path / "a"), write(tmp_path / "b", "small", checkpoint=checkpoint)])
    assert [row[1] for row in curve_rows(curves)[1]] == [
        "tiny transformer, uniform",
        "small transformer, uniform, from tiny",
    ]
    assert [series["name"] for series in scaling_charts(curves)[0]["series"]] == ["a", "b, from tiny"]


def test_held_out_pieces_that_the_checkpoint_knows_are_named(tmp_path):
    [curve] = read_curves([write(tmp_path / "b", checkpoint="models/own", seen=3)])
    assert curve.origin == ", from own, which was trained on 3 of the held-out pieces"


def test_the_command_prints_a_table_and_draws(tmp_path, capsys):
    runs = [write(tmp_path / name, preset) for name, preset in (("a", "tiny"), ("b", "small"))]
    picture = tmp_path / "new" / "scaling.svg"
    assert cli.main(["scaling", *map(str, runs), "--out", str(picture)]) == 0
    text = capsys.readouterr().out
    assert "| a | tiny transformer, uniform | 1,000 | 40,960 | 2.5e+08 | 4.500 | 50.0 % |" in text
    assert "| b | small transformer" in text
    drawn = picture.read_text()
    assert "<svg" in drawn
    assert len(drawn) > 5000


def test_every_run_has_a_line_in_both_charts(tmp_path):
    curves = read_curves([write(tmp_path / name) for name in "ab"])
    for chart, xs in zip(scaling_charts(curves), (curves[0].notes, curves[0].work), strict=True):
        assert len(chart["series"]) == 2
        scale = chart["series"][0]["x"][0] / xs[0]
        assert chart["series"][0]["x"] == pytest.approx([scale * x for x in xs])
    assert len(curve_rows(curves)[1]) == 2


def test_runs_on_other_music_are_not_compared(tmp_path):
    runs = [write(tmp_path / "a"), write(tmp_path / "b", shards="other")]
    with pytest.raises(ConfigError, match="b: trained on other music than a"):
        read_curves(runs)


def test_the_committed_page_agrees_with_its_records():
    curves = read_curves([HOME / "results" / "pretrain.jsonl"])
    assert len(curves) >= 3
    page = (HOME / "docs" / "scaling.md").read_text(encoding="utf-8").splitlines()
    table = markdown_table(*curve_rows(curves))
    assert [line for line in page if line.startswith("|")][: len(table)] == table


def test_a_picture_of_an_unknown_kind_is_refused(tmp_path, capsys):
    assert cli.main(["scaling", str(write(tmp_path / "a")), "--out", str(tmp_path / "a.bmp")]) == 2
    assert "a.bmp: cannot be drawn" in capsys.readouterr().err


def test_a_folder_without_a_run_is_named(tmp_path, capsys):
    assert cli.main(["scaling", str(tmp_path)]) == 2
    assert "no record of `pretrain`" in capsys.readouterr().err


def test_records_changed_by_hand_are_refused_by_name(tmp_path):
    run = write(tmp_path / "a", checkpoint="tiny")
    refused = 0
    for _, content in list(variants_of_json(json.loads((run / "record.json").read_text())))[::3]:
        (run / "record.json").write_bytes(content)
        try:
            curves = read_curves([run])
        except ConfigError as error:
            refused += "record" in str(error)
        else:
            curve_rows(curves)
            scaling_charts(curves)
    assert refused > 100
