"""The bytes of a MIDI track: stretches of messages with two data bytes and what stands between them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from symbolic.music.midi.events import (
    END_OF_TRACK,
    INSTRUMENT_NAME,
    META,
    NOTE_ON,
    SYSEX,
    TRACK_NAME,
    read_quantity,
)
from symbolic.music.midi.events import PROGRAM as PROGRAM_CHANGE

Mask = NDArray[np.bool_]
Span = tuple[int, int]
"""First byte of a stretch, and the first after it."""
WAIT = rb"[\x80-\xff]{0,3}[\x00-\x7f]"
SIZED = rb"(?:\xff[\x00-\x2e\x30-\x7f]|[\xf0\xf7])(?:%b)" % b"|".join(
    re.escape(bytes([size])) + b".{%d}" % size for size in range(0x80)
)
"""Meta events but End-of-Track, and system-exclusive messages, of a length of one byte."""
PROGRAM = rb"[\xc0-\xdf][\x00-\x7f]"
"""A program, or the pressure on a channel."""
STATE = rb"[\xb0-\xbf\xe0-\xef]?[\x00-\x7f]{2}"
"""A controller or a pitch bend."""
_MESSAGE = re.compile(rb"%b(%b|%b|%b)" % (WAIT, PROGRAM, SIZED, STATE), re.DOTALL)


class Odd(Exception):
    """The bytes are not laid out as in nearly all files."""


@dataclass(slots=True)
class TrackBytes:
    """A track whose beginning was passed over.

    Attributes:
        start: Its first byte.
        head: The first byte after its beginning.
        body: The first byte that was not passed over.
        stop: The first byte after the track.
        plays: Whether it may hold notes, or programs that were not passed over.
        stretches: Stretches of messages with two data bytes between others that were passed over.
        later: The programs and names in what was gone over behind its beginning, each without its wait.
    """

    start: int
    head: int
    body: int
    stop: int
    plays: bool
    stretches: list[Span]
    later: list[bytes] = field(default_factory=list)

    def programs(self, content: bytes) -> set[tuple[int, int]]:
        """Return channels and the programs that it sets for them."""
        return {(one[0] & 0x0F, one[1]) for one in self._messages(content) if one[0] & 0xF0 == PROGRAM_CHANGE}

    def names(self, content: bytes) -> set[int]:
        """Return the kinds of its names."""
        kinds = (TRACK_NAME, INSTRUMENT_NAME)
        return {one[1] for one in self._messages(content) if one[0] == META and one[1] in kinds and one[2]}

    def _messages(self, content: bytes) -> list[bytes]:
        return [*_MESSAGE.findall(content, self.start, self.head), *self.later]

    def strikes(self, content: bytes, low: Mask) -> int:
        """Count the messages that begin a note.

        Raises:
            Odd: If a stretch begins without a status byte.
        """
        count = 0
        for stretch in (*self.stretches, (self.body, self.stop)):
            status, last = _statuses(content, low, stretch)
            count += int(np.count_nonzero((status & 0xF0 == NOTE_ON) & (last > 0)))
        return count

    def plays_on(self, channel: int, content: bytes, low: Mask) -> bool:
        """Return whether it has notes on a channel.

        Raises:
            Odd: If a stretch begins without a status byte.
        """
        return any(
            # The byte can also be one of a wait.
            content.find(NOTE_ON | channel, *stretch) >= 0
            and bool((_statuses(content, low, stretch)[0] == NOTE_ON | channel).any())
            for stretch in (*self.stretches, (self.body, self.stop))
        )


def go_over(content: bytes, low: Mask, tracks: list[TrackBytes], passed_over: list[NDArray[np.int64]]) -> int:
    """Go over tracks and return the number of their messages with two data bytes.

    Args:
        content: The file.
        low: Whether each of its bytes is below 128.
        tracks: The tracks.
        passed_over: Places to pass over.

    Raises:
        Odd: If a track holds anything but plain events.
        ValueError, IndexError: If a length is impossible.
    """
    shifted = np.frombuffer(content, dtype=np.uint8) ^ 0xE0
    shifted -= 0x10
    rare = shifted < 0x30  # 0xC0 to 0xDF and 0xF0 to 0xFF
    for some in passed_over:
        rare[some] = False
    places, messages = rare.nonzero()[0], 0
    for track in tracks:
        for stretch in track.stretches:
            messages += int(np.count_nonzero(low[slice(*stretch)])) // 3
        at = track.body
        for place in places[slice(*places.searchsorted((at, track.stop)))].tolist():
            if place < at:  # inside the message before it
                continue
            whole, rest = divmod(int(np.count_nonzero(low[at:place])), 3)
            messages += whole
            if rest == 0:  # it is a byte of a wait
                at = place
            elif rest == 1:
                track.stretches.append((track.body, place))
                track.body = at = _after(content, place, track)
            else:
                raise Odd
        whole, rest = divmod(int(np.count_nonzero(low[at : track.stop])), 3)
        if rest or at > track.stop:
            raise Odd
        messages += whole
    return messages


def _after(content: bytes, at: int, track: TrackBytes) -> int:
    """Return the place after a message that has not two data bytes, and keep it if it is a program or a name.

    Args:
        content: The file.
        at: Place of the status byte.
        track: The track that holds it.

    Raises:
        Odd: If it is no plain message.
        ValueError, IndexError: If a length is impossible.
    """
    status = content[at]
    if status == META:
        kind, (length, end) = content[at + 1], read_quantity(content, at + 2)
        if kind == END_OF_TRACK and end + length != track.stop:
            raise Odd
        if kind in (TRACK_NAME, INSTRUMENT_NAME):
            track.later.append(content[at:end])
        return end + length
    if status in SYSEX:
        length, end = read_quantity(content, at + 1)
        return end + length
    if status >= 0xE0:
        raise Odd
    end = at + 1
    while True:  # More of them may follow without a status byte.
        track.later.append(bytes([status, content[end]]))
        data = read_quantity(content, end + 1)[1]
        if content[data] >= 0x80:
            return end + 1
        end = data


def _statuses(content: bytes, low: Mask, stretch: Span) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the status byte and the last byte of each message of a stretch.

    Raises:
        Odd: If the first has no status byte.
    """
    start, stop = stretch
    found = np.frombuffer(content, dtype=np.uint8)[start:stop]
    places = low[start:stop].nonzero()[0]
    last = found.take(places[2::3])
    status = found.take(places[1::3][: len(last)] - 1)
    absent = status < 0x80
    if absent.any():
        if absent[0]:
            raise Odd
        # Without a status byte of its own, a message has that of the last one before it.
        status = status.take(np.maximum.accumulate(np.where(absent, 0, np.arange(len(status)))))
    return status, last
