"""The command: help on one screen, errors that say what to do, exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from made import write_tunes
from torch import nn

from data.toolkit.command import parse
from pretrain import cli
from pretrain.settings import PretrainSettings
from pretrain.training.building import build_objective
from symbolic.errors import ConfigError
from symbolic.tokens.vocabulary import Vocabulary

HOME = Path(__file__).parents[2]
EXPERIMENTS = sorted((HOME / "pretrain" / "experiments").rglob("*.yaml"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_help_fits_a_screen_and_loads_no_torch():
    code = (
        "import sys\nfrom pretrain import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'lightning', 'music21'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=HOME,
        env={**os.environ, "COLUMNS": "110"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 110
    assert "--selector" in done.stdout


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--preset", "huge"], ["huge", "tiny, mini, small, base"]),
        (["--selector", "best", "--mask_cap", "2"], ["best", "--mask_cap"]),
        (["--lr", "-1", "--epochs", "0"], ["--lr", "--epochs"]),
        (["--precision", "17", "--accelerator", "toaster"], ["--precision", "bf16-mixed", "--accelerator"]),
        (
            ["--unit", "beat", "--network", "huge"],
            ["--unit", "token, field, bar", "--network", "shared_exit"],
        ),
        (["--corruption", "rain", "--auxiliary", "chroma,smell"], ["--corruption", "--auxiliary smell"]),
        (["--accumulate", "0", "--devices", "0", "--ramp", "2"], ["--accumulate", "--devices", "--ramp"]),
        (["nowhere/"], ["nowhere", "not a folder"]),
        (["--corpus", "nothing"], ["nothing", "music21"]),
        (["--corpus", "pop909", "--root", "."], ["pop909", "Get it from"]),
    ],
)
def test_mistakes_are_named_and_end_with_two(argv, said, capsys):
    assert cli.main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    for words in said:
        assert words in error


def test_an_unsupported_unit_is_refused_with_the_choices(tmp_path, capsys):
    folder = write_tunes(tmp_path / "music", 12)
    assert cli.main([str(folder), "--selector", "span", "--unit", "bar", "--jobs", "1"]) == 2
    assert "'span' does not support the unit 'bar'. It supports token" in capsys.readouterr().err


def test_every_committed_experiment_can_be_built():
    assert EXPERIMENTS
    for file in EXPERIMENTS:
        settings = parse("pretrain", "", PretrainSettings, ["--config", str(file)])
        objective = build_objective(settings, Vocabulary().sizes)
        assert objective.selector.name == settings.masking.selector


def test_dropout_of_training_is_not_that_of_the_checkpoint():
    for given, expected in (([], 0.1), (["--dropout", "0"], 0.0)):
        settings = parse("pretrain", "", PretrainSettings, given)
        backbone = build_objective(settings, Vocabulary().sizes).backbone
        dropped = {part.p for part in backbone.modules() if isinstance(part, nn.Dropout)}
        assert dropped == {expected}
        assert backbone.config.dropout == 0.1
    with pytest.raises(ConfigError, match="--dropout"):
        PretrainSettings.of(dropout=1.0)


def test_an_empty_folder_is_refused(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert cli.main([str(tmp_path / "empty")]) == 2
    assert "no music files" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists(), "a run that never began leaves no folder"


def test_an_unknown_flag_ends_with_two(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--stepps", "3"])
    assert end.value.code == 2


def test_another_package_called_data_is_named(tmp_path):
    (tmp_path / "data.py").write_text("raise RuntimeError('not ours')\n")
    code = "import sys; sys.path.append(sys.argv[1]); from pretrain.cli import main; sys.exit(main([]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(HOME)],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "data.py" in done.stderr
    assert "Traceback" not in done.stderr
