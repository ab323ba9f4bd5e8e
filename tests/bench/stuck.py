"""Count notes that begin and never end, which the parser leaves out: `python tests/bench/stuck.py CORPUS|FOLDER ...`.

Walks the bytes event by event, in Python; also says what that costs beside the parser.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from music import DATA
from symusic import Score

from data.corpora import CORPORA, open_corpus
from symbolic.music.files import MIDI_SUFFIXES

_NOTE_OFF, _NOTE_ON, _ONE_BYTE = 0x8, 0x9, (0xC, 0xD)
_SYSTEM, _META = 0xF0, 0xFF


def stuck_notes(content: bytes) -> int:
    """Note-ons of a MIDI file that no note-off of their track answers; a damaged end is ignored."""
    position, count = 8 + int.from_bytes(content[4:8], "big"), 0
    while position + 8 <= len(content):
        size = int.from_bytes(content[position + 4 : position + 8], "big")
        track = content[position + 8 : position + 8 + size]
        if content[position : position + 4] == b"MTrk":
            sounding: Counter[tuple[int, int]] = Counter()
            try:
                for status, pitch, velocity in _note_events(track):
                    place = (status & 15, pitch)
                    if status >> 4 == _NOTE_ON and velocity:
                        sounding[place] += 1
                    elif sounding[place]:
                        sounding[place] -= 1
            except IndexError:
                pass
            count += sounding.total()
        position += 8 + size
    return count


def _note_events(track: bytes) -> Iterator[tuple[int, int, int]]:
    """Status, pitch and velocity of each note-on and note-off."""
    place = status = 0
    while place < len(track):
        _, place = _number(track, place)  # time
        kind = track[place]
        if kind < 0x80:
            kind = status
        else:
            place += 1
        if kind >= _SYSTEM:
            size, place = _number(track, place + (kind == _META))
            place += size
            continue
        status = kind
        if kind >> 4 in (_NOTE_OFF, _NOTE_ON):
            yield kind, track[place], track[place + 1]
        place += 1 if kind >> 4 in _ONE_BYTE else 2


def _number(track: bytes, place: int) -> tuple[int, int]:
    """A number of 7-bit digits, and the place after it."""
    number = 0
    while track[place] & 0x80:
        number = (number | track[place] & 0x7F) << 7
        place += 1
    return number | track[place], place + 1


def main(names: list[str]) -> None:
    """A line for each corpus."""
    for name in names:
        folder = open_corpus(name, DATA).folder if name in CORPORA else Path(name)
        files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in MIDI_SUFFIXES]
        seconds, notes, affected, read = [0.0, 0.0], 0, 0, 0
        for file in files:
            content, begun = file.read_bytes(), time.process_time()
            try:
                for track in Score.from_midi(content).tracks:
                    track.notes.numpy()
            except Exception:  # whatever the parser raises; such files are refused, which the ledger says
                continue
            parsed = time.process_time()
            stuck = stuck_notes(content)
            seconds = [seconds[0] + parsed - begun, seconds[1] + time.process_time() - parsed]
            notes, affected, read = notes + stuck, affected + bool(stuck), read + 1
        sys.stdout.write(
            f"{name}: {notes} notes that never end in {affected} of {read:,} files; looking for them takes "
            f"{seconds[1] / max(seconds[0], 1e-9):.1f} times as long as parsing\n"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
