"""Find the tracks that are sung: lyrics stand at the onsets of their notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from symbolic.music.midi.check import items

if TYPE_CHECKING:
    from symusic import Track

_Timed = tuple[str, NDArray[np.integer]]
_ON_NOTES, _NOTES = 0.8, 0.4
"""Least shares of the lyrics at onsets, and of the onsets with lyrics: some syllables have many notes."""


def sung_tracks(tracks: Sequence[Track], resolution: int) -> tuple[int, ...]:
    """Return the indices of tracks whose notes are sung.

    symusic keeps the lyrics of a track apart from its notes, and karaoke files have a track of words. So each group of
    lyrics belongs to the track whose onsets agree best, and to one of its own name where several agree alike.

    Args:
        tracks: The tracks of a score.
        resolution: Ticks per quarter note. Lyrics may stand an eighth of one away from their note.
    """
    words = [
        (track.name, np.array([lyric.time for lyric in items(track.lyrics)]))
        for track in tracks
        if len(track.lyrics)
    ]
    if not words:
        return ()
    return singers(words, [(track.name, track.notes.numpy()["time"]) for track in tracks], resolution)


def singers(words: Sequence[_Timed], tracks: Sequence[_Timed], resolution: int) -> tuple[int, ...]:
    """Return the indices of tracks whose notes are sung, as `sung_tracks` does.

    Args:
        words: Names of groups of lyrics and their times in ticks.
        tracks: Names of tracks and the onsets of their notes.
        resolution: Ticks per quarter note.
    """
    found = set()
    onsets = [(name, np.unique(times)) for name, times in tracks]
    for group, syllables in words:
        times = np.unique(syllables)
        agreed = [
            (_agreement(times, own, resolution // 8), name == group, -index)
            for index, (name, own) in enumerate(onsets)
            if len(own)
        ]
        best = max(agreed, default=(0.0, False, 0))
        if best[0]:
            found.add(-best[2])
    return tuple(sorted(found))


def _agreement(times: NDArray[np.integer], onsets: NDArray[np.integer], near: int) -> float:
    """Return the share of onsets with lyrics. 0 if these, or lyrics at onsets, are few."""
    place = (
        np.clip(np.searchsorted(onsets, times), 1, len(onsets) - 1)
        if len(onsets) > 1
        else np.zeros(len(times), int)
    )
    distance = np.minimum(np.abs(onsets[place] - times), np.abs(onsets[np.maximum(place - 1, 0)] - times))
    here = int((distance <= near).sum())
    share = here / len(onsets)
    return float(share) if here >= _ON_NOTES * len(times) and share >= _NOTES else 0.0
