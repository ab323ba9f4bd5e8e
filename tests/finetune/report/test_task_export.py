"""A task's run handed on: the same answers, without the model that comes along, and a card that tells its scores."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetune_helpers import nano_checkpoint, tune, write_folder

from finetune.cli import main
from finetune.training.record import portable
from symbolic.checkpoint.bundled import MODELS
from symbolic.checkpoint.format import load_checkpoint, save_checkpoint
from symbolic.checkpoint.licence import UNRECORDED, Stage, licence_of
from symbolic.errors import CheckpointError, ConfigError
from symbolic.predict.loading import load, load_predictors
from symbolic.storage import read_tensors
from symbolic.tokens.tokenizer import Tokenizer

RUN = ["--epochs", "0.5", "--tokens_per_batch", "1024", "--jobs", "0", "--accelerator", "cpu"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs 'whole', of a backbone of its own; 'lora' and 'probe', on bundled models; and their records."""
    base = tmp_path_factory.mktemp("export")
    folder, nano = str(write_folder(base / "tunes")), str(nano_checkpoint(base / "nano"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERPOINT_CACHE", str(base / "cache"))
        note = ["note", folder, "--tracks", "MELODY,PIANO", *RUN]
        dances = ["sequence", folder, *RUN, "--from", "tiny-conformer"]
        assert main([*note, "--from", nano, "--out", str(base / "whole")]) == 0
        assert main([*note, "--from", "tiny", "--method", "lora", "--out", str(base / "lora")]) == 0
        assert main([*dances, "--method", "probe", "--out", str(base / "probe")]) == 0
        yield base


def exported(run: Path, out: Path, *flags: str) -> Path:
    assert main(["export", str(run), str(out), *flags]) == 0
    return out


@pytest.mark.parametrize("name", ["whole", "lora", "probe"])
def test_it_answers_as_the_run_does(name: str, runs: Path, tmp_path: Path) -> None:
    out = exported(runs / name, tmp_path / "model")
    ours, theirs = (load(path)(tune(100)) for path in (out, runs / name))
    if name == "probe":
        assert ours.probabilities == theirs.probabilities
    else:
        np.testing.assert_array_equal(ours.classes, theirs.classes)
        np.testing.assert_array_equal(ours.confidence, theirs.confidence)


def test_what_was_made_on_a_model_that_comes_along_leaves_it_out(runs: Path, tmp_path: Path) -> None:
    whole, lora, probe = (
        exported(runs / name, tmp_path / f"my-{name}") for name in ("whole", "lora", "probe")
    )
    parts = [
        {name.partition(".")[0] for name in read_tensors(path / "model.safetensors")}
        for path in (whole, lora, probe)
    ]
    assert parts == [{"backbone", "heads"}, {"heads"}, {"probe"}]
    assert [load_checkpoint(path).base["model"] for path in (lora, probe)] == ["tiny", "tiny-conformer"]
    assert sum(file.stat().st_size for file in lora.iterdir() if file.suffix == ".safetensors") < 0.3e6
    # Two of them still share one backbone.
    adapter_sets = {id(one.adapter_set) for one in load_predictors([lora, runs / "lora"])}
    assert len(adapter_sets) == 1


def test_the_card_shows_scores_baselines_and_usage(runs: Path, tmp_path: Path) -> None:
    out = exported(runs / "lora", tmp_path / "tops", "--licence", "MIT")
    card = (out / "README.md").read_text(encoding="utf-8")
    test = json.loads((runs / "lora" / "record.json").read_text())["test"]["accuracy"]["mean"]
    assert card.startswith("---\nlicense: cc-by-4.0\n")
    assert "\n---\n\n# tops\n" in card
    assert f"| lora, from tiny, 1 seed | {100 * test:.1f} |" in card
    assert "| majority class |" in card
    assert "```\nfinetune predict tops song.mid\n" in card
    assert "Trained by `lora` from `tiny`, which is bundled;" in card
    assert "\n## Licence\n\nCC BY 4.0. All its sources allow any use that names them." in card
    assert "| tops | fine-tuning | folder (MIT) |" in card
    assert str(tmp_path) not in card
    assert str(runs) not in card


def test_scores_on_other_music_are_those_of_this_run(runs: Path, tmp_path: Path) -> None:
    record = json.loads((runs / "lora" / "record.json").read_text())
    for run in ("lora", "another"):
        origin = {"command": "finetune", "machine": record["machine"]}
        trained_on = {"from": "note", "run": run, "budget": 1, "title": "", **origin}
        moved = {**portable(record), "transfer": trained_on}
        moved["task"] = {**record["task"], "title": f"Music of {run}"}
        folder = tmp_path / "results" / run
        folder.mkdir(parents=True)
        (folder / "record.json").write_text(json.dumps(moved))
    flags = ["--scores", str(tmp_path / "results")]
    card = (exported(runs / "lora", tmp_path / "m", *flags) / "README.md").read_text(encoding="utf-8")
    assert "On other test pieces: Music of lora." in card
    assert "Music of another" not in card


@pytest.mark.parametrize(
    ("name", "line", "title"),
    [
        ("whole", None, "unstated"),
        ("whole", "MIT", "unstated"),  # the music of its backbone is not recorded
        ("lora", None, "unstated"),
        ("lora", "CC0 1.0", "CC BY 4.0"),
        ("probe", "mine", "mine"),
    ],
)
def test_a_child_is_never_freer_than_its_music(
    name: str, line: str | None, title: str, runs: Path, tmp_path: Path
) -> None:
    out = exported(runs / name, tmp_path / "child", *(["--licence", line] if line else []))
    chain = load_checkpoint(out).chain
    bases = {"lora": "tiny", "probe": "tiny-conformer"}
    parent = load_checkpoint(bases[name]).chain if name in bases else (Stage("nano", UNRECORDED),)
    assert chain[:-1] == parent
    assert (chain[-1].model, chain[-1].sources[0].name) == ("child", "folder")
    assert licence_of(chain).title == title
    assert f"licence {title}" in repr(load(out))
    assert parent[0].model in (out / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert ("have no licence" in (out / "LICENSE").read_text(encoding="utf-8")) == (title == "unstated")


def test_terms_of_known_corpora_cannot_be_stated_anew(runs: Path, tmp_path: Path, capsys: Any) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs / "probe", run)
    for config in run.glob("*/checkpoint/config.json"):
        values = json.loads(config.read_text())
        values["chain"][-1]["sources"][0] |= {
            "name": "emopia",
            "licence": "CC BY-NC-SA 4.0",
            "spdx": "CC-BY-NC-SA-4.0",
        }
        config.write_text(json.dumps(values))
    assert main(["export", str(run), str(tmp_path / "out"), "--licence", "MIT"]) == 2
    assert "the licence follows from them" in capsys.readouterr().err


def test_a_run_without_a_chain_gets_one_from_its_record(runs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs / "probe", run)
    for config in run.glob("*/checkpoint/config.json"):
        values = json.loads(config.read_text())
        del values["chain"]
        config.write_text(json.dumps(values))
    chains = [load_checkpoint(exported(one, tmp_path / "m")).chain for one in (run, runs / "probe")]
    ours, theirs = ([(stage.model, stage.kind, stage.sources) for stage in chain] for chain in chains)
    assert ours[:-1] == theirs[:-1]
    assert ours[-1][2] == tuple(replace(one, notes=0) for one in theirs[-1][2])


def test_another_base_than_it_was_made_on_is_refused(runs: Path, tmp_path: Path) -> None:
    out = exported(runs / "lora", tmp_path / "model")
    config = json.loads((out / "config.json").read_text())
    for base, said in (
        ({"model": "tiny", "weights": "0"}, "made on another model 'tiny'"),
        ({"model": "gigantic", "weights": "0"}, r"'gigantic', which is not bundled.*\btiny\b"),
    ):
        (out / "config.json").write_text(json.dumps({**config, "base": base}))
        with pytest.raises(CheckpointError, match=said):
            load_checkpoint(out).build_backbone()


def test_a_folder_named_like_a_model_is_not_taken_for_it(runs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs / "probe", run)
    record = json.loads((run / "record.json").read_text())
    record["backbone"]["weights"] = "of another folder called tiny"
    (run / "record.json").write_text(json.dumps(record))
    out = exported(run, tmp_path / "model")
    assert not load_checkpoint(out).base
    assert (out / "LICENSE").read_text().startswith("The weights of model have no licence.")
    assert "unstated" in (out / "README.md").read_text(encoding="utf-8")


def test_a_model_without_backbone_is_no_base(
    monkeypatch: pytest.MonkeyPatch, runs: Path, tmp_path: Path
) -> None:
    exported(runs / "lora", tmp_path / "told")
    (tmp_path / "tiny").symlink_to(MODELS / "tiny")
    for module in ("symbolic.checkpoint.format", "symbolic.checkpoint.bundled"):
        monkeypatch.setattr(f"{module}.MODELS", tmp_path)
    backbone = load_checkpoint("tiny").build_backbone()
    with pytest.raises(ConfigError, match="'told' has no backbone of its own; name 'tiny'"):
        save_checkpoint(tmp_path / "other", backbone, Tokenizer(), base="told")


def test_a_backbone_that_was_trained_on_is_not_left_out(tmp_path: Path) -> None:
    backbone = load_checkpoint("tiny").build_backbone()
    save_checkpoint(tmp_path / "same", backbone, Tokenizer(), base="tiny")
    assert load_checkpoint(tmp_path / "same").build_backbone()
    next(backbone.parameters()).data.add_(1)
    with pytest.raises(ConfigError, match="not that of the model 'tiny'"):
        save_checkpoint(tmp_path / "other", backbone, Tokenizer(), base="tiny")


def test_runs_that_cannot_be_exported_say_why(runs: Path, tmp_path: Path, capsys: Any) -> None:
    record = json.loads((runs / "probe" / "record.json").read_text())
    leaky = {**record, "leaks": {"leaky": True, "pieces": []}}
    (tmp_path / "leaky").mkdir()
    (tmp_path / "leaky" / "record.json").write_text(json.dumps(leaky))
    for arguments, words in (
        ([str(tmp_path / "leaky")], "may have seen"),
        ([str(tmp_path)], "no record of `finetune`"),
        ([str(runs / "probe"), "--scores", str(tmp_path / "absent")], "there is no such folder"),
        ([str(runs / "probe"), "--licence", "mine", "--terms", str(tmp_path / "absent")], "cannot be read"),
    ):
        assert main(["export", arguments[0], str(tmp_path / "out"), *arguments[1:]]) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
