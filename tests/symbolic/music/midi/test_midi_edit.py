"""MIDI files are given back whole: only what is edited changes."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from dirty import meta, midi, off, on, scale, track
from made import DATA
from synthetic import unruly

from symbolic.music.files import read_music
from symbolic.music.midi.edit import MidiEdit
from symbolic.music.midi.events import MidiEvents, is_release, is_strike, read_events
from symbolic.music.midi.reader import parse_midi
from symbolic.music.midi.writer import midi_bytes
from symbolic.music.notes import Music, note_array

ARCHIVES = (
    "groove/groove.tar.xz",
    "game_multitrack/game_multitrack.tar.xz",
    "emopia/emopia.tar.xz",
    "openscore_lieder/openscore_lieder_midi.tar.xz",
    "symbtr/symbtr.tar.xz",
)
NAMES = ("melody", "bridge", "accompaniment")
WHOLE = midi(
    track(
        (0, meta(3, b"Song")),
        (0, meta(0x59, b"\2\0")),
        (0, meta(0x51, b"\7\xa1\x20")),
        (90, meta(6, b"Verse")),
    ),
    track(
        (0, meta(3, b"Piano")),
        (0, b"\xc0\x05"),
        (0, b"\xb0\x40\x7f"),
        (0, b"\xf0\x03\x7e\x7f\xf7"),
        (0, on(60, 50)),
        (0, on(72, 90)),
        (10, b"\xe0\1\2"),
        (20, meta(5, b"la")),
        (30, off(72)),
        (0, off(60)),
        (5, b"\xb0\x40\0"),
    ),
)


def notes(music: Music, *left_out: str) -> Counter[tuple[int, ...]]:
    """How often each note is there, without its track."""
    names = [name for name in ("onset", "duration", "pitch", "velocity", "program") if name not in left_out]
    return Counter(zip(*(music.notes[name].tolist() for name in names), strict=True))


def others(events: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """All events but those of notes."""
    return [(tick, event) for tick, event in events if not is_strike(event) and not is_release(event)]


def opened(tmp_path: Path, content: bytes) -> tuple[Music, MidiEdit]:
    (tmp_path / "a.mid").write_bytes(content)
    music = read_music(tmp_path / "a.mid")
    return music, MidiEdit(music)


def events_of(content: bytes) -> MidiEvents:
    return read_events(content, "written")


def assert_given_back(path: Path, seed: int = 0) -> None:
    """Split a file by random classes and give it random velocities; nothing else may change."""
    music, content, random = read_music(path), path.read_bytes(), np.random.default_rng(seed)
    if not len(music):
        return
    before = events_of(content).tracks
    classes, velocities = random.integers(-1, 3, len(music)), random.integers(1, 128, len(music))
    edit = MidiEdit(music)
    assert edit.of_file
    edit.split(classes, NAMES)
    split = edit.to_bytes()
    assert notes(parse_midi(split, "split")) == notes(music)
    after = events_of(split).tracks
    assert all(others(old) in (others(new), others(new)[1:]) for old, new in zip(before, after, strict=False))
    edit = MidiEdit(music)
    edit.set_velocities(velocities)
    loud = edit.to_bytes()
    expected = music.notes.copy()
    expected["velocity"] = velocities
    assert notes(parse_midi(loud, "loud")) == notes(music.with_notes(expected))
    assert [others(events) for events in events_of(loud).tracks] == [others(events) for events in before]


class TestWholeFiles:
    def test_nothing_changes_without_an_edit(self, tmp_path: Path) -> None:
        _, edit = opened(tmp_path, WHOLE)
        assert edit.of_file
        assert edit.to_bytes() == WHOLE

    def test_velocities_are_set_in_place(self, tmp_path: Path) -> None:
        music, edit = opened(tmp_path, WHOLE)
        edit.set_velocities(np.where(music.notes["pitch"] == 72, 0, 100))
        assert edit.to_bytes() == WHOLE.replace(bytes(on(60, 50)), on(60, 100)).replace(on(72, 90), on(72, 1))

    def test_events_are_added_to_the_first_track(self, tmp_path: Path) -> None:
        _, edit = opened(tmp_path, WHOLE)
        edit.add(40, meta(6, b"C:maj"))
        before, after = events_of(WHOLE), events_of(edit.to_bytes())
        assert after.tracks[1:] == before.tracks[1:]
        assert after.tracks[0] == [*before.tracks[0][:3], (40, meta(6, b"C:maj")), *before.tracks[0][3:]]


class TestSplitting:
    def test_a_class_gets_a_track_with_the_state_of_its_channel(self, tmp_path: Path) -> None:
        music, edit = opened(tmp_path, WHOLE)
        edit.split(np.where(music.notes["pitch"] == 72, 0, 2), NAMES)
        written = events_of(edit.to_bytes())
        assert [event for _, event in written.tracks[1]] == [
            event for _, event in events_of(WHOLE).tracks[1] if event not in (on(72, 90), off(72))
        ]
        assert written.tracks[2] == [
            (0, meta(3, b"melody")),
            (0, b"\xc0\x05"),
            (0, b"\xb0\x40\x7f"),
            (0, on(72, 90)),
            (10, b"\xe0\1\2"),
            (60, off(72)),
            (65, b"\xb0\x40\0"),
        ]

    def test_one_track_becomes_several(self, tmp_path: Path) -> None:
        music, edit = opened(tmp_path, midi(track(*scale(4)), kind=0))
        edit.split(np.array([0, 2, 2, 1]), NAMES)
        content = edit.to_bytes()
        assert content[9] == 1
        assert parse_midi(content, "split").tracks == ("accompaniment", "melody", "bridge")
        assert notes(parse_midi(content, "split")) == notes(music)

    def test_a_track_named_after_a_class_keeps_its_notes(self, tmp_path: Path) -> None:
        named = track((0, meta(3, b"MELODY")), *scale(3))
        _, edit = opened(tmp_path, midi(named))
        edit.split(np.array([0, 0, 2]), NAMES)
        written = parse_midi(edit.to_bytes(), "split")
        assert written.tracks == ("MELODY", "accompaniment")
        assert written.notes["track"].tolist() == [0, 0, 1]

    def test_tracks_that_share_a_channel_stay_apart(self, tmp_path: Path) -> None:
        parts = [track((0, bytes([0xC0, one])), (0, on(60, 50 + one)), (90 + one, off())) for one in (9, 3)]
        music, edit = opened(tmp_path, midi(*parts))
        edit.split(np.zeros(2, dtype=int), NAMES)
        written = parse_midi(edit.to_bytes(), "split")
        assert written.tracks == ("melody", "melody")
        assert notes(written) == notes(music)

    def test_a_program_from_another_track_comes_with_the_notes(self, tmp_path: Path) -> None:
        music, edit = opened(tmp_path, midi(track((0, b"\xc0\x28")), track(*scale(3))))
        edit.split(np.array([0, 2, 2]), NAMES)
        assert notes(parse_midi(edit.to_bytes(), "split")) == notes(music)

    def test_drums_stay(self, tmp_path: Path) -> None:
        _, edit = opened(
            tmp_path, midi(track((0, meta(3, b"Kit")), (0, b"\x99\x24\x5a"), (9, b"\x89\x24\0")))
        )
        edit.split(np.array([-1]), NAMES)
        assert parse_midi(edit.to_bytes(), "split").tracks == ("Kit",)


class TestOtherSources:
    def test_music_in_memory_is_made_into_a_file(self) -> None:
        music = unruly(3)
        edit = MidiEdit(music)
        assert not edit.of_file
        edit.split(np.zeros(len(music), dtype=int), NAMES)
        assert len(parse_midi(edit.to_bytes(), "split")) == len(music)

    def test_a_file_with_other_notes_is_not_edited(self, tmp_path: Path) -> None:
        music, _ = opened(tmp_path, WHOLE)
        (tmp_path / "a.mid").write_bytes(midi(track(*scale())))
        assert not MidiEdit(music).of_file
        (tmp_path / "a.mid").unlink()
        assert not MidiEdit(music).of_file

    def test_repaired_and_pedalled_notes_find_their_places(self, tmp_path: Path) -> None:
        (tmp_path / "a.mid").write_bytes(
            midi(track((0, b"\xb0\x40\x7f"), (0, on(70)), *scale(), (99, meta(1, b"x"))))
        )
        assert MidiEdit(read_music(tmp_path / "a.mid", pedal="extend")).of_file


@pytest.mark.parametrize(
    ("onset", "duration", "velocity"),
    [([0, 2], [10, 4], [50, 90]), ([0, 0], [10, 4], [50, 90]), ([0, 0, 2, 3], [9, 9, 9, 1], [1, 2, 3, 4])],
)
def test_nested_notes_of_a_pitch_come_back(
    onset: list[int], duration: list[int], velocity: list[int]
) -> None:
    music = Music(note_array(onset, duration, 60, velocity), 480, tracks=("one",))
    back = parse_midi(midi_bytes(music), "written")
    assert notes(back) == notes(music)
    assert set(back.tracks) == {"one"}


def test_a_file_of_frames_is_given_back_in_its_seconds(tmp_path: Path) -> None:
    music, edit = opened(tmp_path, midi(track(*scale()), division=-25 * 256 + 40))
    back = parse_midi(edit.to_bytes(), "back")
    assert back.repairs == ()
    np.testing.assert_array_equal(back.seconds(back.notes["onset"]), music.seconds(music.notes["onset"]))


@pytest.mark.parametrize("seed", range(6))
def test_all_that_music_holds_is_written(seed: int) -> None:
    music = unruly(seed, notes=300)
    music.notes["duration"] = np.maximum(music.notes["duration"], 1)
    music.notes["velocity"] = np.maximum(music.notes["velocity"], 1)
    assert notes(parse_midi(midi_bytes(music), "written")) == notes(music)


def members(archive: Path, count: int, folder: Path) -> Iterator[Path]:
    """Unpack the first MIDI files of an archive."""
    with tarfile.open(archive, "r|*") as found:
        songs = (
            one for one in found if one.name.lower().endswith((".mid", ".midi")) and "/." not in one.name
        )
        for number, song in enumerate(islice(songs, count)):
            content = found.extractfile(song)
            assert content is not None
            (folder / f"{number}.mid").write_bytes(content.read())
            yield folder / f"{number}.mid"


@pytest.mark.parametrize("archive", ARCHIVES)
@pytest.mark.parametrize(
    "count", [pytest.param(1, id="one"), pytest.param(20, id="many", marks=pytest.mark.slow)]
)
def test_real_files_are_given_back(tmp_path: Path, archive: str, count: int) -> None:
    if not (DATA / archive).is_file():
        pytest.skip(f"no {archive} in {DATA}")
    for path in members(DATA / archive, count, tmp_path):
        assert_given_back(path)
