"""A quick test of whether symusic read everything that a MIDI file holds.

symusic drops notes without an end and what follows an early End-of-Track. It gives a program to the track that sets it
and to no other. It loses names that are not UTF-8. It reports none of this. Few files have any of it, so bytes are
counted at the speed of numpy. Only where a count differs is a file read event by event.

In a stretch of channel messages with two data bytes, every message has three bytes below 128: the last of its wait, and
its data. This holds with and without running status. The other messages are rare. A loop goes over them alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.music.midi_events import (
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
    from symusic import Score, Track

_HIGH = bytes(range(128, 256))
_RARE = np.isin(np.arange(256) >> 4, [0xC, 0xD, 0xF])
"""Whether a status byte is that of a message that has not two data bytes."""
_NONE = (2**63, 0, 0)
_FEW_TEMPOS = 16
_TEMPO = bytes([META, 0x51, 3])


class _Odd(Exception):
    """The bytes are not laid out as in nearly all files."""


class _Layout(NamedTuple):
    """The bytes of a file by the kind of their messages.

    Attributes:
        stretches: For each stretch of messages with two data bytes: the bytes below 128 before it, in the whole file,
            and the number of its messages.
        tracks: First byte of each track, the byte after it, and the first program that it sets on each channel.
        only_instrument: Whether a track has the name of an instrument and none of its own.
    """

    stretches: list[tuple[int, int]]
    tracks: list[tuple[int, int, dict[int, int]]]
    only_instrument: bool


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
        layout = _layout(content, found, spans)
    except (_Odd, IndexError, ValueError):
        return False
    notes, tracks = 0, list(score.tracks)
    for track in tracks:
        notes += len(track.notes)
        messages += len(track.controls) + len(track.pitch_bends)
        name = track.name
        if name.isascii():
            if "\0" in name or (not name and layout.only_instrument):
                return False
        elif "\ufffd" in name or "\0" in name:
            return False
    # symusic knows no aftertouch and drops tracks without notes. Then strikes have to be counted.
    if (
        messages + 2 * notes != sum([count for _, count in layout.stretches])
        and _strikes(found, layout.stretches) != notes
    ):
        return False
    return not _may_borrow_a_program(content, layout, tracks)


def _with_short_tempos(
    found: NDArray[np.uint8], spans: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], int]:
    """Make controllers of all tempos, for some performances hold thousands.

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
    return short[kept], spans - 3 * places.searchsorted(spans), len(places)


def _layout(content: bytes, found: NDArray[np.uint8], spans: NDArray[np.int64]) -> _Layout:
    """Find the stretches of messages with two data bytes, and what stands between.

    Raises:
        _Odd: If a track holds anything but plain events.
        ValueError, IndexError: If a length is impossible.
    """
    high = (found >= 0x80).nonzero()[0]
    values = found[high]
    rare = _RARE[values].nonzero()[0]
    places = high[rare]
    candidates = zip(places.tolist(), (places - rare).tolist(), values[rare].tolist(), strict=True)
    edges = (spans - high.searchsorted(spans)).tolist()
    stretches, tracks, only_instrument = list[tuple[int, int]](), [], False
    place, before, status = next(candidates, _NONE)
    for start, stop, low, last in zip(*spans.T.tolist(), *zip(*edges, strict=True), strict=True):
        end, kinds, programs = start, 0, dict[int, int]()
        while place < stop:
            # A candidate can lie inside the message before it. After whole messages it is a byte of a wait.
            if place >= end and (more := (before - low) % 3):
                if more == 2:
                    raise _Odd
                if before > low + 1:
                    stretches.append((low, (before - low) // 3))
                if status == META:
                    kind, length, end = content[place + 1], content[place + 2], place + 3
                    if length >= 0x80:
                        length, end = read_quantity(content, place + 2)
                    end += length
                    if kind == END_OF_TRACK and end != stop:
                        raise _Odd
                    if length and TRACK_NAME <= kind <= INSTRUMENT_NAME:
                        kinds |= kind
                    low = before + len(content[place:end].translate(None, _HIGH))
                elif status < 0xE0:
                    low, end = before + 1, place + 2
                    if status < 0xD0:
                        programs.setdefault(status & 0x0F, content[place + 1])
                elif status in SYSEX:
                    length, end = read_quantity(content, place + 1)
                    end += length
                    low = before + len(content[place:end].translate(None, _HIGH))
                else:
                    raise _Odd
            place, before, status = next(candidates, _NONE)
        messages, more = divmod(last - low, 3)
        if more or end > stop:
            raise _Odd
        stretches.append((low, messages))
        tracks.append((start, stop, programs))
        only_instrument |= kinds == INSTRUMENT_NAME
    return _Layout(stretches, tracks, only_instrument)


def _spans(content: bytes) -> NDArray[np.int64]:
    """Return (T, 2) the first byte of each track, and the first after it.

    Raises:
        _Odd: If the header promises another number of tracks, or states no known type.
    """
    found, others, stop, size = [], 0, 8 + int.from_bytes(content[4:8]), len(content)
    while stop + 8 <= size:
        start = stop + 8
        stop = start + int.from_bytes(content[stop + 4 : start])
        if content[start - 8 : start - 4] == b"MTrk":
            found.append((start, stop))
        else:
            others += 1
    promised = int.from_bytes(content[10:12])
    if int.from_bytes(content[8:10]) > 2 or not found or not len(found) <= promised <= len(found) + others:
        raise _Odd
    return np.array(found)


def _strikes(found: NDArray[np.uint8], stretches: list[tuple[int, int]]) -> int:
    """Count the messages that begin a note."""
    low, strikes = (found < 0x80).nonzero()[0], 0
    for start, count in stretches:
        _, first, second = low[start : start + 3 * count].reshape(-1, 3).T
        status = found[first - 1]
        # Without a status byte of its own, a message has that of the last one before it.
        own = np.maximum.accumulate(np.where(status >= 0x80, np.arange(count), 0))
        strikes += int(np.count_nonzero((status[own] & 0xF0 == NOTE_ON) & (found[second] > 0)))
    return strikes


def _may_borrow_a_program(content: bytes, layout: _Layout, tracks: list[Track]) -> bool:
    """Return whether a track may play on a channel whose program only other tracks set."""
    channels = {channel for *_, own in layout.tracks for channel, program in own.items() if program}
    if not channels or all(track.program or track.is_drum or not track.notes for track in tracks):
        return False
    return any(
        content.find(NOTE_ON | channel, start, stop) >= 0
        for channel in channels
        for start, stop, own in layout.tracks
        if channel not in own
    )
