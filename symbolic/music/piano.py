"""Note labels from track names, and the merging that keeps them from being read off the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from symbolic.music.notes import Music


def track_labels(music: Music, names: Sequence[str]) -> NDArray[np.int8]:
    """(N,) int8: which of the names the note's track has, regardless of case; -1 for none of them."""
    wanted = [name.strip().casefold() for name in names]
    of_track = [
        wanted.index(name) if (name := track.strip().casefold()) in wanted else -1 for track in music.tracks
    ]
    classes = np.array([*of_track, -1], dtype=np.int8)
    return np.asarray(classes[np.minimum(music.notes["track"], len(of_track))])


def as_one_piano(music: Music) -> Music:
    """The same notes on one track, all pitched ones played by a piano.

    Labels made from tracks would otherwise stand in the program field for a model to copy.
    """
    notes = music.notes.copy()
    notes["program"][~music.drums] = 0
    notes["track"] = 0
    return replace(music, notes=notes, tracks=("piano",))
