"""Key signatures that a MIDI file states."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from symbolic.music.files import music_bytes
from symbolic.music.midi.container import unwrapped
from symbolic.music.notes import Music

_MIDI = (".mid", ".midi")
_MOST = 7


class KeySignature(NamedTuple):
    """A key signature: the time in seconds from which it holds, and its sharps, with flats below 0."""

    seconds: float
    fifths: int


def stated_keys(path: str | Path, music: Music) -> list[KeySignature]:
    """Return the key signatures that a MIDI file states, by rising time. None for other files and damaged ones.

    A file that states C major alone states nothing: programs write that where nobody chose a key.

    Args:
        path: The file.
        music: What was read from it.

    Raises:
        MusicFileError: If it cannot be opened.
    """
    from symusic import Score

    if Path(path).suffix.lower() not in _MIDI:
        return []
    try:
        signatures = Score.from_midi(unwrapped(music_bytes(path), str(path))[0]).key_signatures
    except RuntimeError:  # the reader of notes mends what it can; a key is not worth a second attempt
        return []
    stated = {one.time: int(one.key) for one in signatures if abs(one.key) <= _MOST}
    found = [KeySignature(float(music.seconds(tick)), stated[tick]) for tick in sorted(stated)]
    return found if any(one.fifths for one in found) else []
