import json
import pickle
import tarfile
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import DATA
from synthetic import line, musics, unruly
from test_metre import walk

from symbolic.errors import ConfigError, TokenizerMismatch
from symbolic.music.midi.reader import parse_midi
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array
from symbolic.tokens.tokenizer import _LONG, _SHORT, Tokenizer, _sort, rebase_bars
from symbolic.tokens.vocabulary import (
    BAR,
    DRUM_ID,
    DRUM_PITCH,
    DURATION,
    FIELDS,
    HIDDEN,
    MASK,
    PAD,
    PITCH,
    POSITION,
    PROGRAM,
    RESERVED,
    TEMPO,
    TIME_SIGNATURE,
    VELOCITY,
    Vocabulary,
)

TOKENIZER = Tokenizer()
VOC = TOKENIZER.vocabulary
POP909 = DATA / "pop909" / "pop909.tar.xz"


def values(music, **options):
    """Tokens without the reserved offset, signed, so that they can be reckoned with."""
    return TOKENIZER.encode(music, **options).ids.astype(int) - RESERVED


def shuffled(music, seed, column=None):
    """The same music with its notes and track numbers, or one column of them, in another order."""
    random = np.random.default_rng(seed)
    notes = music.notes.copy()
    if column:
        notes[column] = random.permutation(notes[column])
        return music.with_notes(notes)
    notes["track"] = random.permutation(len(music.tracks))[notes["track"]]
    return music.with_notes(random.permutation(notes))


class TestRoundTrip:
    @given(musics())
    def test_encode_decode_encode_is_stable(self, music):
        tokens = TOKENIZER.encode(music).ids
        np.testing.assert_array_equal(TOKENIZER.encode(TOKENIZER.decode(tokens)).ids, tokens)

    @given(musics(), st.sets(st.sampled_from(["velocity", "tempo", "program"])))
    def test_also_with_hidden_fields(self, music, hide):
        tokens = TOKENIZER.encode(music, hide=hide).ids
        np.testing.assert_array_equal(TOKENIZER.encode(TOKENIZER.decode(tokens), hide=hide).ids, tokens)

    @given(musics(min_notes=8))
    def test_also_for_windows(self, music):
        window = rebase_bars(TOKENIZER.encode(music).ids[len(music) // 2 :])
        assert window[0, BAR] == RESERVED
        np.testing.assert_array_equal(TOKENIZER.encode(TOKENIZER.decode(window)).ids, window)

    def test_also_for_other_vocabularies(self):
        coarse = Tokenizer(
            Vocabulary(positions_per_quarter=4, max_denominator=16, velocity_bins=128, duration_octaves=3)
        )
        for seed in range(5):
            tokens = coarse.encode(unruly(seed)).ids
            np.testing.assert_array_equal(coarse.encode(coarse.decode(tokens)).ids, tokens)

    def test_on_the_grid_nothing_is_lost(self):
        music = line([60, 62, 64], 0.25, velocity=[2, 66, 126], program=[0, 5, 127])
        back = TOKENIZER.decode(TOKENIZER.encode(music).ids)
        for name in ("pitch", "velocity", "program"):
            assert back.notes[name].tolist() == music.notes[name].tolist()
        for name in ("onset", "duration"):
            assert (back.notes[name] / back.resolution).tolist() == (music.notes[name] / 480).tolist()
        assert back.tempos[0, 1] == pytest.approx(120, rel=0.03)

    def test_order_of_tokens_does_not_matter(self):
        tokens = TOKENIZER.encode(unruly(4)).ids
        back = TOKENIZER.decode(np.random.default_rng(0).permutation(tokens))
        np.testing.assert_array_equal(TOKENIZER.encode(back).ids, tokens)

    def test_empty_music(self):
        tokens = TOKENIZER.encode(Music(note_array([], [], []), 480))
        assert tokens.ids.shape == (0, 8)
        assert len(TOKENIZER.decode(tokens.ids)) == 0

    def test_tracks_come_back_by_program(self):
        back = TOKENIZER.decode(TOKENIZER.encode(line([40, 41], program=[DRUM_PROGRAM, 7])).ids)
        assert back.tracks == ("program 7", "drums")


class TestTokens:
    @given(musics())
    def test_one_token_per_note_within_its_fields(self, music):
        tokens = TOKENIZER.encode(music)
        ids, source = tokens.ids, tokens.note_index
        assert ids.dtype == np.uint16
        assert source.dtype == np.int32
        assert sorted(source.tolist()) == list(range(len(music)))
        assert (ids >= RESERVED).all()
        assert (ids < VOC.sizes)[:, BAR + 1 :].all()
        found = ids.astype(int) - RESERVED
        assert (found[:, POSITION] < VOC.bar_positions[found[:, TIME_SIGNATURE]]).all()

    @given(musics())
    def test_each_token_knows_its_note(self, music):
        tokens = TOKENIZER.encode(music)
        source = tokens.note_index
        found, notes = tokens.ids.astype(int) - RESERVED, music.notes[source]
        drums = notes["program"] == DRUM_PROGRAM
        place = np.array(walk(music), dtype=int).reshape(-1, 3)[source]
        np.testing.assert_array_equal(found[:, [BAR, POSITION, TIME_SIGNATURE]], place)
        np.testing.assert_array_equal(found[:, PROGRAM], notes["program"])
        np.testing.assert_array_equal(found[:, PITCH], notes["pitch"] + np.where(drums, DRUM_PITCH, 0))
        np.testing.assert_array_equal(found[:, VELOCITY], notes["velocity"] // 4)

    def test_drums_have_ids_of_their_own(self):
        tokens = TOKENIZER.encode(line([36], program=DRUM_PROGRAM)).ids
        assert tokens[0, PROGRAM] == DRUM_ID
        assert tokens[0, PITCH] == DRUM_PITCH + 36 + RESERVED

    def test_bars_are_never_clipped(self):
        found = values(line([60] * 3000, 4))
        assert found[:, BAR].tolist() == list(range(3000))

    def test_more_bars_than_16_bits_count_are_refused(self):
        with pytest.raises(ConfigError, match="65,537 bars"):
            TOKENIZER.encode(Music(note_array([0, 65_536 * 1920], 480, 60), 480))

    @pytest.mark.parametrize(("quarters", "position"), [(0.03, 0), (1 / 32, 1), (1 / 3, 5), (0.99, 16)])
    def test_onset_takes_the_nearest_position(self, quarters, position):
        onset = round(quarters * 9600)
        assert values(Music(note_array(onset, 1, 60), 9600))[0, POSITION] == position

    @pytest.mark.parametrize(
        ("quarters", "kept"),
        [
            (0, 1 / 16),
            (1 / 8, 1 / 8),
            (1, 1),
            (17 / 16, 1),
            (18 / 16, 18 / 16),
            (2.9, 2.875),
            (7, 7),
            (999, 255),
        ],
    )
    def test_duration_takes_the_nearest_of_the_table(self, quarters, kept):
        found = values(Music(note_array(0, round(quarters * 9600), 60), 9600))
        assert VOC.durations[found[0, DURATION]] == kept * 16

    @pytest.mark.parametrize("resolution", [1, 7, 96, 480, 1568, 32_767])
    def test_durations_are_rounded_to_the_grid_first(self, resolution):
        ticks = np.random.default_rng(resolution).integers(0, 260 * resolution, 500)
        music = Music(note_array(np.arange(500) * resolution, ticks, 60), resolution)
        length = (ticks * 32 + resolution) // (2 * resolution)
        nearest = np.abs(VOC.durations[:, None] - length).argmin(axis=0)
        assert values(music)[:, DURATION].tolist() == nearest.tolist()

    def test_durations_beyond_the_table_take_the_nearest(self):
        vast = Vocabulary(duration_octaves=20)
        lengths = np.random.default_rng(0).integers(0, 2**20, 300)
        tokens = Tokenizer(vast).encode(Music(note_array(0, lengths, 60, program=0), 16)).ids
        found = vast.durations[np.sort(tokens[:, DURATION].astype(int) - RESERVED)]
        nearest = [np.abs(vast.durations - length).min() for length in np.sort(lengths)]
        assert np.abs(found - np.sort(lengths)).tolist() == nearest

    @pytest.mark.parametrize(("velocity", "bin_"), [(0, 0), (3, 0), (4, 1), (64, 16), (127, 31)])
    def test_velocity_bins(self, velocity, bin_):
        assert values(line([60], velocity=velocity))[0, VELOCITY] == bin_

    def test_notes_of_one_position_share_their_tempo(self):
        music = Music(note_array([470, 480, 490], 1, 60), 480, tempos=np.array([[0, 60.0], [481, 200.0]]))
        assert len(set(values(music)[:, TEMPO])) == 1


class TestOrder:
    @given(musics())
    def test_tokens_are_in_canonical_order(self, music):
        keys = values(music)[:, [BAR, POSITION, PROGRAM, PITCH, DURATION, VELOCITY]].tolist()
        assert keys == sorted(keys)

    @given(musics(), st.integers(0, 99))
    def test_order_of_notes_and_tracks_does_not_change_tokens(self, music, seed):
        np.testing.assert_array_equal(values(shuffled(music, seed)), values(music))

    @given(musics(), st.integers(0, 99))
    def test_hidden_velocities_leave_no_trace(self, music, seed):
        tokens = TOKENIZER.encode(music, hide=["velocity"])
        assert (tokens.ids[:, VELOCITY] == HIDDEN).all()
        again = TOKENIZER.encode(shuffled(music, seed, "velocity"), hide=["velocity"])
        np.testing.assert_array_equal(again.ids, tokens.ids)
        np.testing.assert_array_equal(again.note_index, tokens.note_index)

    @pytest.mark.parametrize("name", FIELDS)
    def test_any_field_can_be_hidden(self, name):
        tokens = TOKENIZER.encode(unruly(1), hide={name}).ids
        assert (tokens == HIDDEN).all(axis=0).tolist() == [name == field for field in FIELDS]

    def test_hiding_an_unknown_field_is_refused(self):
        with pytest.raises(ConfigError, match="loudness"):
            TOKENIZER.encode(unruly(1), hide=["loudness"])

    @pytest.mark.parametrize("column", ["track", "velocity"])
    @pytest.mark.parametrize("count", [300, 1000, 4000])
    def test_order_of_equal_notes_reveals_nothing(self, column, count):
        # Every note stands twice, as melody over accompaniment does; the first of each pair is from track 0
        # and louder. Which of two equal notes comes first must be random: within 4 standard deviations of half.
        pair = np.tile(np.arange(count), 2)
        label = np.repeat([0, 1], count)
        music = Music(note_array(pair * 120, 120, 60, 100 - 50 * label, 0, label), 480)
        source = TOKENIZER.encode(music, hide=["velocity"]).note_index
        first = music.notes[source][column][::2]
        assert abs((first == music.notes[column][0]).mean() - 0.5) < 2 / np.sqrt(count)

    @pytest.mark.parametrize("equal", [False, True])
    @pytest.mark.parametrize("count", [0, 1, 2, 500])
    def test_both_ways_of_sorting_agree(self, count, equal):
        random = np.random.default_rng(count)
        short = np.empty(count, dtype=_SHORT)
        for name in _SHORT.names:
            short[name] = random.integers(0, 2 if equal else 128, count)
        before = short.copy()
        long = short.astype(_LONG)
        order = _sort(short, [])
        np.testing.assert_array_equal(order, _sort(long, [long["onset"].copy()]))
        np.testing.assert_array_equal(short, before[order])
        np.testing.assert_array_equal(short, long.astype(_SHORT))
        keys = [tuple(key)[::-1] for key in short.tolist()]
        assert keys == sorted(keys)

    def test_a_third_track_has_its_equal_chance(self):
        # Were the shuffle a rule, such as a step through the numbers, notes at a constant distance would tend
        # to come in one order, and so would tracks.
        count = 3000
        onset = np.tile(np.arange(count), 3) * 120
        source = TOKENIZER.encode(
            Music(note_array(onset, 120, 60, track=np.repeat(range(3), count)), 480)
        ).note_index
        places = (source // count).reshape(count, 3)
        shares = [[(places[:, place] == track).mean() for track in range(3)] for place in range(3)]
        np.testing.assert_allclose(shares, 1 / 3, atol=4 * np.sqrt(2 / 9 / count))

    @pytest.mark.parametrize("last", [2**17, 2**24])
    def test_long_silences_do_not_upset_the_order(self, last):
        # Positions and note number together outgrow the integer in the second case.
        onset = np.append(np.arange(4999) % 7 * 480, last * 480 // 16)
        sparse = Tokenizer(Vocabulary(max_bar_quarters=1024, max_denominator=4))
        music = Music(note_array(onset, 1, 60), 480, np.array([[0, 256, 1]]))
        found = sparse.encode(music)
        assert found.ids[-1, BAR] - RESERVED == last // (1024 * 16)
        assert found.note_index[-1] == 4999
        assert (np.diff(onset[found.note_index]) >= 0).all()

    def test_encoding_is_repeatable(self):
        first, second = (TOKENIZER.encode(unruly(2)) for _ in range(2))
        np.testing.assert_array_equal(first.note_index, second.note_index)


class TestCall:
    def test_paths_and_objects_give_the_same_tokens(self, tmp_path):
        music = line([60, 64, 67], program=[0, 40, DRUM_PROGRAM], track=[0, 1, 2])
        music.write(tmp_path / "a.mid")
        objects = [tmp_path / "a.mid", str(tmp_path / "a.mid"), music.to_symusic(), music.to_pretty_midi()]
        for tokens in TOKENIZER(objects):
            np.testing.assert_array_equal(tokens.ids, TOKENIZER(music).ids)
            assert len(tokens.note_index) == len(tokens) == 3

    def test_fields_can_be_hidden(self):
        assert (TOKENIZER(line([60]), hide=["velocity"]).ids[:, VELOCITY] == HIDDEN).all()

    def test_tokens_decode_as_their_ids_do(self):
        tokens = TOKENIZER(unruly(1))
        np.testing.assert_array_equal(TOKENIZER.decode(tokens).notes, TOKENIZER.decode(tokens.ids).notes)

    def test_reprs_say_what_things_are(self):
        assert repr(TOKENIZER(line([60] * 8))) == "Tokens(8 notes, 2 bars)"
        assert repr(TOKENIZER(line([60]), hide=["bar"])) == "Tokens(1 notes)"
        assert repr(TOKENIZER) == "Tokenizer()"
        assert repr(Tokenizer(Vocabulary(velocity_bins=16))).startswith(
            "Tokenizer(Vocabulary(bar 256, position 128, "
        )


class TestRebase:
    def test_bars_count_from_the_first_token(self):
        tokens = TOKENIZER.encode(line([60] * 8, 4)).ids[3:]
        moved = rebase_bars(tokens)
        assert (moved[:, BAR] - RESERVED).tolist() == [0, 1, 2, 3, 4]
        np.testing.assert_array_equal(moved[:, 1:], tokens[:, 1:])
        assert tokens[0, BAR] == 3 + RESERVED  # a copy

    @pytest.mark.parametrize("dtype", [np.uint16, np.int64])
    def test_dtype_is_kept(self, dtype):
        assert rebase_bars(TOKENIZER.encode(line([60])).ids.astype(dtype)).dtype == dtype

    def test_hidden_bars_and_empty_windows_stay(self):
        hidden = TOKENIZER.encode(unruly(3), hide=["bar"]).ids
        np.testing.assert_array_equal(rebase_bars(hidden), hidden)
        assert rebase_bars(hidden[:0]).shape == (0, 8)


class TestDecodeRefuses:
    @pytest.mark.parametrize(
        ("column", "id_"),
        [
            *[(column, PAD) for column in (BAR, POSITION, PITCH, DURATION, TIME_SIGNATURE)],
            *[(column, MASK) for column in (BAR, POSITION, PITCH, DURATION, TIME_SIGNATURE)],
            *[(column, VOC.sizes[column]) for column in range(1, 8)],
            (PROGRAM, DRUM_ID),
            (PITCH, DRUM_PITCH + RESERVED),
        ],
    )
    def test_ids_that_stand_for_no_note(self, column, id_):
        tokens = TOKENIZER.encode(line([60, 61])).ids
        tokens[1, column] = id_
        with pytest.raises(TokenizerMismatch, match="1 tokens hold"):
            TOKENIZER.decode(tokens)


class TestFile:
    def test_save_and_load(self, tmp_path):
        saved = Tokenizer(Vocabulary(positions_per_quarter=32))
        saved.save(tmp_path / "tokenizer.json")
        loaded = Tokenizer.load(tmp_path / "tokenizer.json")
        assert loaded.vocabulary == saved.vocabulary
        assert loaded.fingerprint == saved.fingerprint != TOKENIZER.fingerprint

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"velocity_bins": 16}, "edited by hand"),
            ({"velocity_bins": 33}, "not a tokenizer file"),
            ({"velocity_bins": "many"}, "not a tokenizer file"),
            ({"version": 99}, "version 99"),
            ({"colour": 1}, "colour"),
        ],
    )
    def test_changed_settings_are_refused(self, tmp_path, change, message):
        path = tmp_path / "tokenizer.json"
        TOKENIZER.save(path)
        document = json.loads(path.read_text())
        document["vocabulary"].update(change)
        path.write_text(json.dumps(document))
        with pytest.raises(TokenizerMismatch, match=message):
            Tokenizer.load(path)

    @pytest.mark.parametrize(
        "content",
        [b"", b"[]", b'"x"', b"{}", b'{"vocabulary": 3}', b"\xff", pickle.dumps({"vocabulary": {}})],
    )
    def test_other_files_are_refused(self, tmp_path, content):
        path = tmp_path / "tokenizer.json"
        path.write_bytes(content)
        with pytest.raises(TokenizerMismatch, match=r"tokenizer\.json: not a tokenizer file"):
            Tokenizer.load(path)

    def test_absent_file_is_named(self, tmp_path):
        with pytest.raises(TokenizerMismatch, match=r"none\.json"):
            Tokenizer.load(tmp_path / "none.json")


@pytest.mark.skipif(not POP909.is_file(), reason="POP909 is not at hand; set COUNTERPOINT_DATA")
def test_real_songs_are_stable_and_blind_to_their_tracks():
    with tarfile.open(POP909, "r|xz") as archive:
        songs = (m for m in archive if m.name.endswith(".mid") and "versions" not in m.name)
        for number, song in enumerate(islice(songs, 60)):
            music = parse_midi(archive.extractfile(song).read(), song.name)
            tokens = TOKENIZER.encode(music).ids
            assert len(tokens) == len(music) > 100, song.name
            np.testing.assert_array_equal(TOKENIZER.encode(TOKENIZER.decode(tokens)).ids, tokens, song.name)
            np.testing.assert_array_equal(TOKENIZER.encode(shuffled(music, number)).ids, tokens, song.name)
    assert number == 59
