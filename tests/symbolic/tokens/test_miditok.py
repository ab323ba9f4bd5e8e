"""MidiTok both ways: our tokens against its Octuple, field by field; its config, its schemes.

Octuple's limits: one track a program, a metre in quarters that never changes, bars within range, no note cut by
another of its pitch. Where conventions differ by design, both are compared after mapping one to the other; the
order of simultaneous notes differs too (ours by program, pitch and duration), so notes are compared as sorted
lists.
"""

import json
import sys
import tarfile
import warnings

import numpy as np
import pytest
from made import DATA
from symusic import Score
from synthetic import line

from symbolic.errors import ConfigError, TokenizerMismatch
from symbolic.music.files import read_music
from symbolic.music.midi.reader import parse_midi
from symbolic.music.midi.writer import to_symusic, write_midi
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array
from symbolic.tokens.grid import to_grid
from symbolic.tokens.miditok_bridge import SCHEMES, MidiTokTokenizer
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import BAR, DRUM_PITCH, DURATION, FIELDS, RESERVED, VELOCITY, Vocabulary

miditok = pytest.importorskip("miditok", reason="MidiTok is not installed", exc_type=ImportError)
VOC = Vocabulary()


TOKENIZER = Tokenizer(VOC)


@pytest.fixture(scope="module")
def octuple():
    return miditok.Octuple(TOKENIZER.to_miditok())


def modest(seed):
    """Music within Octuple's limits. Notes of one pitch and program never overlap: it would cut them."""
    random = np.random.default_rng(seed)
    count = 200
    track = random.integers(0, 4, count)
    programs = np.array([0, 40, 127, DRUM_PROGRAM])
    onset = random.permutation(count) * 240 + random.integers(0, 120, count)
    pitch = np.arange(count) % 100 + 20
    tempos = [(0, VOC.tempos[30]), *((t * 1920, VOC.tempos[random.integers(49)]) for t in (5, 9, 14))]
    return Music(
        note_array(
            onset,
            random.integers(1, 9600, count),
            pitch,
            random.integers(1, 128, count),
            programs[track],
            track,
        ),
        480,
        np.array([[0, 3 + seed % 3, 4]]),
        np.array(tempos),
    )


def theirs(octuple, score):
    """(N, 8) values of MidiTok's tokens in the order and meaning of our fields."""

    def value(token):
        kind, text = token.split("_")
        match kind:
            case "Program":
                return DRUM_PROGRAM if text == "-1" else int(text)
            case "PitchDrum":
                return DRUM_PITCH + int(text)
            case "Velocity":  # the upper end of each bin, where ours is named by its number
                return octuple.velocities.tolist().index(int(text))
            case "Duration":  # even to the end, where our table grows coarser beyond a quarter note
                beats, part, steps = map(int, text.split("."))
                positions = (beats + part / steps) * VOC.positions_per_quarter
                return np.abs(VOC.durations - positions).argmin()
            case "TimeSig":
                return VOC.time_signature_values[tuple(map(int, text.split("/")))]
            case "Tempo":
                return np.abs(VOC.tempos - float(text)).argmin()
        return int(text)

    place = octuple.vocab_types_idx
    names = ("Bar", "Position", "Program", "Pitch", "Duration", "Velocity", "TimeSig", "Tempo")
    return np.array([[value(token[place[name]]) for name in names] for token in octuple.encode(score).tokens])


def assert_same(octuple, music, score):
    """Ours and theirs hold the same notes, field by field."""
    tokens = TOKENIZER.encode(music)
    ours, others = tokens.ids.astype(int) - RESERVED, theirs(octuple, score)
    order, also = (np.lexsort(found[:, [VELOCITY, 3, 2, 1, 0]].T) for found in (ours, others))
    ours, others, notes = ours[order], others[also], music.notes[tokens.note_index[order]]
    # A length halfway between two of the table goes down in ours and up in theirs: both are nearest.
    length = to_grid(notes["duration"], music, VOC)
    distances = [np.abs(VOC.durations[found[:, DURATION]] - length) for found in (ours, others)]
    # Beyond 31 quarters theirs is rounded to a quarter first, which may tip it over into the next value.
    short = length < 31 * VOC.positions_per_quarter
    np.testing.assert_array_equal(
        *(found[short] for found in distances), err_msg="distance from the duration"
    )
    np.testing.assert_allclose(ours[:, DURATION], others[:, DURATION], atol=1, err_msg="duration")
    for column, name in enumerate(FIELDS):
        if column != DURATION:
            # Velocities: bins 4 wide, ours from 4k to 4k + 3, theirs centred on 4k + 3.
            slack = 1 if column == VELOCITY else 0
            np.testing.assert_allclose(ours[:, column], others[:, column], atol=slack, err_msg=name)


@pytest.mark.parametrize("seed", range(6))
def test_octuple_agrees(tmp_path, octuple, seed):
    path = tmp_path / "a.mid"
    write_midi(modest(seed), path)
    assert_same(octuple, read_music(path), Score(path))


@pytest.mark.parametrize("velocity", [3, 7, 63, 127])
def test_velocities_on_their_own_values_agree_exactly(octuple, velocity):
    music = Music(note_array([0, 480], 480, 60, velocity), 480)
    ours = TOKENIZER.encode(music).ids[:, VELOCITY]
    assert (ours - RESERVED).tolist() == theirs(octuple, to_symusic(music, "a"))[:, VELOCITY].tolist()


def within_limits(music):
    """Whether Octuple can hold all of this music."""
    notes = music.notes[np.lexsort([music.notes[name] for name in ("onset", "pitch", "program")])]
    before, after = notes[:-1], notes[1:]
    cut = (before["program"] == after["program"]) & (before["pitch"] == after["pitch"])
    cut &= after["onset"] < before["onset"] + before["duration"]
    one_track_each = len(np.unique(notes[["track", "program"]])) == len(np.unique(notes["program"]))
    steady = (
        len(music.time_signatures) == 1
        and music.time_signatures[0, 0] == 0
        and music.time_signatures[0, 2] == 4
    )
    if cut.any() or not (one_track_each and steady):
        return False
    return int(TOKENIZER.encode(music).ids[:, BAR].max(initial=0)) - RESERVED < VOC.max_bars


def real_files(name, count):
    """Name and content of the first files of a corpus that Octuple can hold."""
    with tarfile.open(DATA / name / f"{name}.tar.xz", "r|xz") as archive:
        for member in archive:
            content = archive.extractfile(member)
            if count and content and member.name.endswith(".mid"):
                midi = content.read()
                if within_limits(parse_midi(midi, member.name)):
                    count -= 1
                    yield member.name, midi


@pytest.mark.parametrize("count", [4, pytest.param(33, marks=pytest.mark.slow, id="long")])
@pytest.mark.parametrize("name", ["pianist8", "emopia", "groove", "game_multitrack"])
def test_octuple_agrees_on_real_files(octuple, name, count):
    if not (DATA / name / f"{name}.tar.xz").is_file():
        pytest.skip(f"no '{name}' in {DATA.name}; set COUNTERPOINT_DATA")
    found = list(real_files(name, count))
    assert len(found) >= 4
    for file, midi in found:
        try:
            assert_same(octuple, parse_midi(midi, file), Score.from_midi(midi))
        except AssertionError as error:
            raise AssertionError(f"{file}: {error}") from error


class TestConfig:
    @pytest.mark.parametrize(
        "vocabulary",
        [
            VOC,
            Vocabulary(positions_per_quarter=4, max_denominator=16, velocity_bins=64, duration_octaves=3),
            Vocabulary(max_bars=60, max_bar_quarters=6, min_tempo=32, max_tempo=128, tempos_per_octave=8),
        ],
    )
    def test_there_and_back(self, vocabulary):
        back = Tokenizer.from_miditok(Tokenizer(vocabulary).to_miditok())
        assert back.fingerprint == vocabulary.fingerprint

    def test_what_has_no_equal_is_named_at_once(self):
        config = miditok.TokenizerConfig(use_chords=True, use_rests=True, num_velocities=24)
        with pytest.raises(ConfigError) as caught:
            Tokenizer.from_miditok(config)
        for message in ("use_chords", "use_rests", "linear tempos", "pitch_range", "num_velocities 24"):
            assert message in str(caught.value)
        assert "use_programs" not in str(caught.value)

    def test_the_nearest_is_taken_on_request(self):
        near = Tokenizer.from_miditok(miditok.TokenizerConfig(), strict=False).vocabulary
        assert near.positions_per_quarter == 8
        assert near.velocity_bins == 32
        assert (near.min_tempo, near.max_tempo) == (40, 250)
        assert near.durations[-1] / 8 >= 12

    def test_without_miditok_the_extra_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "miditok", None)
        with pytest.raises(ConfigError, match=r"counterpoint-smu\[miditok\]"):
            MidiTokTokenizer("REMI")


@pytest.mark.parametrize("scheme", SCHEMES)
class TestSchemes:
    def test_ids_are_within_their_sizes_and_come_back_as_music(self, scheme):
        music = line([60, 64, 67, 72], 0.5, program=[0, 0, 40, DRUM_PROGRAM], track=[0, 0, 1, 2])
        tokenizer = MidiTokTokenizer(scheme)
        ids, sequence = streams = tokenizer.encode(music)
        assert ids.shape == (len(sequence), len(tokenizer.sizes))
        assert (ids >= 0).all()
        assert (ids < tokenizer.sizes).all()
        assert (sequence == 0).all()
        back = tokenizer.decode(streams)
        assert sorted(back.notes["pitch"].tolist()) == [60, 64, 67, 72]
        assert (back.notes["onset"] * music.resolution).tolist() == sorted(
            (music.notes["onset"] * back.resolution).tolist()
        )

    def test_saved_and_loaded_it_is_the_same(self, scheme, tmp_path):
        tokenizer = MidiTokTokenizer(scheme)
        tokenizer.save(tmp_path / "a.json")
        again = MidiTokTokenizer.load(tmp_path / "a.json")
        assert again.fingerprint == tokenizer.fingerprint
        music = modest(0)
        np.testing.assert_array_equal(again.encode(music).ids, tokenizer.encode(music).ids)

    def test_an_edited_file_is_refused(self, scheme, tmp_path):
        MidiTokTokenizer(scheme).save(tmp_path / "a.json")
        document = json.loads((tmp_path / "a.json").read_text())
        document["config"]["num_velocities"] = 16
        (tmp_path / "a.json").write_text(json.dumps(document))
        with pytest.raises(TokenizerMismatch, match="edited"):
            MidiTokTokenizer.load(tmp_path / "a.json")


class TestFace:
    def test_tracks_apart_make_a_stream_each(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokenizer = MidiTokTokenizer("REMI", miditok.TokenizerConfig(use_programs=False))
        music = line([60, 64, 67], track=[0, 1, 1])
        streams = tokenizer.encode(music)
        assert set(streams.sequence.tolist()) == {0, 1}
        assert sorted(tokenizer.decode(streams).notes["pitch"].tolist()) == [60, 64, 67]

    def test_called_on_a_file_it_encodes_its_music(self, tmp_path):
        tokenizer, music = MidiTokTokenizer("CPWord"), line([60, 64, 67])
        write_midi(music, tmp_path / "a.mid")
        from_file, from_music = tokenizer([tmp_path / "a.mid", music])
        np.testing.assert_array_equal(from_file.ids, from_music.ids)
        np.testing.assert_array_equal(from_music.ids, tokenizer.encode(music).ids)

    def test_no_notes(self):
        streams = MidiTokTokenizer("CPWord").encode(Music(note_array([], [], []), 480))
        assert len(MidiTokTokenizer("CPWord").decode(streams)) == 0

    def test_schemes_have_fingerprints_of_their_own(self):
        assert len({MidiTokTokenizer(scheme).fingerprint for scheme in SCHEMES}) == len(SCHEMES)

    def test_an_unknown_scheme_is_refused(self):
        with pytest.raises(ConfigError, match=r"MuMIDI2.*REMI"):
            MidiTokTokenizer("MuMIDI2")

    @pytest.mark.parametrize("content", ["", "{}", "[1]", '{"scheme": "REMI", "config": {}}'])
    def test_other_files_are_refused(self, tmp_path, content):
        (tmp_path / "a.json").write_text(content)
        with pytest.raises(TokenizerMismatch, match="not a MidiTok tokenizer file"):
            MidiTokTokenizer.load(tmp_path / "a.json")
