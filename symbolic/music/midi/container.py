"""Containers around MIDI files and files named .mid that are something else."""

from __future__ import annotations

from symbolic.errors import MusicFileError
from symbolic.music.others import kind_of_content

_HEADER = b"MThd"
_SEARCHED = 4096
"""Bytes in which a header is searched: a MacBinary header has 128, a byte-order mark three."""


def is_midi(content: bytes) -> bool:
    """Return whether a file is MIDI, or a container that may hold it, by its beginning."""
    return content[:4] == b"RIFF" or _HEADER in content[:_SEARCHED]


def unwrapped(content: bytes, name: str) -> tuple[bytes, tuple[str, ...]]:
    """Return the MIDI file in its container and a repair where bytes before its header were passed over.

    Args:
        content: The whole file: MIDI, in RIFF (RMID), in MacBinary or after a byte-order mark.
        name: Name of the file in errors.

    Raises:
        MusicFileError: If it holds no MIDI header. The message names what it is if that is known.
    """
    if content[:4] == _HEADER:
        return content, ()
    if content[:4] == b"RIFF":
        inside = _of_riff(content)
        if inside[:4] == _HEADER:
            return inside, ()
    elif (start := content.find(_HEADER, 0, _SEARCHED)) > 0:
        return content[start:], (f"{start:,} bytes before its header passed over",)
    if not content:
        raise MusicFileError(name, "not a readable MIDI file (it is empty)", "Copy or download it again.")
    kind, remedy = kind_of_content(content) or ("", "")
    raise MusicFileError(
        name, f"not a readable MIDI file (it {f'is {kind}' if kind else 'has no MIDI header'})", remedy
    )


def _of_riff(content: bytes) -> bytes:
    """Return the data of a RIFF container of MIDI (RMID, written by Windows programs) or b"" for another one.

    Source: MIDI Manufacturers Association, Recommended Practice RP-029.
    """
    start = 12 if content[8:12] == b"RMID" else len(content)
    while start + 8 <= len(content):
        size = int.from_bytes(content[start + 4 : start + 8], "little")
        if content[start : start + 4] == b"data":
            return content[start + 8 : start + 8 + size]
        start += 8 + size + size % 2  # chunks are padded to even lengths
    return b""
