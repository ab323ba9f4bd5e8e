"""Random but repeatable music as irregular as real files, for the tests of `symbolic`."""

import numpy as np
from hypothesis import strategies as st

from symbolic.music.notes import DRUM_PROGRAM, Music, note_array

METRES = ((4, 4), (3, 4), (5, 8), (7, 16), (12, 2), (3, 128), (13, 8), (2, 1), (5, 6), (128, 64))


def unruly(seed: int, notes: int = 64, tracks: int = 3, resolution: int = 480, changes: int = 4) -> Music:
    """Notes off the grid, of no length, overlapping and doubled; time signature and tempo change anywhere."""
    random = np.random.default_rng(seed)
    span = (notes + 1) * resolution
    programs = random.integers(0, DRUM_PROGRAM, tracks)
    programs[random.random(tracks) < 0.25] = DRUM_PROGRAM
    track = random.integers(0, tracks, notes)
    made = note_array(
        random.integers(0, span, notes),
        random.choice([0, 1, resolution // 3, resolution, 300 * resolution], notes),
        random.integers(0, 128, notes),
        random.integers(0, 128, notes),
        programs[track],
        track,
    )
    doubled, copied = random.integers(0, max(notes, 1), (2, notes // 4))
    for name in ("onset", "duration", "pitch"):
        made[name][doubled] = made[name][copied]
    time_signatures = [
        (tick, *METRES[random.integers(len(METRES))]) for tick in random.integers(0, span, changes)
    ]
    tempos = [(tick, random.uniform(5, 500)) for tick in random.integers(0, span, changes)]
    return Music(
        made,
        resolution,
        np.array(sorted(time_signatures), dtype=np.int64).reshape(-1, 3),
        np.array(sorted(tempos), dtype=np.float64).reshape(-1, 2),
        tuple(f"track {i}" for i in range(tracks)),
    )


def musics(min_notes: int = 0) -> st.SearchStrategy[Music]:
    """Hypothesis strategy of irregular music, small cases first."""
    return st.builds(
        unruly,
        seed=st.integers(0, 2**32 - 1),
        notes=st.integers(min_notes, 60),
        tracks=st.integers(1, 40),
        resolution=st.sampled_from([480, 1, 24, 96, 1000, 1568, 10_080]),
        changes=st.integers(0, 6),
    )


def line(pitches, quarters=1.0, resolution=480, **columns) -> Music:
    """A melody in even notes; further columns as `note_array` takes them."""
    step = round(quarters * resolution)
    return Music(note_array(np.arange(len(pitches)) * step, step, pitches, **columns), resolution)
