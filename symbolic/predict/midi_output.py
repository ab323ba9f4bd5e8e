"""Write predictions of notes into the MIDI file of a piece."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from symbolic.music.files import MIDI_SUFFIXES
from symbolic.music.midi.edit import MidiEdit
from symbolic.music.midi.events import KEY_SIGNATURE, MARKER, meta

if TYPE_CHECKING:
    from symbolic.predict.predictions import NotePredictions

_FIFTHS = (0, -5, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5)
"""Sharps of the major keys by pitch class; flats are negative."""
_PITCH_CLASSES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def midi_with_predictions(found: NotePredictions) -> bytes:
    """Return the MIDI file of a piece with what was predicted; all else stays as it is.

    A key becomes a key signature and chords become markers. Velocities are set to their expected values. Any other
    class becomes a track.

    Args:
        found: The predictions. The file at `found.music.path` is read again. Music from elsewhere is written anew.

    Raises:
        MusicFileError: If MIDI cannot hold the music.
    """
    edit, path = MidiEdit(found.music), found.music.path
    if not edit.of_file and Path(path).suffix.lower() in MIDI_SUFFIXES:
        warnings.warn(
            f"{path} does not hold these notes any more, so they are written without it.", stacklevel=3
        )
    match found.derived:
        case "velocity":
            edit.set_velocities(
                expected_velocities(found.music.notes["velocity"], found.probabilities, found.names)
            )
        case "key":
            assert found.key is not None
            edit.add(0, key_signature(found.key))
        case "chord":
            for chord in found.chords:
                edit.add(chord.onset, meta(MARKER, chord.name.encode()))
        case _:
            edit.split(found.classes, found.names)
    return edit.to_bytes()


def expected_velocities(
    velocities: NDArray[np.integer], probabilities: NDArray[np.floating], names: Sequence[str]
) -> NDArray[np.int64]:
    """Return the expected velocity of each note.

    Args:
        velocities: (N,) velocities, which notes without a prediction keep.
        probabilities: (N, C) probabilities of the classes; NaN without a prediction.
        names: Names of the classes, as in "32-47": the lowest and the highest MIDI velocity.

    Returns:
        (N,) int64.
    """
    edges = np.array([name.split("-") for name in names], dtype=np.float64)
    expected = probabilities @ edges.mean(axis=1)
    return np.where(np.isfinite(expected), np.nan_to_num(expected).round(), velocities).astype(np.int64)


def key_signature(key: str) -> bytes:
    """Return the MIDI event of a key, such as "F# minor"."""
    tonic, mode = key.split()
    pitch_class = _PITCH_CLASSES[tonic[0]] + tonic.count("#") - tonic[1:].count("b")
    minor = mode == "minor"
    fifths = _FIFTHS[(pitch_class + 3 * minor) % 12]
    if fifths == 6 and "b" in tonic:
        fifths = -6
    return meta(KEY_SIGNATURE, bytes([fifths % 256, minor]))
