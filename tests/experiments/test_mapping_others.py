"""Other libraries' quantisation, measured as ours is."""

from pathlib import Path

import numpy as np
import pytest

from data.corpora.base import Piece
from experiments.mapping_others import by_grid, by_music21
from finetune.mapping.examples import Example
from symbolic.mapping.features import TICKS, performed


@pytest.mark.parametrize(("how", "thirds"), [(by_music21, 1.0), (by_grid, 0.5)])
def test_grids_hold_sixteenths_and_those_of_music21_thirds(how, thirds):
    """Two beats of sixteenths, then one of thirds, each a little late."""
    ticks = np.array([0, 6, 12, 18, 24, 30, 36, 42, 48, 56, 64, 72])
    onset, value = ticks / TICKS, np.diff(ticks, append=96) / TICKS
    notes = performed(onset + 0.01, onset + value, 60 + ticks, ticks * 0 + 64, np.arange(6.0))
    one = ticks * 0 + 1.0
    example = Example(
        Piece("a", "a.mid"),
        notes,
        np.arange(12),
        np.arange(12),
        ticks,
        value,
        ticks * 0,
        one * 4,
        one,
        Path(),
    )
    late, early = ticks >= 56, ticks < 56
    found = how(example)
    right = early.sum() + late.sum() * thirds
    name = "music21" if how is by_music21 else "partitura"
    assert found[f"onset, {name}"] * 12 == pytest.approx(right if thirds == 1 else right - 0.5)
    assert found[f"value, {name}"] > 0.5
