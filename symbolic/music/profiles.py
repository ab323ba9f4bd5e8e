"""Profiles of keys: how well each pitch class fits a major and a minor key."""

import numpy as np

KEY_PROFILES = np.array(
    [
        [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
        [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
    ]
)
"""(2, 12) major and minor, by semitones above the tonic (Krumhansl & Kessler, 1982, "Tracing the dynamic changes in
perceived tonal organization")."""
