from dataclasses import replace

import numpy as np
import pytest
from made import CACHE, DATA, needs

from data.corpora.archives import CACHE_VARIABLE
from data.corpora.pop909 import RESOLUTION, Pop909Corpus, chord_labels, read_beats, read_chords, warp
from symbolic.errors import MusicFileError
from symbolic.music.notes import Music, note_array
from symbolic.predict.tonality import TONAL_CLASSES
from symbolic.tokens.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def unpacked():
    """The real corpora, their archives unpacked into the tests' own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(CACHE))
        yield DATA


def steady(count, beat=0.5, start=0.0):
    return start + np.arange(count) * beat


def played(seconds, length=0.25):
    """Notes at times in seconds, written as ticks of a tempo that has nothing to do with the music."""
    onset = np.round(np.asarray(seconds) * 2000).astype(np.int64)  # 1000 ticks a quarter at 120
    return Music(note_array(onset, int(length * 2000), 60), 1000)


def onsets(music):
    return (music.notes["onset"] / RESOLUTION).tolist()


def test_warp_puts_notes_on_beats_whatever_the_tempo():
    beats = np.cumsum([0.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0])
    warped = warp(played([0, 0.25, 2.0, 2.5, 5.0]), beats, np.array([0, 4, 8]))
    assert onsets(warped) == [0, 0.5, 4, 4.5, 7]
    assert (warped.notes["duration"] / RESOLUTION).tolist() == [0.5, 0.5, 0.25, 0.25, 0.25]
    assert warped.time_signatures.tolist() == [[0, 4, 4]]
    assert warped.tempos.tolist() == [[0, 120], [4 * RESOLUTION, 60]]
    assert np.allclose(np.diff(warped.seconds(warped.notes["onset"])), [0.25, 1.75, 0.5, 2.5])


def test_warp_goes_on_before_the_first_and_after_the_last_beat():
    # The note half a beat early opens a bar of pick-up; those after the last beat keep its pace.
    warped = warp(played([0.75, 1.0, 3.0, 4.0]), steady(5, 0.5, start=1.0), np.array([0, 4]))
    assert onsets(warped) == [3.5, 4, 8, 10]


def test_a_hair_before_the_first_beat_opens_no_bar():
    assert onsets(warp(played([0.995, 1.5]), steady(5, 0.5, start=1.0), np.array([0, 4]))) == [0, 1]


def test_a_pick_up_moves_to_the_end_of_a_full_bar():
    warped = warp(played([0.0, 0.5, 1.0]), steady(12), np.array([2, 6, 10]))
    assert onsets(warped) == [2, 3, 4]
    bars = Tokenizer().encode(warped).ids[:, 0]
    assert (bars - bars[0]).tolist() == [0, 0, 1]


def test_bars_follow_the_downbeats_and_long_ones_are_split():
    downbeats = np.array([0, 4, 8, 10, 14, 25, 29])
    warped = warp(played(steady(33)), steady(33), downbeats)
    changes = [(tick // RESOLUTION, beats) for tick, beats, _ in warped.time_signatures.tolist()]
    assert changes == [(0, 4), (8, 2), (10, 4), (22, 3), (25, 4)]
    rows = Tokenizer().encode(warped).ids.astype(int)
    starts = np.flatnonzero(np.diff(rows[:, 0], prepend=-1))
    assert starts.tolist() == [0, 4, 8, 10, 14, 18, 22, 25, 29]


def test_beat_noise_makes_no_tempo_changes():
    beats = steady(40) + np.random.default_rng(0).normal(0, 0.0004, 40)
    assert len(warp(played([0]), beats, np.arange(0, 40, 4)).tempos) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "three columns"),
        ("0 1 1\n", "three columns"),
        ("0 1\n1 0\n", "three columns"),
        ("1 1 1\n0 0 0\n", "times that rise"),
        ("nan 1 1\nnan 0 0\n", "times that rise"),
        ("0 1 0\n1 0 0\n", "no downbeat"),
        ("a b c\n", "cannot be read"),
        ("0 1 1\n1\n", "cannot be read"),
    ],
)
def test_damaged_beats_are_refused(tmp_path, text, reason):
    path = tmp_path / "beat_midi.txt"
    path.write_text(text)
    with pytest.raises(MusicFileError, match=rf"beat_midi\.txt: .*{reason}"):
        read_beats(path)


def test_absent_beats_are_refused(tmp_path):
    with pytest.raises(MusicFileError, match="cannot be read"):
        read_beats(tmp_path / "none.txt")


def test_notes_have_the_chord_in_which_they_begin(tmp_path):
    path = tmp_path / "chord_midi.txt"
    path.write_text("0.0\t1.0\tN\n1.0\t2.0\tC:maj7/3\n2.0\t3.0\tA:min\n3.5\t4.0\tA:sus4\n")
    # All are middle C; the third comes a hair before its chord, the last two in a gap and after the end.
    labels = chord_labels(played([0.5, 1.0, 1.98, 2.5, 3.2, 3.6, 4.2]), *read_chords(path))
    assert [TONAL_CLASSES[c] if c >= 0 else "" for c in labels] == [
        *("", "major 1", "minor b3", "minor b3", "", "", ""),
    ]
    path.write_text("")
    assert chord_labels(played([0.5]), *read_chords(path)).tolist() == [-1]


@pytest.mark.parametrize("text", ["0.0\t1.0\n", "a\tb\tN\n", "1.0\t2.0\tN\n0.0\t1.0\tN\n", None])
def test_damaged_chords_are_refused(tmp_path, text):
    path = tmp_path / "chord_midi.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(MusicFileError, match=r"chord_midi\.txt: its chords cannot be read"):
        read_chords(path)


@needs("pop909")
def test_pop909_bars_follow_the_beats_and_not_the_file(unpacked):
    corpus = Pop909Corpus(unpacked)
    pieces = {piece.key: piece for piece in corpus.pieces()}
    assert len(pieces) == 909
    piece = next(p for p in pieces.values() if corpus.read(p).time_signatures[0].tolist() == [0, 1, 4])
    music = corpus.read(piece)
    reading = corpus.interpret(piece, music)
    before, after = (Tokenizer().encode(m).ids[-1, 0] for m in (music, reading.music))
    assert before > 3.5 * after
    # The warp moves bars, not time: seconds differ from the file's by one constant.
    shift = reading.music.seconds(reading.music.notes["onset"]) - music.seconds(music.notes["onset"])
    assert np.ptp(shift) < 0.05
    counts = np.bincount(reading.note_labels["melody"], minlength=3)
    assert (counts > 0).all()
    assert (
        reading.note_labels["velocity"] == np.digitize(music.notes["velocity"], [32, 48, 64, 80, 96])
    ).all()


@needs("pop909")
def test_pop909_tracks_leave_no_trace_but_the_labels(unpacked):
    corpus = Pop909Corpus(unpacked)
    piece = corpus.pieces()[0]
    music = corpus.read(piece)
    # The same song, its tracks in another order and its notes shuffled.
    turn = np.array([2, 0, 1], dtype=np.uint16)
    notes = music.notes[np.random.default_rng(0).permutation(len(music))]
    notes["track"] = turn[notes["track"]]
    names = tuple(music.tracks[i] for i in np.argsort(turn))
    plain = corpus.interpret(piece, music)
    turned = corpus.interpret(piece, replace(music, notes=notes, tracks=names))
    tokens, others = (Tokenizer().encode(reading.music) for reading in (plain, turned))
    assert (tokens.ids == others.ids).all()
    assert set(plain.music.notes["program"]) == set(plain.music.notes["track"]) == {0}
    counts = [np.bincount(reading.note_labels["melody"]).tolist() for reading in (plain, turned)]
    assert counts[0] == counts[1]


@needs("pop909")
def test_a_song_that_comes_twice_has_both_timings_on_one_side(unpacked):
    corpus = Pop909Corpus(unpacked, twice=True)
    pieces = corpus.pieces()
    assert len(pieces) == 2 * 909
    assert len({piece.key for piece in pieces}) == len(pieces)
    songs, again = pieces[:909], pieces[909:]
    assert all(piece.group for piece in songs)
    assert [(p.split, p.group, p.file) for p in songs] == [(p.split, p.group, p.file) for p in again]
    music = corpus.read(songs[0])
    plain, true, filed = (
        one.interpret(piece, music)
        for one, piece in (
            (Pop909Corpus(unpacked, beats=False), songs[0]),
            (corpus, songs[0]),
            (corpus, again[0]),
        )
    )
    assert (filed.music.notes == plain.music.notes).all()
    assert filed.music.resolution != true.music.resolution
    assert all((filed.note_labels[name] == labels).all() for name, labels in true.note_labels.items())
    assert len({corpus.options().get("twice"), Pop909Corpus(unpacked).options().get("twice")}) == 2
