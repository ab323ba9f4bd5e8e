"""Inspection of one window: every note has its values, whichever selector ran."""

import numpy as np
import pytest
from made import tune
from pretrain_helpers import BY_UNIT, LEARNED, make_module

from pretrain.report.inspection import inspect_window
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import FIELDS, PITCH, RESERVED

NOTES = 40


def inspect(folder, name="adversarial", tokens=None, frozen=None, **parts):
    tokens = Tokenizer().encode(tune(0, NOTES)).ids if tokens is None else tokens
    frozen = np.zeros(len(tokens), dtype=bool) if frozen is None else frozen
    return inspect_window(make_module(folder, name, **parts), Tokenizer(), tokens, frozen)


@pytest.mark.parametrize(("name", "unit"), BY_UNIT)
def test_every_selector_can_be_inspected(name, unit, tmp_path):
    seen = inspect(tmp_path, name, unit=unit)
    if name in LEARNED:
        assert seen.score.shape == (NOTES, 1 if unit == "token" else len(FIELDS))
    else:
        assert seen.score is None
    assert seen.chosen.any()
    assert ((seen.recovered >= 0) == seen.chosen).all()
    assert (seen.loss > 0).all()
    assert (seen.values[:, PITCH] == seen.notes["pitch"]).all()
    assert seen.predicted.shape == (NOTES, len(FIELDS))
    assert (seen.predicted >= 0).all()


def test_two_inspections_are_equal(tmp_path):
    first, second = inspect(tmp_path, "uniform"), inspect(tmp_path, "uniform")
    assert (first.chosen == second.chosen).all()
    assert (first.loss == second.loss).all()


def test_frozen_tokens_are_spared_and_shown(tmp_path):
    frozen = np.arange(NOTES) % 2 == 0
    seen = inspect(tmp_path, frozen=frozen)
    assert not seen.chosen[frozen].any()
    assert (seen.frozen == frozen).all()


def test_a_prediction_does_not_see_its_note(tmp_path):
    tokens = Tokenizer().encode(tune(0, NOTES)).ids
    other = tokens.copy()
    other[7, PITCH] = RESERVED + (other[7, PITCH] - RESERVED + 12) % 128
    first, second = inspect(tmp_path, tokens=tokens), inspect(tmp_path, tokens=other)
    assert (first.predicted[7] == second.predicted[7]).all()
    assert first.loss[7, PITCH] != second.loss[7, PITCH]
    np.testing.assert_allclose(np.delete(first.loss[7], PITCH), np.delete(second.loss[7], PITCH), atol=1e-5)


def test_a_window_of_one_note_can_be_inspected(tmp_path):
    seen = inspect(tmp_path, tokens=Tokenizer().encode(tune(0, 1)).ids)
    assert seen.loss.shape == (1, len(FIELDS))
