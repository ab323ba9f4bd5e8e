"""Which score belongs to a performance."""

import numpy as np
import pytest

from symbolic.mapping.matching import aligned_share, ranked, sounds_of
from symbolic.music.notes import Music, note_array


def piece(seed, count=200):
    random = np.random.default_rng(seed)
    return np.arange(count) * 240, random.integers(48, 84, count)


def music(onset, pitch):
    return Music(note_array(onset, 200, pitch), 480)


def performed(seed, wrong=0.05):
    """The piece with rubato, wrong notes and notes left out."""
    random = np.random.default_rng(1000 + seed)
    onset, pitch = piece(seed)
    onset = np.cumsum(np.diff(onset, prepend=0) * random.uniform(0.7, 1.4, len(onset))).astype(int)
    pitch = np.where(random.random(len(pitch)) < wrong, pitch + 1, pitch)
    kept = random.random(len(pitch)) > wrong
    return music(onset[kept], pitch[kept])


SCORES = [sounds_of(music(*piece(seed))) for seed in range(8)]


@pytest.mark.parametrize("seed", range(4))
def test_a_performance_finds_its_score(seed):
    found = ranked(sounds_of(performed(seed)), SCORES, most=3)
    assert found[0].score == seed
    assert found[0].alignment > found[1].alignment + 0.2
    assert len(found) == 3


def test_a_passage_finds_the_score_that_it_is_from():
    onset, pitch = piece(5)
    assert ranked(sounds_of(music(onset[120:], pitch[120:])), SCORES)[0].score == 5


def test_a_score_aligns_with_itself():
    assert aligned_share(SCORES[0], SCORES[0]) == pytest.approx(1)


def test_silence_matches_nothing():
    silence = sounds_of(music(np.zeros(0, dtype=int), np.zeros(0, dtype=int)))
    assert aligned_share(silence, SCORES[0]) == aligned_share(SCORES[0], silence) == 0
    assert ranked(silence, SCORES)[0].alignment == 0
