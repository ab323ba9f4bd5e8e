"""Read the markings of a MusicXML score: dynamics, hairpins, articulations, slurs and fermatas."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

MARKS = ("accent", "staccato", "tenuto", "fermata", "slurred", "grace", "arpeggiate")
"""Marks of single notes."""
LEVELS = {
    **{"pppp": -4, "ppp": -3, "pp": -2, "p": -1, "mp": -0.4, "mf": 0.4, "f": 1, "ff": 2, "fff": 3, "ffff": 4},
    **{"fp": -1, "sf": 1, "sfz": 1, "fz": 1, "sffz": 1.5, "rf": 1, "rfz": 1, "sfp": -1},
}
"""Loudness of dynamics: steps from the middle between piano and forte."""
_SUDDEN = {"sf", "sfz", "fz", "sffz", "rf", "rfz", "fp", "sfp"}
"""Dynamics of one chord, which act as an accent."""
_OF = {"accent": "accent", "strong-accent": "accent", "staccato": "staccato", "staccatissimo": "staccato"}
_OF |= {"spiccato": "staccato", "tenuto": "tenuto", "fermata": "fermata", "arpeggiate": "arpeggiate"}
MARKING = np.dtype([("level", "<f4"), ("stated", "?"), ("hairpin", "i1"), *((mark, "?") for mark in MARKS)])
"""Markings of a note: loudness in `LEVELS` (0 and not stated before the first one), 1 in a crescendo and -1 in a
diminuendo, and its own marks."""


def markings(root: Element, elements: Sequence[Sequence[Element]]) -> NDArray[np.void]:
    """Return the (N,) `MARKING` of the notes of a score.

    A direction holds from the next note in its measure on, for all staves of its part.

    Args:
        root: The tree of the score.
        elements: The `<note>` elements of each note, from `reader.read_tree`.
    """
    places = {id(one): index for index, joined in enumerate(elements) for one in joined}
    found = np.zeros(len(elements), dtype=MARKING)
    for index, (first, *_) in enumerate(elements):
        for mark in _own_marks(first):
            found[mark][index] = True
    for part in root.iter("part"):
        _walk(part, places, found)
    return found


def _own_marks(note: Element) -> set[str]:
    marks = {"grace"} if note.find("grace") is not None else set()
    for notations in note.iter("notations"):
        for one in notations.iter():
            if one.tag in _OF:
                marks.add(_OF[one.tag])
            elif one.tag == "slur" and one.get("type") == "start":
                marks.add("slurred")
    return marks


def _walk(part: Element, places: dict[int, int], found: NDArray[np.void]) -> None:
    """Fill in what changes along a part."""
    level, stated, hairpin = 0.0, False, 0
    slurs: dict[str, set[str]] = {}
    for measure in part:
        for element in measure:
            if element.tag == "direction":
                for one in element.iter():
                    if one.tag == "wedge":
                        hairpin = {"crescendo": 1, "diminuendo": -1}.get(one.get("type", ""), 0)
                    elif one.tag in LEVELS and one.tag not in _SUDDEN:
                        level, stated, hairpin = LEVELS[one.tag], True, 0
            elif element.tag == "note":
                sounding = slurs.setdefault(element.findtext("voice") or "", set())
                stops = set[str]()
                for slur in element.iter("slur"):
                    if slur.get("type") == "start":
                        sounding.add(slur.get("number", "1"))
                    elif slur.get("type") == "stop":
                        stops.add(slur.get("number", "1"))
                sounding -= stops
                index = places.get(id(element), -1)
                if index >= 0 and element.find("tie[@type='stop']") is None:
                    found["level"][index], found["stated"][index], found["hairpin"][index] = (
                        level,
                        stated,
                        hairpin,
                    )
                    found["slurred"][index] |= bool(sounding)
