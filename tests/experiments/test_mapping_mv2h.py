"""Pages on the time of a performance."""

import numpy as np
import pytest

from experiments.mapping_mv2h import Page, groups, music21_page, on_time, partitura_page, through_midi
from symbolic.mapping.beats import Beats
from symbolic.music.notes import Music, note_array


def slowing():
    """Two bars of four beats: half a second each, then a whole one."""
    times = np.concatenate([np.arange(4) * 0.5, 2 + np.arange(6.0)])
    return Beats(times, np.arange(10) % 4 == 0)


def music():
    """Quarters at these beats, 20 ms late."""
    onset = np.round((slowing().times[:8] + 0.02) * 960).astype(int)
    return Music(note_array(onset, 400, 60 + np.arange(8)), 480)


def test_a_page_lies_on_its_performance():
    page = Page(np.arange(8.0), np.ones(8), 60 + np.arange(8), np.zeros(8, dtype=int), -3)
    found = on_time(page, music(), slowing(), 9.0)
    assert found.begin == pytest.approx(slowing().times[:8])
    assert found.onset == pytest.approx(found.begin + 0.02, abs=0.001)
    assert found.length == pytest.approx([0.5] * 4 + [1] * 4)
    assert found.key == "Eb major"


def test_groups_are_sub_beats_beats_and_bars():
    found = groups(slowing(), 6.0)
    assert len(found) == 16 + 8 + 2
    assert found[-2:].tolist() == [[0, 2], [2, 6]]
    assert found[8].tolist() == [2, 2.5]


def test_compound_beats_have_three_parts():
    beats = Beats(np.arange(3.0), np.array([True, False, True]), 8, compound=True)
    assert len(groups(beats, 2.0)) == 6 + 2 + 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("read", [music21_page, partitura_page])
def test_other_libraries_write_plain_music_down_right(read):
    if read is partitura_page:
        pytest.importorskip("partitura")
    page = through_midi(music(), slowing(), read)
    assert page.onset.tolist() == list(range(8))
    assert page.pitch.tolist() == list(range(60, 68))
