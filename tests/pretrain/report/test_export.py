"""Export of a run: half the bytes, the same outputs, and a card that names its origin."""

import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made import tune, write_tunes

import symbolic
from data.toolkit.settings import flatten
from pretrain import cli
from pretrain.report.card import card
from symbolic.checkpoint.format import load_checkpoint
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
    terms = tmp_path / "terms.txt"
    terms.write_text("Do as you like.\n")
    out = exported(run, tmp_path / "mine", "--licence", "CC0 1.0", "--terms", str(terms))
    card = (out / "README.md").read_text(encoding="utf-8")
    corpus = json.loads((run / "record.json").read_text())["corpus"]
    assert f"{corpus['training_pieces']} of these pieces were trained on" in card
    assert card.startswith("---\nlicense: cc0-1.0\n")
    assert "\n---\n\n# mine\n" in card
    used = re.search(r"^\| folder \| (\d+) \|.*unstated", card, re.MULTILINE)
    assert (
        corpus["training_pieces"] < int(used[1]) < corpus["pieces"]
    )  # neither the test side nor less than was trained on
    assert re.search(r"^\| pitch \| 0\.\d{3} \| 0\.\d{3} \|$", card, re.MULTILINE)
    assert "\n## Licence\n\nCC0 1.0\n" in card
    assert "## Scores" not in card
    assert (out / "LICENSE").read_text() == "Do as you like.\n"


def test_no_path_of_this_machine_is_exported(run, music, tmp_path):
    out = exported(run, tmp_path / "model")
    assert str(music) in (run / "record.json").read_text()
    for file in out.iterdir():
        content = file.read_bytes()
        assert str(music.parent).encode() not in content, file.name
        assert str(tmp_path).encode() not in content, file.name


def test_scores_are_those_of_runs_from_these_weights(run, tmp_path):
    ours = load_checkpoint(exported(run, tmp_path / "mine")).fingerprint
    baselines = [
        {"title": title, "test": {"scores": {"accuracy": {"mean": baseline}}}}
        for title, baseline in (("majority class", 0.25), ("trees", 0.5))
    ]

    def record(mean, **changes):
        about = {
            "task": {"title": "Moods"},
            "method": "probe",
            "settings": {"probe": "best"},
            "seeds": [{}, {}],
            "backbone": {"weights": ours},
            "leaks": {"leaky": False},
            "test": {"accuracy": {"mean": mean, "sd": 0.01}},
            "baselines": baselines,
        }
        return {**about, **changes}

    found = [
        record(0.75),
        record(0.91, backbone={"weights": "0" * 16}),
        record(0.92, leaks={"leaky": True}),
        record(0.93, leaks={"leaky": None}),
        record(0.94, transfer={"from": "other"}),
        record(0.85, method="full", settings={"probe": None, "note_features": True, "ensemble": None}),
    ]
    for number, one in enumerate(found):
        (tmp_path / "results" / str(number)).mkdir(parents=True)
        (tmp_path / "results" / str(number) / "record.json").write_text(json.dumps(one))
    out = exported(run, tmp_path / "mine", "--scores", str(tmp_path / "results"))
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "| Moods | probe, best | 75.0 ± 1.0 | 50.0 (trees) |" in card
    assert "| Moods | full, note features | 85.0 ± 1.0 | 50.0 (trees) |" in card
    assert not re.search(r"9\d\.0 ±", card)


def test_an_export_can_be_replaced_and_keeps_its_licence(run, tmp_path):
    terms = tmp_path / "terms.txt"
    terms.write_text("Do as you like.\n")
    out = exported(run, tmp_path / "model", "--terms", str(terms))
    exported(run, out, "--licence", "MIT", "--terms", str(out / "LICENSE"))
    exported(run, out, "--licence", "MIT")
    assert "\nMIT\n" in (out / "README.md").read_text(encoding="utf-8")
    assert (out / "LICENSE").read_text() == "Do as you like.\n"


@pytest.mark.parametrize("wrong", [("--terms", "nowhere.txt"), ("--scores", "nowhere")])
def test_a_refused_export_changes_nothing(run, tmp_path, capsys, wrong):
    out = exported(run, tmp_path / "model", "--licence", "MIT")
    assert cli.main(["export", str(run), str(out), *wrong]) == 2
    assert wrong[1] in capsys.readouterr().err
    assert "\nMIT\n" in (out / "README.md").read_text(encoding="utf-8")


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
    corpus = {"name": "mix-0", "licence": "pop909: MIT", "citation": "Wang et al."}
    mix = SimpleNamespace(
        manifest={"corpus": corpus, "totals": totals, "settings": {"guards": ["emopia", "pianist8"]}},
        pieces=[],
    )
    text = card("mine", record, mix, "MIT")
    assert re.search(r"^\| pop909 \| 778 \| 1,318,461 \| 53\.9 \| MIT \| Wang, Z\..* \|$", text, re.MULTILINE)
    assert "Nothing on a test side of these corpora, emopia, pianist8 was trained on." in text
    assert "; 1,489 of a corpus that is tested whole, by folds." in text
    assert "copies of a training piece" not in text
