import json

import numpy as np
import pytest

from symbolic.errors import ConfigError, TokenizerMismatch
from symbolic.tokens.vocabulary import DRUM_PITCH, FIELDS, RESERVED, Vocabulary

OTHERS = {
    "positions_per_quarter": 32,
    "max_bars": 128,
    "max_bar_quarters": 6,
    "max_denominator": 32,
    "duration_octaves": 7,
    "velocity_bins": 64,
    "min_tempo": 32.0,
    "max_tempo": 128.0,
    "tempos_per_octave": 10,
}


def test_default_sizes_are_close_to_musicbert():
    vocabulary = Vocabulary()
    assert dict(zip(FIELDS, vocabulary.values, strict=True)) == {
        "bar": 256,
        "position": 128,
        "program": 129,
        "pitch": 256,
        "duration": 128,
        "velocity": 32,
        "time_signature": len(vocabulary.time_signatures),
        "tempo": 49,
    }
    assert vocabulary.sizes == tuple(v + RESERVED for v in vocabulary.values)
    assert DRUM_PITCH == 128


def test_default_fingerprint_is_pinned():
    # Shards and checkpoints carry it: a change here makes every one of them unreadable.
    assert Vocabulary().fingerprint == "856f8f278e720272"


def test_durations_double_their_step_every_octave():
    steps = np.diff(Vocabulary().durations, prepend=0)
    assert steps.tolist() == [2**octave for octave in range(8) for _ in range(16)]


def test_tempos_are_even_in_the_logarithm():
    tempos = Vocabulary().tempos
    assert tempos[[0, 12, -1]] == pytest.approx([16, 32, 256])
    assert np.diff(np.log2(tempos)) == pytest.approx(1 / 12)


@pytest.mark.parametrize("metre", [(1, 1), (2, 1), (4, 4), (12, 8), (5, 8), (7, 16), (128, 64)])
def test_metres_of_practice_have_values(metre):
    vocabulary = Vocabulary()
    value = vocabulary.time_signature_values[metre]
    assert tuple(vocabulary.time_signatures[value]) == metre
    assert vocabulary.bar_positions[value] == 64 * metre[0] / metre[1]


@pytest.mark.parametrize("settings", [{}, OTHERS, {"max_bar_quarters": 5}])
def test_no_bar_is_longer_than_the_positions(settings):
    vocabulary = Vocabulary(**settings)
    assert vocabulary.bar_positions.min() >= 1
    assert vocabulary.bar_positions.max() <= vocabulary.values[FIELDS.index("position")]


def test_every_setting_changes_the_fingerprint():
    changed = [Vocabulary(**{name: value}).fingerprint for name, value in OTHERS.items()]
    assert set(OTHERS) == set(Vocabulary().to_dict()) - {"version"}
    assert len({*changed, Vocabulary().fingerprint}) == len(OTHERS) + 1


def test_equal_vocabularies_have_equal_fingerprints():
    assert Vocabulary(min_tempo=16, max_tempo=256).fingerprint == Vocabulary().fingerprint


@pytest.mark.parametrize("settings", [{}, OTHERS])
def test_settings_survive_json(settings):
    vocabulary = Vocabulary(**settings)
    again = Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict())))
    assert again == vocabulary
    assert again.fingerprint == vocabulary.fingerprint


@pytest.mark.parametrize("change", [{"version": 2}, {"version": None}, {"colour": 3}])
def test_unknown_version_or_field_is_refused(change):
    with pytest.raises(TokenizerMismatch, match="version"):
        Vocabulary.from_dict({**Vocabulary().to_dict(), **change})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_denominator": 48}, "power of two"),
        ({"max_denominator": 2}, "4/4"),
        ({"max_bar_quarters": 3}, "4/4"),
        ({"positions_per_quarter": 12}, "evenly"),
        ({"velocity_bins": 33}, "velocity_bins"),
        ({"max_tempo": 16.0}, "exceed"),
        ({"max_tempo": float("inf")}, "finite"),
        ({"duration_octaves": 0}, "duration_octaves"),
        ({"positions_per_quarter": 2**40, "max_denominator": 2**40}, "at most"),
        (
            {"positions_per_quarter": 2**14, "max_denominator": 2**14, "max_bar_quarters": 64},
            "time signatures than",
        ),
        ({"tempos_per_octave": 2**15}, "tempos than 16 bits"),
        ({"max_bars": 1.5}, "whole number"),
        ({"positions_per_quarter": 2**14}, "16 bits"),
        ({"positions_per_quarter": 1024, "max_bar_quarters": 60, "duration_octaves": 60}, "64-bit key"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Vocabulary(**settings)


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        Vocabulary(velocity_bins=33, max_tempo=1.0)
    assert len(caught.value.problems) == 2
