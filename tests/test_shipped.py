"""Models that come with the installation: they load by name, say what they are, have seen nothing of test sides."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import symbolic
from data.splits import load_table
from symbolic.checkpoint import load_checkpoint
from symbolic.errors import CheckpointError
from symbolic.inference import Model
from symbolic.notes import Music, note_array
from symbolic.shipped import MODELS, find_model, shipped_models
from symbolic.storage import read_tensors
from symbolic.vocabulary import FIELDS, MASK, RESERVED

HELD_OUT = ("asap", "emopia", "giantmidi_sample", "groove", "nottingham", "openewld", "openscore_lieder")
"""Tables with sides; of Pianist8 every piece is tested in some fold."""


def scale() -> np.ndarray:
    """Rows of C major, two octaves in quarters."""
    pitches = [60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79, 81, 83, 84]
    count = len(pitches)
    music = Music(note_array(np.arange(count) * 480, 480, np.array(pitches), np.full(count, 64)), 480)
    rows: np.ndarray = symbolic.Tokenizer().encode(music).rows
    return rows


@pytest.fixture(params=shipped_models())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_there_is_one() -> None:
    assert "tiny" in shipped_models()


def test_it_is_small_and_says_what_it_is(name: str) -> None:
    folder = MODELS / name
    assert (folder / "model.safetensors").stat().st_size <= 25e6
    assert {tensor.dtype for tensor in read_tensors(folder / "model.safetensors").values()} == {
        torch.bfloat16
    }
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"# {name}\n" in card
    assert "## Licence" in card
    assert re.search(r"^\| [a-z0-9_]+ \| [\d,]+ \| [\d,]+ \| [\d.]+ \| \S.*\| \S.*\|$", card, re.MULTILINE)
    for unclear in ("pianist8", "pop1k7"):
        assert not re.search(rf"^\| {unclear} ", card, re.MULTILINE)  # their terms are not stated
    assert "BY-NC-SA" in (folder / "LICENSE").read_text(encoding="utf-8")


def test_it_loads_by_name_wherever_one_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = symbolic.load(name)
    states = model.hidden(scale())
    assert states.shape == (15, model.backbone.config.dim)
    assert np.isfinite(states).all()


def test_a_folder_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_model("tiny") == MODELS / "tiny"
    assert find_model("models/tiny") == Path("models/tiny")
    Path("tiny").mkdir()
    assert find_model("tiny") == Path("tiny")
    with pytest.raises(CheckpointError, match="tiny is not a complete checkpoint"):
        symbolic.load("tiny")


def test_a_name_that_nothing_has_is_answered_with_those_there_are() -> None:
    with pytest.raises(CheckpointError, match=r"comes with the installation: .*\btiny\b"):
        symbolic.load("gigantic")


def test_it_has_seen_nothing_of_the_sides_that_committed_tables_hold_out(name: str) -> None:
    found = load_checkpoint(name).pretrained_on
    assert found is not None
    seen = set(found.tolist())
    assert len(seen) > 5_000
    for table in (*HELD_OUT, "pop909"):
        entries = load_table(table).values()
        assert len(entries) > 50
        held_out = {one.fingerprint for one in entries if one.split in ("valid", "test")}
        assert not seen & held_out, table
    assert not seen & {one.fingerprint for one in load_table("pianist8").values()}
    # The check can fail: what it was trained on is there.
    trained = {one.fingerprint for one in load_table("pop909").values() if one.split == "train"}
    assert len(seen & trained) > 500


def likeliest(model: Model, place: int, field: str) -> int:
    """What it says a field of a note was that is hidden whole, as the value and not as the id."""
    rows = torch.from_numpy(scale().astype(np.int64))[None]
    rows[0, place] = MASK
    with torch.inference_mode():
        logits = model.head("fields")(model.backbone(rows)[0, place])
    return int(logits[FIELDS.index(field)].argmax()) - RESERVED


PINNED = {2: 64, 3: 64, 5: 67, 7: 72, 10: 76, 12: 79}
"""Pitches by place, where what it says first stands well above what it says next."""


def test_tiny_reads_a_scale_as_it_did_when_it_was_made() -> None:
    model = symbolic.load("tiny")
    assert {place: likeliest(model, place, "pitch") for place in PINNED} == PINNED
    assert [likeliest(model, place, "duration") for place in PINNED] == [15] * len(PINNED)
    true = {place: int(scale()[place, FIELDS.index("pitch")]) - RESERVED for place in PINNED}
    assert all(abs(PINNED[place] - true[place]) <= 2 for place in PINNED)  # a step of the scale at most
