"""MV2H by small scores whose right values are known."""

import numpy as np
import pytest

from experiments.mv2h import Score, mv2h


def two_voices(**changes):
    """Four beats of a melody in quarters over two half notes, at 60 beats a minute, in C major."""
    beats = np.arange(5.0)
    groups = np.stack([beats[:-1], beats[1:]], axis=1)
    halves = np.arange(0, 4, 0.5)
    groups = np.concatenate([groups, np.stack([halves, halves + 0.5], axis=1), [[0, 4]]])
    onset = np.array([0.0, 1, 2, 3, 0, 2])
    score = Score(
        onset, np.array([72, 74, 76, 77, 48, 55]), np.array([0, 0, 0, 0, 1, 1]), onset,
        np.array([1.0, 1, 1, 1, 2, 2]), groups, "C major",
    )  # fmt: skip
    return score._replace(**changes)


def test_a_score_is_right_by_itself():
    assert set(mv2h(two_voices(), two_voices()).values()) == {1.0}


def test_numbers_of_voices_mean_nothing():
    assert mv2h(two_voices(), two_voices(voice=np.array([5, 5, 5, 5, 2, 2])))["voice"] == 1


def test_notes_count_by_pitch_and_onset():
    late = two_voices().onset + np.array([0, 0.04, 0.06, 0, 0, 0])
    found = mv2h(two_voices(), two_voices(onset=late))
    assert found["multi-pitch"] == pytest.approx(5 / 6)


def test_one_voice_for_all_has_wrong_links():
    """Links in time: 72 and 48 to 74, 74 to 76 and 55, both of these to 77."""
    found = mv2h(two_voices(), two_voices(voice=np.zeros(6, dtype=int)))
    # Right are 72 to 74, 74 to 76 and 76 to 77. Each chord counts once, each link by the mean number of both scores.
    right = 1 / (1 * 2) + 1 / 1.5 + 1 / (1 * 2)
    ours = 1 / 2 + 1 / (1 * 2) + 2 / 1.5 + 1 / 2 + 1 / (0.5 * 2)
    true = 1 / 2 + 1 / (1 * 2) + 1 / 1.5 + 1 / 2
    assert found["voice"] == pytest.approx(2 * right / (ours + true))


def test_values_count_where_the_voice_goes_on_rightly():
    length = np.array([0.5, 1.05, 3.0, 1, 2, 2])
    assert mv2h(two_voices(), two_voices(length=length))["value"] == pytest.approx((0.5 + 1 + 0 + 3) / 6)
    lost = two_voices(voice=np.array([0, 0, 0, 1, 2, 2]), length=length)
    assert mv2h(two_voices(), lost)["value"] == pytest.approx((0.5 + 1 + 3) / 5)


def test_metre_counts_groups_whose_both_ends_are_right():
    halves = two_voices().groups[4:]
    assert mv2h(two_voices(), two_voices(groups=halves))["metre"] == pytest.approx(2 * 9 / (9 + 13))


@pytest.mark.parametrize(
    ("key", "score"), [("C major", 1), ("F major", 0.5), ("G major", 0.5), ("A minor", 0.3), ("D major", 0)]
)
def test_near_keys_are_partly_right(key, score):
    assert mv2h(two_voices(), two_voices(key=key))["harmony"] == score


def test_nothing_found_is_nothing_right():
    none = np.zeros(0)
    empty = Score(none, none.astype(int), none.astype(int), none, none, np.zeros((0, 2)), "C major")
    found = mv2h(two_voices(), empty)
    assert [found[name] for name in ("multi-pitch", "voice", "metre", "value")] == [0, 0, 0, 0]
