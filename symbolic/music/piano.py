"""Note labels from track names and the merging of tracks that hides these labels from a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from symbolic.music.notes import Music


def track_labels(music: Music, names: Sequence[str]) -> NDArray[np.int8]:
    """Label each note by the name of its track.

    Args:
        music: The music with named tracks.
        names: Track names, one for each class. They are compared in any case and in Unicode's normal form C.

    Returns:
        (N,) int8 classes, -1 for notes of other tracks.
    """
    wanted = [_comparable(name) for name in names]
    of_track = [
        wanted.index(name) if (name := _comparable(track)) in wanted else -1 for track in music.tracks
    ]
    classes = np.array([*of_track, -1], dtype=np.int8)
    return np.asarray(classes[np.minimum(music.notes["track"], len(of_track))])


def _comparable(name: str) -> str:
    return normalize("NFC", normalize("NFC", name).strip().casefold())


def as_one_piano(music: Music) -> Music:
    """Put all notes on one track and all pitched notes on a piano.

    Without this, a model could copy labels of tracks from the program field.
    """
    notes = music.notes.copy()
    notes["program"][~music.drums] = 0
    notes["track"] = 0
    return replace(music, notes=notes, tracks=("piano",))
