"""Score keys and chords as MIREX does with mir_eval (Raffel et al., ISMIR 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def key_score(reference: Sequence[str], estimated: Sequence[str]) -> float:
    """Return the mean weighted key score: 1 for the key, 0.5 a fifth off, 0.3 its relative, 0.2 its parallel.

    Args:
        reference: True keys as in "Eb major".
        estimated: Predicted keys of the same pieces.

    Raises:
        ValueError: If the numbers of keys differ, or a key has another form.
        ImportError: If mir_eval is absent.
    """
    score = _mir_eval().key.weighted_score
    return float(np.mean([score(*pair) for pair in zip(reference, estimated, strict=True)]))


def chord_scores(
    reference_times: ArrayLike,
    reference_chords: Sequence[str],
    estimated_times: ArrayLike,
    estimated_chords: Sequence[str],
) -> dict[str, float]:
    """Return the share of time in which chords agree, by MIREX vocabulary: root, majmin, thirds, sevenths and others.

    Only the time from the first true chord to the end of the last one counts. Predicted chords before and after it are
    left out.

    Args:
        reference_times: (R, 2) start and end of each true chord in seconds.
        reference_chords: R names in Harte's syntax as in "Eb:min7". "N" for none.
        estimated_times: (E, 2) start and end of each predicted chord in seconds.
        estimated_chords: E names.

    Raises:
        ValueError: If times overlap, or their number is not that of the chords, or a chord has another form.
        ImportError: If mir_eval is absent.
    """
    true, found = (
        np.asarray(one, dtype=np.float64).reshape(-1, 2) for one in (reference_times, estimated_times)
    )
    # One that only touches this time would be cut to no length at all, which mir_eval refuses.
    cut = np.clip(found, true.min(), true.max())
    some = cut[:, 0] != cut[:, 1]
    names = [name for name, counts in zip(estimated_chords, some, strict=True) if counts]
    scores = _mir_eval().chord.evaluate(true, list(reference_chords), cut[some], names)
    return {name: float(score) for name, score in scores.items()}


def _mir_eval() -> Any:
    try:
        import mir_eval
    except ImportError as error:
        raise ImportError(
            "Scores of MIREX need mir_eval. Install the extra: pip install 'counterpoint-smu[eval]'."
        ) from error
    return mir_eval
