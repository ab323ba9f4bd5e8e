"""A quick test of whether symusic read everything that a MIDI file holds.

symusic drops notes without an end and what follows an early End-of-Track. It gives a program to the track that sets it
and to no other. It loses names that are not UTF-8. It reports none of this. Few files have any of it. So bytes are
counted at the speed of numpy. Only where a count differs is a file read event by event.

In a stretch of channel messages with two data bytes, every message has three bytes below 128: the last of its wait and
its data. This holds with and without running status. The other messages are rare. A loop goes over them alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from symbolic.music.midi.events import (
    CONTROL,
    END_OF_TRACK,
    INSTRUMENT_NAME,
    META,
    NOTE_ON,
    SYSEX,
    TRACK_NAME,
    read_quantity,
)

if TYPE_CHECKING:
    from symusic import Score

_END = 2**63
"""A place behind every track."""
_FEW_TEMPOS = 48
_SHORT = 100
"""Bytes from which on numpy is faster."""
_HIGH = bytes(range(0x80, 0x100))
_TEMPO = bytes([META, 0x51, 3])
_Span = tuple[int, int]
"""First byte of a track, and the first after it."""
_Programs = tuple[int, int, dict[int, int]]
"""The same, and the first program that it sets on each channel."""


class _Odd(Exception):
    """The bytes are not laid out as in nearly all files."""


def is_whole(content: bytes, score: Score) -> bool:
    """Return whether a score holds everything of a MIDI file.

    Args:
        content: The file.
        score: What symusic made of it.
    """
    found, messages = np.frombuffer(content, dtype=np.uint8), 0
    try:
        spans = _spans(content)
        if len(score.tempos) > _FEW_TEMPOS:
            found, spans, messages = _with_short_tempos(found, spans)
            content = found.tobytes()
        low = found < 0x80
        stretches, counted, programs, only_instrument = _layout(content, found, low, spans)
    except (_Odd, IndexError, ValueError):
        return False
    notes, tracks = 0, list(score.tracks)
    for track in tracks:
        notes += len(track.notes)
        messages += len(track.controls) + len(track.pitch_bends)
        name = track.name
        if name.isascii():
            if "\0" in name or (not name and only_instrument):
                return False
        elif "\ufffd" in name or "\0" in name:
            return False
    # symusic knows no aftertouch and drops tracks without notes. Then strikes have to be counted.
    if messages + 2 * notes != counted and _strikes(found, low, stretches) != notes:
        return False
    # Only notes with the default program may have another one.
    if all(track.program or track.is_drum or not track.notes for track in tracks):
        return True
    return not _borrows_a_program(content, found, low, stretches, programs)


def _spans(content: bytes) -> list[_Span]:
    """Return where tracks begin and end.

    Raises:
        _Odd: If the header promises another number of tracks, or states no known type.
    """
    found, others, stop, size = list[_Span](), 0, 8 + int.from_bytes(content[4:8]), len(content)
    while stop + 8 <= size:
        start = stop + 8
        stop = start + int.from_bytes(content[stop + 4 : start])
        if content[start - 8 : start - 4] == b"MTrk":
            found.append((start, stop))
        else:
            others += 1
    promised = int.from_bytes(content[10:12])
    if int.from_bytes(content[8:10]) > 2 or not len(found) <= promised <= len(found) + others:
        raise _Odd
    return found


def _with_short_tempos(
    found: NDArray[np.uint8], spans: list[_Span]
) -> tuple[NDArray[np.uint8], list[_Span], int]:
    """Make controllers of all tempos. Some performances hold thousands.

    Args:
        found: The bytes of a file.
        spans: From `_spans`.

    Returns:
        The bytes, without three for each tempo; the spans in them; the number of tempos.
    """
    places = (found[:-5] == META).nonzero()[0]
    places = places[(found[places + 1] == _TEMPO[1]) & (found[places + 2] == _TEMPO[2])]
    kept = np.ones(len(found), dtype=np.bool_)
    kept[(places[:, None] + np.arange(3, 6)).ravel()] = False
    short = found.copy()
    short[places] = CONTROL
    before = places.searchsorted(spans)
    moved = (np.array(spans) - 3 * before).tolist()
    return short[kept], [(start, stop) for start, stop in moved], len(places)


def _layout(
    content: bytes, found: NDArray[np.uint8], low: NDArray[np.bool_], spans: list[_Span]
) -> tuple[list[_Span], int, list[_Programs], bool]:
    """Find the stretches of messages with two data bytes and what stands between.

    Args:
        content: A file.
        found: Its bytes.
        low: Whether each is below 128.
        spans: From `_spans`.

    Returns:
        The stretches; the number of their messages; the programs of each track; whether a track has the name of an
        instrument and none of its own.

    Raises:
        _Odd: If a track holds anything but plain events.
        ValueError, IndexError: If a length is impossible.
    """
    # Below 0x30 are then 0xC0 to 0xDF and 0xF0 to 0xFF: status bytes of messages that have not two data bytes.
    rare = found ^ 0xE0
    rare -= 0x10
    places = iter((rare < 0x30).nonzero()[0].tolist())
    stretches, programs, only_instrument = list[_Span](), list[_Programs](), False
    messages, place, count = 0, next(places, _END), np.count_nonzero
    for start, stop in spans:
        begin, kinds, own = start, 0, dict[int, int]()
        while place < stop:
            if place < start:  # inside the message before it, or before the track
                place = next(places, _END)
                continue
            if place > start + 1 or content[start] >= 0x80:  # else a wait of one byte, as mostly
                if place - start < _SHORT:
                    lows = len(content[start:place].translate(None, _HIGH))
                else:
                    lows = int(count(low[start:place]))
                if lows > 1:
                    stretches.append((start, place))
                    messages += lows // 3
                if lows % 3 == 0:  # After whole messages, it is a byte of a wait.
                    start, place = place, next(places, _END)
                    continue
                if lows % 3 == 2:
                    raise _Odd
            start, status, place = place, content[place], next(places, _END)
            if status == META:
                kind, length, start = content[start + 1], content[start + 2], start + 3
                if length >= 0x80:
                    length, start = read_quantity(content, start - 1)
                start += length
                if kind == END_OF_TRACK and start != stop:
                    raise _Odd
                if length and TRACK_NAME <= kind <= INSTRUMENT_NAME:
                    kinds |= kind
            elif status < 0xE0:
                if status < 0xD0:
                    own.setdefault(status & 0x0F, content[start + 1])
                start = _after_short(content, start + 2)
            elif status in SYSEX:
                length, start = read_quantity(content, start + 1)
                start += length
            else:
                raise _Odd
        lows = int(count(low[start:stop]))
        if lows % 3 or start > stop:
            raise _Odd
        stretches.append((start, stop))
        messages += lows // 3
        programs.append((begin, stop, own))
        only_instrument |= kinds == INSTRUMENT_NAME
    return stretches, messages, programs, only_instrument


def _after_short(content: bytes, at: int) -> int:
    """Return the place after messages with one data byte that follow such a message without a status byte."""
    while content[at] >= 0x80 or content[at + 1] < 0x80:
        following = read_quantity(content, at)[1]
        if content[following] >= 0x80:
            return at
        at = following + 1
    return at


def _strikes(found: NDArray[np.uint8], low: NDArray[np.bool_], stretches: list[_Span]) -> int:
    """Count the messages that begin a note."""
    strikes = 0
    for stretch in stretches:
        status, last = _messages(found, low, stretch)
        strikes += int(np.count_nonzero((status & 0xF0 == NOTE_ON) & (last > 0)))
    return strikes


def _messages(
    found: NDArray[np.uint8], low: NDArray[np.bool_], stretch: _Span
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the status byte and the last byte of each message of a stretch."""
    places = stretch[0] + low[slice(*stretch)].nonzero()[0]
    _, first, last = places[: len(places) // 3 * 3].reshape(-1, 3).T
    status = found[first - 1]
    # Without a status byte of its own, a message has that of the last one before it.
    own = np.maximum.accumulate(np.where(status >= 0x80, np.arange(len(status)), 0))
    return status[own], found[last]


def _borrows_a_program(
    content: bytes,
    found: NDArray[np.uint8],
    low: NDArray[np.bool_],
    stretches: list[_Span],
    programs: list[_Programs],
) -> bool:
    """Return whether a track plays on a channel whose program only other tracks set."""
    channels = {channel for *_, own in programs for channel, program in own.items() if program}
    return any(
        # The byte can also be one of a wait.
        content.find(NOTE_ON | channel, start, stop) >= 0
        and any(
            (_messages(found, low, stretch)[0] == NOTE_ON | channel).any()
            for stretch in stretches
            if start <= stretch[0] < stop
        )
        for channel in channels
        for start, stop, own in programs
        if channel not in own
    )
