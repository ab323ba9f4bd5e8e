"""Music for the benchmarks: real files where they are available, else generated ones, and copies of them."""

from __future__ import annotations

import os
import tarfile
from itertools import islice
from pathlib import Path

import numpy as np

from symbolic.music.files import read_music
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array

DATA = Path(os.environ.get("COUNTERPOINT_DATA") or Path(__file__).parents[3] / "shared" / "data")
_CORPORA = {"POP909": ("pop909/pop909.tar.xz", ""), "ASAP performances": ("asap/asap_midi.tar.xz", "score")}
"""Archive of each corpus, and what the names of files to pass over contain."""


def corpora(folder: Path, count: int) -> dict[str, list[Path]]:
    """Return about so many files of each corpus, or "generated" ones where there is none."""
    found = {}
    for name, (archive, unwanted) in _CORPORA.items():
        if (DATA / archive).is_file():
            found[name] = unpack(DATA / archive, unwanted, folder / name.replace(" ", "-"), count)
    return found or {"generated": _generate(folder / "generated", count)}


def multiply(files: list[Path], count: int, folder: Path, notes: int = 400) -> None:
    """Write so many files: the starts of these, each copy in another key and stretched by another factor."""
    folder.mkdir(parents=True)
    pieces = [read_music(file) for file in files]
    random = np.random.default_rng(0)
    for number in range(count):
        piece = pieces[number % len(pieces)]
        start = piece.notes[np.argsort(piece.notes["onset"], kind="stable")[:notes]]
        pitched = start["program"] != DRUM_PROGRAM
        low, high = (int(f(start["pitch"][pitched], initial=60)) for f in (np.min, np.max))
        start["pitch"][pitched] += np.uint8(random.integers(-min(low, 11), min(127 - high, 11) + 1) % 256)
        factor = random.uniform(0.5, 2.0)
        for name in ("onset", "duration"):
            start[name] = np.round(start[name] * factor)
        write_midi(piece.with_notes(start), folder / f"{number:06d}.mid")


def unpack(archive: Path, unwanted: str, folder: Path, count: int) -> list[Path]:
    """Unpack about so many MIDI files, at equal distances in an archive."""
    folder.mkdir(parents=True)
    with tarfile.open(archive) as members:
        names = [m for m in members if m.name.endswith(".mid") and not (unwanted and unwanted in m.name)]
        files = []
        for number, member in enumerate(islice(names, 0, None, max(1, len(names) // count))):
            content = members.extractfile(member)
            assert content is not None  # a regular file, by its suffix
            files.append(folder / f"{number:04d}.mid")
            files[-1].write_bytes(content.read())
    return files


def _generate(folder: Path, count: int) -> list[Path]:
    """Random music for two hands, 1,700 notes each, which is what POP909 has on average."""
    folder.mkdir(parents=True)
    files = []
    for seed in range(count):
        random = np.random.default_rng(seed)
        onset = np.sort(random.integers(0, 300 * 480, 1700))
        length = random.choice([120, 240, 480], 1700)
        pitch, track = random.integers(30, 90, 1700), random.integers(0, 2, 1700)
        files.append(folder / f"{seed:04d}.mid")
        notes = note_array(onset, length, pitch, random.integers(20, 120, 1700), 0, track)
        write_midi(Music(notes, 480), files[-1])
    return files
