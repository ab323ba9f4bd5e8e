"""Votes of tracks: where a file has several, what the notes of a track say together counts for each of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats

NEAR = 16
"""Notes of the track before and after that vote on a place in the piece."""
NAMED = 3.0
"""Log-odds that the name of a track or its lyrics add to its notes. Names can be wrong: the music can outvote them."""
_LEAST = 0.003
"""Smallest share of melody in a track."""
_MELODY = re.compile(
    r"\b(melod\w*|vocals?|vox|voice|voce|voix|lead(?! ?\d)|solo|singer|canto|chant|gesang|singstimme)\b"
)
_OTHER = re.compile(r"\b(back\w*|bgv?|bvs?|harmon\w*|choirs?|chorus|guitar|gtr|bass|synth|drums?|pad)\b")


def track_votes(log_odds: Floats, track: NDArray[np.integer]) -> Floats:
    """Return what each note's track says.

    Args:
        log_odds: (N,) log-odds of melody of each note, in order of onsets.
        track: (N,) its track.

    Returns:
        (N, 3): log-odds of the mean share of melody in the track, the same less that of the piece's best track, and
        log-odds of the share among the notes of the track near the note.
    """
    shares = 1 / (1 + np.exp(-log_odds))
    found = np.zeros((len(track), 3))
    for one in np.unique(track):
        notes = np.flatnonzero(track == one)
        sums = np.concatenate([[0.0], np.cumsum(shares[notes])])
        first = np.maximum(np.arange(len(notes)) - NEAR, 0)
        last = np.minimum(np.arange(len(notes)) + NEAR + 1, len(notes))
        found[notes, 0] = _log_odds(np.array(sums[-1] / len(notes)))
        found[notes, 2] = _log_odds((sums[last] - sums[first]) / (last - first))
    found[:, 1] = found[:, 0] - found[:, 0].max()
    return found


def named_melody(names: Sequence[str]) -> NDArray[np.bool_]:
    """Return (T,) whether the name of each track says that the melody is there, as "Lead vocal" and "Gesang" do."""
    words = [re.sub(r"[\W_]+", " ", name.casefold()) for name in names]
    return np.array([bool(_MELODY.search(name)) and not _OTHER.search(name) for name in words], dtype=bool)


def named_notes(
    track: NDArray[np.integer], names: Sequence[str], sung: Sequence[int] = ()
) -> NDArray[np.bool_]:
    """Return (N,) whether notes are on a track that is named as the melody or has lyrics. None is where all are.

    Args:
        track: (N,) track of each note.
        names: Names of the tracks. Empty where they are not known.
        sung: Tracks that have lyrics.
    """
    named = named_melody(names)[track] if names else np.zeros(len(track), dtype=bool)
    found = named | np.isin(track, sung)
    return np.asarray(found & ~found.all())


def has_tracks(track: NDArray[np.integer]) -> bool:
    """Return whether notes are on several tracks."""
    return bool(len(track)) and bool((track != track[0]).any())


def _log_odds(share: Floats) -> Floats:
    share = np.clip(share, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(share / (1 - share)))
