"""Find tracks by what users call them: a name, a number, or a kind of instrument."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError
from symbolic.music.notes import DRUM_PROGRAM, Music

_KINDS = {
    "piano": range(8),
    "percussion": range(8, 16),
    "organ": range(16, 24),
    "guitar": range(24, 32),
    "bass": range(32, 40),
    "strings": range(40, 56),
    "brass": range(56, 64),
    "reed": range(64, 72),
    "pipe": range(72, 80),
    "synth": range(80, 104),
    "drums": range(DRUM_PROGRAM, DRUM_PROGRAM + 1),
}
"""Programs of General MIDI by kind."""


def find_tracks(music: Music, names: Sequence[str | int]) -> NDArray[np.int64]:
    """Return the tracks that are meant, in rising order.

    Args:
        music: The music. Tracks without notes are not found.
        names: Numbers that count from 1, names or parts of names in any case, or kinds such as "bass" and "drums". A
            track of that name is preferred to a kind.

    Raises:
        ConfigError: If nothing is called so. The message lists what there is.
    """
    programs = {int(track): int(program) for track, program in np.unique(music.notes[["track", "program"]])}
    found: set[int] = set()
    for name in names:
        own = _tracks_called(str(name).strip().casefold(), music, programs)
        if not own:
            raise ConfigError(f"No track is called '{name}'. There are {_listed(music, programs)}.")
        found.update(own)
    return np.array(sorted(found), dtype=np.int64)


def _tracks_called(name: str, music: Music, programs: dict[int, int]) -> list[int]:
    titles = {track: _title(music, track).casefold() for track in programs}
    same = [track for track, title in titles.items() if title == name]
    part = [track for track, title in titles.items() if name and name in title]
    kind = [track for track, program in programs.items() if program in _KINDS.get(name, ())]
    number = [track for track in programs if name == str(track + 1)]
    return same or part or kind or number


def _title(music: Music, track: int) -> str:
    return music.tracks[track].strip() if track < len(music.tracks) else ""


def _listed(music: Music, programs: dict[int, int]) -> str:
    kinds = {
        track: next((k for k, of in _KINDS.items() if programs[track] in of), "effects") for track in programs
    }
    return ", ".join(f"{track + 1} ({_title(music, track) or kinds[track]})" for track in programs)
