"""Find where the notes, measures and their children stand in the text of a score."""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.parsers.expat import ParserCreate

START_TAG = re.compile(rb"""<[^\s/>]+(?:"[^"]*"|'[^']*'|[^"'>])*>""")


class Span(NamedTuple):
    """A measure of one part.

    Attributes:
        start: Where its content begins, an offset in the UTF-8 of the score.
        stop: Where its content ends.
        after: Where its end tag ends.
        children: Start and end of each of its child elements.
    """

    start: int
    stop: int
    after: int
    children: list[tuple[int, int]]


def note_offsets(text: str) -> list[int]:
    """Return where the notes of a score begin, as offsets in its UTF-8."""
    found: list[int] = []
    parser = ParserCreate()

    def start(tag: str, _: dict[str, str]) -> None:
        if tag.rpartition(":")[2] == "note":
            found.append(parser.CurrentByteIndex)

    parser.StartElementHandler = start
    parser.Parse(text, True)
    return found


def measure_spans(text: str) -> list[Span]:
    """Return the measures of all parts in the order of the document. An empty element has the same start and stop."""
    content, found = text.encode(), list[Span]()
    opened: list[tuple[int, str]] = []
    children: list[tuple[int, int]] = []
    parser = ParserCreate()

    def start(tag: str, _: dict[str, str]) -> None:
        opened.append((parser.CurrentByteIndex, tag.rpartition(":")[2]))

    def end(_: str) -> None:
        at, depth = parser.CurrentByteIndex, len(opened)
        inside = depth >= _CHILD - 1 and opened[1][1] in ("part", "measure")
        begun, _ = opened.pop()
        # The end of an empty element is reported behind its tag.
        after = content.index(b">", at) + 1 if content.startswith(b"</", at) else at
        if inside and depth == _CHILD:
            children.append((begun, after))
        elif inside and depth == _CHILD - 1:
            tag = START_TAG.match(content, begun)
            assert tag is not None
            inner = after if tag.end() == after else tag.end()
            found.append(Span(inner, after if inner == after else at, after, children.copy()))
            children.clear()

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(text, True)
    return found


_CHILD = 4
"""Depth of what stands in a measure: score, part, measure, child; or score, measure, part, child."""
