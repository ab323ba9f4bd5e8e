"""The sum over lines against all lines written out, and what it prefers."""

from itertools import pairwise, product

import numpy as np
import pytest

from symbolic.predict.lines import decoder
from symbolic.predict.lines.decoder import Candidates, LineWeights, line_log_odds

WEIGHTS = LineWeights(0.3, -0.4, -0.8, -0.2, -0.7)


def written_out(nodes, weights):
    """Probability of each candidate, summed over every line."""
    steps, starts = nodes.steps(weights), nodes.starts
    choices = [[None, *range(starts[s], starts[s + 1])] for s in range(len(starts) - 1)]
    total, shares = 0.0, np.zeros(len(nodes.own))
    for line in product(*choices):
        chosen = [(onset, one) for onset, one in enumerate(line) if one is not None]
        weight = sum(nodes.own[one] for _, one in chosen)
        for (_, one), (onset, two) in pairwise(chosen):
            near = one >= nodes.low[onset]
            weight += steps[two, one - starts[onset] + decoder.REACH] if near else weights.restart
        total += np.exp(weight)
        shares[[one for _, one in chosen]] += np.exp(weight)
    return shares / total


@pytest.mark.parametrize("large", [0.5, 1e100], ids=["scaled", "unscaled"])
@pytest.mark.parametrize("reach", [3, 24])
def test_marginals_equal_the_sum_over_all_lines(reach, large, monkeypatch):
    monkeypatch.setattr(decoder, "REACH", reach)
    monkeypatch.setattr(decoder, "_LARGE", large)
    draw = np.random.default_rng(0)
    seconds = np.sort(draw.integers(0, 6, 11)) * 0.5
    pitch = draw.integers(50, 80, 11)
    odds = draw.normal(0, 2, 11)
    nodes = Candidates.of(odds, seconds, seconds + draw.uniform(0.2, 1.5, 11), pitch)
    found = np.exp(decoder._log_marginals(nodes, WEIGHTS))
    assert found == pytest.approx(written_out(nodes, WEIGHTS), abs=1e-12)


@pytest.mark.parametrize("sure", [60.0, -60.0])
def test_sums_of_long_pieces_stay_finite(sure):
    seconds = np.arange(400) * 0.5
    found = line_log_odds(np.full(400, sure), seconds, seconds + 0.5, np.full(400, 60), WEIGHTS)
    assert found == pytest.approx(np.full(400, np.sign(sure) * 12))


def test_small_steps_decide_between_equal_notes():
    seconds = np.repeat(np.arange(5) * 0.5, 2)
    pitch = np.array([72, 48, 74, 50, 73, 90, 72, 52, 71, 48])
    odds = np.where(pitch >= 71, 1.0, -1.0)
    odds[4:6] = 0.0
    found = line_log_odds(odds, seconds, seconds + 0.5, pitch, LineWeights(interval=-1.0))
    assert found[4] > found[5] + 1


def test_a_note_and_its_copy_are_likely_together():
    seconds, pitch = np.array([0.0, 0.0, 0.5]), np.array([60, 60, 62])
    found = line_log_odds(np.array([0.0, 0.0, 3.0]), seconds, seconds + 0.5, pitch, WEIGHTS)
    odds = np.array([np.log(3.0), 3.0])  # one of two notes is melody in three of four cases
    alone = line_log_odds(odds, seconds[1:], seconds[1:] + 0.5, pitch[1:], WEIGHTS)
    share = 1 / (1 + np.exp(-found))
    assert share[2] == pytest.approx(1 / (1 + np.exp(-alone[1])))
    assert share[:2] == pytest.approx(np.full(2, 2 / 3 / (1 + np.exp(-alone[0]))))


def test_of_a_note_and_its_copy_the_likelier_keeps_more():
    seconds, pitch = np.array([0.0, 0.0, 0.5]), np.array([60, 60, 62])
    found = line_log_odds(np.array([3.0, 1.0, 3.0]), seconds, seconds + 0.5, pitch, WEIGHTS)
    assert found[1] < found[0]


def test_at_one_onset_at_most_one_note_is_likely():
    seconds = np.zeros(4)
    found = line_log_odds(np.full(4, 5.0), seconds, seconds + 1, np.array([60, 64, 67, 71]), WEIGHTS)
    assert (1 / (1 + np.exp(-found))).sum() <= 1


def test_octaves_are_likely_together():
    seconds, pitch = np.array([0.0, 0.0, 0.0, 0.5]), np.array([60, 72, 64, 62])
    found = line_log_odds(np.array([3.0, 3.0, -1.0, 3.0]), seconds, seconds + 0.5, pitch, WEIGHTS)
    assert (found[[0, 1, 3]] > 1).all()
    assert found[2] < -3


def test_a_likely_note_is_a_candidate_where_an_unlikely_one_an_octave_below_lasts_longer():
    """A bass under the melody neither moves the line down nor lengthens it."""
    seconds, pitch = np.array([0.0, 0.0, 0.5]), np.array([36, 72, 74])
    ends = np.array([4.0, 0.5, 1.0])
    nodes = Candidates.of(np.array([-3.0, 2.0, 2.0]), seconds, ends, pitch)
    assert nodes.pitch.tolist() == [72, 74]
    assert nodes.ends.tolist() == [0.5, 1.0]
