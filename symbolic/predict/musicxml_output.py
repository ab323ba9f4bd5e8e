"""Write predictions of notes into the MusicXML file of a piece."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from symbolic.errors import MusicFileError
from symbolic.music.files import MUSICXML_SUFFIXES
from symbolic.predict.keys import Chord
from symbolic.predict.midi_output import expected_velocities

if TYPE_CHECKING:
    from symbolic.music.musicxml.edit import ScoreEdit
    from symbolic.predict.predictions import NotePredictions

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours of classes, which the colour-blind can tell apart."""


def is_musicxml(path: str | Path) -> bool:
    """Return whether the suffix of a path is one of MusicXML."""
    return Path(path).suffix.lower() in MUSICXML_SUFFIXES


def musicxml_with_predictions(found: NotePredictions, path: str | Path) -> bytes:
    """Return the MusicXML file of a piece with what was predicted; all else stays as it is.

    Notes of every class but the last are coloured. Chords become chord symbols, a key becomes words above the first
    note, and velocities become the loudness of notes.

    Args:
        found: The predictions. The file at `found.music.path` is read again.
        path: The file that will be written, for its suffix: .mxl files are archives.

    Raises:
        MusicFileError: If the music was not read from MusicXML, or its file has changed.
    """
    from symbolic.music.musicxml.edit import ScoreEdit  # not needed for MIDI

    source = found.music.path
    if not is_musicxml(source):
        raise MusicFileError(
            path, "only music that was read from MusicXML is written as MusicXML", "Write MIDI."
        )
    try:
        edit = ScoreEdit(Path(source).read_bytes(), source)
    except OSError as error:
        raise MusicFileError(source, error.strerror or str(error)) from error
    if not np.array_equal(edit.music.notes[["onset", "pitch"]], found.music.notes[["onset", "pitch"]]):
        raise MusicFileError(source, "it does not hold these notes any more", "Predict it again.")
    match found.derived:
        case "velocity":
            _set_velocities(edit, found)
        case "key":
            words = f"<direction-type><words>{found.key}</words></direction-type>"
            first = edit.music.notes["onset"] == edit.music.notes["onset"].min()
            edit.insert_before(
                np.flatnonzero(first).tolist(), f'<direction placement="above">{words}</direction>'
            )
        case "chord":
            _insert_chords(edit, found.chords)
        case _:
            _colour(edit, found)
    return edit.to_bytes(zipped=Path(path).suffix.lower() == ".mxl")


def _colour(edit: ScoreEdit, found: NotePredictions) -> None:
    """Colour the notes of every class but the last."""
    coloured = (found.classes >= 0) & (found.classes < max(len(found.names) - 1, 1))
    for note in np.flatnonzero(coloured).tolist():
        edit.set_attribute(note, "color", COLOURS[found.classes[note] % len(COLOURS)])


def _set_velocities(edit: ScoreEdit, found: NotePredictions) -> None:
    velocities = expected_velocities(found.music.notes["velocity"], found.probabilities, found.names)
    for note in np.flatnonzero(found.classes >= 0).tolist():
        edit.set_velocity(note, int(velocities[note]))


def _insert_chords(edit: ScoreEdit, chords: Sequence[Chord]) -> None:
    """Insert chord symbols in the part where most chords have a note, the upper one of equals, else in any part."""
    notes = edit.music.notes
    begins = np.isin(notes["onset"], [chord.onset for chord in chords])
    distinct = np.unique(notes[["track", "onset"]][begins])
    main = np.bincount(distinct["track"]).argmax()
    for chord in chords:
        here = notes["onset"] == chord.onset
        in_main = here & (notes["track"] == main)
        chosen = in_main if in_main.any() else here
        edit.insert_before(np.flatnonzero(chosen).tolist(), _chord_symbol(chord.name))


def _chord_symbol(name: str) -> str:
    """Return a `<harmony>` for a chord such as "Eb:min"."""
    root, _, kind = name.partition(":")
    alter = root.count("#") - root[1:].count("b")
    step = f"<root-step>{root[0]}</root-step>" + (f"<root-alter>{alter}</root-alter>" if alter else "")
    return f"<harmony><root>{step}</root><kind>{'minor' if kind == 'min' else 'major'}</kind></harmony>"
