"""Drums that GS, XG and GM2 put on other channels than 10, and other notes on that one."""

from __future__ import annotations

import numpy as np
import pytest
from dirty import meta, midi, track

from symbolic.music.midi.edit import MidiEdit
from symbolic.music.midi.reader import parse_midi
from symbolic.music.notes import Music

GM_ON, GM2_ON = (bytes([0xF0, 5, 0x7E, 0x7F, 9, kind, 0xF7]) for kind in (1, 3))
GS_RESET = bytes.fromhex("f00a41104212 40007f00 41f7")
XG_ON = bytes.fromhex("f0084310 4c00007e00 f7")


def gs_mode(part: int, value: int) -> bytes:
    """The part mode of a GS part."""
    return bytes.fromhex("f00a41104212") + bytes([0x40, 0x10 | part, 0x15, value, 0, 0xF7])


def xg_mode(channel: int, value: int) -> bytes:
    """The part mode of an XG part."""
    return bytes.fromhex("f00843104c") + bytes([8, channel, 7, value, 0xF7])


def kit(channel: int, bank: int, program: int = 0) -> list[tuple[int, bytes]]:
    """A bank and a program."""
    return [(0, bytes([0xB0 | channel, 0, bank])), (0, bytes([0xC0 | channel, program]))]


def played(channel: int, *pitches: int) -> list[tuple[int, bytes]]:
    """Quarters one after another."""
    notes = [
        ((0, bytes([0x90 | channel, one, 90])), (480, bytes([0x80 | channel, one, 0]))) for one in pitches
    ]
    return [event for pair in notes for event in pair]


def read(*tracks: list[tuple[int, bytes]]) -> Music:
    return parse_midi(midi(*(track(*events) for events in tracks)), "kits")


def told(*before: tuple[int, bytes], channel: int = 2) -> list[bool]:
    """Whether two notes on a channel are drums, after these events."""
    return read([*before, *played(channel, 38, 42)]).drums.tolist()


DRUMS, NONE = [True, True], [False, False]


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ([], NONE),
        ([(0, GS_RESET), (0, gs_mode(3, 1))], DRUMS),
        ([(0, gs_mode(3, 2))], DRUMS),
        ([(0, gs_mode(2, 1))], NONE),
        ([(0, gs_mode(3, 1)), (0, GS_RESET)], NONE),
        ([(0, gs_mode(3, 1)), (0, gs_mode(3, 0))], NONE),
        ([(0, XG_ON), (0, xg_mode(2, 2))], DRUMS),
        ([(0, xg_mode(2, 0))], NONE),
        ([(0, xg_mode(2, 1)), (0, GM_ON)], NONE),
        ([(0, XG_ON), *kit(2, 127)], DRUMS),
        (kit(2, 127, 8), DRUMS),
        (kit(2, 126), DRUMS),
        ([(0, GM2_ON), *kit(2, 120, 25)], DRUMS),
        ([(0, GM2_ON), *kit(2, 121)], NONE),
        ([*kit(2, 120), *kit(2, 0)], NONE),
        ([(0, b"\xb2\0\x78")], NONE),  # a bank counts from the next program on
        ([(0, b"\xb2\x07\x64"), (0, b"\0\x78"), (0, b"\xc2\0")], DRUMS),  # running status
        ([(0, GS_RESET), *kit(2, 127)], NONE),  # in GS these are the sounds of the MT-32
        (kit(3, 127), NONE),
    ],
)
def test_a_message_makes_a_channel_one_of_drums(before: list[tuple[int, bytes]], found: list[bool]) -> None:
    assert told(*before) == found


@pytest.mark.parametrize("block", range(16))
def test_gs_parts_are_channels_with_the_tenth_first(block: int) -> None:
    channel = [9, *range(9), *range(10, 16)][block]
    assert told((0, gs_mode(block, 1)), channel=channel) == DRUMS


@pytest.mark.parametrize("mode", [gs_mode(0, 0), xg_mode(9, 0)])
def test_the_tenth_channel_can_play_music(mode: bytes) -> None:
    music = read([(0, mode), (0, b"\xc9\x28"), *played(9, 60), *played(0, 62)])
    assert music.notes["program"].tolist() == [0, 40] or music.notes["program"].tolist() == [40, 0]
    assert sorted(music.notes["pitch"].tolist()) == [60, 62]


def test_drums_are_drums_from_the_message_on() -> None:
    music = read([*played(2, 60), *kit(2, 127), *played(2, 38), *kit(2, 0, 40), *played(2, 64)])
    by_onset = music.notes[np.argsort(music.notes["onset"])]
    assert by_onset["program"].tolist() == [0, 128, 40]
    assert by_onset["duration"].tolist() == [480] * 3


@pytest.mark.parametrize("setup", [kit(2, 127), kit(2, 120, 1), [(0, gs_mode(3, 1))]])
def test_a_message_in_another_track_counts(setup: list[tuple[int, bytes]]) -> None:
    music = read([(0, meta(3, b"setup")), *setup], played(2, 38, 42), played(1, 60))
    assert music.drums.tolist() == [True, True, False]
    assert music.repairs == ()


def test_channels_of_another_port_are_left() -> None:
    second = (0, meta(0x21, b"\1"))
    music = read([(0, gs_mode(3, 1)), *played(2, 38)], [second, *played(2, 60)])
    assert music.drums.tolist() == [True, False]


def test_drums_outside_channel_10_stay_where_they_are_in_an_edited_file(tmp_path) -> None:
    path = tmp_path / "kits.mid"
    path.write_bytes(midi(track((0, meta(3, b"all")), *kit(2, 127), *played(2, 38), *played(0, 60, 64))))
    music = parse_midi(path.read_bytes(), "kits", path=str(path))
    edit = MidiEdit(music)
    edit.split(np.where(music.drums, -1, music.notes["pitch"] > 62), ("melody", "rest"))
    assert edit.of_file
    again = parse_midi(edit.to_bytes(), "kits")
    assert sorted(again.notes["pitch"][again.drums].tolist()) == [38]
    assert len(again) == 3
