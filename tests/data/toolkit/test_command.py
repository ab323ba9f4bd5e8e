"""Flags, YAML and help from a dataclass; errors as messages and exit codes."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from data.toolkit import settings as toolkit
from data.toolkit.command import guarded, parse
from data.toolkit.settings import setting
from symbolic.errors import ConfigError


@dataclass
class Settings(toolkit.Settings):
    """Some of everything."""

    files: list[str] = setting(..., "what to read", positional=True)
    checkpoint: str | None = setting(None, "where to start", flag="from")
    rate: float = setting(0.5, "how fast")
    steps: int = setting(0, "how long")
    resume: bool = setting(False, "go on")
    patience: int = setting(3, "for how long", rare=True)

    def __post_init__(self):
        if self.rate <= 0:
            raise ConfigError("--rate: must be positive.")


def parsed(*argv):
    return parse("try", "Try it.", Settings, argv, "examples:\n  try a.mid\n  try b.mid")


def test_defaults_flags_and_a_flag_of_another_name():
    assert parsed("a.mid", "b.mid") == Settings(["a.mid", "b.mid"])
    assert parsed("a", "--from", "x", "--rate", "2", "--resume") == Settings(["a"], "x", 2.0, 0, True)


def test_yaml_sets_and_flags_overrule_it(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("from: y\nrate: 0.25\nresume: true\n")
    assert parsed("a", "--config", str(file)) == Settings(["a"], "y", 0.25, 0, True)
    assert parsed("a", "--config", str(file), "--rate", "3").rate == 3


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "FILES"),
        (["a", "--rate", "fast"], "rate"),
        (["a", "--ratee", "1"], "ratee"),
        (["a", "--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_usage_errors_name_the_flag_and_end_with_two(argv, said, capsys):
    with pytest.raises(SystemExit) as end:
        parsed(*argv)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_a_setting_in_yaml_that_does_not_exist_is_refused(tmp_path, capsys):
    file = tmp_path / "settings.yaml"
    file.write_text("sped: 3\n")
    with pytest.raises(SystemExit):
        parsed("a", "--config", str(file))
    assert "sped" in capsys.readouterr().err


def test_help_shows_defaults_and_keeps_examples_as_written(capsys):
    with pytest.raises(SystemExit) as end:
        parsed("--help")
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert "[0.5]" in text
    assert "[0]" in text
    assert "[None]" not in text
    assert "FILES..." in text
    assert "  try a.mid\n  try b.mid" in text


def test_rare_settings_are_left_to_the_full_help(capsys):
    for flag in ("--help", "--help_all"):
        with pytest.raises(SystemExit):
            parsed(flag)
    short, full = capsys.readouterr().out.split("usage:")[1:]
    assert "for how long" not in short
    assert "--help_all" in short
    assert "show 1 more: patience" in short
    assert "--patience N" in full
    assert parsed("a", "--patience", "9").patience == 9


def test_what_a_class_shares_with_others_comes_after_its_own(capsys):
    @dataclass(kw_only=True)
    class Further(Settings):
        """One more in a group that the base has too."""

        depth: int = setting(1, "how deep")

    with pytest.raises(SystemExit):
        parse("try", "", Further, ["--help"])
    text = capsys.readouterr().out
    assert text.index("--depth") < text.index("--rate")


def test_what_a_user_can_mend_becomes_a_message(capsys):
    def fail(argv):
        raise ConfigError(["one thing", "another"])

    assert guarded(fail, []) == 2
    assert capsys.readouterr().err == "error: - one thing\n- another\n"
    assert guarded(lambda argv: None, []) == 0

    def stop(argv):
        raise KeyboardInterrupt

    assert guarded(stop, []) == 130

    def stop_in_training(argv):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise SystemExit(1)  # noqa: B904 - as Lightning does

    assert guarded(stop_in_training, []) == 130
    assert "--resume" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        guarded(lambda argv: sys.exit(3), [])


def test_our_own_bugs_keep_their_traceback():
    def bug(argv):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        guarded(bug, [])


def test_a_reader_that_has_seen_enough_is_no_error():
    code = "import sys; from data.cli import main; sys.exit(main(['--json']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()  # as `| head` does
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 0
