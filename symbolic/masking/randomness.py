"""Randomness of a training step as a function of its key."""

from __future__ import annotations

import numpy as np
import torch


def generator_of(device: torch.device, *key: int) -> torch.Generator:
    """Return a generator seeded by a key, so that an interrupted run has the same randomness."""
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state >> np.uint64(1)))
