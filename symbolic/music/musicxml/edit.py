"""Edit a MusicXML file in its own text: attributes of notes, and elements before them. All else stays as it is."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from io import BytesIO
from xml.parsers.expat import ParserCreate

from symbolic.music.musicxml.reader import read_tree
from symbolic.music.musicxml.source import decoded, is_zipped, root_file, score_text, score_tree, unzipped

_CONTAINER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<container><rootfiles><rootfile full-path="score.musicxml"/>'
    "</rootfiles></container>\n"
)
_START_TAG = re.compile(rb"""<[^\s/>]+(?:"[^"]*"|'[^']*'|[^"'>])*>""")


class ScoreEdit:
    """A MusicXML file that is edited.

    Args:
        content: The bytes of the file, plain or zipped.
        name: Name of the file in errors.

    Attributes:
        music: The music that it holds.

    Raises:
        MusicFileError: If it is damaged, too large, or no MusicXML.
    """

    def __init__(self, content: bytes, name: str) -> None:
        self._content, self._name = content, name
        root = score_tree(content, name)
        self.music, elements = read_tree(root, name)
        places = {id(element): index for index, element in enumerate(root.iter("note"))}
        self._elements = [[places[id(one)] for one in found] for found in elements]
        # A chord has one place in time, which is before its first note.
        self._leaders: list[int] = []
        for index, element in enumerate(root.iter("note")):
            follows = element.find("chord") is not None and index > 0
            self._leaders.append(self._leaders[-1] if follows else index)
        self._attributes: dict[int, dict[str, str]] = {}
        self._inserted: dict[int, list[str]] = {}

    def set_attribute(self, note: int, attribute: str, value: str) -> None:
        """Set an attribute of a note of `music`, and of all notes that ties join to it."""
        for element in self._elements[note]:
            self._attributes.setdefault(element, {})[attribute] = value

    def insert_before(self, notes: Sequence[int], xml: str) -> None:
        """Insert an element before the first in the document of some notes of `music` that begin together."""
        first = min(self._elements[note][0] for note in notes)
        self._inserted.setdefault(self._leaders[first], []).append(xml)

    def to_bytes(self, zipped: bool) -> bytes:
        """Return the edited file.

        Args:
            zipped: Whether as an .mxl archive. What else the archive held stays in it.
        """
        xml = self._edited()
        if not zipped:
            return xml
        packed = BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
            if is_zipped(self._content):
                with zipfile.ZipFile(BytesIO(self._content)) as archive:
                    score = root_file(archive, self._name)
                    for member in archive.infolist():
                        target.writestr(member, xml if member.filename == score else archive.read(member))
            else:
                target.writestr("META-INF/container.xml", _CONTAINER)
                target.writestr("score.musicxml", xml)
        return packed.getvalue()

    def _edited(self) -> bytes:
        """Return the XML with all edits, in the encoding that it had."""
        xml = unzipped(self._content, self._name)
        text, encoding = score_text(xml, self._name)
        before, _, after = decoded(xml)[0].partition(text)
        content = text.encode()
        pieces, done = [], 0
        for note, at in enumerate(_note_offsets(text)):
            if note not in self._attributes and note not in self._inserted:
                continue
            pieces += [content[done:at], "".join(self._inserted.get(note, ())).encode()]
            tag = _START_TAG.match(content, at)
            assert tag is not None
            pieces.append(_with_attributes(tag[0], self._attributes.get(note, {})))
            done = tag.end()
        pieces.append(content[done:])
        return (before + b"".join(pieces).decode() + after).encode(encoding)


def _note_offsets(text: str) -> list[int]:
    """Return where the notes of a score begin, as offsets in its UTF-8."""
    found: list[int] = []
    parser = ParserCreate()

    def start(tag: str, _: dict[str, str]) -> None:
        if tag.rpartition(":")[2] == "note":
            found.append(parser.CurrentByteIndex)

    parser.StartElementHandler = start
    parser.Parse(text, True)
    return found


def _with_attributes(tag: bytes, attributes: dict[str, str]) -> bytes:
    """Return a start tag with attributes added, or set anew where it has them."""
    for attribute, value in attributes.items():
        name, stated = attribute.encode(), f'{attribute}="{value}"'.encode()
        present = re.compile(rb"""(?<=\s)""" + name + rb"""\s*=\s*("[^"]*"|'[^']*')""")
        if present.search(tag):
            tag = present.sub(stated, tag, count=1)
        else:
            end = len(tag) - (2 if tag.endswith(b"/>") else 1)
            tag = tag[:end].rstrip() + b" " + stated + tag[end:]
    return tag
