"""Downstream evaluation of pretraining settings."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from data.toolkit.page import markdown_table
from experiments.downstream import control_of, evaluate, gather, ranked, result_picture, result_rows
from finetune.tasks.metrics import pack_counts
from symbolic.errors import ConfigError
from symbolic.tokens.vocabulary import FIELDS

HOME = Path(__file__).parents[2]
EXPERIMENTS = HOME / "pretrain" / "experiments"


def counts(right, groups=40, each=10):
    """(1, G, 2, 2) counts with `right` of every ten notes right."""
    one = np.array([[right, each - right], [0, each]])
    return np.broadcast_to(one, (1, groups, 2, 2)).copy()


def write(folder, setting, seed, right, loss=1.0, tasks=("melody",), test_right=0, correlation=None):
    """Records of one run of a sweep; without a loss, of one that was not pretrained."""
    place = folder / f"{setting}-{seed}"
    task = {"valid_counts": pack_counts(counts(right)), "test_counts": pack_counts(counts(test_right))}
    records = dict.fromkeys(tasks, task)
    if loss is not None:
        measured = [{"loss": dict.fromkeys(FIELDS, value), "accuracy": {}} for value in (9 * loss, loss)]
        measured[1] |= {"selector": {"correlation": correlation}} if correlation else {}
        history = [{"step": 1, "held_out": one} for one in measured]
        records["pretrain"] = {"history": history, "command": "pretrain --out /somewhere/x"}
    for name, record in records.items():
        (place / name).mkdir(parents=True)
        (place / name / "record.json").write_text(json.dumps(record))
    return place


def test_settings_are_ranked_by_their_gain_over_the_control(tmp_path):
    for seed in range(3):
        # On the test side the order is the reverse, and has no say.
        write(tmp_path, "worse", seed, 4, loss=0.5, test_right=10)
        write(tmp_path, "uniform-30", seed, 5 + seed % 2, loss=1.0)
        write(tmp_path, "better", seed, 8 + seed % 2, loss=2.0, correlation=0.5 + seed)
    runs = gather(tmp_path, ["melody"])
    assert runs[0]["command"] == "pretrain --out x"
    settings = ranked(evaluate(runs), "uniform-30")
    assert [one.name for one in settings] == ["better", "uniform-30", "worse"]
    assert settings[0].scores("melody") == pytest.approx([90, 95, 90])
    header, rows = result_rows(settings, "uniform-30")
    assert header == ["setting", "seeds", "held-out loss", "score and loss", "melody, above uniform-30"]
    # Seeds are paired: every one of them gains three rights in twenty, so the interval has no width.
    assert rows[0] == ["better", "3", "2.00 ± 0.00", "1.50 ± 1.00", "91.7 ± 2.9; +15.0 (+15.0 to +15.0)"]
    assert rows[1][4] == "76.7 ± 2.9"
    assert rows[2][4].startswith("70.0 ± 0.0; -6.7 (-10.0 to -5.0)")


def test_common_seeds_are_paired_and_all_are_averaged(tmp_path):
    write(tmp_path, "a", 0, 2)
    write(tmp_path, "a", 1, 6)
    write(tmp_path, "b", 1, 7)
    a, b = sorted(evaluate(gather(tmp_path, ["melody"])), key=lambda one: one.name)
    assert a.scores("melody") == [60, 80]
    assert b.above(a, "melody").mean == pytest.approx(5)
    # The lucky seed alone puts b's 85 % above a's 70: of the 15 points only 5 are its own.
    assert [one.name for one in ranked([a, b], "a")] == ["b", "a"]
    assert result_rows([a, b], "a")[1][0][-1].startswith("85.0; +5.0 (")
    write(tmp_path, "c", 4, 7)
    c = next(one for one in evaluate(gather(tmp_path, ["melody"])) if one.name == "c")
    with pytest.raises(ConfigError, match="c and b have no seed in common"):
        c.above(b, "melody")


def test_a_run_without_a_task_is_left_out(tmp_path):
    write(tmp_path, "a", 0, 2, tasks=("melody", "emotion"))
    write(tmp_path, "b", 0, 2)
    write(tmp_path, "none", 0, 2, loss=None, tasks=("melody", "emotion"))
    (tmp_path / "sweep.json").write_text("{}")
    assert [run["setting"] for run in gather(tmp_path, ["melody", "emotion"])] == ["a", "none"]
    _, rows = result_rows(evaluate(gather(tmp_path, ["melody", "emotion"])), "a")
    assert [row[2] for row in rows] == ["1.00", ""]


def test_a_control_without_runs_is_named(tmp_path):
    write(tmp_path, "a", 0, 2)
    with pytest.raises(ConfigError, match=r"uniform-30 has no runs.*one of: a\."):
        control_of(evaluate(gather(tmp_path, ["melody"])), "uniform-30")
    with pytest.raises(ConfigError, match="none yet"):
        control_of([], "uniform-30")


def test_records_without_validation_counts_are_refused(tmp_path):
    place = write(tmp_path, "a", 0, 2)
    (place / "melody" / "record.json").write_text('{"test_counts": {}}')
    with pytest.raises(ConfigError, match="finetune"):
        gather(tmp_path, ["melody"])


def test_the_picture_has_a_panel_a_task_and_a_line_a_setting(tmp_path):
    for seed in range(2):
        for place, name in enumerate(("a", "b", "c")):
            write(tmp_path, name, seed, 3 + place + seed, tasks=("melody", "emotion"))
    settings = evaluate(gather(tmp_path, ["melody", "emotion"]))
    figure = result_picture(settings, "a")
    assert [axes.get_title() for axes in figure.axes] == ["melody", "emotion"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["b", "c"]
    assert figure.axes[0].lines[1].get_xdata()[0] == pytest.approx(5)


@pytest.fixture
def sweep(monkeypatch):
    """The program, whose commands are noted and write what `write` does."""
    found = importlib.util.spec_from_file_location("sweep", HOME / "experiments" / "sweep.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    module.commands = []

    def run(name, arguments, out, end):
        module.commands.append([name, *arguments])
        if name == "finetune.cli" and out.name == "melody":
            place, seed = out.parent.name.rsplit("-", 1)
            write(out.parents[1], place, int(seed), 5, loss=None if place == "none" else 1.0)

    monkeypatch.setattr(module, "_run", run)
    return module


def test_a_sweep_pretrains_once_and_evaluates_every_task(sweep, tmp_path, monkeypatch, capsys):
    words = ["selectors", "--only", "none,uniform-30", "--tasks", "melody", "--seeds", "2", "--from", "tiny"]
    monkeypatch.setattr(sys, "argv", ["sweep.py", *words, "--out", str(tmp_path), "--", "--steps", "7"])
    assert sweep.main() == 0
    pretrained = [command for command in sweep.commands if command[0] == "pretrain.cli"]
    assert len(pretrained) == 2
    assert pretrained[0][-6:] == [
        "--from",
        "tiny",
        "--steps",
        "7",
        "--out",
        str(tmp_path / "uniform-30-0" / "pretrain"),
    ]
    starts = [command[3] for command in sweep.commands if command[:2] == ["finetune.cli", "melody"]]
    assert starts == ["tiny", pretrained[0][-1], "tiny", pretrained[1][-1]]
    shown = capsys.readouterr().out
    assert "| uniform-30 | 2 | 1.00 ± 0.00 |  | 75.0 ± 0.0 |" in shown
    assert (tmp_path / "sweep.png").stat().st_size > 5000
    # What was kept shows the same again.
    monkeypatch.setattr(sys, "argv", ["sweep.py", str(tmp_path / "sweep.json"), "--out", str(tmp_path)])
    assert sweep.main() == 0
    assert capsys.readouterr().out == shown


def test_without_a_checkpoint_the_control_is_from_scratch(sweep, tmp_path, monkeypatch):
    words = ["selectors", "--only", "none,bar", "--tasks", "melody", "--seeds", "1", "--control", "none"]
    monkeypatch.setattr(sys, "argv", ["sweep.py", *words, "--out", str(tmp_path)])
    assert sweep.main() == 0
    assert sweep.commands[0][:4] == ["finetune.cli", "melody", "--from", "scratch"]
    assert "--from" not in sweep.commands[1]


def test_a_stopped_sweep_shows_what_it_has(sweep, tmp_path, monkeypatch, capsys):
    words = ["selectors", "--only", "bar", "--tasks", "melody", "--seeds", "1", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["sweep.py", *words])
    assert sweep.main() == 0
    assert "uniform-30 has no runs" in " ".join(capsys.readouterr().out.split())
    assert [run["setting"] for run in json.loads((tmp_path / "sweep.json").read_text())["runs"]] == ["bar"]


SWEEPS = sorted((HOME / "results" / "sweeps").glob("*.json"))


def test_sweeps_are_committed():
    assert len(SWEEPS) >= 2


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_committed_page_agrees_with_its_sweep(path):
    sweep = json.loads(path.read_text(encoding="utf-8"))
    table = markdown_table(*result_rows(evaluate(sweep["runs"]), sweep["control"]))
    page = (HOME / "docs" / "selectors.md").read_text(encoding="utf-8")
    assert "\n".join(table) in page
    assert f"({path.stem}.png)" in page


def test_an_unknown_task_is_refused(sweep, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sweep.py", "selectors", "--tasks", "melody,beauty"])
    with pytest.raises(SystemExit):
        sweep.main()
    assert "--tasks beauty: choose among melody" in capsys.readouterr().err
