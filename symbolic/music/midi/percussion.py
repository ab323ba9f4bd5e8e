"""Drums outside channel 10, and music on it: what messages of GS, XG and GM2 make of channels.

Sources: Roland's SC-55 manual (part mode, address 40 1n 15), Yamaha's XG specification (multi part 08 nn 07, banks 126
and 127), and the MIDI Manufacturers Association's General MIDI 2 (bank 120).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING

from symbolic.music.midi.events import (
    CONTROL,
    DRUM_CHANNEL,
    META,
    PROGRAM,
    SYSTEM,
    Event,
    MidiEvents,
    is_release,
    is_strike,
    read_events,
)
from symbolic.music.midi.stretches import WAIT

if TYPE_CHECKING:
    from symusic import Score

CHANNELS = 16
_TICK = itemgetter(0)
_BANK, _PORT = 0, 0x21
"""The controller of the upper half of a bank's number, and the meta event that names a port."""
_KITS = frozenset({120, 126, 127})
"""Banks of drums: of GM2, and of XG sound effects and drums."""
_PART_MODE = re.compile(
    rb"\xf0.{0,2}(?:\x41.\x42\x12\x40([\x10-\x1f])\x15|\x43[\x10-\x1f]\x4c\x08([\x00-\x0f])\x07)(.)",
    re.DOTALL,
)
"""The part of Roland's or the channel of Yamaha's message, and its value."""
_BANK_OF_KITS = re.compile(rb"[\xb0-\xbf](?:[\x00-\x7f]{2}%b)*?\x00[\x78\x7e\x7f]" % WAIT)
_STRIKE = re.compile(rb"[\x90-\x9f]")
_ROLAND = re.compile(rb"\xf0.?\x41.\x42\x12(...)(.)", re.DOTALL)
_YAMAHA = re.compile(rb"\xf0.?\x43[\x10-\x1f]\x4c(...)(.)", re.DOTALL)
_GENERAL = re.compile(rb"\xf0.?\x7e.\x09[\x01-\x03]", re.DOTALL)
"""Messages with and without the length that a file writes before them."""
_GS_RESET, _XG_ON, _XG_RESET = b"\x40\x00\x7f", b"\x00\x00\x7e", b"\x00\x00\x7f"


def moves_drums(content: bytes, score: Score, name: str) -> bool:
    """Return whether a file has drums on other channels than 10, or other notes on it.

    Args:
        content: The file.
        score: What symusic made of it.
        name: Name of the file in errors.
    """
    return _may_move_drums(content, score) and bool(DrumChannels(read_events(content, name).tracks))


def _may_move_drums(content: bytes, score: Score) -> bool:
    """Return whether any byte gives a reason to read the events. Few files have one."""
    for roland, yamaha, value in _PART_MODE.findall(content):
        channel = _channel_of(roland[0]) if roland else yamaha[0]
        if (value[0] > 0) != (channel == DRUM_CHANNEL):
            return True
    for index in range(len(score.tracks)):
        controls = score.tracks[index].controls
        if len(controls):
            columns = controls.numpy()
            if not _KITS.isdisjoint(columns["value"][columns["number"] == _BANK].tolist()):
                return True
    # symusic drops the controllers of a track without notes.
    start = 8 + int.from_bytes(content[4:8])
    while start < len(content):
        stop = start + 8 + int.from_bytes(content[start + 4 : start + 8])
        if not _STRIKE.search(content, start, stop) and _BANK_OF_KITS.search(content, start, stop):
            return True
        start = stop
    return False


@dataclass
class _Channel:
    """State of a channel of a port. A part mode is stronger than a bank.

    Attributes:
        mode: Whether its part mode is that of drums. None where no message sets it.
        bank: Its bank, which counts from the next program on.
        kit: Whether its program is a kit of drums.
    """

    mode: bool | None = None
    bank: int = 0
    kit: bool = False


class DrumChannels:
    """Find which channels of a file play drums, and when.

    Args:
        tracks: Events of each track.
    """

    def __init__(self, tracks: Sequence[Sequence[Event]]) -> None:
        self._ports = [_port(events) for events in tracks]
        self._turns: dict[tuple[int, int], list[tuple[int, bool]]] = {}
        state = defaultdict[int, list[_Channel]](lambda: [_Channel() for _ in range(CHANNELS)])
        roland = defaultdict[int, bool](bool)
        told = sorted(
            (tick, track, index, event)
            for track, events in enumerate(tracks)
            for index, (tick, event) in enumerate(events)
            if event[0] == SYSTEM
            or event[0] & 0xF0 == PROGRAM
            or (event[0] & 0xF0 == CONTROL and event[1] == _BANK)
        )
        for tick, track, _, event in told:
            port = self._ports[track]
            channels = state[port]
            if event[0] == SYSTEM:
                roland[port] = _follow(event, channels, roland[port])
            elif event[0] & 0xF0 == CONTROL:
                channels[event[0] & 0x0F].bank = event[2]
            else:
                # In GS the bank 127 holds the sounds of the MT-32.
                one = channels[event[0] & 0x0F]
                one.kit = one.bank in _KITS and not roland[port]
            for number, one in enumerate(channels):
                usual = number == DRUM_CHANNEL
                drums = one.mode if one.mode is not None else one.kit or usual
                turns = self._turns.get((port, number), [])
                if drums != (turns[-1][1] if turns else usual):
                    self._turns.setdefault((port, number), []).append((tick, drums))

    def __bool__(self) -> bool:
        """Return whether any channel ever plays another kind of notes than by default."""
        return bool(self._turns)

    def plays_drums(self, track: int, channel: int, tick: int) -> bool:
        """Return whether a note that begins there is a drum."""
        turns = self._turns.get((self._ports[track], channel))
        place = bisect_right(turns, tick, key=_TICK) if turns else 0
        return turns[place - 1][1] if turns and place else channel == DRUM_CHANNEL


def with_usual_drums(file: MidiEvents) -> MidiEvents:
    """Return a file whose drums are on channel 10 and whose other notes are not, if a channel is free for these."""
    drums = DrumChannels(file.tracks)
    if not drums:
        return file
    used = {event[0] & 0x0F for events in file.tracks for _, event in events if event[0] < SYSTEM}
    free = next(
        (channel for channel in range(CHANNELS) if channel not in used | {DRUM_CHANNEL}), DRUM_CHANNEL
    )
    return replace(
        file, tracks=[_moved(events, track, drums, free) for track, events in enumerate(file.tracks)]
    )


def _moved(events: Sequence[Event], track: int, drums: DrumChannels, free: int) -> list[Event]:
    found, sounding = list[Event](), defaultdict[tuple[int, int], deque[int]](deque)
    for tick, event in events:
        channel = event[0] & 0x0F
        if event[0] >= SYSTEM:
            found.append((tick, event))
            continue
        target = (
            free if channel == DRUM_CHANNEL else channel
        )  # of programs and the like, which drums do not need
        if is_strike(event):
            target = DRUM_CHANNEL if drums.plays_drums(track, channel, tick) else target
            sounding[channel, event[1]].append(target)
        elif is_release(event) and (strikes := sounding[channel, event[1]]):
            target = strikes.popleft()
        found.append((tick, bytes([event[0] & 0xF0 | target, *event[1:]])))
    return found


def _port(events: Sequence[Event]) -> int:
    return next((event[-1] for _, event in events if event[0] == META and event[1] == _PORT), 0)


def _follow(event: bytes, channels: list[_Channel], roland: bool) -> bool:
    """Change channels by a system-exclusive message. Return whether the last such message was of Roland's GS."""
    if _GENERAL.match(event):
        channels[:] = [_Channel() for _ in channels]
        return False
    if found := _ROLAND.match(event):
        address, value = found[1], found[2][0]
        if address == _GS_RESET:
            channels[:] = [_Channel() for _ in channels]
        elif address[0] == 0x40 and address[1] >> 4 == 1 and address[2] == 0x15:
            channels[_channel_of(address[1])].mode = value > 0
        return True
    if found := _YAMAHA.match(event):
        address, value = found[1], found[2][0]
        if address in (_XG_ON, _XG_RESET):
            channels[:] = [_Channel() for _ in channels]
        elif address[0] == 0x08 and address[1] < CHANNELS and address[2] == 0x07:
            channels[address[1]].mode = value > 0
        return False
    return roland


def _channel_of(address: int) -> int:
    """Return the channel of a part by the second byte of its GS address. Part 10 comes first."""
    part = address & 0x0F
    return DRUM_CHANNEL if part == 0 else part - (part <= DRUM_CHANNEL)
