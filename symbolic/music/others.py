"""Tell files that hold no music that can be read: by their names and by their first bytes."""

from __future__ import annotations

from symbolic.errors import MusicFileError

_PROGRAMS = {
    "MuseScore": ".mscz .mscx",
    "Finale": ".musx .mus",
    "Sibelius": ".sib",
    "Dorico": ".dorico",
    "Guitar Pro": ".gp .gp3 .gp4 .gp5 .gpx",
    "NoteWorthy Composer": ".nwc",
    "Encore": ".enc",
    "capella": ".cap .capx",
    "LilyPond": ".ly",
    "MEI": ".mei",
}
_EXPORT = "Export it as MusicXML or MIDI."
_NO_SOUND = "Only notes can be read, not sound."
_NO_PICTURES = "Only notes can be read, no pictures."
_BY_SUFFIX = {
    **{suffix: (f"a file of {name}", _EXPORT) for name, of in _PROGRAMS.items() for suffix in of.split()},
    **dict.fromkeys((".mod", ".xm", ".s3m", ".it"), ("a tracker's module", "Export it as MIDI.")),
    **dict.fromkeys((".wav", ".mp3", ".flac", ".ogg", ".m4a", ".aif", ".aiff"), ("a sound file", _NO_SOUND)),
    **dict.fromkeys((".pdf", ".png", ".jpg", ".jpeg"), ("a picture", _NO_PICTURES)),
    **dict.fromkeys((".zip", ".gz", ".xz", ".rar", ".7z", ".tar"), ("an archive", "Unpack it.")),
}
XML = ("an XML file", "If it is MusicXML, name it .musicxml.")
"""Kind and remedy of a file that may be MusicXML."""
_MARKUP = (
    (
        (b"<!doctype html", b"<html", b"<head"),
        "a web page",
        "Download the file itself: the link led to a page.",
    ),
    ((b"<?xml", b"<!doctype score-", b"<!--", b"<score-"), *XML),
)
"""First bytes in lower case, a name, and what to do."""
_BINARY = (
    ((b"MThd",), "a MIDI file", "Name it .mid."),
    ((b"PK\3\4",), "a ZIP archive", "Unpack it."),
    ((b"\x1f\x8b",), "a gzip archive", "Unpack it."),
    ((b"Rar!",), "a RAR archive", "Unpack it."),
    ((b"%PDF",), "a PDF", _NO_PICTURES),
    ((b"RIFF", b"ID3", b"fLaC", b"OggS"), "a sound file", _NO_SOUND),
)


def kind_of_name(suffix: str) -> tuple[str, str] | None:
    """Return what a file is by its suffix in lower case, and the remedy. None: not known."""
    return _BY_SUFFIX.get(suffix)


def kind_of_content(content: bytes) -> tuple[str, str] | None:
    """Return what a file is by its first bytes, and the remedy. None: not known."""
    beginning = content[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
    for table, text in ((_MARKUP, beginning.lower()), (_BINARY, beginning)):
        for heads, kind, remedy in table:
            if text.startswith(heads):
                return kind, remedy
    return None


def plain_text(content: bytes, name: str) -> str:
    """Decode a score that is plain text: UTF-8, UTF-16 with its mark, or Latin-1.

    Args:
        content: The whole file.
        name: Name of the file in errors.

    Raises:
        MusicFileError: If it is a file of another kind.
    """
    if found := kind_of_content(content):
        raise MusicFileError(name, f"it is {found[0]}", found[1])
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
