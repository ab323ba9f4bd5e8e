"""Hand-made features: what they mean, what leaves them unmoved, and pieces at the edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from finetune_helpers import tune

from symbolic.features import feature_groups, feature_matrix, feature_names, piece_features
from symbolic.features.tonal import key_fit
from symbolic.music.notes import Music, note_array
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.transposition import transpose
from symbolic.tokens.vocabulary import FIELDS, POSITION, TEMPO

MOVED_BY_TRANSPOSITION = {"pitch_mean", "pitch_low", "pitch_high"}


def _encode(music: Music, **options: object) -> np.ndarray:
    return Tokenizer().encode(music, **options).ids


def _notes(*notes: tuple[int, int, int, int], bpm: float = 120.0) -> np.ndarray:
    """Tokens of (onset, duration) in sixteenths, pitch and velocity."""
    onset, duration, pitch, velocity = np.array(notes).T
    music = Music(note_array(onset, duration, pitch, velocity), 4, tempos=np.array([[0, bpm]]))
    return _encode(music)


def _performance(seed: int = 0, count: int = 1600) -> Music:
    """Notes about the eighths of a grid, few of them quite together, faster in the second half."""
    random = np.random.default_rng(seed)
    onset = np.sort(random.choice(np.arange(count), count)) * 60 + random.integers(0, 9, count)
    onset[:2] = 0
    pitch = random.choice((48, 52, 55, 60, 62, 64, 65, 67, 71, 74), count)
    notes = note_array(onset, random.integers(20, 900, count), pitch, random.integers(30, 110, count))
    return Music(notes, 120, tempos=np.array([[0, 90.0], [30 * count, 140.0]]))


def _with_drums() -> Music:
    tuned = _performance(4, 400)
    drums = note_array(np.arange(0, 9600, 120), 60, np.tile((36, 42, 38, 42), 20), 90, 128)
    return tuned.with_notes(np.concatenate([tuned.notes, drums]))


def test_names_are_unique_and_are_the_columns() -> None:
    tokens = _encode(_performance())
    names = feature_names()
    assert sum(len(group) for group in feature_groups(tokens).values()) == len(names)
    assert names == list(piece_features(tokens)) == list(dict.fromkeys(names))
    table = feature_matrix([tokens, tokens[:50]])
    assert table.shape == (2, len(names))
    assert table[1].tolist() == np.round(list(piece_features(tokens[:50]).values()), 9).tolist()
    assert feature_matrix([]).shape == (0, len(names))


@pytest.mark.parametrize("shift", [-7, -1, 5])
@pytest.mark.parametrize("music", [_performance(), tune(0), _with_drums()])
def test_transposition_moves_register_and_nothing_else(music: Music, shift: int) -> None:
    tokens = _encode(music)
    before, after = piece_features(tokens), piece_features(transpose(tokens, shift))
    moved = {n for n in before if before[n] != pytest.approx(after[n], abs=1e-9)}
    assert {n for n in moved if not n.startswith(("pitch_class_", "octave_"))} == MOVED_BY_TRANSPOSITION
    for name in MOVED_BY_TRANSPOSITION:
        assert after[name] - before[name] == pytest.approx(shift)


@pytest.mark.parametrize("music", [_performance(), _performance(1), tune(0, bars=48)])
def test_a_repeated_piece_has_nearly_the_same_features(music: Music) -> None:
    bar = 12 * music.resolution  # ends bars of three quarters and of four
    end = -(-int((music.notes["onset"] + music.notes["duration"]).max()) // bar) * bar
    again = music.notes.copy()
    again["onset"] += end
    tempos = music.tempo_map.copy()
    tempos[:, 0] += end
    twice = replace(
        music.with_notes(np.concatenate([music.notes, again])),
        tempos=np.concatenate([music.tempo_map, tempos]),
    )
    pieces = [_encode(piece) for piece in (music, twice, _performance(2))]
    once, doubled, other = feature_matrix(pieces)
    scale = np.maximum(np.abs(once), 1.0)
    moved = np.abs(doubled - once) / scale
    assert {n: m for n, m in zip(feature_names(), moved, strict=True) if m > 0.1} == {}
    # The tolerance is far below the differences between pieces.
    assert moved.mean() < 0.1 * (np.abs(other - once) / scale).mean()


@pytest.mark.parametrize(
    "music",
    [
        Music(note_array([0], 1, 60), 4),
        Music(note_array([0, 0, 0], 1, [60, 64, 67]), 4),
        Music(note_array([0, 4], 1, 60), 4),
        Music(note_array([0, 900000], 1, [0, 127], [1, 127]), 4),
        Music(note_array([0], 1, 36, 80, 128), 4),
        Music(note_array(np.arange(40), 1, 36, 80, 128), 4),
        Music(note_array(np.zeros(60), 4, 60), 4),
    ],
    ids=["one note", "one chord", "two notes", "far apart", "one drum", "drums", "copies"],
)
def test_features_of_odd_pieces_are_finite(music: Music) -> None:
    assert np.isfinite(list(piece_features(_encode(music)).values())).all()


@pytest.mark.parametrize("hidden", [(name,) for name in FIELDS] + [FIELDS])
def test_hidden_fields_are_constants(hidden: tuple[str, ...]) -> None:
    found = piece_features(_encode(_with_drums(), hide=hidden))
    assert np.isfinite(list(found.values())).all()
    if "velocity" in hidden:
        varying = {name for name in found if name.startswith("velocity") and found[name] != 0}
        assert varying == {"velocity_mean", "velocity_low", "velocity_high"}


def test_a_hidden_tempo_is_the_nominal_one() -> None:
    music = replace(_performance(), tempos=np.array([[0, 120.0]]))
    known, hidden = (piece_features(_encode(music, hide=hide)) for hide in ((), ("tempo",)))
    assert known["notes_per_second"] == pytest.approx(hidden["notes_per_second"], rel=0.01)


def test_timing_is_in_seconds_and_note_values_in_quarters() -> None:
    notes = [(i, 1, 60 + i % 5, 64) for i in range(0, 64, 2)]
    slow, fast = (piece_features(_notes(*notes, bpm=bpm)) for bpm in (64, 128))
    assert fast["notes_per_second"] == pytest.approx(2 * slow["notes_per_second"])
    assert fast["gap_log_mean"] == pytest.approx(slow["gap_log_mean"] - 1)
    assert (fast["articulation_mean"], slow["articulation_mean"]) == pytest.approx((-1, -1))
    assert fast["gap_eighth"] == slow["gap_eighth"] == 1.0
    assert fast["notes_per_quarter"] == slow["notes_per_quarter"]


def test_a_change_of_tempo_takes_hold_at_its_note() -> None:
    tokens = _notes(*[(4 * i, 4, 60, 64) for i in range(3)], bpm=64)
    tokens[1:, TEMPO] += 12  # an octave: the first quarter lasts 60 / 64 s, the second half as long
    assert piece_features(tokens)["gap_log_mean"] == pytest.approx(np.log2(60 / 64) - 0.5)


def test_hands_that_are_nearly_together_make_one_stroke() -> None:
    tokens = _notes(*[(8 * i, 4, pitch, 64) for i in range(8) for pitch in (48, 60, 64)])
    late = tokens.copy()
    late[2::3, POSITION] += 1
    for found in (piece_features(tokens), piece_features(late)):
        assert found["stroke_size_mean"] == found["stroke_of_3"] * 3 == 3
        assert found["stroke_span_mean"] == 16
    late[2::3, POSITION] += 2
    assert piece_features(late)["stroke_of_3"] == 0


def test_chords_are_measured_over_their_bass() -> None:
    tokens = _notes(*[(8 * i, 8, pitch, 64) for i in range(8) for pitch in (48, 60, 64, 67)])
    found = piece_features(tokens)
    assert [found[f"over_bass_{k}"] for k in (0, 4, 7)] == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize(("third", "sign"), [(4, 1), (3, -1)])
def test_mode_and_scale_degrees(third: int, sign: int) -> None:
    scale = [0, 2, third, 5, 7, 7 + third - 1 + (third == 3), 12, 7, third, 0]
    found = piece_features(_notes(*[(4 * i, 4, 62 + step, 64) for i, step in enumerate(scale * 4)]))
    assert np.sign(found["key_major"]) == sign
    assert found["degree_0"] == pytest.approx(0.3)
    assert found[f"degree_{third}"] == pytest.approx(0.2)


def test_a_key_fits_its_own_profile_and_no_key_fits_none() -> None:
    flat = key_fit(np.ones(12))
    assert (flat == 0).all()
    triad = np.zeros(12)
    triad[[2, 6, 9]] = 1
    assert np.unravel_index(key_fit(triad).argmax(), (2, 12)) == (0, 2)


def test_loud_tops_and_rising_loudness() -> None:
    tokens = _notes(*[(8 * i, 8, pitch, 100 if pitch == 72 else 60) for i in range(8) for pitch in (48, 72)])
    found = piece_features(tokens)
    assert found["velocity_top"] == -found["velocity_bottom"] == pytest.approx(20, abs=4)
    assert found["velocity_with_pitch"] == pytest.approx(1)


def test_a_pulse_is_found() -> None:
    found = piece_features(_notes(*[(4 * i, 1, 60, 64) for i in range(64)]))
    assert found["pulse_log"] == -1.0
    assert found["pulse_strength"] > 0.9
    assert piece_features(_encode(_performance()))["pulse_strength"] < 0.5


def test_repetition_is_counted_within_a_phrase() -> None:
    figure = _notes(*[(2 * i, 2, 60 + step, 64) for i, step in enumerate((0, 4, 7, 4) * 32)])
    assert piece_features(figure)["next_repeats"] > 0.9
    assert piece_features(_encode(_performance()))["next_repeats"] < 0.5


def test_drum_parts_are_distinguished() -> None:
    found = piece_features(_encode(Music(note_array(np.arange(8), 1, [36, 42, 38, 42] * 2, 80, 128), 4)))
    assert found["drums"] == 1
    assert (found["drum_bass"], found["drum_snare"], found["drum_hat"]) == (0.25, 0.25, 0.5)
