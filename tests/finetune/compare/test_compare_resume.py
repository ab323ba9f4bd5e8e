"""`finetune compare --resume` reads the settings of its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.toolkit.command import parse
from data.toolkit.runs import begin
from finetune.compare.settings import CompareSettings
from symbolic.errors import ConfigError


def parsed(*words: str) -> CompareSettings:
    made = CompareSettings
    return parse(made.COMMAND, "", made, words, needed=("what",), runs=made.RUNS, command=made.COMMAND)


def test_a_resumed_comparison_has_the_settings_of_its_run(tmp_path: Path) -> None:
    begun = CompareSettings(what=["genre"], methods="lora", seeds=3, root="DATA")
    begin(tmp_path / "out", {"command": CompareSettings.COMMAND, "settings": begun.to_dict()})
    found = parsed("--resume", str(tmp_path / "out"), "--seeds", "4")
    assert (found.what, found.methods, found.root) == (["genre"], "lora", "DATA")
    assert (found.seeds, found.out, found.resume) == (4, str(tmp_path / "out"), True)
    with pytest.raises(ConfigError, match=r"--what was \['genre'\] when .*out began"):
        parsed("emotion", "--resume", str(tmp_path / "out"))
    begin(tmp_path / "other", {"command": "finetune", "settings": {}})
    with pytest.raises(ConfigError, match=r"holds no run of `finetune compare`"):
        parsed("--resume", str(tmp_path / "other"))


def test_a_new_comparison_needs_a_study(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed()
    assert "missing: WHAT" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="Name an experiment file"):
        CompareSettings()
