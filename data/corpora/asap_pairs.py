"""Pairs of performed and written notes of (n)ASAP."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from symbolic.music.bars import beats
from symbolic.music.files import music_bytes
from symbolic.music.musicxml.reader import read_tree
from symbolic.music.musicxml.source import score_tree
from symbolic.music.notes import Music

WRITTEN = np.dtype(
    [
        *(
            ("onset", "<f8"),
            ("value", "<f8"),
            ("bar", "<i4"),
            ("in_bar", "<f8"),
            ("pitch", "u1"),
            ("grace", "?"),
        ),
        *(("staff", "u1"), ("voice", "u1"), ("fifths", "i1"), ("upper", "<i2"), ("lower", "<i2")),
    ]
)
"""A written note. Onset, value (with its ties) and place in the bar are in quarter notes, bars count from 1."""
PAIR = np.dtype([("performed", "<i4"), ("written", "<i4"), ("repeat", "<i2")])
"""Indices of a performed and a written note, and which time through a repeat this is, from 1."""


class WrittenScore(NamedTuple):
    """A score in written order: repeats are not unfolded.

    Attributes:
        music: What `read_music` returns for the file.
        notes: (N,) `WRITTEN`, what is written of each note of `music`.
        places: Index of the note for each id in the file. Ties join several ids in one note.
    """

    music: Music
    notes: NDArray[np.void]
    places: dict[str, int]


class Pairs(NamedTuple):
    """An alignment of a performance with its score.

    Attributes:
        matched: (M,) `PAIR`.
        inserted: (I,) int64 performed notes that are not written.
        omitted: Number of written notes that were not played, counted once for each time through.
        unread: Number of played notes whose written note is silent to our reader, such as a cue.
    """

    matched: NDArray[np.void]
    inserted: NDArray[np.int64]
    omitted: int
    unread: int


def read_written(path: str | Path) -> WrittenScore:
    """Read a MusicXML score with the ids, staves, voices, keys and time signatures of its notes.

    Raises:
        MusicFileError: If it cannot be read.
    """
    root = score_tree(music_bytes(path), str(path))
    music, elements = read_tree(root, str(path))
    return WrittenScore(music, _written(root, music, elements), _places(elements))


def note_pairs(alignment: NDArray[np.void], score: WrittenScore) -> Pairs:
    """Join an alignment with the notes of its score.

    Args:
        alignment: (A,) `asap.ALIGNED`.
        score: The score whose ids it names.
    """
    played, is_written = alignment["note"] >= 0, alignment["score"] != ""
    both = alignment[played & is_written]
    matched, unread = [], 0
    for name, performed in zip(both["score"].tolist(), both["note"].tolist(), strict=True):
        note, _, repeat = name.rpartition("-")
        if note in score.places:
            matched.append((performed, score.places[note], int(repeat)))
        else:
            unread += 1
    inserted = alignment["note"][played & ~is_written].astype(np.int64)
    return Pairs(np.array(matched, dtype=PAIR), inserted, int((~played).sum()), unread)


def _places(elements: list[list[Element]]) -> dict[str, int]:
    return {one.get("id", ""): index for index, joined in enumerate(elements) for one in joined}


def _written(root: Element, music: Music, elements: list[list[Element]]) -> NDArray[np.void]:
    notes = np.zeros(len(music), dtype=WRITTEN)
    onset, resolution = music.notes["onset"], music.resolution
    starts, upper, lower = np.vstack([[0, 4, 4], music.time_signatures]).T
    at = np.searchsorted(starts, onset, side="right") - 1
    notes["upper"], notes["lower"] = upper[at], lower[at]
    notes["bar"], beat = beats(music, onset)
    compound = (notes["lower"] >= 8) & (notes["upper"] > 3) & (notes["upper"] % 3 == 0)
    notes["in_bar"] = (beat - 1) * np.where(compound, 3, 1) * 4 / notes["lower"]
    notes["onset"], notes["value"] = onset / resolution, music.notes["duration"] / resolution
    notes["pitch"], notes["grace"] = music.notes["pitch"], music.notes["duration"] == 0
    fifths = _fifths(root)
    for index, (first, *_) in enumerate(elements):
        notes["fifths"][index] = fifths[id(first)]
        notes["voice"][index] = int(first.findtext("voice") or 1)
    notes["staff"] = music.notes["track"] + 1
    return notes


def _fifths(root: Element) -> dict[int, int]:
    """Return the key signature in sharps at each `<note>`, by the identity of the element."""
    found, now = dict[int, int](), 0
    for element in root.iter():
        if element.tag == "fifths":
            now = int(element.text or 0)
        elif element.tag == "note":
            found[id(element)] = now
    return found
