"""A quick test of whether symusic read everything that a MIDI file holds.

symusic drops notes without an end and what follows an early End-of-Track. It gives a program to the track that sets it
and to no other. It loses names that are not UTF-8. It reports none of this. Few files have any of it. So bytes are
counted at the speed of numpy. Only where a count differs is a file read event by event.

Every message with two data bytes has three bytes below 128: the last of its wait and its data. This holds with and
without running status. Any other message has at least one. So nothing was lost if there are three such bytes for each
message that symusic found. Names and programs mostly stand where a track begins. Regular expressions pass over them
there. Only where the counts differ does a loop go over the others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from symbolic.music.midi.events import END_OF_TRACK, INSTRUMENT_NAME, META
from symbolic.music.midi.stretches import PROGRAM, SIZED, STATE, WAIT, Mask, Odd, Span, TrackBytes, go_over

if TYPE_CHECKING:
    from symusic import Score

Item = TypeVar("Item", covariant=True)
_RARE_MESSAGES = re.compile(
    rb"(?:%b(?:%b|%b(?=%b[\x80-\xff]))){0,999}" % (WAIT, SIZED, PROGRAM, WAIT), re.DOTALL
)
"""Those that have not two data bytes. After a program comes a status byte."""
_STATE_MESSAGES = re.compile(rb"(?:%b%b){0,999}" % (WAIT, STATE))
_MAY_PLAY = re.compile(rb"[\x90-\x9f\xc0-\xcf]")
_MAY_SET_A_PROGRAM = re.compile(rb"[\xc0-\xcf][\x01-\x7f]")
_END = bytes([META, END_OF_TRACK, 0])
_TEMPO, _VALUES = bytes([META, 0x51, 3]), (3, 4, 5)
"""Beginning of a tempo, and where its value lies behind it."""
_MANY = 16
"""Tempos from which on numpy is faster."""


class _Items(Protocol[Item]):
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Item: ...


def items(of: _Items[Item]) -> list[Item]:
    """Return the items of a list of symusic. Its own iterators end by an exception of C++, which takes longer."""
    return [of[index] for index in range(len(of))]


def is_whole(content: bytes, score: Score) -> bool:
    """Return whether a score holds everything of a MIDI file.

    Args:
        content: The file.
        score: What symusic made of it.
    """
    messages, default, named = 2 * score.note_num(), False, True
    for part in items(score.tracks):
        if part.notes:
            messages += len(part.controls) + len(part.pitch_bends)
            default |= not part.program and not part.is_drum
        name = part.name
        if "\0" in name or "\ufffd" in name:
            return False
        named &= name != ""
    low = np.frombuffer(content, dtype=np.uint8) < 0x80
    try:
        tracks, lows = _tracks(content, low)
        if lows != 3 * messages and not _agrees(content, low, tracks, messages, score):
            return False
        # Only tracks without a name may have that of their instrument.
        if not named and any(track.names(content) == {INSTRUMENT_NAME} for track in tracks if track.plays):
            return False
        # Only notes with the default program may have another one.
        return not default or not _borrows_a_program(content, low, tracks)
    except (Odd, IndexError, ValueError):
        return False


def _tracks(content: bytes, low: Mask) -> tuple[list[TrackBytes], int]:
    """Return the tracks and how many bytes below 128 their messages with two data bytes have.

    Where a track does not begin with all of its other messages, their bytes are counted, too.

    Raises:
        Odd: If the header promises another number of tracks or states no known type, or bytes follow the last track.
    """
    found, lows, others, stop, size = list[TrackBytes](), 0, 0, 8 + int.from_bytes(content[4:8]), len(content)
    while stop + 8 <= size:
        start = stop + 8
        stop = start + int.from_bytes(content[stop + 4 : start])
        if not content.startswith(b"MTrk", start - 8):
            if stop > size or not content[start - 8 : start - 4].isalnum():
                stop = start - 8  # no chunk of any kind
                break
            others += 1
            continue
        body, stretches = _past(_RARE_MESSAGES, content, start, stop), list[Span]()
        while (end := _past(_STATE_MESSAGES, content, body, stop)) > body:
            if (following := _past(_RARE_MESSAGES, content, end, stop)) == end:
                break
            stretches.append((body, end))
            body = following
        plays = _MAY_PLAY.search(content, body, stop) is not None
        found.append(TrackBytes(start, body, body, stop, plays, stretches))
        if plays:
            lows += int(np.count_nonzero(low[body:stop]))
            for stretch in stretches:
                lows += int(np.count_nonzero(low[slice(*stretch)]))
            # With its wait, it has as many as a message with two data bytes.
            lows -= 3 * content.endswith(_END, body, stop)
    promised = int.from_bytes(content[10:12])
    if int.from_bytes(content[8:10]) > 2 or not len(found) <= promised <= len(found) + others:
        raise Odd
    if any(content[stop:]):
        raise Odd
    return found, lows


def _past(messages: re.Pattern[bytes], content: bytes, at: int, stop: int) -> int:
    """Return the place after messages that begin at a place."""
    match = messages.match(content, at, stop)
    return match.end() if match else at


def _agrees(content: bytes, low: Mask, tracks: list[TrackBytes], messages: int, score: Score) -> bool:
    """Go over all of a file and return whether symusic found its messages, or else its notes.

    Args:
        content: The file.
        low: Whether each of its bytes is below 128. Those of many tempos become false.
        tracks: Its tracks.
        messages: The number of messages with two data bytes that symusic found.
        score: What symusic made of the file.
    """
    playing, tempos = [track for track in tracks if track.plays], np.empty(0, dtype=np.int64)
    if len(score.tempos) > _MANY:
        tempos = _tempos(content, playing, len(score.tempos))
        for place in _VALUES:
            low[tempos + place] = False  # Then each counts as a message with two data bytes.
    passed_over = [tempos, *(tempos + place for place in _VALUES)]
    if go_over(content, low, playing, passed_over) == messages + len(tempos):
        return True
    # symusic knows no aftertouch. Then strikes have to be counted.
    return bool(sum([track.strikes(content, low) for track in playing]) == score.note_num())


def _tempos(content: bytes, tracks: list[TrackBytes], count: int) -> NDArray[np.int64]:
    """Return the places of tempos that were not passed over. Some performances hold thousands.

    Args:
        content: The file.
        tracks: The tracks.
        count: The number of all tempos. If other bytes look like one, none is returned.
    """
    found = np.frombuffer(content, dtype=np.uint8)
    places = (found[: -_VALUES[-1]] == META).nonzero()[0]
    places = places[(found[places + 1] == _TEMPO[1]) & (found[places + 2] == _TEMPO[2])]
    bounds = np.array([(track.body, track.stop) for track in tracks], dtype=np.int64).ravel()
    kept: NDArray[np.int64] = places[
        (bounds.searchsorted(places, side="right") % 2 == 1) & (len(places) == count)
    ]
    return kept


def _borrows_a_program(content: bytes, low: Mask, tracks: list[TrackBytes]) -> bool:
    """Return whether a track plays on a channel whose program only other tracks set."""
    for track in tracks:
        if track.later or _MAY_SET_A_PROGRAM.search(content, track.start, track.head):
            break
    else:
        return False
    programs = [track.programs(content) for track in tracks]
    return any(
        channel not in dict(own) and track.plays_on(channel, content, low)
        for channel in {channel for own in programs for channel, program in own if program}
        for track, own in zip(tracks, programs, strict=True)
    )
