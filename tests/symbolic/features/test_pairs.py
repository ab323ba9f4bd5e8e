"""Pairs of values against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from symbolic.features.pairs import pair_histograms
from symbolic.features.stretches import edges, stretches
from symbolic.music.notes import Music, note_array
from symbolic.tokens.tokenizer import Tokenizer


def ids(onset: object, pitch: object, hide: tuple[str, ...] = (), **columns: object):
    return Tokenizer()(
        Music(note_array(onset, 16, pitch, **columns), 16), hide=hide
    ).ids  # a tick is a position


def melody(notes: int, up: int = 0):
    pitches = 60 + up + np.random.default_rng(0).choice([0, 2, 4, 5, 7, 9, 11, 12], notes)
    return ids(16 * np.arange(notes), pitches)


def test_values_of_one_note_and_of_successive_groups_are_counted() -> None:
    found = pair_histograms(ids([0, 0, 0, 16, 32], [48, 52, 55, 60, 62]))
    shares = found["above_bass, below_top"].reshape(25, 25) ** 2
    assert {(int(a), int(b)): shares[a, b] for a, b in np.argwhere(shares)} == pytest.approx(
        {(0, 7): 1 / 5, (4, 3): 1 / 5, (7, 0): 1 / 5, (0, 0): 2 / 5}
    )
    sizes = found["lowest group_size by twos"].reshape(9, 9) ** 2
    assert {(int(a), int(b)): sizes[a, b] for a, b in np.argwhere(sizes)} == pytest.approx(
        {(2, 0): 1 / 2, (0, 0): 1 / 2}
    )
    steps = found["highest top_step by twos"].reshape(16, 16)
    up = {"first": 15, "fourth": 7 + 4, "tone": 7 + 2}
    assert steps[up["first"], up["fourth"]] ** 2 == pytest.approx(1 / 2)
    assert steps[up["fourth"], up["tone"]] ** 2 == pytest.approx(1 / 2)
    assert np.count_nonzero(found["inter_onset by threes"]) == 1


def test_time_to_the_next_onset_is_that_of_the_next_group() -> None:
    found = pair_histograms(ids([0, 0, 16, 80], [48, 52, 60, 62]))["inter_onset, until_next"]
    met = {tuple(place) for place in np.argwhere(found.reshape(18, 18)).tolist()}
    first, quarter, four_quarters, none = 1, 10, 15, 0
    assert met == {(first, quarter), (quarter, four_quarters), (four_quarters, none)}


@pytest.mark.parametrize("notes", [1, 2, 95, 96, 192, 500])
def test_rows_are_those_of_stretches(notes: int) -> None:
    tokens = melody(notes)
    found = pair_histograms(tokens, pitch_classes=True)
    for rows in found.values():
        assert rows.shape[0] == len(edges(notes))
        np.testing.assert_allclose(np.square(rows).sum(1).round(5) % 1, 0)
    for row, part in enumerate(stretches(tokens)):
        alone = pair_histograms(part)["octave, velocity"][0]
        np.testing.assert_allclose(found["octave, velocity"][row], alone)


def test_transposition_moves_octaves_and_pitch_classes_alone() -> None:
    here, there = (pair_histograms(melody(200, up), pitch_classes=True) for up in (0, 5))
    moved = {name for name in here if not np.array_equal(here[name], there[name])}
    assert moved == {name for name in here if "octave" in name or "pitch classes" in name}


def test_drums_and_notes_without_pitch_do_not_count() -> None:
    drums = ids([0, 16], [36, 38], program=[128, 128])
    hidden = ids([0, 16], [60, 62], hide=("pitch",))
    for tokens in (drums, hidden):
        assert not any(rows.any() for rows in pair_histograms(tokens, pitch_classes=True).values())
