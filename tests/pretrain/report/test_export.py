"""Export of a run: half the bytes, the same outputs, and a card that names its origin."""

import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from benchmark_records import record as made
from made import tune, write_tunes

import symbolic
from data.sources import pretraining_sources
from data.toolkit.settings import flatten
from pretrain import cli
from pretrain.report.card import card
from symbolic.checkpoint.format import load_checkpoint
from symbolic.checkpoint.licence import PRETRAINING, UNRECORDED, Stage
from symbolic.storage import read_tensors


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    return write_tunes(tmp_path_factory.mktemp("music"), 24)


@pytest.fixture(scope="module")
def run(music, tmp_path_factory):
    """A short run on a folder of tunes, and the environment that finds its shards again."""
    out = tmp_path_factory.mktemp("runs") / "short"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERPOINT_CACHE", str(tmp_path_factory.mktemp("cache")))
        flags = ["--steps", "4", "--evaluations", "2", "--tokens_per_batch", "256", "--jobs", "1"]
        assert cli.main([str(music), "--out", str(out), *flags]) == 0
        yield out


def exported(run, out, *flags):
    assert cli.main(["export", str(run), str(out), *flags]) == 0
    return out


def test_weights_take_half_the_bytes_with_nearly_equal_states(run, tmp_path):
    out = exported(run, tmp_path / "model")
    tensors = read_tensors(out / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    assert {name.partition(".")[0] for name in tensors} == {"backbone", "heads"}  # no selector
    music = tune(0, 40)
    ours, theirs = (symbolic.load(path).embed_notes(music) for path in (out, run))
    assert ours.dtype == np.float32
    assert np.abs(ours - theirs).max() < 0.05 * np.abs(theirs).max()


def test_an_export_names_its_training_pieces(run, tmp_path):
    ours, theirs = (load_checkpoint(path) for path in (exported(run, tmp_path / "m"), run / "checkpoint"))
    np.testing.assert_array_equal(ours.pretrained_on, theirs.pretrained_on)
    assert (
        flatten(ours.provenance["settings"])["selector"] == flatten(theirs.provenance["settings"])["selector"]
    )


def test_the_card_names_source_licence_and_baselines(run, tmp_path):
    out = exported(run, tmp_path / "mine", "--licence", "CC0 1.0")
    card = (out / "README.md").read_text(encoding="utf-8")
    corpus = json.loads((run / "record.json").read_text())["corpus"]
    assert f"{corpus['training_pieces']} of these pieces were trained on" in card
    assert card.startswith("---\nlicense: cc-by-4.0\n")
    assert "\n---\n\n# mine\n" in card
    used = re.search(r"^\| folder \| (\d+) \|.*CC0 1\.0", card, re.MULTILINE)
    assert (
        corpus["training_pieces"] < int(used[1]) < corpus["pieces"]
    )  # neither the test side nor less than was trained on
    assert re.search(r"^\| pitch \| 0\.\d{3} \| 0\.\d{3} \|$", card, re.MULTILINE)
    assert "\n## Licence\n\nCC BY 4.0. All its sources allow any use" in card
    assert "| mine | pretraining | folder (CC0 1.0) |" in card
    assert "## Scores" not in card
    assert "Creative Commons Attribution 4.0 International Public License" in (out / "LICENSE").read_text()
    used = re.search(
        r"^- A folder of music files .* (\d+) pieces", (out / "ATTRIBUTION.md").read_text(), re.MULTILINE
    )
    assert corpus["training_pieces"] < int(used[1]) < corpus["pieces"]


def test_no_path_of_this_machine_is_exported(run, music, tmp_path):
    out = exported(run, tmp_path / "model")
    assert str(music) in (run / "record.json").read_text()
    for file in out.iterdir():
        content = file.read_bytes()
        assert str(music.parent).encode() not in content, file.name
        assert str(tmp_path).encode() not in content, file.name


def test_scores_are_those_of_runs_from_these_weights(run, tmp_path):
    ours = load_checkpoint(exported(run, tmp_path / "mine")).fingerprint
    usual = made(0.5, "probe", "x", settings={"probe": "best"})

    def record(mean, **changes):
        right = {"mean": mean, "sd": 0.01, "interval": [mean, mean]}
        backbone = {**usual["backbone"], "weights": ours}
        return {**usual, "backbone": backbone, "test": {**usual["test"], "accuracy": right}, **changes}

    trained_on = {
        "from": "a",
        "title": "b",
        "run": "c",
        "budget": 1,
        "command": "d",
        "machine": usual["machine"],
    }
    found = [
        record(0.75),
        record(0.91, backbone={**usual["backbone"], "weights": "0" * 16}),
        record(0.92, leaks={"leaky": True}),
        record(0.93, leaks={"leaky": None}),
        record(0.94, transfer=trained_on),
        record(0.85, method="full", settings={"probe": None, "note_features": True, "ensemble": None}),
    ]
    for number, one in enumerate(found):
        (tmp_path / "results" / str(number)).mkdir(parents=True)
        (tmp_path / "results" / str(number) / "record.json").write_text(json.dumps(one))
    out = exported(run, tmp_path / "mine", "--scores", str(tmp_path / "results"))
    card = (out / "README.md").read_text(encoding="utf-8")
    best = f"{100 * usual['baselines'][1]['test']['scores']['accuracy']['mean']:.1f} (look-up)"
    assert f"| Dances | probe, best | 75.0 ± 1.0 | {best} |" in card
    assert f"| Dances | full, note features | 85.0 ± 1.0 | {best} |" in card
    assert not re.search(r"9\d\.0 ±", card)


def test_an_export_can_be_replaced_with_other_terms(run, tmp_path):
    terms = tmp_path / "terms.txt"
    terms.write_text("Do as you like.\n")
    out = exported(run, tmp_path / "model")
    assert "folder" in (out / "LICENSE").read_text()
    assert "have no licence" in (out / "LICENSE").read_text()
    exported(run, out, "--licence", "Like it", "--terms", str(terms))
    card = (out / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: other\nlicense_name: Like it\nlicense_link: LICENSE\n")
    assert "licensed under Like it." in (out / "LICENSE").read_text()
    assert (out / "LICENSE").read_text().endswith("\nDo as you like.\n")


def test_a_chain_is_carried_by_exports_of_exports(run, music, tmp_path, monkeypatch):
    assert [stage.kind for stage in load_checkpoint(run).chain] == [PRETRAINING]
    out = exported(run, tmp_path / "mine", "--licence", "CC BY-NC 4.0")
    (stage,) = load_checkpoint(out).chain
    assert (stage.model, stage.sources[0].spdx) == ("mine", "CC-BY-NC-4.0")
    assert "licence CC BY-NC 4.0" in repr(symbolic.load(out))
    saved = symbolic.load(out).save_pretrained(tmp_path / "saved")
    assert load_checkpoint(saved).chain == (stage,)
    assert (saved / "ATTRIBUTION.md").read_text() == (out / "ATTRIBUTION.md").read_text()


def test_longer_training_on_the_same_music_is_one_stage(run, music, tmp_path):
    start = exported(run, tmp_path / "first" / "mine")
    flags = ["--steps", "2", "--evaluations", "1", "--tokens_per_batch", "256", "--jobs", "1"]
    assert cli.main([str(music), "--from", str(start), "--out", str(tmp_path / "longer"), *flags]) == 0
    again = exported(tmp_path / "longer", tmp_path / "second" / "mine")
    assert load_checkpoint(again).chain == load_checkpoint(start).chain
    assert (again / "ATTRIBUTION.md").read_text() == (start / "ATTRIBUTION.md").read_text()
    other = exported(tmp_path / "longer", tmp_path / "other")
    assert [stage.model for stage in load_checkpoint(other).chain] == ["mine", "other"]


def test_a_run_without_a_chain_gets_one_in_its_export(run, tmp_path):
    """Its music is found again. What it started from is not."""
    old = shutil.copytree(run, tmp_path / "old")
    config, record = old / "checkpoint" / "config.json", old / "record.json"
    values = json.loads(config.read_text())
    del values["chain"]
    config.write_text(json.dumps(values))
    assert load_checkpoint(old).chain == (Stage("old", UNRECORDED),)
    assert [stage.kind for stage in load_checkpoint(exported(old, tmp_path / "a")).chain] == [PRETRAINING]
    about = json.loads(record.read_text())
    about["from"] = {"weights": "0", "pieces": 3}
    about["settings"]["model"]["checkpoint"] = "runs/big"
    record.write_text(json.dumps(about))
    out = exported(old, tmp_path / "b", "--licence", "MIT")
    assert [(stage.model, stage.kind) for stage in load_checkpoint(out).chain] == [
        ("big", UNRECORDED),
        ("b", PRETRAINING),
    ]
    assert "The training music of big is not recorded." in (out / "LICENSE").read_text()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("--licence", "mine", "--terms", "nowhere.txt"), "nowhere.txt: cannot be read"),
        (("--licence", "MIT", "--terms", "pyproject.toml"), "licence of the model is CC BY 4.0"),
        (("--scores", "nowhere"), "nowhere"),
    ],
)
def test_a_refused_export_changes_nothing(run, tmp_path, capsys, wrong, words):
    out = exported(run, tmp_path / "model", "--licence", "MIT")
    assert cli.main(["export", str(run), str(out), *wrong]) == 2
    assert words in capsys.readouterr().err
    assert "folder (MIT)" in (out / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("beside", [["thesis.txt"], ["README.md"]])
def test_other_files_are_not_overwritten(run, tmp_path, capsys, beside):
    out = tmp_path / "mine"
    out.mkdir()
    for name in beside:
        (out / name).write_text("mine")
    assert cli.main(["export", str(run), str(out)]) == 2
    assert "holds other things" in capsys.readouterr().err
    assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys(beside, "mine")


def test_other_folders_and_other_music_are_refused(run, music, tmp_path, capsys):
    assert cli.main(["export", str(music), str(tmp_path / "model")]) == 2
    assert "holds no record of `pretrain`" in capsys.readouterr().err
    tuned = tmp_path / "tuned"
    tuned.mkdir()
    (tuned / "record.json").write_text('{"settings": {}, "corpus": {}, "test": {}}')
    assert cli.main(["export", str(tuned), str(tmp_path / "model")]) == 2
    assert "holds no record of `pretrain`" in capsys.readouterr().err
    other = shutil.copytree(run, tmp_path / "other")
    record = json.loads((other / "record.json").read_text())
    record["corpus"]["shards"] = "0" * 16
    (other / "record.json").write_text(json.dumps(record))
    assert cli.main(["export", str(other), str(tmp_path / "model")]) == 2
    assert "--shards" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_the_card_of_a_mix_names_sources_and_exclusions(run):
    record = json.loads((run / "record.json").read_text())
    totals = {
        "sources": {"pop909": {"pieces": 778, "tokens": 1_318_461, "hours": 53.9}},
        "skipped": {"guarded": 1_489, "held out": 86, "copy of a training piece": 0},
    }
    corpus = dict.fromkeys(("name", "title", "licence", "citation", "homepage"), "mix")
    mix = SimpleNamespace(
        manifest={"corpus": corpus, "totals": totals, "settings": {"guards": ["emopia", "pianist8"]}},
        pieces=[],
    )
    text = card("mine", record, mix, [Stage("mine", PRETRAINING, pretraining_sources(mix))])
    assert re.search(r"^\| pop909 \| 778 \| 1,318,461 \| 53\.9 \| MIT \| Wang, Z\..* \|$", text, re.MULTILINE)
    assert "Nothing on a test side of these corpora, emopia, pianist8 was trained on." in text
    assert "; 1,489 of a corpus that is tested whole, by folds." in text
    assert "copies of a training piece" not in text
