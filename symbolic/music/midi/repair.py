"""Repair the events of a MIDI file so that symusic reads all of it, and lengthen notes to the release of the pedal."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from symbolic.music.midi.events import (
    CONTROL,
    DRUM_CHANNEL,
    INSTRUMENT_NAME,
    META,
    NOTE_OFF,
    PROGRAM,
    SYSTEM,
    TRACK_NAME,
    Event,
    MidiEvents,
    is_release,
    is_strike,
    meta,
    meta_content,
    read_events,
)
from symbolic.music.midi.percussion import with_usual_drums
from symbolic.music.notation import counted

PEDAL = KEEP, EXTEND = "keep", "extend"
"""Ways to read notes under the sustain pedal: with their written lengths, or to its release."""
_TICK = itemgetter(0)
_SUSTAIN, _DOWN = 64, 64
"""Controller of the sustain pedal, and the first of its values that hold notes."""
_ALL_OFF = frozenset({120, *range(123, 128)})
"""Controllers that end all notes of their channel."""
_JAPANESE = re.compile(rb"(?:[\x81-\x9f\xe0-\xef][\x40-\x7e\x80-\xfc]){2}|[\xa1-\xdf]{3}")
"""Two characters of two bytes in Shift-JIS, or three half-width kana. Such rows are rare in Latin text."""
_NOT_LATIN = re.compile(rb"[\x81-\x9f]|^[\x00-\x40\xa1-\xdf]+$")
"""Bytes that are no letters in Latin-1, or half-width kana without Latin letters."""


class Note(NamedTuple):
    """A note of a track by rising onset: where it begins and ends.

    Attributes:
        onset: Onset in ticks.
        end: End in ticks.
        channel: Channel, 0 to 15.
        pitch: Pitch.
        strike: Index of the event that begins it.
        release: Index of the event that ends it.
    """

    onset: int
    end: int
    channel: int
    pitch: int
    strike: int
    release: int


def read_repaired(content: bytes, name: str, pedal: str) -> MidiEvents:
    """Read a file as events that symusic reads whole.

    Args:
        content: The file from its header on.
        name: Name of the file in errors.
        pedal: One of `PEDAL`.

    Raises:
        MusicFileError: If it is not MIDI.
    """
    file = with_closed_notes(with_usual_drums(read_events(content, name)))
    if pedal == EXTEND:
        file = with_pedal(file)
    # System messages are nothing to symusic, but it does not read all of them.
    plain = [[event for event in events if not SYSTEM <= event[1][0] < META] for events in file.tracks]
    return replace(file, tracks=[with_readable_name(events) for events in with_all_programs(plain)])


def notes_of(events: Sequence[Event]) -> list[Note]:
    """Return the notes of a track. As in symusic, the first that sounds on a pitch is the first to end."""
    found, sounding = list[Note](), defaultdict[tuple[int, int], deque[int]](deque)
    for index, (tick, event) in enumerate(events):
        if is_strike(event):
            sounding[event[0] & 0x0F, event[1]].append(index)
        elif is_release(event) and (strikes := sounding[event[0] & 0x0F, event[1]]):
            strike = strikes.popleft()
            found.append(Note(events[strike][0], tick, event[0] & 0x0F, event[1], strike, index))
    return sorted(found, key=lambda note: note.strike)


def with_closed_notes(file: MidiEvents) -> MidiEvents:
    """Return a file where every note has an end, and name those that had none in its repairs.

    A note without an end lasts until the next strike of its pitch, a message that ends all notes, or as long as its
    track. Drums last a sixteenth at most. Strikes of one pitch at one time end together.
    """
    tracks, count = [], 0
    for events in file.tracks:
        releases = _missing_releases(events, max(file.division // 4, 1))
        count += len(releases)
        tracks.append(sorted([*releases, *events], key=_TICK) if releases else events)
    words = (
        "notes without an end that last until the next strike of their pitch, or as long as their track; "
        "drums a sixteenth at most"
    )
    return replace(file, tracks=tracks, repairs=[*file.repairs, *counted({words: count})])


def _missing_releases(events: Sequence[Event], sixteenth: int) -> list[Event]:
    """Return the events that end notes without an end."""
    groups = defaultdict[tuple[int, int], list[tuple[int, bool | None]]](list)
    sounding = Counter[tuple[int, int]]()
    for tick, event in events:
        if is_strike(event):
            key = event[0] & 0x0F, event[1]
            groups[key].append((tick, True))
            sounding[key] += 1
        elif is_release(event) and sounding[key := (event[0] & 0x0F, event[1])]:
            groups[key].append((tick, False))
            sounding[key] -= 1
            if not sounding[key]:
                del groups[key]
        elif event[0] & 0xF0 == CONTROL and event[1] in _ALL_OFF:
            for (channel, _), group in groups.items():
                if channel == event[0] & 0x0F:
                    group.append((tick, None))
    last = events[-1][0] if events else 0
    return [
        (tick, bytes([NOTE_OFF | channel, pitch, 0]))
        for (channel, pitch), group in groups.items()
        for tick in _missing_ends(group, last, sixteenth, channel == DRUM_CHANNEL)
    ]


def _missing_ends(
    group: list[tuple[int, bool | None]], last: int, sixteenth: int, drum: bool
) -> Iterator[int]:
    """Yield the ends that notes of one pitch lack.

    Args:
        group: Times of strikes, true, of releases, false, and of ends of all notes, None, from a silence on.
        last: Time of the track's last event.
        sixteenth: Its length in ticks.
        drum: Whether they are drums.
    """
    count = onset = 0
    for tick, strike in group:
        if strike is False:
            yield from [tick] * (count - 1)
            count = 0
            continue
        if strike is None or tick > onset:
            yield from [min(tick, onset + sixteenth) if drum else tick] * count
            count = 0
        count, onset = count + bool(strike), tick
    yield from [onset + sixteenth if drum or last <= onset else last] * count


def with_all_programs(tracks: Sequence[Sequence[Event]]) -> list[list[Event]]:
    """Return tracks that have the programs of their channels."""
    pairs = zip(borrowed_programs(tracks), tracks, strict=True)
    return [sorted([*borrowed, *events], key=_TICK) for borrowed, events in pairs]


def borrowed_programs(tracks: Sequence[Sequence[Event]]) -> list[list[Event]]:
    """Return the programs that each track takes from others.

    A program belongs to a channel, in whatever track it is set. But in files of more than 15 tracks several share a
    channel. So a track that sets a program of its own takes none from others.
    """
    changes = sorted(
        [change for events in tracks for change in events if change[1][0] & 0xF0 == PROGRAM], key=_TICK
    )
    found = []
    for events in tracks:
        own = {event[0] & 0x0F for _, event in events if event[0] & 0xF0 == PROGRAM}
        needed = {event[0] & 0x0F for _, event in events if is_strike(event)} - own - {DRUM_CHANNEL}
        found.append([change for change in changes if change[1][0] & 0x0F in needed])
    return found


def with_readable_name(events: Sequence[Event]) -> list[Event]:
    """Return a track with its name in UTF-8. One without a name takes that of its instrument."""
    kinds = {event[1] for _, event in events if event[0] == META and meta_content(event).strip(b"\0")}
    wanted = TRACK_NAME if TRACK_NAME in kinds else INSTRUMENT_NAME
    names = [decoded(meta_content(event)) for _, event in events if event[0] == META and event[1] == wanted]
    rest = [(tick, event) for tick, event in events if event[0] != META or event[1] != TRACK_NAME]
    return [(0, meta(TRACK_NAME, names[-1].encode())), *rest] if names else rest


def decoded(name: bytes) -> str:
    """Return a name as text. MIDI does not state how text is encoded: this is UTF-8, UTF-16, Shift-JIS or Latin-1."""
    if name[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return name.decode("utf-16", errors="replace").strip("\0")
    for order in (1, 0):
        if len(name) > 2 and any(name) and not any(name[order::2]):
            return name.decode("utf-16-le" if order else "utf-16-be", errors="replace").strip("\0")
    name = name.strip(b"\0")
    japanese = ["cp932"] if _JAPANESE.search(name) and _NOT_LATIN.search(name) else []
    for encoding in ("utf-8", *japanese, "cp1252"):
        try:
            return name.decode(encoding).replace("\0", "")
        except UnicodeDecodeError:
            continue
    return name.decode("latin-1").replace("\0", "")


def with_pedal(file: MidiEvents) -> MidiEvents:
    """Return a file whose notes last until the sustain pedal is released, or until the next strike of their pitch."""
    presses = _presses(file)
    return replace(file, tracks=[_sustained(events, presses) for events in file.tracks])


def _presses(file: MidiEvents) -> list[list[tuple[int, int]]]:
    """Return when the pedal of each channel goes down and up. Like a program, it belongs to a channel."""
    changes: list[list[tuple[int, bool]]] = [[] for _ in range(16)]
    for events in file.tracks:
        for tick, event in events:
            if event[0] & 0xF0 == CONTROL and event[1] == _SUSTAIN:
                changes[event[0] & 0x0F].append((tick, event[2] >= _DOWN))
    last = max([0, *(events[-1][0] for events in file.tracks if events)])
    found = []
    for own in changes:
        own = sorted(own, key=_TICK)
        turns = [change for before, change in pairwise([(0, False), *own]) if change[1] != before[1]]
        times = [tick for tick, _ in turns] + [last] * (len(turns) % 2)
        found.append(list(zip(times[::2], times[1::2], strict=True)))
    return found


def _sustained(events: list[Event], presses: list[list[tuple[int, int]]]) -> list[Event]:
    moved, next_onset = list(events), dict[tuple[int, int], int]()
    for note in reversed(notes_of(events)):
        key = note.channel, note.pitch
        index = bisect_right(presses[note.channel], note.end, key=_TICK) - 1
        until = presses[note.channel][index][1] if index >= 0 else 0
        until = min(until, next_onset.get(key, until))
        if until > note.end:
            moved[note.release] = (until, events[note.release][1])
        next_onset[key] = note.onset
    return sorted(moved, key=_TICK)
