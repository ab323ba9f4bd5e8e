"""Edit a MusicXML file in its own text: attributes of notes, elements before them, notes. All else stays as it is."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from functools import cached_property
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from symbolic.music.musicxml import values
from symbolic.music.musicxml.exchange import Change, NoteExchange, key_signature
from symbolic.music.musicxml.measure import FORTE, pitch_xml
from symbolic.music.musicxml.reader import read_tree
from symbolic.music.musicxml.source import decoded, is_zipped, root_file, score_text, score_tree, unzipped
from symbolic.music.musicxml.spans import START_TAG, note_offsets

_PITCH = re.compile(rb"<pitch\b.*?</pitch\s*>", re.DOTALL)
_SIGN = re.compile(rb"\s*<accidental\b(?:[^>]*/>|.*?</accidental\s*>)", re.DOTALL)
_CONTAINER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<container><rootfiles><rootfile full-path="score.musicxml"/>'
    "</rootfiles></container>\n"
)


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
        self._root = root = score_tree(content, name)
        self.music, self._sources = read_tree(root, name)
        places = {id(element): index for index, element in enumerate(root.iter("note"))}
        self._elements = [[places[id(one)] for one in found] for found in self._sources]
        # A chord has one place in time, which is before its first note.
        self._leaders: list[int] = []
        for index, element in enumerate(root.iter("note")):
            follows = element.find("chord") is not None and index > 0
            self._leaders.append(self._leaders[-1] if follows else index)
        self._attributes: dict[int, dict[str, str]] = {}
        self._inserted: dict[int, list[str]] = {}
        self._pitches: dict[int, str] = {}
        self._changes: list[Change] = []

    def set_attribute(self, note: int, attribute: str, value: str) -> None:
        """Set an attribute of a note of `music`, and of all notes that ties join to it."""
        for element in self._elements[note]:
            self._attributes.setdefault(element, {})[attribute] = value

    def set_velocity(self, note: int, velocity: int) -> None:
        """Set the loudness of a note of `music` to a MIDI velocity, and that of all notes that ties join to it."""
        self.set_attribute(note, "dynamics", f"{velocity * 100 / FORTE:.2f}")

    def set_pitch(self, note: int, pitch: int, cents: int = 0) -> None:
        """Set the sounding pitch of a note of `music`, and of all notes that ties join to it, spelled by the key.

        Signs before the notes are taken out: programs that show the score find them. Drums have no pitch to set.
        """
        sounds = int(self.music.notes["pitch"][note])
        for index, element in zip(self._elements[note], self._sources[note], strict=True):
            written = element.find("pitch")
            stated = None if written is None else values.pitch(written)
            if stated is not None:
                moved = pitch - sounds + stated[0]
                self._pitches[index] = pitch_xml(moved, self._fifths[index], cents)

    @cached_property
    def _fifths(self) -> list[int]:
        """The key signature of each note of the document."""
        found, part, fifths = list[int](), "", dict[str, int]()
        for element in self._root.iter():
            if element.tag == "part":
                part = element.get("id", "")
            elif element.tag == "key":
                fifths[part] = key_signature(element, fifths.get(part, 0))
            elif element.tag == "note":
                found.append(fifths.get(part, 0))
        return found

    def insert_before(self, notes: Sequence[int], xml: str) -> None:
        """Insert an element before the first in the document of some notes of `music` that begin together."""
        first = min(self._elements[note][0] for note in notes)
        self._inserted.setdefault(self._leaders[first], []).append(xml)

    def exchange(
        self,
        gone: NDArray[np.bool_],
        notes: NDArray[np.void],
        like: NDArray[np.integer],
        edges: Sequence[int] = (),
    ) -> None:
        """Take notes out and put others in. This is the only edit: measures with other notes are written anew.

        What is no note in them stays, and so do all notes that are not taken out.

        Args:
            gone: (N,) bool, the notes of `music` to take out.
            notes: (M,) array of dtype `NOTE`, the notes to put in. They lie within its bars.
            like: (M,) index of the note whose part, staff and instrument each of them gets.
            edges: Ticks at which bars begin, and that at which the last one ends. Those beyond the score are added.

        Raises:
            MusicFileError: If the score has no place for them.
        """
        text, _ = score_text(unzipped(self._content, self._name), self._name)
        exchange = NoteExchange(self._root, text, self._name, self._sources, edges)
        exchange.take_out(gone)
        exchange.put_in(notes, like)
        self._changes = sorted(exchange.changes())

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
        for start, stop, new in self._changes or sorted(self._note_changes(text)):
            pieces += [content[done:start], new.encode()]
            done = stop
        pieces.append(content[done:])
        return (before + b"".join(pieces).decode() + after).encode(encoding, "xmlcharrefreplace")

    def _note_changes(self, text: str) -> list[Change]:
        """Return the start tags with other attributes, what is inserted before them, and other pitches."""
        content, found = text.encode(), list[Change]()
        for note, at in enumerate(note_offsets(text)):
            if note in self._pitches:
                end = content.index(b"</note", at)
                for part, new in ((_PITCH, self._pitches[note]), (_SIGN, "")):
                    if place := part.search(content, at, end):
                        found.append((*place.span(), new))
            if note in self._attributes or note in self._inserted:
                tag = START_TAG.match(content, at)
                assert tag is not None
                new = _with_attributes(tag[0], self._attributes.get(note, {})).decode()
                found.append((at, tag.end(), "".join(self._inserted.get(note, ())) + new))
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
