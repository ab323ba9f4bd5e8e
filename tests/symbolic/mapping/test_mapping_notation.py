"""From performed notes to a sheet: quantised onsets, values, staves, voices and bars."""

import numpy as np
import pytest

from symbolic.mapping.beats import Beats
from symbolic.mapping.features import TICKS, in_beats, onset_features, staff_features, value_features
from symbolic.mapping.keys import KeySignature
from symbolic.mapping.learnt import load_map
from symbolic.mapping.notation import VOICES, Notated, is_one_voice, notate, placed, sheet
from symbolic.mapping.quantisation import PLACES, Rules
from symbolic.mapping.rhythm import best_rhythm, rhythm_table
from symbolic.music.musicxml.reader import parse_musicxml
from symbolic.music.musicxml.writer import musicxml_bytes
from symbolic.music.notes import Music, note_array

PERIOD = 0.6
QUANTISERS = [Rules(), load_map().quantiser] if load_map() else [Rules()]


def played(seed=0, bars=8, loose=0.008):
    """Four bars of eighths and four of triplets over a bass of halves, a little out of time: music, ticks, values."""
    random = np.random.default_rng(seed)
    ticks, lengths, pitch = [], [], []
    for bar in range(bars):
        start, step = bar * 4 * TICKS, 12 if bar < bars // 2 else 8
        for place in range(0, 4 * TICKS, step):
            ticks.append(start + place)
            lengths.append(step)
            pitch.append(int(random.integers(66, 84)))
        for place in (0, 48):
            ticks.append(start + place)
            lengths.append(48)
            pitch.append(int(random.integers(36, 50)))
    true = np.array(ticks)
    onset = 1 + true / TICKS * PERIOD + random.normal(0, loose, len(true))
    length = np.array(lengths) / TICKS * PERIOD * 0.9
    notes = note_array(np.round(onset * 960).astype(int), np.round(length * 960).astype(int), pitch)
    order = np.lexsort((notes["pitch"], notes["onset"]))
    return Music(notes[order], 480), true[order], np.array(lengths)[order]


def steady(bars=8):
    times = 1 + PERIOD * np.arange(4 * bars + 1)
    return Beats(times, np.arange(len(times)) % 4 == 0)


@pytest.mark.parametrize("quantiser", QUANTISERS, ids=lambda one: type(one).__name__)
def test_plain_music_is_written_down_right(quantiser):
    music, ticks, values = played()
    found = notate(music, steady(), quantiser)
    np.testing.assert_array_equal(found.index, np.arange(len(music)))
    assert (found.onset == ticks).mean() > 0.97
    assert (found.value == values).mean() > 0.8
    assert (found.staff == (music.notes["pitch"] < 60)).mean() > 0.95


def test_microtones_stand_in_the_score():
    music, *_ = played()
    music.notes["cents"] = np.resize([0, 50, -33, 180], len(music))
    page = sheet(music, steady(), notate(music, steady(), Rules()), [], "", "")
    back = parse_musicxml(musicxml_bytes(page), "x")
    heights = [np.unique(100 * one["pitch"].astype(int) + one["cents"]) for one in (music.notes, back.notes)]
    np.testing.assert_array_equal(*heights)


@pytest.mark.parametrize("quantiser", QUANTISERS, ids=lambda one: type(one).__name__)
def test_chords_stay_together_and_time_moves_on(quantiser):
    music, *_ = played(1, loose=0.02)
    _, notes = placed(music, steady())
    onset = quantiser.onsets(notes)
    first = np.flatnonzero(np.diff(notes.chord, prepend=-1))
    assert all(len(set(chord.tolist())) == 1 for chord in np.split(onset, first[1:]))


def test_features_are_finite_and_as_long_as_the_music():
    music, ticks, _ = played()
    _, notes = placed(music, steady())
    for found in (
        onset_features(notes),
        staff_features(notes),
        value_features(notes, ticks, (notes.pitch < 60).astype(np.int64), 4, 1.0),
    ):
        assert len(found) == len(music)
        assert np.isfinite(found).all()


def test_seconds_become_beats_beyond_the_last_one_too():
    beats = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(in_beats(np.array([0.0, 1.5, 3.0, 6.0]), beats), [-1, 0.5, 1.5, 3])


def test_a_rhythm_that_scores_use_wins_over_a_slight_doubt():
    triplets = rhythm_table([np.arange(0, 480, 8)] * 20)
    ticks = np.arange(4)[:, None] * 0 + np.arange(4)[:, None] // 3 * TICKS + PLACES
    logits = np.full((4, len(PLACES)), -9.0)
    for chord, (likely, other) in enumerate([(0, 0), (8, 8), (15, 16), (0, 0)]):
        logits[chord, PLACES.tolist().index(other)] = -0.9
        logits[chord, PLACES.tolist().index(likely)] = -0.7
    assert best_rhythm(logits, ticks, triplets).tolist() == [0, 8, 16, 24]


def test_the_sheet_holds_each_note_once_in_voices_that_do_not_overlap():
    music, ticks, values = played()
    page = sheet(
        music,
        steady(),
        Notated(np.arange(len(music)), ticks, values, (music.notes["pitch"] < 60) * 1),
        [],
        "",
        "",
    )
    assert len(page.notes) == len(music)
    assert page.notes["voice"].max() < VOICES
    for staff, voice in {(int(one["staff"]), int(one["voice"])) for one in page.notes}:
        own = page.notes[(page.notes["staff"] == staff) & (page.notes["voice"] == voice)]
        onsets = np.unique(own["onset"])
        ends = np.array([(own["onset"] + own["length"])[own["onset"] == one].max() for one in onsets])
        assert (ends[:-1] <= onsets[1:]).all()
    again = parse_musicxml(musicxml_bytes(page), "x")
    assert sorted(again.notes["pitch"].tolist()) == sorted(music.notes["pitch"].tolist())
    assert page.tempo == pytest.approx(100)


def test_what_comes_before_the_first_downbeat_is_a_pick_up():
    music = Music(note_array([0, 600, 1200], 500, [60, 64, 67]), 480)
    beats = Beats(np.arange(6) * 0.625, np.arange(6) % 4 == 1)
    page = sheet(
        music,
        beats,
        Notated(np.arange(3), np.array([0, 24, 48]), np.full(3, 24), np.zeros(3, dtype=int)),
        [],
        "",
        "",
    )
    assert [(bar.start, bar.length) for bar in page.bars] == [(0, 48), (48, 192)]


@pytest.mark.parametrize("early", [0, 1, 3])
def test_beats_before_the_first_note_make_no_empty_bar(early):
    times = np.arange(17) * 0.5
    beats = Beats(times, np.arange(17) % 4 == early)
    onset = (early + np.arange(8)) * TICKS
    music = Music(note_array(onset * 20, 400, 60 + np.arange(8)), 480)
    found = Notated(np.arange(8), onset, np.full(8, TICKS), np.zeros(8, dtype=int))
    bars = sheet(music, beats, found, [KeySignature(0.0, 0)], "", "").bars
    assert [(bar.start, bar.length) for bar in bars] == [(48 * early, 192), (48 * (early + 4), 192)]


def test_beats_in_three_make_compound_bars():
    music = Music(note_array([0, 480], 400, [60, 64]), 480)
    beats = Beats(np.arange(5) * 0.5, np.arange(5) % 2 == 0, 8, compound=True)
    page = sheet(
        music,
        beats,
        Notated(np.arange(2), np.array([0, 24]), np.array([24, 24]), np.zeros(2, dtype=int)),
        [],
        "",
        "",
    )
    assert (page.bars[0].upper, page.bars[0].lower, page.bars[0].length) == (6, 8, 144)
    assert page.notes["length"].tolist() == [72, 72]


def test_key_signatures_change_at_the_nearest_bar_line():
    music = Music(note_array(np.arange(12) * 480, 480, 60), 480)
    found = Notated(np.arange(12), np.arange(12) * TICKS, np.full(12, TICKS), np.zeros(12, dtype=int))
    keys = [KeySignature(0.0, -1), KeySignature(2.2, 3), KeySignature(3.9, 0)]
    beats = Beats(np.arange(13) * 0.5, np.arange(13) % 4 == 0)
    assert [bar.fifths for bar in sheet(music, beats, found, keys, "", "").bars] == [-1, 3, 0]


@pytest.mark.parametrize(("pitch", "clef"), [(72, "G"), (45, "F")])
def test_one_voice_has_one_staff(pitch, clef):
    scale = pitch + np.array([0, 2, 4, 5, 7, 5, 4, 2] * 8)
    music = Music(note_array(np.arange(64) * 480, 500, scale), 480)
    beats = Beats(np.arange(65) * 0.5, np.arange(65) % 4 == 0)
    for quantiser in QUANTISERS:
        page = sheet(music, beats, notate(music, beats, quantiser), [], "", "")
        assert [sign for sign, _ in page.clefs] == [clef]
        again = parse_musicxml(musicxml_bytes(page), "x")
        assert again.notes["pitch"].tolist() == scale.tolist()
        assert (again.notes["onset"] / again.resolution).tolist() == list(range(64))


def test_two_hands_are_not_one_voice():
    music, *_ = played()
    assert not is_one_voice(placed(music, steady())[1])


def test_doubled_notes_are_written_once():
    music = Music(note_array([0, 0], [480, 240], 60), 480)
    found = Notated(np.arange(2), np.zeros(2, dtype=int), np.array([24, 12]), np.zeros(2, dtype=int))
    page = sheet(music, Beats(np.arange(3) * 0.5, np.array([True, False, False])), found, [], "", "")
    assert page.notes["length"].tolist() == [48]
