"""Small music and small corpora made on the fly, shared by the tests of `data`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array

SHARED = Path(__file__).parents[2] / "shared"
DATA = Path(os.environ.get("COUNTERPOINT_DATA") or SHARED / "data")

CACHE = Path(tempfile.gettempdir()) / f"counterpoint-tests-{os.getuid() if hasattr(os, 'getuid') else 0}"
"""Folder where real corpora are unpacked once for all tests. Thousands of files are slow to write and to delete."""


def needs(name: str) -> pytest.MarkDecorator:
    """Skip a test where the real corpus is absent."""
    return pytest.mark.skipif(
        not (DATA / name).is_dir(), reason=f"no '{name}' in {DATA.name}; set COUNTERPOINT_DATA"
    )


def tune(seed: int, notes: int = 24, shift: int = 0, drums: bool = False) -> Music:
    """Make a random monophonic tune of sixteenths, transposed by `shift` semitones."""
    random = np.random.default_rng(seed)
    return Music(
        note_array(
            np.arange(notes) * 120,
            120,
            random.integers(40, 80, notes) + shift,
            random.integers(20, 120, notes),
            DRUM_PROGRAM if drums else 0,
        ),
        480,
        tracks=("tune",),
    )


def write_tunes(folder: Path, count: int, first: int = 0) -> Path:
    """Write tunes t000.mid, t001.mid, ... into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        write_midi(tune(seed), folder / f"t{seed:03d}.mid")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
