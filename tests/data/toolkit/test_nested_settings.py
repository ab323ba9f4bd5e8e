"""Nested settings: one declaration for Python, flags, YAML and records; runs that are resumed."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from data.toolkit.command import guarded, parse
from data.toolkit.runs import begin
from data.toolkit.settings import Group, Settings, flatten, group, leaves, setting
from finetune.settings import FinetuneSettings
from pretrain.settings import PretrainSettings, TrainingSettings
from symbolic.errors import ConfigError

HOME = Path(__file__).parents[3]


@dataclass(kw_only=True)
class Oven(Group):
    """How to bake."""

    heat: float = setting(180.0, "degrees", within="(0, 300]")
    fan: bool = setting(False, "with the fan")
    shelf: str | None = setting(None, "where", choices=("top", "middle"), flag="at")


@dataclass(kw_only=True)
class Place(Group):
    """Where it is written."""

    out: str | None = setting(None, "folder", free=True)
    resume: bool = setting(False, "go on", free=True)


@dataclass(kw_only=True)
class Bake(Settings):
    """A cake."""

    oven: Oven = group(Oven)
    run: Place = group(Place)


def parsed(*argv, runs=None):
    return parse("bake", "", Bake, argv, runs=runs)


def test_groups_leaves_flags_and_yaml_make_the_same_settings(tmp_path):
    wanted = Bake(oven=Oven(heat=200, shelf="top"))
    nested, flat = tmp_path / "nested.yaml", tmp_path / "flat.yaml"
    nested.write_text("oven: {heat: 2e2, at: top}\n")
    flat.write_text("heat: 200\nshelf: top\n")
    assert Bake.of(heat="200", shelf="top") == Bake.from_dict(wanted.to_dict()) == wanted
    assert parsed("--heat", "200", "--at", "top") == wanted
    assert parsed("--config", str(nested)) == parsed("--config", str(flat)) == wanted
    assert parsed("--heat", "150", "--config", str(flat)).oven.heat == 150
    assert wanted.having(fan=True).to_dict()["oven"] == {"heat": 200, "fan": True, "shelf": "top"}


def test_the_identity_leaves_out_free_settings():
    assert (
        Bake.of(out="x").identity == Bake().identity == {"oven": {"heat": 180, "fan": False, "shelf": None}}
    )
    assert flatten(Bake().identity) == {"heat": 180, "fan": False, "shelf": None}


def test_mistakes_of_all_groups_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        Bake(oven=Oven(heat=400, shelf="tob"))
    assert "--heat 400: must lie in (0, 300]" in str(caught.value)
    assert "--at tob: did you mean 'top'?" in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        Bake.of(heat="hot", fann=True)
    assert "--heat hot: must be a number" in str(caught.value)
    assert "'fann'; did you mean 'fan'?" in str(caught.value)


def test_an_unknown_flag_names_the_one_that_was_meant(capsys):
    with pytest.raises(SystemExit):
        parsed("--heet", "3")
    assert "did you mean '--heat'?" in capsys.readouterr().err


def test_a_resumed_run_keeps_settings_not_given_again(tmp_path):
    run = tmp_path / "runs" / "cake"
    begin(run, {"command": "bake", "settings": Bake.of(heat=210, fan=True).to_dict()})
    for argv in (
        ["--resume", str(run)],
        ["--resume", "--out", str(run), "--fan"],
        ["--resume", "--heat", "210"],
    ):
        found = parsed(*argv, runs=tmp_path / "runs")
        assert (found.oven.heat, found.oven.fan, found.run.out, found.run.resume) == (
            210,
            True,
            str(run),
            True,
        )
    with pytest.raises(ConfigError, match=r"--heat was 210.0 when .* and is 150.0 now"):
        parsed("--resume", str(run), "--heat", "150", runs=tmp_path / "runs")
    assert parsed("--resume", "--heat", "150", runs=tmp_path / "runs").run.out is None


def test_a_run_of_another_release_is_passed_over_or_named(tmp_path):
    runs = tmp_path / "runs"
    begin(runs / "cake", {"command": "bake", "settings": Bake.of(heat=210).to_dict()})
    begin(runs / "old", {"command": "bake", "settings": {"steam": True}})
    assert parsed("--resume", runs=runs).run.out == str(runs / "cake")
    with pytest.raises(ConfigError, match=r"old: .*'steam'"):
        parsed("--resume", str(runs / "old"), runs=runs)


def test_only_a_run_of_the_same_command_is_resumed(tmp_path, capsys):
    begin(tmp_path / "x", {"command": "fry", "settings": {}})
    with pytest.raises(ConfigError, match="holds no run of `bake`"):
        parsed("--resume", str(tmp_path / "x"), runs=tmp_path)
    with pytest.raises(SystemExit):
        parsed("--resume", str(tmp_path / "nothing"), runs=tmp_path)
    assert "holds no run" in capsys.readouterr().err


@pytest.mark.parametrize("settings", [PretrainSettings, FinetuneSettings])
def test_leaves_are_unique_and_seeds_have_a_bound(settings):
    assert leaves(settings)["seed"].group == "training"
    with pytest.raises(ConfigError, match=r"--seed .*: must lie in"):
        settings.of(seed=2**70)
    assert settings.from_dict(settings().to_dict()) == settings()


def test_python_settings_are_built_from_groups():
    assert PretrainSettings(training=TrainingSettings(lr=0.1)).learning_rate == 0.1


def test_an_option_may_be_a_mapping_in_yaml():
    found = FinetuneSettings.of(method="lora", options={"scale": 2, "targets": ["query", "value"]})
    assert found.adapter.options == "scale=2,targets=[query,value]"


@pytest.mark.parametrize(
    ("module", "argv"),
    [
        ("pretrain", ["nosuch/"]),
        ("pretrain", ["--from", "nosuch"]),
        ("finetune", ["melody", "--from", "nosuch"]),
        ("finetune", ["predict", "nosuch", "song.mid"]),
    ],
)
def test_what_does_not_exist_is_refused_before_torch_is_imported(module, argv):
    code = (
        f"import sys; from {module}.cli import main; assert main({argv}) == 2\n"
        "assert not {'torch', 'lightning'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=HOME)
    assert done.returncode == 0, done.stderr
    assert "nosuch" in done.stderr


def test_the_version_is_printed(capsys):
    assert guarded(lambda argv: None, ["--version"]) == 0
    assert capsys.readouterr().out.startswith("counterpoint-smu")
