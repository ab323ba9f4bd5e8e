"""The page of a run has the numbers of the record, and is safe to open."""

import json

import pytest
import torch
from made import tune
from pages import Reader
from pretrain_helpers import make_module

from data.batches import StepBatches
from data.corpora.folder import FolderCorpus
from data.preparation.prepare import prepare
from data.windows import make_windows
from pretrain.report.page import write_report
from pretrain.report.summary import field_table
from symbolic.music.midi.writer import write_midi
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import FIELDS

NASTY = "t<script>alert(1)<!--"


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Tunes of which two are held out, one under a name that is a page of its own; and a broken file."""
    folder = tmp_path_factory.mktemp("music")
    names = [*(f"t{seed}" for seed in range(5)), NASTY]
    for seed, name in enumerate(names):
        write_midi(tune(seed, 40), folder / f"{name}.mid")
    (folder / "broken.mid").write_bytes(b"MThd")
    sides = ["train"] * 4 + ["valid"] * 2
    lines = [f"{name}.mid,{side}" for name, side in zip(names, sides, strict=True)]
    (folder / "labels.csv").write_text("\n".join(["file,split", *lines, "broken.mid,train"]) + "\n")
    return prepare(FolderCorpus(folder), folder.parent / "shards", Tokenizer(), jobs=0, progress=False)


def report(shards, out, selector):
    """The page of a run that measured once, what a browser makes of it, the record, and the folder."""
    module = make_module(out / "frozen", selector)
    train, valid = (make_windows(shards, shards.select(side), 64) for side in ("train", "valid"))
    with torch.no_grad():
        module.validation_step(StepBatches(shards, valid, 256, shuffle=False)[0], 0)
    module.on_validation_epoch_end()
    record = {
        "command": "pretrain '<b>'",
        "time": "2026-01-02T03:04:05+00:00",
        "versions": {"torch": "2.0"},
        "machine": {"system": "Linux", "cores": 2},
        "settings": {"selector": selector, "lr": None},
        "corpus": {
            "name": "folder", "shards": shards.fingerprint, "pieces": len(shards.pieces), "notes": len(shards),
            "training_pieces": 4, "held_out_windows": len(valid),
        },
        "parameters": {"backbone": 12345, "auxiliary": 0},
        "baselines": dict.fromkeys(FIELDS, 0.123),
        "history": json.loads(json.dumps(module.history)),
        "files": {"checkpoint": "checkpoint"},
    }  # fmt: skip
    write_report(out, record, module, Tokenizer(), shards, train, valid)
    text = (out / "report.html").read_text(encoding="utf-8")
    return text, Reader(text), record, out


@pytest.fixture(scope="module")
def adversarial(shards, tmp_path_factory):
    return report(shards, tmp_path_factory.mktemp("adversarial"), "adversarial")


def test_the_page_holds_the_numbers_of_the_record(adversarial):
    _, page, record, _ = adversarial
    for token in field_table(record):
        assert set(token) <= set(page.text)
    measured = record["history"][-1]["held_out"]["selector"]
    for parity in ("", "_even", "_odd"):
        assert f"{measured[f'correlation{parity}']:+.3f}" in page.text
    assert "backbone 12,345" in page.text


def test_page_names_terms_command_and_skipped_files(adversarial, shards):
    text = " ".join(adversarial[1].text)
    assert shards.manifest["corpus"]["licence"] in text
    assert "pretrain '<b>'" in text
    assert "1 files were skipped" in text
    assert "refuses to score" in text


def test_pieces_of_both_sides_can_be_picked(adversarial):
    roll = adversarial[1].islands["inspection-data"]
    assert {window["side"] for window in roll["windows"]} == {"held out", "training"}
    held_out = {window["key"] for window in roll["windows"] if window["side"] == "held out"}
    assert any(NASTY in key for key in held_out)
    for window in roll["windows"]:
        assert len(window["score"]) == len(window["onset"])
        assert [len(losses) for losses in window["loss"]] == [len(FIELDS)] * len(window["onset"])
    assert roll["learns"] is True


def test_page_loads_nothing_and_runs_no_foreign_script(adversarial):
    text, page, *_ = adversarial
    assert page.loads == []
    assert "alert" in text
    assert "<script>alert" not in text
    assert len(text) < 2_000_000


def test_pictures_are_files_too(adversarial):
    names = {path.name for path in (adversarial[3] / "pictures").iterdir()}
    assert names == {"curves.png", "calibration.png"}


def test_page_says_that_a_selector_has_no_scores(shards, tmp_path):
    _, page, *_ = report(shards, tmp_path, "uniform")
    roll = page.islands["inspection-data"]
    assert roll["learns"] is False
    assert all(window["score"] is None and any(map(any, window["chosen"])) for window in roll["windows"])
    assert any("No calibration" in text for text in page.text)
    assert not (tmp_path / "pictures" / "calibration.png").exists()
