"""MIDI files byte by byte, with content that no writer of MIDI would make."""

from __future__ import annotations

import struct


def quantity(ticks: int) -> bytes:
    """A variable-length quantity of any size; beyond 2^28 it is longer than MIDI allows."""
    digits = [ticks & 127]
    while ticks := ticks >> 7:
        digits.append(ticks & 127 | 128)
    return bytes(reversed(digits))


def track(*events: tuple[int, bytes], end: bool = True) -> bytes:
    """A track chunk of events, each with its wait in ticks."""
    body = b"".join(quantity(wait) + event for wait, event in events) + (b"\0\xff\x2f\0" if end else b"")
    return b"MTrk" + struct.pack(">I", len(body)) + body


def midi(*tracks: bytes, kind: int = 1, division: int = 480, count: int | None = None) -> bytes:
    """A file of such tracks."""
    header = struct.pack(">HHH", kind, len(tracks) if count is None else count, division & 0xFFFF)
    return b"MThd" + struct.pack(">I", 6) + header + b"".join(tracks)


def meta(kind: int, content: bytes) -> bytes:
    """A meta event."""
    return b"\xff" + bytes([kind]) + quantity(len(content)) + content


def on(pitch: int = 60, velocity: int = 80) -> bytes:
    """A note begins, on channel 0."""
    return bytes([0x90, pitch, velocity])


def off(pitch: int = 60) -> bytes:
    """A note ends, on channel 0."""
    return bytes([0x80, pitch, 0])


def scale(notes: int = 12, velocity: int = 80, length: int = 120) -> list[tuple[int, bytes]]:
    """So many notes, one after another."""
    events = []
    for step in range(notes):
        events += [(0, on(50 + step % 24, velocity)), (length, off(50 + step % 24))]
    return events
