"""Read MusicXML into music, in one pass over its tree.

Measures begin together in all parts. A part whose notes stand on several staves has a track for each of them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from xml.etree.ElementTree import Element

from symbolic.errors import MusicFileError
from symbolic.music.musicxml import values
from symbolic.music.musicxml.part import PartReader
from symbolic.music.musicxml.sounds import part_name
from symbolic.music.musicxml.source import score_tree
from symbolic.music.musicxml.timeline import Timeline
from symbolic.music.notation import Notation, Part, counted
from symbolic.music.notes import Music

_MAX_UNIT = 2**128
"""Largest common multiple of the divisions of a score. Real ones are below 2^20."""
_MAX_PARTS, _MAX_MEASURES = 2**12, 2**17
_MAX_CELLS = 2**22
"""Largest number of measures times parts."""
_SMALL_AS_CUE = re.compile(r"MuseScore ([0-2]\.|3\.[0-4])|Finale ")
"""Programs that write `<cue/>` for every small note, which sounds: MuseScore before 3.5, and Finale."""


def parse_musicxml(content: bytes, name: str) -> Music:
    """Read a MusicXML file, plain or zipped.

    Args:
        content: The bytes of the file.
        name: Name of the file in errors.

    Raises:
        MusicFileError: If it is damaged, too large, or no MusicXML.
    """
    return read_tree(score_tree(content, name), name)[0]


def read_tree(root: Element, name: str) -> tuple[Music, list[list[Element]]]:
    """Read the tree of a score, and keep the elements that its notes came from.

    Args:
        root: From `source.score_tree`.
        name: Name of the file in errors.

    Returns:
        The music, and for each of its notes the `<note>` elements that ties join in it.

    Raises:
        MusicFileError: If it holds no music.
    """
    readers, timeline = read_parts(root, name)
    notation = Notation(bars=timeline.bars(), tempos=timeline.tempos())
    elements: list[list[Element]] = []
    for index, (part, reader) in enumerate(readers):
        for track, sources in _tracks(part or f"part {index + 1}", reader, timeline):
            track.words = sum(tied[0].find("lyric") is not None for tied in sources)
            notation.parts.append(track)
            elements += sources
    notation.repairs = _repairs([reader for _, reader in readers], timeline)
    return notation.music(name), elements


def read_parts(
    root: Element, name: str, silent_cues: bool | None = None
) -> tuple[list[tuple[str, PartReader]], Timeline]:
    """Read the parts of a score as they are written, before ties are joined.

    Args:
        root: From `source.score_tree`.
        name: Name of the file in errors.
        silent_cues: Whether cue notes are silent. By default it depends on the program that wrote the file.

    Returns:
        Each part with its name, and the measures of all parts in time.

    Raises:
        MusicFileError: If it is no music or larger than any score.
    """
    unit = _unit(root, name)
    listed = {element.get("id"): element for element in root.iter("score-part")}
    if silent_cues is None:
        silent_cues = not any(_SMALL_AS_CUE.match(one.text or "") for one in root.iter("software"))
    readers: list[tuple[str, PartReader]] = []
    for identity, measures in part_measures(root, name):
        reader = PartReader(listed.get(identity), unit, silent_cues)
        reader.read(measures)
        readers.append((part_name(listed.get(identity)), reader))
    first = root.find("measure" if root.tag == "score-timewise" else "part/measure")
    begins_at_0 = first is not None and first.get("number") == "0"
    return readers, Timeline([reader for _, reader in readers], _implicit(root), unit, begins_at_0)


def _unit(root: Element, name: str) -> int:
    """Return the units of time to the quarter note in which all durations are whole numbers."""
    stated = {values.number(element.text) for element in root.iter("divisions")}
    unit = math.lcm(*(one for one in stated if isinstance(one, int) and one > 0))
    if unit > _MAX_UNIT:
        raise MusicFileError(name, "its divisions of the quarter note have no common measure")
    return unit


def part_measures(root: Element, name: str) -> list[tuple[str, Sequence[Iterable[Element]]]]:
    """Return the id and the measures of each part. A measure that lacks it is an empty tuple.

    Raises:
        MusicFileError: If there are more than in any score.
    """
    if root.tag == "score-partwise":
        parts = [(part.get("id", ""), part.findall("measure")) for part in root.findall("part")]
        _check_size(len(parts), max((len(measures) for _, measures in parts), default=0), name)
        return list(parts)
    measures = [{part.get("id", ""): part for part in measure} for measure in root.findall("measure")]
    identities = dict.fromkeys(one for parts_of_one in measures for one in parts_of_one)
    _check_size(len(identities), len(measures), name)
    return [(identity, [found.get(identity, ()) for found in measures]) for identity in identities]


def _check_size(parts: int, measures: int, name: str) -> None:
    """Refuse what would take long though its text is short."""
    if parts > _MAX_PARTS or measures > _MAX_MEASURES or parts * measures > _MAX_CELLS:
        raise MusicFileError(name, f"it has {measures:,} measures in {parts:,} parts, more than any score")


def _implicit(root: Element) -> set[int]:
    """Return the indices of measures without a number of their own."""
    first = root if root.tag == "score-timewise" else root.find("part")
    measures = [] if first is None else first.findall("measure")
    return {index for index, measure in enumerate(measures) if measure.get("implicit") == "yes"}


def _tracks(name: str, reader: PartReader, timeline: Timeline) -> Iterator[tuple[Part, list[list[Element]]]]:
    """Yield a track for each staff of a part, with the elements of its notes. Ties may cross staves."""
    whole, staves, elements = Part(), list[int](), list[list[Element]]()
    times = [timeline.units(note.measure, note.onset) for note in reader.notes]
    quarters = {
        units: timeline.quarters(units) for units in {*times, *(note.length for note in reader.notes)}
    }
    for index in sorted(range(len(times)), key=times.__getitem__):
        note = reader.notes[index]
        added = whole.add(
            quarters[times[index]],
            quarters[note.length],
            note.pitch,
            tie=note.tie,
            line=(note.element.findtext("voice"), note.staff) if note.tie else (),
            velocity=note.velocity,
            program=note.program,
            cents=note.cents,
        )
        if added == len(staves):
            staves.append(note.staff)
            elements.append([])
        elements[added].append(note.element)
    for staff in sorted(set(staves)) or [1]:
        chosen = [index for index, one in enumerate(staves) if one == staff]
        track = Part(name)
        track.notes = [whole.notes[index] for index in chosen]
        yield track, [elements[index] for index in chosen]


def _repairs(readers: Sequence[PartReader], timeline: Timeline) -> list[str]:
    """Return what was made, moved or left out, in words."""
    counts = sum((reader.repairs for reader in readers), Counter[str]())
    counts["bars of unequal length in the parts lined up"] += timeline.uneven
    counts["bars that miss their time signature by a trifle set right"] += timeline.rounded
    counts["bars that rests made longer than their time signature set right"] += timeline.overlong
    return counted(counts)
