"""The notes of a piece and what was predicted of them as data of a piano roll that plays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.music.bars import bar_lines
from symbolic.music.notes import DRUM_PROGRAM, Music
from symbolic.predict.midi_output import expected_velocities
from symbolic.predict.predictions import VELOCITY, NotePredictions
from symbolic.predict.tonality import DEGREES

_ROLES = {"1": 0, "b3": 1, "3": 1, "5": 2}
"""Degrees that have a colour of their own: the root or tonic, the third, the fifth."""
_ROLE_NAMES = {"key": ("tonic", "third", "fifth", "other"), "chord": ("root", "third", "fifth", "other")}


def note_roll(found: NotePredictions, rule: NotePredictions) -> dict[str, Any]:
    """Return the roll of a piece whose notes have classes, as JSON values.

    Args:
        found: The predictions.
        rule: From `by_rule`, to compare with.

    Returns:
        "notes" holds columns by rising onset and pitch. Times are in milliseconds, confidences in thousandths. A drum
        has the class -1 and 128 more than its key as pitch.
    """
    music, derived = found.music, found.derived
    data, order = music_roll(music)
    if derived == VELOCITY:
        data["notes"]["velocity"] = expected_velocities(
            music.notes["velocity"], found.probabilities, found.names
        )[order].tolist()
    data["notes"] |= {
        "class": found.classes[order].tolist(),
        "confidence": (np.nan_to_num(found.confidence[order]) * 1000).round().astype(int).tolist(),
        "rule": rule.classes[order].tolist(),
    }
    names = _ROLE_NAMES.get(derived, found.names)
    groups = [_ROLES.get(DEGREES[k % len(DEGREES)], 3) for k in range(len(found.names))]
    return data | {
        "classes": list(found.names),
        "groups": list(names),
        "group_of": groups if derived in _ROLE_NAMES else list(range(len(names))),
        "colours": "ramp" if derived == VELOCITY else "one is neutral",
        "rule": rule.task,
        "lanes": [
            {"name": "chords", "spans": _spans(found)},
            {"name": rule.task, "spans": _spans(rule)},
        ]
        if derived == "chord"
        else [],
    }


def piece_roll(music: Music) -> dict[str, Any]:
    """Return the roll of a piece that has a class as a whole, as JSON values: each track is a group of notes."""
    data, order = music_roll(music)
    used, group = np.unique(music.notes["track"][order], return_inverse=True)
    names = dict(enumerate(music.tracks))
    data["notes"]["class"] = group.tolist()
    tracks = [names.get(track) or f"track {track + 1}" for track in used.tolist()]
    return data | {
        "classes": tracks,
        "groups": tracks,
        "group_of": list(range(len(tracks))),
        "colours": "all",
        "rule": None,
        "lanes": [],
    }


def music_roll(music: Music) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Return what rolls share, as JSON values, and the order of the notes in it. Times are in milliseconds."""
    order = np.lexsort((music.notes["pitch"], music.notes["onset"]))
    notes = music.notes[order]
    ends = notes["onset"] + notes["duration"]
    start = _milliseconds(music, notes["onset"])
    pitch = notes["pitch"].astype(int) + 128 * (notes["program"] == DRUM_PROGRAM)
    columns = {
        "start": start,
        "length": _milliseconds(music, ends) - start,
        "pitch": pitch,
        "velocity": notes["velocity"],
        "program": np.minimum(notes["program"], DRUM_PROGRAM - 1),
        "track": notes["track"],
    }
    return {
        "notes": {name: column.tolist() for name, column in columns.items()},
        "parts": list(music.tracks),
        "bars": _milliseconds(music, bar_lines(music, int(ends.max(initial=0)))).tolist(),
    }, order


def _spans(found: NotePredictions) -> list[list[Any]]:
    """Start, end, name and confidence of each chord. Names are those of lead sheets, which fit above one beat."""
    notes = found.music.notes
    last = int((notes["onset"] + notes["duration"]).max())
    edges = _milliseconds(found.music, np.array([*(chord.onset for chord in found.chords), last])).tolist()
    return [
        [start, end, chord.name.replace(":maj", "").replace(":min", "m"), round(chord.confidence, 3)]
        for start, end, chord in zip(edges, edges[1:], found.chords, strict=False)
    ]


def _milliseconds(music: Music, ticks: NDArray[Any]) -> NDArray[np.int64]:
    return (music.seconds(ticks) * 1000).round().astype(np.int64)
