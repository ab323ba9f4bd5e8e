"""Histograms of relations against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from symbolic.features import feature_groups, feature_names
from symbolic.music.notes import Music, note_array
from symbolic.tokens.tokenizer import Tokenizer


def histograms(
    onset: list[int], duration: object, pitch: list[int], hide: tuple[str, ...] = (), **columns: object
):
    music = Music(note_array(onset, duration, pitch, **columns), 16)  # a tick is a position
    return feature_groups(Tokenizer()(music, hide=hide).ids)["relations"]


def test_a_chord_and_a_note_are_counted_by_name() -> None:
    found = histograms([0, 0, 0, 16], [16, 16, 16, 4], [48, 52, 55, 60], velocity=64)
    counted = {name: value**2 for name, value in found.items() if value}
    assert counted == pytest.approx(
        {
            **{"pitch_class_C": 1 / 2, "pitch_class_E": 1 / 4, "pitch_class_G": 1 / 4},
            **{"octave_4": 3 / 4, "octave_5": 1 / 4},
            **{"above_bass_0": 1 / 2, "above_bass_4": 1 / 4, "above_bass_7": 1 / 4},
            **{"above_bass_class_lowest": 1 / 2, "above_bass_class_4": 1 / 4, "above_bass_class_7": 1 / 4},
            **{"bass_step_first": 3 / 4, "bass_step_12": 1 / 4, "top_step_first": 3 / 4, "top_step_5": 1 / 4},
            **{"inter_onset_first": 3 / 4, "inter_onset_16": 1 / 4},
            **{"degree_major_0": 1 / 2, "degree_major_4": 1 / 4, "degree_major_7": 1 / 4},
            **{"group_size_1": 1 / 4, "group_size_3": 3 / 4},
            **{"below_top_0": 1 / 2, "below_top_3": 1 / 4, "below_top_7": 1 / 4},
            **{"velocity_16": 1, "length_16": 3 / 4, "length_4": 1 / 4},
        }
    )


def test_what_is_hidden_or_a_drum_is_not_counted() -> None:
    hidden = histograms([0, 16], 16, [60, 62], hide=("pitch", "velocity", "duration"))
    assert not any(hidden.values())
    drums = histograms([0, 16], 16, [36, 38], program=[128, 128])
    assert {name.split("_")[0] for name, value in drums.items() if value} == {"velocity", "length"}


def test_there_are_245_and_no_name_twice() -> None:
    found = histograms([0], 16, [60])
    assert len(found) == 245
    assert len(set(feature_names())) == len(feature_names()) == 151 + 245
    assert np.isfinite(list(found.values())).all()
