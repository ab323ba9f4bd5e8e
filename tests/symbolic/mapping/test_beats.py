"""Beats of performances: read, taken from bars, and found."""

import numpy as np
import pytest

from symbolic.errors import ConfigError, MusicFileError
from symbolic.mapping import beat_trees
from symbolic.mapping.beats import RULES, beats_of_file, find_beats, parse_metre, read_beats, stated_beats
from symbolic.mapping.chords import chord_features
from symbolic.mapping.learnt import load_map
from symbolic.mapping.tracking import track_beats
from symbolic.music.notes import Music, note_array


def waltz(bars=16, beat=0.5, drift=0.0):
    """A bass note and two chords a bar, the harmony changing with it; a beat takes longer by `drift` each time."""
    onset, pitch, velocity, now = [], [], [], 0.3
    for bar in range(bars):
        root = (48, 53, 55, 50)[bar % 4]
        for step in range(3):
            for one in (root - 12,) if step == 0 else (root + 4, root + 7):
                onset.append(now)
                pitch.append(one)
                velocity.append(90 if step == 0 else 60)
            now += beat * (1 + drift) ** (3 * bar + step)
    ticks = np.round(np.array(onset) * 960).astype(int)
    return Music(note_array(ticks, 200, pitch, velocity), 480)


def lines(tmp_path, text):
    path = tmp_path / "beats.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "0.3\t0.3\tdb,3/4,0\n0.8\t0.8\tb\n1.3\t1.3\tb\n1.8\t1.8\tdb\n",
        "0.3 1\n0.8 2\n1.3 3\n1.8 1\n",
        "0.3\t0.3\tdownbeat\n0.8\t0.8\tbeat\n1.3\t1.3\tbeat\n1.8\t1.8\tdownbeat\n",
    ],
)
def test_the_usual_files_of_beats_are_read(tmp_path, text):
    found = read_beats(lines(tmp_path, text), waltz())
    assert found.times.tolist() == [0.3, 0.8, 1.3, 1.8]
    assert found.down.tolist() == [True, False, False, True]
    assert (found.in_bar, found.lower, found.compound) == (3, 4, False)


def test_beats_without_bars_get_them_from_the_music(tmp_path):
    found = read_beats(lines(tmp_path, "\n".join(f"{0.3 + 0.5 * beat:.3f}" for beat in range(48))), waltz())
    assert found.in_bar == 3
    assert found.down[0]


def test_a_metre_in_the_file_or_given_counts(tmp_path):
    path = lines(tmp_path, "0.3\t0.3\tdb,6/8,0\n0.8\t0.8\tb\n1.3\t1.3\tdb\n")
    assert read_beats(path, waltz()).unit == 1.5
    assert read_beats(path, waltz(), "2/2").unit == 2


@pytest.mark.parametrize("text", ["", "0.5 1\n", "one\ntwo\n", "nan 1\n0.5 2\n"])
def test_files_without_beats_are_refused(tmp_path, text):
    with pytest.raises(MusicFileError):
        read_beats(lines(tmp_path, text), waltz())


def test_metres_count_beats():
    assert (parse_metre("3/4"), parse_metre("6/8"), parse_metre("3/8")) == ((3, 4), (2, 8), (3, 8))
    for wrong in ("0/4", "3", "3/5", "waltz"):
        with pytest.raises(ConfigError):
            parse_metre(wrong)


def test_beats_of_a_file_follow_its_bars_and_tempos():
    music = Music(
        note_array([0, 1440], 480, 60),
        480,
        np.array([[0, 3, 4], [1440, 6, 8]]),
        np.array([[0, 120.0], [1440, 60.0]]),
    )
    found = beats_of_file(music)
    assert found.times[:4].tolist() == [0, 0.5, 1, 1.5]
    assert found.down[:4].tolist() == [True, False, False, True]


@pytest.mark.parametrize("drift", [0.0, 0.003, -0.001])
def test_beats_of_a_waltz_are_found_as_it_slows_or_hurries(drift):
    music = waltz(drift=drift)
    found = find_beats(music)
    true = np.unique(music.seconds(music.notes["onset"]))
    apart = np.abs(found.times[:, None] - true[None, :]).min(axis=0)
    assert (apart < 0.07).mean() > 0.9
    assert 0.9 < (found.times[-1] - found.times[0]) / len(found.times) / np.diff(true).mean() < 1.1
    assert found.in_bar == 3


def test_trees_lay_beats_of_a_waltz_on_its_chords():
    music = waltz(drift=0.003)
    found = find_beats(music, tracker=load_map().tracker)
    time = np.unique(music.seconds(music.notes["onset"]))
    at = np.searchsorted(time, found.times[found.times < time[-1] - 0.01] - 0.01)
    assert np.abs(time[at] - found.times[: len(at)]).max() < 0.01
    assert set(np.diff(at)) in ({1}, {3})  # the beat of so plain a waltz may as well be its bar


def test_chords_are_described_once_for_beats_and_bars(monkeypatch):
    described = []
    monkeypatch.setattr(
        beat_trees, "chord_features", lambda chords: described.append(0) or chord_features(chords)
    )
    find_beats(waltz(drift=0.003), tracker=load_map().tracker)
    assert len(described) == 1


def test_rules_find_the_beats_of_a_single_voice():
    music = Music(note_array(np.arange(64) * 240, 200, 60 + np.arange(64) % 7), 480)
    found = find_beats(music, tracker=load_map().tracker)
    assert found.times.tolist() == find_beats(music).times.tolist()
    assert found.down.tolist() == find_beats(music).down.tolist()


def test_little_music_has_two_beats_at_least():
    for onset in ([], [0], [0, 480], [0, 0, 0], np.arange(20) * 9600, np.arange(20) * 48):
        music = Music(note_array(np.array(onset, dtype=int), 240, 60), 480)
        for tracker in (RULES, load_map().tracker):
            assert len(find_beats(music, tracker=tracker).times) >= 2
    assert len(track_beats(np.array([0.0, 9.0, 18.0]), np.ones(3))) >= 2


def test_beats_go_on_after_a_silence():
    before, after = 0.5 * np.arange(20), 17.0 + 0.5 * np.arange(20)
    time = np.concatenate([before, after, [40.0]])
    found = track_beats(time, np.zeros(len(time)))
    assert np.abs(found[:, None] - time[None, :]).min(axis=0).max() < 0.01
    assert (np.diff(found) > 0.2).all()
    assert (found[0], found[-1] > 40) == (0, True)


def test_a_metre_that_is_given_is_kept():
    assert find_beats(waltz(), "5/4").in_bar == 5


@pytest.mark.parametrize(
    ("step", "loose", "kept"),
    [(120, 0, True), (160, 8, True), (80, 0, True), (60, 0, True), (101, 0, False), (120, 110, False)],
)
def test_notes_on_the_grid_of_a_file_keep_its_beats(step, loose, kept):
    onset = np.arange(64) * step + np.random.default_rng(0).integers(0, loose + 1, 64)
    assert (stated_beats(Music(note_array(onset, 100, 60), 480)) is not None) == kept


def test_beats_are_moved_onto_notes_that_begin_at_any_time():
    onset = 205 + np.arange(96) * 240
    strong = np.arange(96) % 8 == 0
    music = Music(note_array(onset, 200, np.where(strong, 36, 72), np.where(strong, 100, 50)), 480)
    found = stated_beats(music)
    place = (found.times - 205 / 960) / 0.5
    np.testing.assert_allclose(place[1:], np.round(place[1:]), atol=0.02)
    assert found.in_bar == 4
    assert np.round(place[found.down]).astype(int)[1] % 4 == 0
    assert stated_beats(music, "3/4").in_bar == 3


@pytest.mark.parametrize(
    ("metre", "accents", "seconds", "compound"),
    [("6/8", 6, 0.75, True), ("7/8", 7, 0.25, False), ("2/2", 8, 1.0, False), ("3/4", 6, 0.5, False)],
)
@pytest.mark.parametrize("stated", [True, False])
def test_a_metre_that_is_given_has_its_beats_on_the_grid(metre, accents, seconds, compound, stated):
    upper, lower = (int(one) for one in metre.split("/"))
    strong = np.arange(96) % accents == 0
    notes = note_array(np.arange(96) * 240, 200, np.where(strong, 36, 72), np.where(strong, 100, 50))
    signatures = np.array([[0, upper, lower] if stated else [0, 4, 4]])
    found = stated_beats(Music(notes, 480, signatures), metre)
    np.testing.assert_allclose(
        np.diff(found.times)[1:], seconds, atol=1e-6
    )  # none before the start of the file
    assert (found.compound, found.lower) == (compound, lower)
    assert found.in_bar == (2 if compound else upper)
    down = found.times[found.down] / (accents * 0.25)
    np.testing.assert_allclose(down, np.round(down), atol=0.02)


@pytest.mark.parametrize(("metre", "groups"), [("5/8", (3, 2)), ("7/8", (3, 2, 2)), ("10/8", (4, 2, 2, 2))])
@pytest.mark.parametrize("pickup", [0, 2])
def test_bars_of_uneven_metres_begin_with_the_long_note(metre, groups, pickup):
    place = np.cumsum([0, *groups * 16])[:-1]
    lengths = np.tile(groups, 16) * 240
    late = 205 + pickup * 240
    onset = np.concatenate([205 + np.arange(pickup) * 240, late + place * 240])
    notes = note_array(onset, np.concatenate([np.full(pickup, 240), lengths]), 60 + np.arange(len(onset)) % 5)
    found = stated_beats(Music(notes, 480), metre)
    bar = sum(groups) * 0.25
    begins = (found.times[found.down] - late / 960) / bar
    np.testing.assert_allclose(begins[1:], np.round(begins[1:]), atol=0.01)


def test_thirds_of_the_quarter_are_beats_of_three_units():
    music = Music(note_array(np.arange(96) * 160, 150, 60 + np.arange(96) % 3), 480)
    found = stated_beats(music, "6/8")
    assert found.compound
    np.testing.assert_allclose(np.diff(found.times)[1:], 0.5, atol=1e-6)


def test_few_notes_keep_no_beats():
    assert stated_beats(Music(note_array([0, 480], 100, 60), 480)) is None
    assert stated_beats(Music(note_array([], [], []), 480)) is None
