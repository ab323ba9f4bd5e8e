"""What infilling promises: nothing else changes, nothing unasked is written, and the same seed writes the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import tune
from synthetic import line, unruly

from symbolic.errors import ConfigError, MusicFileError
from symbolic.generate.constraints import SCALES, Constraints
from symbolic.generate.passage import DRAWN_NAMES, find_passage
from symbolic.generate.registers import registers
from symbolic.generate.sampling import Sampling
from symbolic.generate.tracks import find_tracks
from symbolic.music.files import read_music
from symbolic.music.midi.events import is_release, is_strike, read_events
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array
from symbolic.relations import relation_ids
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import BAR, MASK, PITCH, POSITION, RESERVED, Vocabulary

QUICK = Sampling(steps=2)
ASKED = {"whole": None, **{name: [name] for name in DRAWN_NAMES}, "two": ["pitch", "duration"]}


def listed(notes):
    return Counter(map(tuple, notes.tolist()))


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("infilling")


def from_file(folder: Path, seed: int, notes: int = 24, resolution: int = 480) -> Music:
    write_midi(unruly(seed, notes, 3, resolution, 3), folder / f"{seed}-{notes}-{resolution}.mid")
    return read_music(folder / f"{seed}-{notes}-{resolution}.mid")


def bars_of(music):
    return Tokenizer()(music).ids[:, BAR].astype(int) - RESERVED + 1


@settings(max_examples=15)
@given(
    seed=st.integers(0, 30),
    resolution=st.sampled_from([480, 96, 24, 1]),
    asked=st.sampled_from(list(ASKED)),
    data=st.data(),
)
def test_only_what_is_asked_changes_in_the_file(nano, folder, seed, resolution, asked, data):
    music = from_file(folder, seed, resolution=resolution)
    bars = bars_of(music)
    first = data.draw(st.sampled_from(sorted(set(bars.tolist()))))
    last = data.draw(st.integers(first, max(first, min(bars.max(), first + 12))))
    (found,) = nano.infill(music, (first, last), fields=ASKED[asked], sampling=QUICK, seed=seed)
    found.write(folder / "out.mid")
    back = read_music(folder / "out.mid")
    # The context is there, note by note, and each of the written notes.
    names = ["onset", "duration", "pitch", "velocity", "program"]
    assert listed(back.notes[names]) == listed(found.music.notes[names])
    kept = listed(music.notes[names]) - listed(found.source.notes[found.replaced][names])
    assert not kept - listed(back.notes[names])
    # So is every event that is no note.
    before, after = (read_events(path.read_bytes(), "x") for path in (Path(music.path), folder / "out.mid"))
    for old, new in zip(before.tracks, after.tracks, strict=True):
        assert [one for one in old if not _is_note(one)] == [one for one in new if not _is_note(one)]
    # What is written lies inside, and has what was not to be drawn from the notes that it stands for.
    within = bars_of(found.music)[np.argsort(Tokenizer()(found.music).note_index)][found.written]
    assert ((first <= within) & (within <= last)).all()
    if ASKED[asked] is not None:
        former = music.notes[found.like]
        free = {"position": "onset"}
        changed = {free.get(name, name) for name in ASKED[asked]}
        for name in {*names, "track"} - changed - ({"duration"} if "onset" in changed else set()):
            assert (former[name] == found.notes[name]).all()


def _is_note(event):
    return is_strike(event[1]) or is_release(event[1])


@settings(max_examples=10)
@given(
    seed=st.integers(0, 30),
    scale=st.sampled_from([None, "Eb major", "F# blues"]),
    most=st.sampled_from([None, 1, 2]),
)
def test_written_notes_obey_the_constraints(nano, folder, seed, scale, most):
    music = from_file(folder, seed)
    rules = Constraints(scale=scale, lowest=40, highest=79, polyphony=most)
    (found,) = nano.infill(music, continue_bars=3, sampling=QUICK, constraints=rules, seed=seed)
    pitched = found.notes[found.notes["program"] != DRUM_PROGRAM]
    assert ((pitched["pitch"] >= 40) & (pitched["pitch"] <= 79)).all()
    if scale:
        tonic = {"Eb": 3, "F#": 6}[scale.split()[0]]
        assert np.isin((pitched["pitch"].astype(int) - tonic) % 12, SCALES[scale.split()[1]]).all()
    ends = found.notes["onset"] + found.notes["duration"]
    for track in np.unique(found.notes["track"]):
        own = found.notes["track"] == track
        onset = found.notes["onset"][own]
        sounding = ((onset[:, None] <= onset) & (onset < ends[own][:, None])).sum(axis=0)
        assert sounding.max(initial=0) <= (most or len(onset))
        # Notes of one pitch do not overlap: MIDI could not tell their ends apart.
        pitch = found.notes["pitch"][own]
        same = (pitch[:, None] == pitch) & (onset[:, None] < onset) & (onset < ends[own][:, None])
        assert not same.any()


def test_tracks_of_one_program_are_not_doubled(nano):
    high, low = line(np.arange(60, 76)), line(np.arange(40, 56))
    low.notes["track"] = 1
    both = Music(np.concatenate([high.notes, low.notes]), 480)
    narrow = Constraints(lowest=60, highest=61)
    for seed in range(5):
        (found,) = nano.infill(both, (2, 3), sampling=QUICK, constraints=narrow, seed=seed)
        places = list(zip(found.notes["onset"].tolist(), found.notes["pitch"].tolist(), strict=True))
        assert len(places) == len(set(places))
        assert len(places) > 4


def test_a_kept_rhythm_is_kept(nano, folder):
    music = from_file(folder, 3)
    (found,) = nano.infill(music, (1, 6), sampling=QUICK, constraints=Constraints(rhythm=True))
    former = music.notes[found.like]
    assert (former[["onset", "duration"]] == found.notes[["onset", "duration"]]).all()
    assert (former["pitch"] != found.notes["pitch"]).any()


def test_the_same_seed_writes_the_same_and_another_does_not(nano, folder):
    music, asked = line(np.arange(40, 72), 0.5), {"bars": (2, 3), "sampling": QUICK}
    first, again, other = (nano.infill(music, **asked, number=3, seed=seed) for seed in (7, 7, 8))
    for one, two, three in zip(first, again, other, strict=True):
        assert (one.notes == two.notes).all()
        assert one.notes.tolist() != three.notes.tolist()
        assert one.to_midi() == two.to_midi()
    assert first[0].notes.tolist() != first[1].notes.tolist()
    # A variant has its own source of randomness, however many there are.
    assert len(nano.infill(music, **asked, seed=7)[0].notes) == len(first[0].notes)


def test_music_without_dynamics_stays_so_and_others_keep_their_range(nano):
    music = line(np.arange(40, 72))
    for velocities in ([90], [40, 60, 80]):
        music.notes["velocity"] = np.resize(velocities, len(music))
        (found,) = nano.infill(music, (3, 4), fields=["velocity"], sampling=QUICK)
        assert set(found.notes["velocity"].tolist()) <= set(range(min(velocities), max(velocities) + 4))


def test_drums_stay_drums(nano):
    music = tune(1, drums=True)
    (found,) = nano.infill(music, (1, 1), sampling=QUICK, constraints=Constraints(scale="C major"))
    assert len(found.notes)
    assert (found.music.notes["program"] == DRUM_PROGRAM).all()


def test_an_empty_bar_is_filled_like_its_neighbours(nano):
    whole = line(np.arange(60, 76), 0.5)
    gap = whole.with_notes(whole.notes[(whole.notes["onset"] < 480 * 2) | (whole.notes["onset"] >= 480 * 6)])
    (found,) = nano.infill(gap, (1, 1), sampling=QUICK)
    assert len(found.notes) == 4
    with pytest.raises(ConfigError, match="no notes of these tracks in bars 2-3, and so no pitch"):
        nano.infill(line([60, 60], 16), (2, 3), fields=["pitch"])


def test_a_part_is_written_under_the_others(nano):
    high, low = line(np.arange(60, 76)), line(np.arange(30, 46))
    low.notes["track"], low.notes["program"] = 1, 33
    both = Music(np.concatenate([high.notes, low.notes]), 480, tracks=("tune", "low one"))
    for name in ("bass", "LOW ONE", "low", 2, "2"):
        assert find_tracks(both, [name]).tolist() == [1]
    (found,) = nano.infill(both, tracks=["bass"], sampling=QUICK)
    assert (found.notes["track"] == 1).all()
    assert (found.music.notes[:16] == high.notes).all()
    assert len(found.notes) == 16
    with pytest.raises(ConfigError, match=r"No track is called 'viola'. There are 1 \(tune\), 2 \(low one\)"):
        nano.infill(both, tracks=["viola"])


def test_one_voice_stays_one_voice(nano):
    tune, chords = (
        line(np.arange(60, 92), 0.5),
        line(np.repeat(np.arange(30, 62), 3) + np.tile([0, 4, 7], 32), 0.5),
    )
    chords.notes["onset"], chords.notes["track"] = np.repeat(tune.notes["onset"], 3), 1
    both = Music(np.concatenate([tune.notes, chords.notes]), 480)
    for asked in (None, 2):
        (found,) = nano.infill(both, (2, 3), sampling=QUICK, constraints=Constraints(polyphony=asked))
        for track, usual in ((0, 1), (1, 3)):
            own = found.music.notes[found.music.notes["track"] == track]
            onset, ends = own["onset"], own["onset"] + own["duration"]
            written = found.written[found.music.notes["track"] == track]
            sounding = ((onset[:, None] <= onset) & (onset < ends[:, None])).sum(axis=0)[written]
            assert sounding.max() <= (asked or usual)


def test_a_few_notes_of_one_voice_go_on_in_one_voice(nano):
    (found,) = nano.infill(line([60, 62, 64]), continue_bars=2, sampling=QUICK)
    onset, ends = found.notes["onset"], found.notes["onset"] + found.notes["duration"]
    assert len(onset) > 1
    assert ((onset[:, None] <= onset) & (onset < ends[:, None])).sum(axis=0).max() == 1
    (one,) = nano.infill(line([60]), sampling=QUICK)
    assert repr(one) == "Variant(1 note written in bar 1)"


def test_density_sets_how_many_notes_there_are(nano):
    music = line(np.arange(40, 104), 0.25)
    counts = [
        len(nano.infill(music, (2, 2), sampling=QUICK, constraints=Constraints(density=density))[0].notes)
        for density in (0.5, 1, 2)
    ]
    assert counts[1] == 16
    assert counts[0] < 14
    assert counts[2] == 32


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bars": (9, 12)}, r"bars 9-12: the piece has 4 bars"),
        ({"bars": (3, 2)}, r"bars 3-2: give the first and the last one"),
        ({"bars": "9-12"}, r"bars '9-12': give the first and the last one as two numbers"),
        ({"bars": 3}, r"bars 3: give the first and the last one as two numbers"),
        ({"bars": (1, 2, 3)}, r"bars \(1, 2, 3\): give the first"),
        ({"bars": (1.5, 2)}, r"bars \(1.5, 2\): give the first"),
        ({"bars": (0, 2)}, r"bars 0-2: give the first and the last one"),
        ({"bars": (1, 2), "continue_bars": 2}, "exclude each other"),
        ({"continue_bars": -1}, "continue -1: give the number of bars"),
        ({"continue_bars": 70_000}, "at most 65,532 bars"),
        ({"fields": ["pich"]}, "fields pich: did you mean 'pitch'"),
        ({"fields": "pitch"}, r"^fields 'pitch': give a list, \['pitch'\]\.$"),
        ({"tracks": "12"}, r"^tracks '12': give a list, \['12'\]\.$"),
        ({"tracks": 1}, r"^tracks 1: give a list, \[1\]\.$"),
        ({"fields": []}, "fields are empty"),
        ({"tracks": []}, "tracks are empty: name some"),
        ({"number": 0}, "number 0: give a whole number of variants"),
        ({"number": 1.5}, "number 1.5: give a whole number of variants"),
        ({"temperature": -1}, "temperature -1: must lie in 0 to 10"),
    ],
)
def test_what_cannot_be_written_is_refused_in_words(nano, arguments, words):
    with pytest.raises(ConfigError, match=words):
        nano.infill(line(np.arange(60, 76)), **arguments)


def test_a_piece_without_notes_is_refused(nano):
    with pytest.raises(MusicFileError, match="it holds no notes"):
        nano.infill(Music(note_array([], [], []), 480), continue_bars=2)


def test_a_style_of_another_tokenizer_is_refused(nano):
    other = type(nano)(nano.name, nano.checkpoint, nano.backbone, nano.heads)
    other.__class__ = type("Other", (type(nano),), {"tokenizer": Tokenizer(Vocabulary(velocity_bins=16))})
    with pytest.raises(ConfigError, match="reads other tokens than"):
        nano.infill(line(np.arange(60, 76)), style=other)


def test_a_sweep_hides_the_least_sure_quarter_again(nano, monkeypatch):
    seen = []
    forward = nano.backbone.forward
    monkeypatch.setattr(
        nano.backbone, "forward", lambda ids, mask, _: seen.append(ids.clone()) or forward(ids, mask)
    )
    nano.infill(line(np.arange(60, 76)), (2, 3), sampling=Sampling(steps=1, noise=4.5, sweeps=1))
    hidden = [(ids[0] == MASK).sum(0) for ids in seen]
    assert len(seen) == 2 * 4  # each field once, and once in the sweep
    assert [int(one[PITCH]) for one in (hidden[0], hidden[4])] == [8, 2]


def test_the_model_sees_no_hidden_value_and_new_relations(nano, monkeypatch):
    seen = []
    forward = nano.backbone.forward
    monkeypatch.setattr(
        nano.backbone, "forward", lambda ids, mask, _: seen.append(ids.clone()) or forward(ids, mask)
    )
    music = line(np.arange(60, 76))
    nano.infill(music, (2, 3), sampling=Sampling(steps=4))
    hidden = [(ids[0] == MASK).sum(0) for ids in seen]
    assert hidden[0][[POSITION, PITCH]].tolist() == [8, 8]
    assert all(int((ids < RESERVED).sum()) == int((ids == MASK).sum()) for ids in seen)
    totals = [int(own.sum()) for own in hidden]
    assert totals == sorted(totals, reverse=True)
    of_pitch = [relation_ids(ids, ["pitch_class"]) for ids in seen]
    unknown = [int((one == 0).sum()) for one in of_pitch]
    assert unknown[0] == 8
    assert unknown[-1] == 0
    # Windows count their bars from their first token, and bars never go back.
    for ids in seen:
        assert int(ids[0, 0, BAR]) == RESERVED
        assert (ids[0, :, BAR].diff() >= 0).all()


def test_long_passages_are_written_window_by_window(nano, monkeypatch):
    longest = []
    forward = nano.backbone.forward
    monkeypatch.setattr(
        nano.backbone, "forward", lambda ids, mask, _: longest.append(ids.shape) or forward(ids, mask)
    )
    (found,) = nano.infill(line(np.arange(240) % 40 + 40, 0.5), sampling=Sampling(steps=1))
    assert len(found.notes) == 240
    assert max(shape[1] for shape in longest) <= nano.backbone.config.window


def test_bars_are_those_of_the_piece_after_a_change_of_time_signature():
    signatures = np.array([[0, 4, 4], [1920, 3, 4]])
    music = Music(note_array(np.arange(10) * 480, 480, 60), 480, signatures)
    found = find_passage(music, Tokenizer()(music), Tokenizer().vocabulary, (2, 3))
    assert found.start.tolist() == [64, 112]
    assert found.length.tolist() == [48, 48]
    assert found.asked.tolist() == [False] * 4 + [True] * 6


def two_hands():
    """A high and a low voice of one program, in even notes, for eight bars."""
    onset = np.tile(np.arange(32) * 480, 2)
    pitch = np.concatenate([72 + np.arange(32) % 8, 45 + np.arange(32) % 8])
    return Music(note_array(onset, 480, pitch, track=np.repeat([0, 1], 32)), 480)


def test_tracks_of_one_program_keep_their_registers(nano):
    (found,) = nano.infill(two_hands(), (3, 6), sampling=QUICK)
    high, low = (found.notes["pitch"][found.notes["track"] == track] for track in (0, 1))
    assert min(len(high), len(low)) >= 8
    assert np.median(low) < 59 < np.median(high)


def test_a_part_that_is_written_anew_as_a_whole_keeps_its_register(nano):
    music = two_hands()
    music.notes["program"][music.notes["track"] == 1] = 32
    (found,) = nano.infill(music, tracks=[2], sampling=QUICK)
    assert set(found.notes["track"].tolist()) == {1}
    assert ((found.notes["pitch"] >= 40) & (found.notes["pitch"] <= 57)).mean() > 0.9


def test_registers_are_shares_of_the_notes_around_a_pitch():
    music, tokenizer = two_hands(), Tokenizer()
    tokens = tokenizer(music)
    passage = find_passage(music, tokens, tokenizer.vocabulary, (3, 6))
    found = registers(music, tokens, passage)
    assert np.exp(found[0]).tolist() == pytest.approx((1 - np.exp(found[1])).tolist())
    assert np.exp(found[0][[48, 75]]).tolist() == pytest.approx([0, 1], abs=1e-2)
    assert found[0][0] == pytest.approx(np.log(0.5), abs=1e-2)  # far from all notes nothing is known
    music.notes["program"][music.notes["track"] == 1] = 32
    assert not registers(music, tokenizer(music), passage)
