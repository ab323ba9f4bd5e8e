"""Temperature, top-p, confidence, the cosine schedule, and the numbers of notes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import line

from symbolic.errors import ConfigError
from symbolic.generate.constraints import Constraints
from symbolic.generate.donors import Donors
from symbolic.generate.passage import find_passage
from symbolic.generate.sampling import Sampling, log_softmax, nucleus, still_hidden, turns
from symbolic.music.notes import Music
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import DURATION, PITCH, VELOCITY

LOGITS = np.log(np.array([[0.5, 0.3, 0.15, 0.05]]))


def shares(sampling, allowed=None, count=20_000, field=PITCH):
    allowed = np.ones((count, 4), dtype=bool) if allowed is None else np.repeat([allowed], count, axis=0)
    values, _ = sampling.draw(np.repeat(LOGITS, count, axis=0), allowed, field, np.random.default_rng(0))
    return np.bincount(values, minlength=4) / count


def test_values_are_drawn_in_proportion_to_their_probability():
    assert shares(Sampling(top_p=1)) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.015)
    squared = np.array([0.25, 0.09, 0.0225, 0.0025])
    assert shares(Sampling(temperature=0.5, top_p=1)) == pytest.approx(squared / squared.sum(), abs=0.015)
    assert shares(Sampling(temperature=0)).tolist() == [1, 0, 0, 0]


def test_top_p_keeps_the_fewest_values_that_hold_the_share():
    assert shares(Sampling(top_p=0.6)) == pytest.approx([0.625, 0.375, 0, 0], abs=0.015)
    assert shares(Sampling(top_p=0.01)).tolist() == [1, 0, 0, 0]
    assert np.isfinite(nucleus(LOGITS, 0.81)).tolist() == [[True, True, True, False]]


def test_values_that_are_not_allowed_are_never_drawn():
    assert shares(Sampling(top_p=0.6), [False, False, True, True]) == pytest.approx([0, 0, 1, 0], abs=0.001)
    values, sure = Sampling().draw(
        LOGITS, np.array([[False, False, False, True]]), PITCH, np.random.default_rng(0)
    )
    assert values.tolist() == [3]
    assert sure == pytest.approx([0])


def test_settings_may_differ_by_field():
    sampling = Sampling(temperature={"velocity": 0}, top_p=1)
    assert shares(sampling, field=VELOCITY).tolist() == [1, 0, 0, 0]
    assert shares(sampling, field=PITCH) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.015)
    assert shares(Sampling(top_p={"velocity": 0.5}), field=VELOCITY).tolist() == [1, 0, 0, 0]


def test_an_unlikely_pitch_is_never_drawn_and_a_long_note_may_be():
    assert shares(Sampling())[3] == 0
    assert shares(Sampling(), field=DURATION)[3] > 0


@given(count=st.integers(1, 500), steps=st.integers(1, 40))
def test_the_schedule_falls_to_nothing(count, steps):
    hidden = [still_hidden(count, step, steps) for step in range(steps + 1)]
    assert hidden[0] == count
    assert hidden[-1] == 0
    assert hidden == sorted(hidden, reverse=True)


def test_rows_without_a_limit_stay_finite():
    assert np.exp(log_softmax(np.array([[1e4, -np.inf, 1e4]]))).tolist() == [[0.5, 0, 0.5]]


def test_the_surest_are_kept_first_where_there_is_no_noise():
    sure = np.array([-1.0, -3.0, -0.5, -2.0])
    random = np.random.default_rng(0)
    turn = np.arange(4.0)
    assert Sampling(noise=0).kept(sure, turn, 3, 0.0, random).tolist() == [2, 0, 3]
    assert Sampling(noise=9).kept(sure, turn, 3, 1.0, random).tolist() == [2, 0, 3]
    found = {tuple(Sampling(noise=9).kept(sure, turn, 3, 0.0, random).tolist()) for _ in range(50)}
    assert len(found) > 5


def test_values_are_usually_kept_in_turn():
    random, turn = np.random.default_rng(0), np.array([0.3, 0.9, 0.1, 0.5])
    assert Sampling().kept(np.array([-9.0, -1.0, -1.0, -1.0]), turn, 2, 0.0, random).tolist() == [2, 0]


@pytest.mark.parametrize("count", [5, 20, 61])
@pytest.mark.parametrize("seed", range(3))
def test_neighbours_are_drawn_in_different_steps(count, seed):
    first = np.random.default_rng(seed).random()
    order = np.argsort(turns(count, first))
    for size in range(2, count * 3 // 8):  # taken together
        for begin in range(0, count, size):
            assert (np.diff(np.sort(order[begin : begin + size])) > 1).all()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"temperature": 11}, "temperature 11"),
        ({"temperature": {"tempo": 1}}, "temperature names other fields"),
        ({"top_p": 0}, r"top_p 0: must lie in \(0, 1\]"),
        ({"order": ("pitch",)}, "name each of position, pitch, duration, velocity once"),
        ({"steps": 0}, "steps 0: must lie in 1 to 1,000"),
        ({"steps": -1, "top_p": 2, "noise": -1}, "(?s)top_p 2.*steps -1.*noise -1"),
        ({"sweeps": -1, "share": 2}, "(?s)sweeps -1.*share 2"),
    ],
)
def test_wrong_settings_are_refused(wrong, words):
    with pytest.raises(ConfigError, match=words):
        Sampling(**wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"scale": "H major"}, "begin with a tonic"),
        ({"scale": "C majr"}, "did you mean 'major'"),
        ({"scale": ""}, "begin with a tonic"),
        ({"lowest": 60, "highest": 50}, "lowest first"),
        ({"scale": "C pentatonic", "lowest": 61, "highest": 61}, "has no pitch from 61 to 61"),
        ({"density": 0, "polyphony": 0}, "(?s)density 0.*polyphony 0"),
        ({"density": 2, "rhythm": True}, "exclude each other"),
    ],
)
def test_wrong_constraints_are_refused(wrong, words):
    with pytest.raises(ConfigError, match=words):
        Constraints(**wrong)


def donors_of(music, bars, count=50):
    tokens, vocabulary = Tokenizer()(music), Tokenizer().vocabulary
    donors = Donors(music, tokens, find_passage(music, tokens, vocabulary, bars), vocabulary)
    return np.stack([donors.draw(np.random.default_rng(seed)) for seed in range(count)])


def test_donors_have_the_neighbours_of_the_bar_they_stand_for():
    # Bars of one, two and four notes in turn: between two and one stand four.
    onset = np.concatenate([bar * 1920 + np.arange(n) * 480 for bar, n in enumerate([1, 2, 4] * 8)])
    music = line(np.full(len(onset), 60))
    music.notes["onset"] = onset
    found = donors_of(music, (12, 12))
    assert (found % 3 == 2).mean() > 0.9
    assert not (found == 11).any()


def test_donors_have_the_time_signature_of_the_bar():
    signatures = np.array([[0, 4, 4], [1920 * 4, 3, 4]])
    music = Music(line(np.full(40, 60)).notes, 480, signatures)
    assert (donors_of(music, (6, 7)) >= 4).all()
    assert not np.isin(donors_of(music, (6, 7)), [5, 6]).any()


def test_a_piece_that_is_written_whole_takes_the_numbers_of_its_other_bars():
    found = donors_of(line(np.full(16, 60)), None)
    assert ((found >= 0) & (found < 4)).all()
    assert (donors_of(line(np.full(3, 60)), None) == 0).all()
