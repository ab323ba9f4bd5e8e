"""Exchange notes of a MusicXML score: measures in which notes go or come are written anew, all others stay."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import MusicFileError
from symbolic.music.musicxml import values
from symbolic.music.musicxml.measure import Measure, NewNote, put_together, take_apart
from symbolic.music.musicxml.part import WrittenNote
from symbolic.music.musicxml.reader import part_measures, read_parts
from symbolic.music.musicxml.spans import Span, measure_spans
from symbolic.music.notation import RESOLUTION, ticks, time_signatures_of

Change = tuple[int, int, str]
"""Start and end in the UTF-8 of a score, and the text that stands there instead."""
_INSTEAD = "Write MIDI."
_ANY = 1000
"""More semitones than any transposition."""


class NoteExchange:
    """The notes of a score that go and come, by part and measure.

    Args:
        root: The tree of the score.
        text: Its text.
        name: Name of the score in errors.
        elements: For each note of its music the elements that ties join in it.
        edges: Ticks at which bars begin, and that at which the last one ends. Those beyond the score are added to it.
    """

    def __init__(
        self, root: Element, text: str, name: str, elements: Sequence[Sequence[Element]], edges: Sequence[int]
    ) -> None:
        self._name, self._content, self._elements = name, text.encode(), elements
        readers, timeline = read_parts(root, name)
        pickup = time_signatures_of(timeline.bars())[1]
        # In a score written bar by bar, a bar may lack a part.
        self._parts = [
            [one if isinstance(one, Element) else None for one in measures]
            for _, measures in part_measures(root, name)
        ]
        count = max(map(len, self._parts))
        self._timeline = timeline
        self._starts = [ticks(timeline.quarters(timeline.units(k, 0)) + pickup) for k in range(count + 1)]
        self._old = count
        added = [tick for tick in edges if tick >= self._starts[count]]
        if len(added) > 1:
            if root.tag != "score-partwise":
                raise MusicFileError(
                    name, "bars are added only to scores that are written part by part", _INSTEAD
                )
            self._starts[count:] = added
        places = {id(one): place for place, one in enumerate(_containers(root))}
        self._spans = measure_spans(text)
        self._span_of = {
            (part, k): self._spans[places[id(one)]]
            for part, measures in enumerate(self._parts)
            for k, one in enumerate(measures)
            if id(one) in places
        }
        self._home: dict[int, tuple[int, WrittenNote]] = {}
        self._shifts: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for part, (_, reader) in enumerate(readers):
            for note in reader.notes:
                if self._home.setdefault(id(note.element), (part, note))[1] is not note:
                    continue  # the octave below or above a note
                kind = note.element.find("pitch")
                if kind is not None and (stated := values.pitch(kind)) is not None:
                    shift = note.measure, note.pitch - stated[0]
                    self._shifts[part, note.staff].append(shift)
        self._several = [any(note.staff > 1 for note in reader.notes) for _, reader in readers]
        self._strokes = [
            {one.stroke: identity for identity, one in reader.instruments.items()} for _, reader in readers
        ]
        self._lead = Fraction(0)
        self._new: dict[tuple[int, int], list[NewNote]] = defaultdict(list)
        self._gone: dict[tuple[int, int], set[int]] = defaultdict(set)
        self._staves: dict[tuple[int, int], set[int]] = defaultdict(set)

    def take_out(self, notes: NDArray[np.bool_]) -> None:
        """Take notes out, with all notes that ties join to them."""
        for index in np.flatnonzero(notes).tolist():
            for element in self._elements[index]:
                part, written = self._home[id(element)]
                self._gone[part, written.measure].add(id(element))
                self._staves[part, written.measure].add(written.staff)

    def put_in(self, notes: NDArray[np.void], like: NDArray[np.integer]) -> None:
        """Put notes in, cut at the bar lines. Each has part, staff and instrument of the note that it is like."""
        if notes["onset"].min(initial=self._starts[0]) < self._starts[0]:
            # A pick-up becomes a full bar, in all parts.
            self._lead, self._starts[0] = Fraction(self._starts[0], RESOLUTION), 0
            for part in range(len(self._parts)):
                self._staves[part, 0].add(1)
        columns = [notes[name].tolist() for name in ("onset", "duration", "pitch", "cents", "velocity")]
        for onset, length, pitch, cents, velocity, model in zip(*columns, like.tolist(), strict=True):
            element = self._elements[model][0]
            part, written = self._home[id(element)]
            if element.find("unpitched") is not None:
                element = self._stroke(part, element, pitch)
            for k, start, stop in self._cut(onset, onset + length):
                place, lasting = (
                    Fraction(start - self._starts[k], RESOLUTION),
                    Fraction(stop - start, RESOLUTION),
                )
                tied = start > onset, stop < onset + length
                own = pitch - self._transposition(part, written.staff, k)
                self._new[part, k].append(
                    NewNote(place, lasting, own, cents, velocity, written.staff, element, *tied)
                )
                self._staves[part, k].add(written.staff)

    def changes(self) -> Iterator[Change]:
        """Yield the changes of the text in their order within each part.

        Raises:
            MusicFileError: If a measure that would change is not in the text.
        """
        if len(self._starts) > self._old + 1:
            # A last bar that a pick-up has shortened is filled up.
            full = Fraction(self._starts[self._old] - self._starts[self._old - 1], RESOLUTION)
            self._staves[0, self._old - 1] |= {1} if full > self._reached(0) else set()
        for part in range(len(self._parts)):
            yield from self._of_part(part)

    def _of_part(self, part: int) -> Iterator[Change]:
        """Yield the changes of one part. Divisions of the quarter hold until they are changed."""
        stated, actual, fifths, more = 1, 1, 0, list[str]()
        last = next((one for one in reversed(self._parts[part]) if one is not None), None)
        for k in range(len(self._starts) - 1):
            length = Fraction(self._starts[k + 1] - self._starts[k], RESOLUTION)
            measures = self._parts[part]
            container = measures[k] if k < len(measures) else None
            own, staves = self._new[part, k], self._staves[part, k]
            if k >= self._old:
                inner, actual = put_together(
                    Measure(actual), own, staves or {1}, length, actual, fifths, self._several[part]
                )
                more.append(
                    f'<measure number="{_number(last, self._old) + 1 + k - self._old}">{inner}</measure>'
                )
                continue
            key = None if container is None else container.find("attributes/key")
            fifths = fifths if key is None else key_signature(key, fifths)
            after = _divisions(container, stated)
            if not staves:
                place = self._span_of.get((part, k))
                if actual != stated and place is not None and place.start < place.after:
                    yield (
                        place.start,
                        place.start,
                        f"<attributes><divisions>{stated}</divisions></attributes>",
                    )
                    actual = stated
                actual = after if after != stated else actual
                stated = after
                continue
            span = self._span(part, k)
            assert container is not None
            texts = [self._content[slice(*child)].decode() for child in span.children]
            apart = take_apart(list(zip(container, texts, strict=True)), self._gone[part, k], staves, stated)
            if k == 0:
                apart.delay_notes(self._lead)
            inner, actual = put_together(apart, own, staves, length, actual, fifths, self._several[part])
            yield span.start, span.stop, inner
            stated = after
        if more:
            end = self._span(part, len(self._parts[part]) - 1).after
            yield end, end, "".join(more)

    def _span(self, part: int, measure: int) -> Span:
        span = self._span_of.get((part, measure))
        if span is None or span.start == span.after:
            raise MusicFileError(self._name, f"measure {measure + 1} stands empty in a part", _INSTEAD)
        return span

    def _cut(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield measure, start and end of the pieces into which bar lines cut a note."""
        k = bisect_right(self._starts, start) - 1
        while start < stop and k < len(self._starts) - 1:
            end = min(stop, self._starts[k + 1])
            yield k, start, end
            start, k = end, k + 1

    def _stroke(self, part: int, model: Element, pitch: int) -> Element:
        """Return a model of a drum with the instrument that has a pitch."""
        identity = self._strokes[part].get(pitch)
        if identity is None:
            raise MusicFileError(self._name, f"no instrument of the part sounds as drum {pitch}", _INSTEAD)
        found = Element("note")
        found.extend(one for one in model if one.tag == "unpitched")
        found.append(Element("instrument", {"id": identity}))
        return found

    def _transposition(self, part: int, staff: int, measure: int) -> int:
        """Return the semitones from written to sounding pitch: those of the notes before or in a measure."""
        known = self._shifts.get((part, staff), [])
        return known[max(bisect_right(known, (measure, _ANY)) - 1, 0)][1] if known else 0

    def _reached(self, part: int) -> Fraction:
        """Return the length in quarters of the last measure of a part, as it is written."""
        notes = [
            note for where, note in self._home.values() if (where, note.measure) == (part, self._old - 1)
        ]
        return self._timeline.quarters(max((note.onset + note.length for note in notes), default=0))


def _containers(root: Element) -> Iterator[Element]:
    """Yield the measures of all parts in the order of the document."""
    for outer in root:
        if outer.tag in ("part", "measure"):
            yield from outer


def _divisions(measure: Element | None, before: int) -> int:
    """Return the divisions of a quarter at the end of a measure."""
    stated = [] if measure is None else [values.number(one.text) for one in measure.iter("divisions")]
    return next((one for one in reversed(stated) if isinstance(one, int) and one > 0), before)


def key_signature(key: Element, before: int) -> int:
    """Return the sharps of a `<key>`, flats below 0, seven at most; those before where it states none."""
    stated = values.number(key.findtext("fifths"))
    return before if stated is None else max(-7, min(7, int(stated)))


def _number(measure: Element | None, otherwise: int) -> int:
    text = "" if measure is None else measure.get("number", "")
    return int(text) if text.isdecimal() and len(text) < 9 else otherwise
