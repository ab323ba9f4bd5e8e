"""Write a variant of a MIDI file as a score, engraved by music21."""

from __future__ import annotations

from pathlib import Path

from data.toolkit.safewrite import write
from symbolic.errors import MusicFileError
from symbolic.generate.variant import Variant


def write_score(variant: Variant, path: Path) -> None:
    """Write a variant as MusicXML. Notes are quantised to sixteenths and triplets of eighths, as music21 does.

    Args:
        variant: Of music that was not read from MusicXML; `Variant.write` edits such scores themselves.
        path: The file.

    Raises:
        MusicFileError: If music21 makes no score of it, or it cannot be written.
    """
    from music21 import midi
    from music21.exceptions21 import Music21Exception
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    try:
        file = midi.MidiFile()
        file.readstr(variant.to_midi())
        content = GeneralObjectExporter(midi.translate.midiFileToStream(file)).parse()
    except (Music21Exception, ValueError, ZeroDivisionError) as error:
        raise MusicFileError(path, f"music21 makes no score of it ({error})", "Write MIDI.") from error
    try:
        write(path, content)
    except OSError as error:
        raise MusicFileError(
            path, f"it cannot be written ({error.strerror})", "Name another folder."
        ) from error
