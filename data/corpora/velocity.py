"""Velocity of notes in the six classes of MIDI-BERT (Chou et al., 2021, arXiv 2107.05223)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.music.notes import Music

VELOCITIES = ("0-31", "32-47", "48-63", "64-79", "80-95", "96-127")
_EDGES = (32, 48, 64, 80, 96)


def velocity_labels(music: Music) -> NDArray[np.int8]:
    """Return (N,) int8 indices into `VELOCITIES`."""
    return np.asarray(np.digitize(music.notes["velocity"], _EDGES), dtype=np.int8)
