"""Bars against a slow second opinion that walks them one by one, in fractions."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from synthetic import METRES, musics

from symbolic.music.notes import Music, note_array
from symbolic.tokens.grid import (
    locate_bars,
    tempo_values,
    time_signature_segments,
    time_signature_value,
    to_grid,
)
from symbolic.tokens.vocabulary import Vocabulary

VOC = Vocabulary()
QUARTER = 480


def music(time_signatures=((0, 4, 4),), tempos=((0, 120.0),), resolution=QUARTER):
    return Music(
        note_array([], [], []),
        resolution,
        np.array(time_signatures, dtype=np.int64).reshape(-1, 3),
        np.array(tempos, dtype=np.float64).reshape(-1, 2),
    )


def bars_at(quarters, time_signatures):
    """Bar and position of times in quarters, under time signatures that change at times in quarters."""
    ticks = [(round(q * QUARTER), n, d) for q, n, d in time_signatures]
    segments = time_signature_segments(music(ticks), VOC)
    bar, position, _ = locate_bars(np.array([round(16 * q) for q in quarters]), segments)
    return list(zip(bar.tolist(), position.tolist(), strict=True))


def nearest(ticks, resolution):
    return floor(Fraction(int(ticks) * 16, resolution) + Fraction(1, 2))


def walk(piece):
    """(bar, position, metre value) of every note, by walking bar after bar."""
    time_signatures = {0: time_signature_value(4, 4, VOC)}
    for tick, numerator, denominator in piece.time_signatures.tolist():
        time_signatures[nearest(tick, piece.resolution)] = time_signature_value(numerator, denominator, VOC)
    found = {}
    onsets = [nearest(tick, piece.resolution) for tick in piece.notes["onset"]]
    bar, position, value = -1, 0, 0
    for step in range(max(onsets, default=-1) + 1):
        position += 1
        if step in time_signatures or position == VOC.bar_positions[value]:
            bar, position, value = bar + 1, 0, time_signatures.get(step, value)
        found[step] = (bar, position, value)
    return [found[onset] for onset in onsets]


@given(musics())
def test_bars_agree_with_a_walk(piece):
    onset = to_grid(piece.notes["onset"], piece, VOC)
    located = locate_bars(onset, time_signature_segments(piece, VOC))
    assert np.stack(located, axis=1).tolist() == [list(row) for row in walk(piece)]


@pytest.mark.parametrize(
    ("quarters", "time_signatures", "expected"),
    [
        pytest.param([0, 3.75, 4], [(0, 4, 4)], [(0, 0), (0, 60), (1, 0)], id="4/4"),
        pytest.param([0, 2.5, 5], [(0, 5, 8)], [(0, 0), (1, 0), (2, 0)], id="odd"),
        pytest.param([0, 4], [], [(0, 0), (1, 0)], id="none stated: 4/4"),
        pytest.param([0, 4, 7], [(4, 3, 4)], [(0, 0), (1, 0), (2, 0)], id="4/4 before the first"),
        pytest.param([0, 1, 4], [(0, 1, 4), (1, 3, 4)], [(0, 0), (1, 0), (2, 0)], id="pick-up bar"),
        pytest.param([2, 3, 5.5], [(0, 4, 4), (2.5, 3, 4)], [(0, 32), (1, 8), (2, 0)], id="mid-bar"),
        pytest.param([4, 6, 10], [(0, 4, 4), (6, 4, 4)], [(1, 0), (2, 0), (3, 0)], id="out of step"),
        pytest.param([4, 8, 12], [(0, 4, 4), (8, 4, 4)], [(1, 0), (2, 0), (3, 0)], id="in step"),
        pytest.param([40, 43], [(0, 4, 4), (8, 3, 4)], [(12, 32), (13, 32)], id="bars without notes"),
        pytest.param([0, 8, 24], [(0, 12, 2)], [(0, 0), (1, 0), (3, 0)], id="long bars are split"),
        pytest.param([0, 3], [(0, 2, 4), (0, 3, 4)], [(0, 0), (1, 0)], id="the last of one tick holds"),
        pytest.param(
            [0, 3], [(0, 3, 4), (3, 0, 4), (3, 4, 0)], [(0, 0), (1, 0)], id="nonsense is passed over"
        ),
    ],
)
def test_bars(quarters, time_signatures, expected):
    assert bars_at(quarters, time_signatures) == expected


@pytest.mark.parametrize(
    ("metre", "kept"),
    [
        ((4, 4), (4, 4)),
        ((12, 2), (4, 2)),
        ((13, 2), (1, 2)),
        ((255, 64), (85, 64)),
        ((3, 128), (2, 64)),
        ((1, 128), (1, 64)),
        ((1, 1024), (1, 64)),
        ((6, 3), (128, 64)),
        ((5, 6), (53, 64)),
        ((1, 1), (1, 1)),
    ],
)
def test_closest_metre(metre, kept):
    assert tuple(VOC.time_signatures[time_signature_value(*metre, VOC)]) == kept


@pytest.mark.parametrize(
    "vocabulary", [VOC, Vocabulary(max_bar_quarters=4, max_denominator=4, positions_per_quarter=1)]
)
def test_every_metre_has_a_value(vocabulary):
    values = {
        time_signature_value(n, d, vocabulary)
        for n in range(1, 256)
        for d in (1, 2, 3, 4, 8, 100, 128, 2**20)
    }
    assert values <= set(range(len(vocabulary.time_signatures)))


@pytest.mark.parametrize("resolution", [1, 7, 24, 480, 1568, 10_080])
def test_grid_is_exact_and_halves_go_up(resolution):
    ticks = np.arange(5000)
    expected = [nearest(tick, resolution) for tick in ticks]
    assert to_grid(ticks, music(resolution=resolution), VOC).tolist() == expected


def tempo_ids(tempos, positions):
    return tempo_values(np.array(positions), music(tempos=tempos), VOC).tolist()


@pytest.mark.parametrize(
    ("tempo", "value"),
    [(16, 0), (32, 12), (64, 24), (256, 48), (1, 0), (1e9, 48), (float("inf"), 48), (120, 35), (124.7, 36)],
)
def test_tempo_bins_are_logarithmic_and_clipped(tempo, value):
    assert tempo_ids([(0, tempo)], [0]) == [value]


def test_tempo_takes_the_nearest_bin_in_the_logarithm():
    tempos = np.random.default_rng(0).uniform(16, 256, 500)
    expected = np.abs(np.log2(tempos)[:, None] - np.log2(VOC.tempos)).argmin(axis=1)
    assert [tempo_ids([(0, t)], [0])[0] for t in tempos] == expected.tolist()


def test_tempo_changes_at_its_nearest_position():
    tempos = [(0, 64.0), (QUARTER + 14, 128.0), (2 * QUARTER - 14, 32.0)]
    assert tempo_ids(tempos, [0, 15, 16, 31, 32, 99]) == [24, 24, 36, 36, 12, 12]


def test_tempo_unstated_is_120():
    assert tempo_ids([], [0, 5]) == [35, 35]


def test_clipped_tempo_never_leaves_the_table():
    # Half a bin lies above the last: rounding must not open another one.
    vocabulary = Vocabulary(tempos_per_octave=1, max_tempo=16 * 2**2.5)
    assert tempo_values(np.array([0]), music(tempos=[(0, 256.0)]), vocabulary).max() < vocabulary.values[-1]


def test_all_metres_of_the_synthetic_music_are_used():
    # Guards the property above: it must meet split, rounded and odd time signatures.
    kept = {tuple(VOC.time_signatures[time_signature_value(*metre, VOC)]) for metre in METRES}
    assert len(kept) == len(METRES)


@pytest.mark.parametrize("numerator", [2**31 - 1, 2**61 - 1])
def test_a_bar_of_a_huge_prime_of_beats_takes_no_time(numerator):
    values = VOC.time_signature_values
    assert time_signature_value(numerator, 4, VOC) == values[1, 4]
