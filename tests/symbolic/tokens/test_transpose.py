import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import line, musics

from symbolic.music.notes import DRUM_PROGRAM
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.transposition import in_keys, transpose, transposition_range
from symbolic.tokens.vocabulary import HIDDEN, MASK, PAD, PITCH, RESERVED

ENCODE = Tokenizer().encode


def melody(pitches, **columns):
    return ENCODE(line(pitches, **columns)).ids


@given(musics(), st.integers(-127, 127))
def test_transposing_tokens_is_transposing_music(music, wish):
    tokens = ENCODE(music).ids
    shift = int(np.clip(wish, *transposition_range(tokens, limit=127)))
    notes = music.notes.copy()
    notes["pitch"][~music.drums] += np.asarray(shift).astype(np.uint8)
    np.testing.assert_array_equal(transpose(tokens, shift), ENCODE(music.with_notes(notes)).ids)


@given(musics(), st.integers(0, 11))
def test_the_range_is_the_widest(music, limit):
    tokens = ENCODE(music).ids
    low, high = transposition_range(tokens, limit)
    assert -limit <= low <= 0 <= high <= limit
    pitches = music.notes["pitch"][~music.drums].astype(int)
    if len(pitches):
        assert low == -limit or pitches.min() + low == 0
        assert high == limit or pitches.max() + high == 127
        assert transpose(tokens, low) is not tokens
    else:
        assert (low, high) == (0, 0)


@pytest.mark.parametrize("semitones", [-11, 3, 11])
@pytest.mark.parametrize("id_", [PAD, MASK, HIDDEN])
def test_drums_padding_and_masks_never_move(id_, semitones):
    tokens = melody([40, 60, 50], program=[DRUM_PROGRAM, 0, 0])
    tokens[2, PITCH] = id_
    moved = transpose(np.stack([tokens, tokens]), semitones)
    assert (moved[:, 1, PITCH] == 60 + semitones + RESERVED).all()
    moved[:, 1, PITCH] -= np.asarray(semitones).astype(moved.dtype)
    np.testing.assert_array_equal(moved, np.stack([tokens, tokens]))


@pytest.mark.parametrize(
    ("keys", "shifts"), [(1, [0]), (2, [0, 6]), (6, [0, 2, 4, 6, -4, -2]), (12, [*range(7), *range(-5, 0)])]
)
def test_keys_are_spaced_evenly_over_the_octave(keys, shifts):
    tokens = melody([60, 64, 67])
    for moved, shift in zip(in_keys(tokens, keys), shifts, strict=True):
        np.testing.assert_array_equal(moved, transpose(tokens, shift))


def test_a_key_that_leaves_the_keyboard_is_not_reached():
    lowest = [moved[:, PITCH].min() - RESERVED for moved in in_keys(melody([1, 125]), 6)]
    assert lowest == [1, 3, 3, 3, 0, 0]


@pytest.mark.parametrize("semitones", [-1, 1, 128, 2**16, -(2**16)])
def test_out_of_range_is_refused(semitones):
    with pytest.raises(ValueError, match=r"allow 0\.\.0"):
        transpose(melody([0, 127]), semitones)


@pytest.mark.parametrize("tokens", [melody([36, 38], program=DRUM_PROGRAM), melody([60])[:0]])
def test_nothing_pitched_is_any_shift_away(tokens):
    np.testing.assert_array_equal(transpose(tokens, 5), tokens)
    assert transposition_range(tokens) == (0, 0)


@pytest.mark.parametrize("dtype", [np.uint16, np.int64])
def test_a_copy_of_the_same_kind(dtype):
    tokens = melody([60, 62]).astype(dtype)
    moved = transpose(tokens, -2)
    assert moved.dtype == dtype
    assert tokens[:, PITCH].tolist() == [64, 66]
    assert moved[:, PITCH].tolist() == [62, 64]


def test_tokens_give_tokens():
    tokens = Tokenizer()(line([60, 36], program=[0, DRUM_PROGRAM]))
    moved = transpose(tokens, 3)
    np.testing.assert_array_equal(moved.ids, transpose(tokens.ids, 3))
    assert moved.note_index is tokens.note_index
    assert transposition_range(tokens, 100) == transposition_range(tokens.ids, 100) == (-60, 67)


@pytest.mark.parametrize("shift", [1.5, 2.0, "3", None])
def test_a_shift_that_is_no_whole_number_is_refused(shift):
    with pytest.raises(TypeError, match="integer"):
        transpose(melody([60, 62]), shift)
    np.testing.assert_array_equal(transpose(melody([60]), np.int64(2)), transpose(melody([60]), 2))
