"""Commas: ids of what notes lie off twelve tones, and when music counts as microtonal."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from symbolic.commas import (
    COMMAS,
    CommaField,
    comma_cents,
    comma_ids,
    comma_tensor,
    microtonal_share,
    usual_cents,
)
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array
from symbolic.tokens.tokenizer import Tokenizer


def test_the_commas_of_an_octave_have_ids_of_their_own():
    octave = np.arange(53) * 1200 / 53
    off = np.rint(octave - 100 * np.rint(octave / 100)).astype(int)
    ids = comma_ids(off)
    assert len(set(ids.tolist())) == COMMAS
    assert np.abs(comma_cents(ids) - off).max() <= 1


def test_ids_come_back_from_cents():
    ids = np.arange(1, COMMAS + 1)
    assert comma_ids(comma_cents(ids)).tolist() == ids.tolist()
    assert comma_cents(comma_ids(np.array([0, 200, -700]))).tolist() == [0, 49, -49]


@pytest.mark.parametrize(
    ("cents", "program", "share"),
    [([0, 0, -17, 42], 0, 0.5), ([15, -15, 60, 200], 0, 0.0), ([-40] * 4, DRUM_PROGRAM, 0.0), ([], 0, 0.0)],
)
def test_music_is_microtonal_by_its_pitched_notes(cents, program, share):
    notes = note_array(np.arange(len(cents)), 1, 60, program=program, cents=np.array(cents, dtype=int))
    assert microtonal_share([Music(notes, 480)]) == share


def test_a_new_field_adds_nothing_and_knows_the_tuning():
    field = CommaField(8, 10)
    field.tuning[3] = torch.arange(COMMAS)
    ids = comma_tensor([np.array([1, 2, 3]), np.array([53])], 3)
    assert ids.tolist() == [[1, 2, 3], [53, 0, 0]]
    assert not field(ids).any()
    assert torch.equal(field.logits(torch.randn(2, 8), torch.tensor([3, 4])), field.tuning[[3, 4]])


def test_the_usual_cents_of_a_pitch_class_are_those_of_most_of_its_notes():
    notes = note_array(np.arange(6), 1, [64, 76, 64, 71, 71, 62], cents=[-50, -50, 0, 25, -25, 0])
    usual = usual_cents(Music(notes, 480))
    assert (usual[4], usual[11], usual[2], usual[0]) == (-50, -25, 0, 0)
    plain = note_array(np.arange(40), 1, 64, cents=[-50] + [0] * 39)
    assert not usual_cents(Music(plain, 480)).any()


def test_tokens_do_not_hold_cents():
    plain, bent = (Music(note_array([0, 480], 480, 60, cents=one), 480) for one in (0, -33))
    tokenizer = Tokenizer()
    assert np.array_equal(tokenizer(plain).ids, tokenizer(bent).ids)
