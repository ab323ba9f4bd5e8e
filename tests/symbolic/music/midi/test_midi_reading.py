"""MIDI files with oddities that symusic passes over or refuses: nothing is lost without a word."""

from __future__ import annotations

import numpy as np
import pytest
from dirty import meta, midi, off, on, scale, track
from made import SHARED
from symusic import Score
from synthetic import unruly

from symbolic.errors import ConfigError, MusicFileError
from symbolic.music.midi.check import is_whole
from symbolic.music.midi.events import read_events
from symbolic.music.midi.reader import from_symusic, parse_midi
from symbolic.music.midi.repair import decoded, read_repaired
from symbolic.music.midi.writer import to_symusic
from symbolic.music.notes import NOTE, Music

CASES = SHARED / "cases" / "midi"


def notes(music: Music) -> list[tuple[int, int, int]]:
    """Onset, duration and pitch of each note."""
    columns = (music.notes[name].tolist() for name in ("onset", "duration", "pitch"))
    return sorted(zip(*columns, strict=True))


def words(content: bytes) -> str:
    return "; ".join(parse_midi(content, "odd").repairs)


class TestNotesWithoutAnEnd:
    def test_they_last_until_the_next_strike(self) -> None:
        music = parse_midi(midi(track((0, on()), (480, on()), (480, off()), (40, on()), (60, off()))), "odd")
        assert notes(music) == [(0, 480, 60), (480, 480, 60), (1000, 60, 60)]
        assert music.repairs == (
            "notes without an end that last until the next strike of their pitch, or as long as their track; "
            "drums a sixteenth at most: 1",
        )

    def test_or_as_long_as_their_track(self) -> None:
        music = parse_midi(midi(track((0, on(64)), *scale(4))), "odd")
        assert (0, 480, 64) in notes(music)

    def test_a_last_strike_gets_a_sixteenth(self) -> None:
        assert notes(parse_midi(midi(track((0, on()))), "odd")) == [(0, 120, 60)]

    @pytest.mark.parametrize("controller", [120, 123, 127])
    def test_or_to_the_message_that_ends_all_notes(self, controller: int) -> None:
        ends = bytes([0xB0, controller, 0])
        music = parse_midi(midi(track((0, on()), (0, on(64)), (480, ends), *scale(2), (0, on()))), "odd")
        assert {(0, 480, 60), (0, 480, 64)} <= set(notes(music))
        assert len(music) == 5

    def test_a_message_that_ends_all_notes_leaves_other_channels(self) -> None:
        music = parse_midi(midi(track((0, on()), (480, b"\xb1\x7b\0"), (480, b"\xb0\x07\x40"))), "odd")
        assert notes(music) == [(0, 960, 60)]

    def test_strikes_at_one_time_end_together(self) -> None:
        music = parse_midi(midi(track((0, on()), (0, on()), (480, off()), (0, on()), (9, off()))), "odd")
        assert notes(music) == [(0, 480, 60), (0, 480, 60), (480, 9, 60)]

    def test_drums_last_a_sixteenth_at_most(self) -> None:
        hits = [(wait, b"\x99\x24\x5a") for wait in (0, 240, 60)]
        music = parse_midi(midi(track(*hits)), "odd")
        assert notes(music) == [(0, 120, 36), (240, 60, 36), (300, 120, 36)]
        assert music.drums.all()

    def test_overlapping_notes_are_no_oddity(self) -> None:
        music = parse_midi(midi(track((0, on()), (9, on()), (9, off()), (9, off()))), "sound")
        assert notes(music) == [(0, 18, 60), (9, 18, 60)]
        assert music.repairs == ()


class TestPrograms:
    def test_one_set_in_another_track_holds(self) -> None:
        set_up = track((0, b"\xc0\x28"), (480, b"\xc0\x29"))
        music = parse_midi(midi(set_up, track((0, on()), (480, off()), (0, on()), (9, off()))), "odd")
        assert music.notes["program"].tolist() == [40, 41]
        assert music.repairs == ()

    def test_the_own_one_of_a_track_wins(self) -> None:
        first, second = (track((0, bytes([0xC0, program])), *scale(4)) for program in (40, 0))
        music = parse_midi(midi(first, second, track(*scale(2))), "odd")
        assert [set(music.notes["program"][music.notes["track"] == one].tolist()) for one in range(3)] == [
            {40},
            {0},
            {0},
        ]

    def test_drums_take_none(self) -> None:
        music = parse_midi(
            midi(track((0, b"\xc9\x28")), track((0, b"\x99\x24\x5a"), (9, b"\x89\x24\0"))), "odd"
        )
        assert music.notes["program"].tolist() == [128]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("Flöte".encode(), "Flöte"),
        ("Mélodie".encode("latin-1"), "Mélodie"),
        ("Größe ÄÖÜ".encode("latin-1"), "Größe ÄÖÜ"),
        (b"Joe\x92s Bass", "Joe’s Bass"),
        ("メロディ".encode("cp932"), "メロディ"),
        ("旋律".encode("cp932"), "旋律"),
        ("ﾒﾛﾃﾞｨ 1".encode("cp932"), "ﾒﾛﾃﾞｨ 1"),
        ("Melody".encode("utf-16"), "Melody"),
        ("Melody".encode("utf-16-le"), "Melody"),
        ("Melody".encode("utf-16-be"), "Melody"),
        (b"Piano\0\0\0", "Piano"),
        (b"\0\0\0", ""),
        (b"", ""),
        (b"\x81", "\x81"),
    ],
)
def test_names_are_decoded(content: bytes, found: str) -> None:
    assert decoded(content) == found
    assert parse_midi(midi(track((0, meta(3, content)), *scale())), "named").tracks == (found,)


@pytest.mark.parametrize("own", [b"", b"\0", None])
def test_a_track_without_a_name_has_that_of_its_instrument(own: bytes | None) -> None:
    names = [] if own is None else [(0, meta(3, own))]
    assert parse_midi(midi(track(*names, (0, meta(4, b"Cello")), *scale())), "named").tracks == ("Cello",)


def test_its_own_name_comes_before_that_of_its_instrument() -> None:
    named = track((0, meta(3, b"Solo")), (0, meta(4, b"Cello")), *scale())
    assert parse_midi(midi(named), "named").tracks == ("Solo",)


class TestOddBytes:
    def test_a_track_without_a_length_is_read_to_its_end(self) -> None:
        whole = midi(track(*scale()), track((0, on(40)), (480, off(40))))
        at = whole.rindex(b"MTrk") + 4
        music = parse_midi(whole[:at] + bytes(4) + whole[at + 4 :], "odd")
        assert notes(music) == notes(parse_midi(whole, "sound"))
        assert music.repairs == ("tracks without a length read to their end: 1",)

    def test_what_follows_an_early_end_is_read(self) -> None:
        early = track(*scale(3), (0, meta(0x2F, b"")), *scale(9))
        assert len(parse_midi(midi(early), "odd")) == 12
        assert words(midi(early)) == "notes read after an early End-of-Track: 9"

    @pytest.mark.parametrize("junk", [b"\0" * 9, b"junk" * 9, b"\xff\xff\xff"])
    def test_junk_after_the_end_is_none(self, junk: bytes) -> None:
        assert words(midi(track(*scale(3), (0, meta(0x2F, b"") + junk), end=False))) == ""

    def test_a_loud_note_beside_an_impossible_key(self) -> None:
        music = parse_midi(midi(track((0, meta(0x59, b"\x09\0")), (0, on(60, 200)), (9, off()))), "odd")
        assert music.notes["velocity"].tolist() == [127]
        assert music.repairs == (
            "key signatures that do not exist passed over: 1",
            "values above 127 clipped: 1",
        )

    @pytest.mark.parametrize("times", [1, 20])
    def test_a_meter_of_no_beats_and_an_endless_tempo(self, times: int) -> None:
        nothing = [(0, meta(0x58, b"\0\2\x18\x08")), (0, meta(0x51, bytes(3)))] * times
        stated = [(0, meta(0x58, b"\3\2\x18\x08")), (0, meta(0x51, b"\x06\x1a\x80"))]
        music = parse_midi(midi(track(*stated, *scale(3), *nothing, *scale(3))), "odd")
        assert (music.time_signatures.tolist(), music.tempos.tolist()) == ([[0, 3, 4]], [[0, 150]])
        assert music.repairs == (
            f"time signatures of no beats or an impossible unit passed over: {times}",
            f"tempos of no duration passed over: {times}",
        )
        assert "150 bpm" in repr(music)
        alone = parse_midi(midi(track(*nothing, *scale(3))), "odd")
        assert (alone.time_signatures.tolist(), alone.tempos.tolist()) == ([[0, 4, 4]], [[0, 120]])

    def test_running_status_goes_on_over_other_messages(self) -> None:
        for between in (b"\xf0\x01\xf7", meta(1, b"x"), b"\xf8"):
            music = parse_midi(midi(track((0, on()), (0, between), (9, b"\x3c\0"))), "odd")
            assert notes(music) == [(0, 9, 60)]

    def test_undefined_messages_are_passed_over(self) -> None:
        assert words(midi(track((0, b"\xf4"), *scale()))) == "undefined status bytes passed over: 1"

    def test_a_last_event_that_is_cut_is_left_out(self) -> None:
        assert words(midi(track(*scale(), (0, b"\x90\x3c"), end=False))).startswith("events cut off")


class TestContainers:
    @pytest.mark.parametrize("head", [b"\xef\xbb\xbf", b"\0\4song" + bytes(122), b"\r\n"])
    def test_bytes_before_the_header_are_passed_over(self, head: bytes) -> None:
        music = parse_midi(head + midi(track(*scale())), "wrapped")
        assert len(music) == 12
        assert music.repairs == (f"{len(head)} bytes before its header passed over",)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "empty.*again"),
            (b"\xef\xbb\xbf<!DOCTYPE html>", "a web page.*the link"),
            (b"\n <HTML>404", "a web page"),
            (b"<?xml version='1.0'?><score-partwise>", "an XML file.*musicxml"),
            (b"PK\3\4....", "a ZIP archive.*Unpack"),
            (b"RIFF....WAVEfmt ", "a sound file"),
            (b"fLaC....", "a sound file"),
            (b"%PDF-1.4", "a PDF"),
            (midi(track(*scale()))[:-9], "cut off: track 1 lacks 9 of its 100 bytes.*again"),
        ],
    )
    def test_what_is_no_midi_is_named_with_a_remedy(self, content: bytes, message: str) -> None:
        with pytest.raises(MusicFileError, match=f"not a readable MIDI file .*{message}"):
            parse_midi(content, "song.mid")


class TestPedal:
    def test_notes_last_until_the_release_or_the_next_strike(self) -> None:
        down, up = b"\xb0\x40\x7f", b"\xb0\x40\x00"
        events = track(
            (0, on()),
            (9, off()),
            (1, down),
            (10, on()),
            (10, off()),
            (10, on()),
            (10, off()),
            (50, up),
            (9, on()),
        )
        assert notes(parse_midi(midi(events), "p", "extend"))[:3] == [(0, 9, 60), (20, 20, 60), (40, 60, 60)]

    def test_the_pedal_belongs_to_the_channel(self) -> None:
        pedal = track((0, b"\xb0\x40\x7f"), (500, b"\xb0\x40\x00"))
        content = midi(pedal, track((0, on()), (9, off())))
        assert notes(parse_midi(content, "p", "extend")) == [(0, 500, 60)]
        assert notes(parse_midi(content, "p")) == [(0, 9, 60)]

    def test_one_that_is_never_released_ends_with_the_file(self) -> None:
        content = midi(track((0, b"\xb0\x40\x7f"), (0, on()), (9, off()), (91, meta(1, b"x"))))
        assert notes(parse_midi(content, "p", "extend")) == [(0, 100, 60)]

    def test_other_words_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="keep, extend"):
            parse_midi(midi(track()), "p", "down")


@pytest.mark.parametrize("seed", range(5))
def test_sound_files_are_whole_and_read_alike_either_way(seed: int) -> None:
    content = to_symusic(unruly(seed, notes=200)).dumps_midi()
    score = Score.from_midi(content)
    slowly = from_symusic(Score.from_midi(read_repaired(content, "made", "keep").to_bytes()))
    quickly = from_symusic(score)
    assert is_whole(content, score)
    assert [quickly.notes[name].tolist() for name in NOTE.names or ()] == [
        slowly.notes[name].tolist() for name in NOTE.names or ()
    ]
    assert quickly.tracks == slowly.tracks


def test_a_file_with_many_tempos_and_aftertouch_is_whole() -> None:
    tempos = [(9, meta(0x51, bytes([7, 0xFF, one]))) for one in range(100)]
    touched = [(0, on()), (9, b"\xa0\x3c\x05"), (9, b"\xd0\x05"), (9, off())]
    content = midi(track(*tempos, *touched, *scale()), track((9, b"\xb0\x07\x64")))
    assert is_whole(content, Score.from_midi(content))
    lost = midi(track(*tempos, *touched, (0, on()), *scale()))
    assert not is_whole(lost, Score.from_midi(lost))


NAME, CONTROL, PRESSURE = (0, meta(3, b"Piano")), (0, b"\xb0\x07\x64"), (9, b"\xa0\x3c\x05")
STRIKE = (0, on(100))
TEMPOS = [(9, meta(0x51, bytes([7, 0xC1, one]))) for one in range(40)]
LAID_OUT = {
    "plain": [track(NAME, *scale())],
    "aftertouch": [track(NAME, PRESSURE, *scale(), PRESSURE)],
    "a program after controllers": [track(NAME, CONTROL, (0, b"\x0a\x40"), (0, b"\xc0\0"), *scale())],
    "a program at the end": [track(NAME, *scale(), (0, b"\xc0\0"), CONTROL)],
    "programs without a status byte": [
        track(NAME, (0, b"\xc0\0"), (0, b"\1"), *scale(), (0, b"\xc0\0"), (0, b"\2"))
    ],
    "a track without notes": [track(NAME, CONTROL, (8192, b"\xc0\0")), track(NAME, *scale())],
    "long waits": [track(NAME, *scale(length=8192), *scale(length=16383), *scale(length=4096 * 128))],
    "tempos first": [track(NAME, *TEMPOS, *scale())],
    "tempos between notes": [track(NAME, *scale(), *TEMPOS, *scale(), *TEMPOS, PRESSURE)],
    "words": [
        track(NAME, *scale(), (0, meta(5, b"la" * 70)), *scale(), (0, b"\xf0\x03\x7e\x90\xf7"), *scale())
    ],
    "a sound program": [
        track(NAME, (0, b"\xc0\x05"), *scale()),
        track(NAME, (0, b"\x91\x3c\x40"), (9, b"\x81\x3c\0")),
    ],
}


@pytest.mark.parametrize("name", LAID_OUT)
def test_a_lost_note_is_found_wherever_it_is(name: str) -> None:
    whole = midi(*LAID_OUT[name])
    assert is_whole(whole, Score.from_midi(whole))
    for number, part in enumerate(LAID_OUT[name]):
        lost = part[:4] + (len(part) + 4 - 8).to_bytes(4) + part[8:-4] + b"\0" + STRIKE[1] + part[-4:]
        content = midi(*LAID_OUT[name][:number], lost, *LAID_OUT[name][number + 1 :])
        assert not is_whole(content, Score.from_midi(content))


def test_events_are_written_as_they_were_read() -> None:
    events = [
        (0, meta(1, b"x" * 200)),
        (0, b"\xf0\x03\x7e\x7f\xf7"),
        *scale(),
        (20_000, b"\xe0\1\2"),
        (5, b"\xd0\7"),
    ]
    content = midi(track(*events), track(*scale()))
    assert read_events(content, "made").to_bytes() == content


@pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases")
@pytest.mark.parametrize(
    ("name", "count", "repairs"),
    [
        ("drum_no_off", 6, ["sixteenth at most: 6"]),
        ("hanging", 3, ["sixteenth at most: 1"]),
        ("eot_early", 13, ["notes read after an early End-of-Track: 10"]),
        (
            "keysig_bad_vel",
            11,
            ["key signatures that do not exist passed over: 1", "values above 127 clipped: 1"],
        ),
    ],
)
def test_cases_are_read_whole(name: str, count: int, repairs: list[str]) -> None:
    music = parse_midi((CASES / f"{name}.mid").read_bytes(), name)
    assert len(music) == count
    assert [found.endswith(repair) for found, repair in zip(music.repairs, repairs, strict=True)] == [
        True
    ] * len(repairs)
    assert np.all(music.notes["duration"] > 0)


def test_what_passes_as_whole_is_read_alike_event_by_event() -> None:
    sound, passed = (
        midi(track((0, b"\xc0\x05"), *scale(9)), track((0, meta(3, b"two")), *scale(9, length=9_000))),
        0,
    )
    random = np.random.default_rng(0)
    for _ in range(200):
        content = bytearray(sound)
        content[int(random.integers(14, len(content)))] = int(random.integers(256))
        try:
            score = Score.from_midi(bytes(content))
        except RuntimeError:
            continue
        if is_whole(bytes(content), score):
            passed += 1
            slow = from_symusic(Score.from_midi(read_repaired(bytes(content), "odd", "keep").to_bytes()))
            assert slow.notes.tolist() == from_symusic(score).notes.tolist()
    assert 0 < passed < 200


def with_words(events: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Events with a syllable before each strike."""
    return [
        one
        for wait, event in events
        for one in ((((wait, meta(5, b"la")), (0, event))) if event[0] >> 4 == 9 else ((wait, event),))
    ]


def test_a_track_with_lyrics_is_sung() -> None:
    music = parse_midi(
        midi(track(*scale(9, length=60)), track((0, meta(3, b"Voice")), *with_words(scale()))), "song"
    )
    assert music.sung == (1,)
    assert music.with_notes(music.notes[:3]).sung == (1,)


def test_words_on_a_track_of_their_own_belong_to_the_notes_they_stand_at() -> None:
    words = [(120 if number else 0, meta(5, b"la")) for number in range(10)]
    piano, flute = (
        scale(40, length=30),
        [(0, b"\xc1\x49"), *((wait, bytes([one[0] | 1, *one[1:]])) for wait, one in scale())],
    )
    music = parse_midi(midi(track((0, meta(3, b"Words")), *words), track(*piano), track(*flute)), "kar")
    (sung,) = music.sung
    assert set(music.notes["program"][music.notes["track"] == sung].tolist()) == {73}


def test_lyrics_that_stand_at_no_notes_are_of_no_track() -> None:
    words = [(1000, meta(5, b"la"))] * 4
    assert parse_midi(midi(track(*scale()), track(*words)), "song").sung == ()


@pytest.mark.parametrize(("frames", "rate"), [(24, 24), (25, 25), (29, 30 / 1.001), (30, 30)])
@pytest.mark.parametrize("ticks", [1, 3, 40, 80, 255])
def test_times_in_frames_are_seconds(frames: int, rate: float, ticks: int) -> None:
    # A tempo means nothing here.
    wait = round(2 * rate * ticks)
    events = [(0, meta(0x51, b"\1\0\0")), (wait, b"\x90\x3c\x40"), (wait, b"\x80\x3c\x40")]
    music = parse_midi(midi(track(*events), division=-256 * frames + ticks), "film")
    found = music.seconds(np.array([music.notes["onset"][0], music.notes["duration"][0]]))
    np.testing.assert_allclose(found, wait / (rate * ticks), rtol=2e-6)
    assert 100 < music.tempos[0, 1] < 150
    assert music.repairs[-1].startswith("its times are frames of a film (SMPTE)")
