"""The work of each file in GiantMIDI's sample, by its name where it has one, else by its notes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from symbolic.music.files import read_music

_TRANSCRIPTION = re.compile(
    r"giantmidi-piano/(?P<work>.+?)_(?P<video>[\w-]{11})(_a|_cut.*|_mov_\d|_no_\d.*|_part\d)?"
)
_PREVIEW = re.compile(r"(?P<work>.+), (?P<video>[\w-]{11})")
_SLICES = 20


def works_of(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Find the work of each key.

    Transcriptions name their work and previews name the same video. Recordings and sequenced scores play the movements
    that were transcribed. Each gets the work of the transcription with the highest cosine of pitches, slice by slice.
    The 52 recordings find 52 different transcriptions. Scores name their composer and are compared with his works.
    """
    works, videos = {}, {}
    for key in files:
        if match := _TRANSCRIPTION.fullmatch(key):
            works[key] = videos[match["video"]] = match["work"]
    profiles = {key: _profile(folder / files[key]) for key in works}
    for key, file in files.items():
        kind, _, name = key.partition("/")
        if match := _PREVIEW.fullmatch(name):
            works[key] = videos.get(match["video"], match["work"].replace(", ", "_").replace(" ", "_"))
        elif key not in profiles:
            composer = name.partition("_")[0] if kind == "ground_truth" else ""
            ours = _profile(folder / file)
            likeness = {
                float(profile @ ours): other
                for other, profile in profiles.items()
                if works[other].casefold().startswith(composer)
            }
            works[key] = works[likeness[max(likeness)]]
    return works


def _profile(path: Path) -> NDArray[np.float64]:
    """Count each pitch in each twentieth of the piece as a vector of length 1."""
    music = read_music(path)
    seconds = music.seconds(music.notes["onset"])
    place = (seconds - seconds.min()) / max(float(np.ptp(seconds)), 1e-9)
    counts = np.zeros((_SLICES, 128))
    np.add.at(counts, (np.minimum((place * _SLICES).astype(int), _SLICES - 1), music.notes["pitch"]), 1)
    return np.asarray(counts.ravel() / np.linalg.norm(counts))
