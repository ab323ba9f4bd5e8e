"""Get the XML of a MusicXML file: plain or zipped, in any encoding and with no more work than its size allows."""

from __future__ import annotations

import html
import re
import struct
import zipfile
import zlib
from io import BytesIO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, ParseError

from symbolic.errors import MusicFileError

MAX_XML_BYTES = 128 * 2**20
"""Size of the largest XML that is unzipped."""
_MAX_TAGS = 2**23
"""Tags of the largest tree: every element takes some hundred bytes of memory."""
_ROOT_FILE = re.compile(r"""full-path\s*=\s*(["'])(.+?)\1(?=[\s/>])""", re.DOTALL)
_SUFFIXES = (".musicxml", ".xml")
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
"""Whatever `zipfile` raises: damaged, encrypted, or packed in a way that it does not know."""


def is_zipped(content: bytes) -> bool:
    """Return whether the bytes of a MusicXML file are a zip archive as in .mxl files."""
    return content.startswith(b"PK")


def unzipped(content: bytes, name: str) -> bytes:
    """Return the XML of a MusicXML file from its bytes, out of the archive if it is zipped.

    Raises:
        MusicFileError: If the archive is damaged, holds no score or a huge one.
    """
    if not is_zipped(content):
        return content
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            member = root_file(archive, name)
            with archive.open(member) as file:
                xml = file.read(MAX_XML_BYTES + 1)
    except _ZIP_ERRORS as error:
        raise MusicFileError(name, f"it is a damaged archive ({error})", "Get it again.") from error
    if len(xml) > MAX_XML_BYTES:
        raise MusicFileError(name, f"'{member}' in it holds more than {MAX_XML_BYTES:,} bytes")
    return xml


def root_file(archive: zipfile.ZipFile, name: str) -> str:
    """Return the name of the score in an .mxl archive: the one that its container names, or else the first.

    Raises:
        MusicFileError: If it holds no score.
    """
    names = archive.namelist()
    container = b""
    if "META-INF/container.xml" in names:
        with archive.open("META-INF/container.xml") as file:
            container = file.read(2**16)
    # No parser: in many files the name is not escaped.
    stated = [found for _, found in _ROOT_FILE.findall(container.decode("utf-8", "replace"))]
    if members := [one for found in stated for one in (found, html.unescape(found)) if one in names]:
        # A picture of the score may be named too, before it.
        return next((one for one in members if one.lower().endswith(_SUFFIXES)), members[0])
    for member in names:
        if member.lower().endswith(_SUFFIXES) and not member.startswith(("META-INF/", "__MACOSX/")):
            return member
    raise MusicFileError(name, "it is an archive without a score")


def decoded(xml: bytes) -> tuple[str, str]:
    """Return the text of an XML file and the name of its encoding.

    The byte order mark decides, then the declaration, then UTF-8. Latin-1 is what reads all else.
    """
    declared = re.match(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""", xml)
    encodings = [declared[1].decode("ascii")] if declared else []
    if xml.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif xml.startswith((b"<\0", b"\0<")):
        encodings = ["utf-16-le" if xml.startswith(b"<\0") else "utf-16-be"]
    elif xml.startswith(b"\xef\xbb\xbf"):
        encodings = ["utf-8-sig"]
    for encoding in [*encodings, "utf-8"]:
        try:
            return xml.decode(encoding), encoding
        except (LookupError, UnicodeError):
            continue
    return xml.decode("latin-1"), "latin-1"


def score_text(xml: bytes, name: str) -> tuple[str, str]:
    """Return the text of a MusicXML file and its encoding without what stands around the XML.

    Raises:
        MusicFileError: If it defines entities, or has too many tags.
    """
    text, encoding = decoded(xml)
    text = text.strip("\0\ufeff \t\r\n")
    if "<!ENTITY" in text:
        raise MusicFileError(name, "it defines entities of its own, by which small files grow without end")
    if text.count("<") > _MAX_TAGS:
        raise MusicFileError(name, f"it holds more than {_MAX_TAGS:,} tags")
    return text, encoding


def score_tree(content: bytes, name: str) -> Element:
    """Return the tree of a MusicXML file, plain or zipped.

    Raises:
        MusicFileError: If it is damaged, too large or no MusicXML.
    """
    text, _ = score_text(unzipped(content, name), name)
    try:
        root = ElementTree.fromstring(text)
    except (ParseError, ValueError) as error:
        raise MusicFileError(
            name, f"it is cut off, or no XML ({error})", "Get it again, or export it again."
        ) from error
    if "}" in root.tag:  # MusicXML has no namespace, but some programs write one
        for element in root.iter():
            if isinstance(element.tag, str):
                element.tag = element.tag.rpartition("}")[2]
    if root.tag not in ("score-partwise", "score-timewise"):
        kind = "a web page" if root.tag == "html" else f"XML of another kind, <{root.tag[:40]}>"
        raise MusicFileError(name, f"it is {kind}, no MusicXML score", "Export the score as MusicXML.")
    return root
