"""MIDI files as events: read every event that can be decoded, and write events as a file.

symusic parses sound files many times faster. This reader is for damaged files and for files that are edited.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from operator import itemgetter

from symbolic.errors import MusicFileError
from symbolic.music.midi.film import FRAMES, quarters_of, set_to
from symbolic.music.notation import counted

Event = tuple[int, bytes]
"""Time in ticks, and the bytes of the event from its status byte on. Running status is resolved."""
NOTE_OFF, NOTE_ON, CONTROL, PROGRAM, SYSTEM, META = 0x80, 0x90, 0xB0, 0xC0, 0xF0, 0xFF
TRACK_NAME, INSTRUMENT_NAME, MARKER, END_OF_TRACK, KEY_SIGNATURE = 0x03, 0x04, 0x06, 0x2F, 0x59
_END = bytes([META, END_OF_TRACK, 0])
_SHARPS = frozenset({*range(8), *range(249, 256)})
"""First bytes of a key signature: so many sharps, or 256 less so many flats."""
DRUM_CHANNEL = 9
_TICK = itemgetter(0)
SYSEX = (0xF0, 0xF7)
_LENGTHS = {
    **{status: 1 if status >> 4 in (0xC, 0xD) else 2 for status in range(0x80, 0xF0)},
    **{status: {0xF1: 1, 0xF2: 2, 0xF3: 1}.get(status, 0) for status in range(0xF1, 0xFF)},
}
"""Number of data bytes by status byte; system-exclusive messages and meta events state their own."""
_UNDEFINED = (0xF4, 0xF5, 0xF9, 0xFD)


@dataclass
class MidiEvents:
    """The events of a MIDI file.

    Attributes:
        kind: Type of the file: 0, 1 or 2.
        division: The header's 16 bits of time. Below 2^15 they are ticks per quarter note.
        tracks: Events of each track without End-of-Track.
        ends: Time of each track's End-of-Track in ticks.
        repairs: Repairs made in reading as sentences.
    """

    kind: int
    division: int
    tracks: list[list[Event]]
    ends: list[int]
    repairs: list[str] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        """Return the bytes of a file with these events by rising time. Events of one tick keep their order."""
        header = b"".join(number.to_bytes(2) for number in (self.kind, len(self.tracks), self.division))
        chunks = [_chunk(b"MThd", header)]
        for events, end in zip(self.tracks, self.ends, strict=True):
            now, parts = 0, list[bytes]()
            last = (max([end, *map(_TICK, events)]), _END)
            for tick, content in [*sorted(events, key=_TICK), last]:
                parts += _quantity(tick - now), content
                now = tick
            chunks.append(_chunk(b"MTrk", b"".join(parts)))
        return b"".join(chunks)


def read_events(content: bytes, name: str) -> MidiEvents:
    """Read all events of a MIDI file as far as they can be decoded.

    Args:
        content: The file from its header on.
        name: Name of the file in errors.

    Raises:
        MusicFileError: If it is cut off, or its bytes are not those of MIDI.
    """
    size = int.from_bytes(content[4:8])
    if content[:4] != b"MThd" or size < 6 or len(content) < 14:
        raise MusicFileError(name, "not a readable MIDI file (it has no MIDI header)")
    kind, count, division = (int.from_bytes(content[at : at + 2]) for at in (8, 10, 12))
    quarters = quarters_of(division) if division >= FRAMES else (division, 0)
    if quarters is None:
        raise MusicFileError(
            name,
            f"its header states {256 - (division >> 8)} frames of a film a second (SMPTE), of {division & 0xFF} ticks",
            "Save it with ticks per quarter note, in a sequencer.",
        )
    division, tempo = quarters
    file, oddities = MidiEvents(kind if kind < 3 else 1, division, [], []), Counter[str]()
    if kind > 2:
        file.repairs.append(f"type {kind}, which does not exist: read as type 1")
    at, others = 8 + size, 0
    while at + 8 <= len(content):
        start, at = at + 8, at + 8 + int.from_bytes(content[at + 4 : at + 8])
        if content[start - 8 : start - 4] != b"MTrk":
            if at > len(content) or not content[start - 8 : start - 4].isalnum():
                at = start - 8  # no chunk of any kind
                break
            others += 1
            continue
        if at == start and not content[at : at + 4].isalnum() and (end := content.find(_END, at)) >= 0:
            at = end + len(_END)  # a recorder that crashed before it could write the length
            oddities["tracks without a length read to their end"] += 1
        number, events = len(file.tracks) + 1, list[Event]()
        if lacking := max(at - len(content), 0):
            raise MusicFileError(
                name,
                f"not a readable MIDI file (it is cut off: track {number} lacks {lacking:,} of its "
                f"{at - start:,} bytes)",
                "Download or copy it again.",
            )
        try:
            end = _walk(content[start:at], events, oddities)
        except ValueError as error:
            raise MusicFileError(name, f"not a readable MIDI file (track {number}: {error})") from error
        file.tracks.append(events)
        file.ends.append(end)
    if not len(file.tracks) <= count <= len(file.tracks) + others:
        file.repairs.append(f"its header promises {count:,} tracks, it holds {len(file.tracks):,}")
    if tempo:
        set_to(tempo, file.tracks)
        file.repairs.append(
            "its times are frames of a film (SMPTE): read in seconds, with beats of half a second"
        )
    rest = content[at:]
    oddities["bytes after the last track left out"] += len(rest) if any(rest) else 0
    file.repairs += counted(oddities)
    return file


def _walk(content: bytes, events: list[Event], oddities: Counter[str] | None, tick: int = 0) -> int:
    """Append the events of a track and return the time of its end.

    Args:
        content: The bytes of the track.
        events: The list to extend.
        oddities: Counts what is repaired. Without it, what needs repair ends the walk.
        tick: Time of the start.

    Raises:
        ValueError: If an event cannot be decoded.
    """
    at, size, status = 0, len(content), 0
    while at < size:
        wait, at = read_quantity(content, at)
        tick += wait
        start = at
        if status == 0:
            # Bytes that belong to no event are passed over, up to the first status byte.
            while at < size and content[at] < 0x80:
                at += 1
            if at > start:
                _count(oddities, "bytes before the first status byte passed over", at - start)
        if at >= size:
            break
        start, first = at, content[at]
        if first >= 0x80:
            at += 1
        else:
            first = status  # It goes on over meta events and system-exclusive messages.
        if first == META or first in SYSEX:
            length, at = read_quantity(content, at + (first == META))
            at += length
            if at > size:
                raise ValueError("an event is longer than its track")
            if first == META and content[start + 1] == END_OF_TRACK:
                return _after_end(content[at:], events, oddities, tick)
            events.append((tick, content[start:at]))
            if oddities is not None and first == META and content[start + 1] == KEY_SIGNATURE:
                oddities["key signatures that do not exist passed over"] += (
                    content[at - length] not in _SHARPS
                )
            continue
        if first < SYSTEM:
            status = first
        data = content[at : at + _LENGTHS[first]]
        at += _LENGTHS[first]
        if at > size:
            _count(oddities, "events cut off at the end of a track left out")
            break
        if first in _UNDEFINED:
            _count(oddities, "undefined status bytes passed over")
            continue
        if not data.isascii():
            _count(oddities, "values above 127 clipped", sum(value > 127 for value in data))
            data = bytes(min(value, 127) for value in data)
        events.append((tick, bytes([first]) + data))
    return tick


def _after_end(content: bytes, events: list[Event], oddities: Counter[str] | None, tick: int) -> int:
    """Append what follows an early End-of-Track, as far as it is without fault, and return the time of its end."""
    count, end = len(events), tick
    try:
        end = _walk(content, events, None, tick)
    except ValueError:
        end = events[-1][0] if len(events) > count else tick
    if strikes := sum(is_strike(event) for _, event in events[count:]):
        _count(oddities, "notes read after an early End-of-Track", strikes)
    else:
        del events[count:]
        end = tick
    return end


def _count(oddities: Counter[str] | None, what: str, number: int = 1) -> None:
    if oddities is None:
        raise ValueError(what)
    oddities[what] += number


def is_strike(event: bytes) -> bool:
    """Return whether an event begins a note."""
    return event[0] & 0xF0 == NOTE_ON and event[2] > 0


def is_release(event: bytes) -> bool:
    """Return whether an event ends a note."""
    return event[0] & 0xF0 == NOTE_OFF or (event[0] & 0xF0 == NOTE_ON and event[2] == 0)


def meta(kind: int, content: bytes) -> bytes:
    """Return a meta event."""
    return bytes([META, kind]) + _quantity(len(content)) + content


def meta_content(event: bytes) -> bytes:
    """Return the content of a meta event."""
    return event[read_quantity(event, 2)[1] :]


def read_quantity(content: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length quantity and the place after it, which is beyond the content if that ends too early.

    Raises:
        ValueError: If it has more than the four digits that MIDI allows.
    """
    value = 0
    for digit in content[at : at + 4]:
        at += 1
        value = value << 7 | digit & 0x7F
        if digit < 0x80:
            return value, at
    if at < len(content):
        raise ValueError("a wait or a length beyond 2^28")
    return value, len(content) + 1


def _quantity(value: int) -> bytes:
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4) + content
