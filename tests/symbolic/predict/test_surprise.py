"""Surprise: what it reads of a piece, what its bits are, and how it is written."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finetune_helpers import nano_checkpoint, tune
from synthetic import line

import symbolic
from symbolic.errors import ConfigError, MusicFileError
from symbolic.heads import FieldHeads
from symbolic.music.notes import Music, note_array
from symbolic.predict.information import TEMPERATURES, bit_reader, bits_of
from symbolic.predict.network import Encoder
from symbolic.predict.pretrained import PretrainedModel
from symbolic.predict.surprise import BOTH, CONTEXTS, PAST, SURPRISES
from symbolic.tokens.vocabulary import RESERVED

SCALE = [60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62]


@pytest.fixture(scope="module")
def tiny() -> PretrainedModel:
    return PretrainedModel.from_pretrained("tiny")


@pytest.fixture(scope="module")
def scale() -> Music:
    return line(SCALE * 2, quarters=0.5)


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_note_has_bits_whatever_its_order_in_the_file(tiny: PretrainedModel, context: str) -> None:
    music = tune(4, bars=2)
    music = music.with_notes(np.concatenate([note_array([0, 480], 60, 38, 100, 128, 2), music.notes]))
    found = tiny.surprise(music, context)
    assert found.bits.shape == (len(music), len(SURPRISES))
    assert found.bits.dtype == np.float32
    assert (found.bits >= 0).all()
    assert (found.total > 0).all()
    order = np.random.default_rng(0).permutation(len(music))
    again = tiny.surprise(music.with_notes(music.notes[order]), context)
    np.testing.assert_allclose(again.bits, found.bits[order], atol=1e-4)


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_wrong_note_surprises_by_its_pitch(tiny: PretrainedModel, scale: Music, context: str) -> None:
    notes = scale.notes.copy()
    notes["pitch"][22] += 13
    right, wrong = tiny.surprise(scale, context), tiny.surprise(scale.with_notes(notes), context)
    assert wrong["pitch"][22] > right["pitch"][22] + 2
    assert wrong["pitch"].argmax() == 22


def test_the_past_knows_nothing_of_later_notes(tiny: PretrainedModel, scale: Music) -> None:
    notes = scale.notes.copy()
    later = slice(15, None)
    notes["pitch"][later], notes["velocity"][later], notes["duration"][later] = 90, 20, 100
    changed = scale.with_notes(notes[:20])
    before = [tiny.surprise(music, PAST).bits[:15] for music in (scale, changed)]
    np.testing.assert_allclose(*before, atol=1e-4)
    both = [tiny.surprise(music, BOTH).bits[:15] for music in (scale, changed)]
    assert np.abs(both[0] - both[1]).max() > 0.1


def test_the_past_reads_no_more_than_its_memory(tiny: PretrainedModel, scale: Music) -> None:
    notes = scale.notes.copy()
    notes["pitch"][:12] = 40
    short = [tiny.surprise(music, PAST, memory=8).bits[20:] for music in (scale, scale.with_notes(notes))]
    np.testing.assert_allclose(*short, atol=1e-4)
    longer = [tiny.surprise(music, PAST).bits[20:] for music in (scale, scale.with_notes(notes))]
    assert np.abs(longer[0] - longer[1]).max() > 0.1


def test_bits_are_what_fill_gives_to_the_true_values(tiny: PretrainedModel, scale: Music) -> None:
    tokens = tiny.tokenizer(scale)
    hidden = np.arange(len(tokens)) % 9 == 5
    found = tiny.surprise(scale, BOTH, every=9).bits[tokens.note_index][hidden]
    filled = tiny.fill(tokens, hidden)
    for name, column in zip(SURPRISES[1:], found.T[1:], strict=True):
        given = filled[name][:, RESERVED:] / filled[name][:, RESERVED:].sum(axis=1, keepdims=True)
        value = tokens.ids[hidden, symbolic.FIELDS.index(name)] - RESERVED
        np.testing.assert_allclose(column, -np.log2(given[np.arange(len(value)), value]), atol=1e-3)


@pytest.mark.parametrize("context", CONTEXTS)
def test_lone_notes_and_long_rests_have_finite_bits(tiny: PretrainedModel, context: str) -> None:
    assert np.isfinite(tiny.surprise(line([60]), context).bits).all()
    rests = Music(note_array([0, 480 * 4 * 300, 480 * 4 * 900], 480, [60, 62, 64]), 480)
    assert np.isfinite(tiny.surprise(rests, context).bits).all()


def test_a_high_temperature_makes_values_equally_likely(tiny: PretrainedModel, scale: Music) -> None:
    plain, warm = tiny.surprise(scale, BOTH), tiny.surprise(scale, BOTH, temperature={"pitch": 1e9})
    np.testing.assert_allclose(warm["pitch"], 8, atol=1e-4)  # 128 pitches and 128 drum keys
    np.testing.assert_allclose(warm["onset"], plain["onset"], atol=1e-4)


def test_the_past_is_calibrated_unless_told_otherwise(tiny: PretrainedModel) -> None:
    music = line(SCALE, quarters=0.5)
    by_default, plain = tiny.surprise(music), tiny.surprise(music, temperature={})
    calibrated = tiny.surprise(music, temperature=TEMPERATURES[PAST])
    np.testing.assert_array_equal(by_default.bits, calibrated.bits)
    np.testing.assert_allclose(by_default["duration"], plain["duration"], atol=1e-4)
    assert np.abs(by_default["pitch"] - plain["pitch"]).max() > 0.1


def test_windows_may_hold_no_note_that_is_asked_for(tiny: PretrainedModel) -> None:
    encoder, head = Encoder(tiny.backbone), tiny.heads["fields"]
    assert isinstance(head, FieldHeads)
    tokens = tiny.tokenizer(line(SCALE * 22, quarters=0.25))
    assert len(tokens) > encoder.cut.length
    cut = replace(encoder.cut, batch=1)
    chosen, bits = next(bits_of(bit_reader(encoder, head, {}, {}), cut, tokens.ids, BOTH, every=len(tokens)))
    assert chosen.tolist() == [0]
    assert bits.shape == (1, 2 * len(SURPRISES))


def test_lines_hold_place_and_bits_of_each_note(tiny: PretrainedModel, tmp_path: Path) -> None:
    found = tiny.surprise(tune(2, bars=2), BOTH)
    lines = list(csv.DictReader(found.to_csv(tmp_path / "notes.csv").open(encoding="utf-8")))
    document = json.loads(found.to_json(tmp_path / "notes.json").read_text(encoding="utf-8"))
    assert len(lines) == len(document["notes"]) == len(found)
    for line_, entry in zip(lines, document["notes"], strict=True):
        note = int(line_["index"])
        assert (entry["index"], entry["pitch"]) == (note, found.music.notes["pitch"][note])
        assert float(line_["pitch surprise"]) == entry["pitch surprise"]
        assert entry["pitch surprise"] == pytest.approx(found["pitch"][note], abs=1e-3)
        assert entry["surprise"] == pytest.approx(found.total[note], abs=1e-3)
    assert document["means"]["onset"] == pytest.approx(found.means["onset"], abs=1e-3)
    assert f"{len(found)} notes" in repr(found)


def test_wrong_settings_and_models_are_refused(tiny: PretrainedModel, scale: Music, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"context is 'future'(?s:.*)memory is 0(?s:.*)every is 0"):
        tiny.surprise(scale, "future", memory=0, every=0)
    with pytest.raises(ConfigError, match=r"no surprise of 'tone'(?s:.*)of pitch is 0"):
        tiny.surprise(scale, temperature={"tone": 1.0, "pitch": 0.0})
    with pytest.raises(ConfigError, match="this model can read from 1 to 239 notes"):
        tiny.surprise(scale, memory=240)
    with pytest.raises(ConfigError, match="no heads for fields"):
        PretrainedModel.from_pretrained(nano_checkpoint(tmp_path / "nano")).surprise(scale)
    with pytest.raises(MusicFileError, match="no notes"):
        tiny.surprise(scale.with_notes(scale.notes[:0]))
