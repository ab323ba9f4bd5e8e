"""MV2H: how well a score of a performance is made, by pitches, voices, metre, note values and key.

After McLeod and Steedman, Evaluating automatic polyphonic music transcription (ISMIR 2018). Both scores lie on the time
of the performance, so nothing is aligned. Chords are not measured, as their converter of MusicXML does not read them:
harmony is the key alone.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats
from symbolic.mapping.features import Ints
from symbolic.predict.tonality import key_mode

_NEAR = 0.05
"""Seconds within which onsets, and the ends of metrical groups, are the same."""
_ALIKE = 0.1
"""Seconds by which a note value may be wrong and is still right."""
Groups = NDArray[np.float64]


class Score(NamedTuple):
    """A score on the time of a performance.

    Attributes:
        onset: (N,) seconds at which notes were played.
        pitch: (N,) MIDI pitches.
        voice: (N,) voices. Their numbers mean nothing.
        begin: (N,) seconds at which notes are written. Those of a voice that share it are a chord.
        length: (N,) seconds that their note values last.
        groups: (G, 2) begin and end of each sub-beat, beat and bar in seconds.
        key: The key, such as "Eb major".
    """

    onset: Floats
    pitch: Ints
    voice: Ints
    begin: Floats
    length: Floats
    groups: Groups
    key: str


def mv2h(true: Score, found: Score) -> dict[str, float]:
    """Return the five scores and their mean "MV2H", each from 0 to 1.

    Args:
        true: The score that was played.
        found: The score that was made of the performance.
    """
    theirs, ours = _same(_events(true), _events(found))
    voice, linked = _voices(true, found, theirs, ours)
    scores = {
        "multi-pitch": _f_measure(len(ours), len(found.pitch), len(true.pitch)),
        "voice": voice,
        "metre": _f_measure(len(_same(true.groups, found.groups)[0]), len(found.groups), len(true.groups)),
        "value": _values(true.length[theirs[linked]], found.length[ours[linked]]),
        "harmony": _key_score(true.key, found.key),
    }
    return scores | {"MV2H": float(np.mean(list(scores.values())))}


def _events(score: Score) -> Floats:
    """Return (N, 2) onsets and pitches. Pitches are so far apart that they must be the same."""
    return np.stack([score.onset, score.pitch.astype(np.float64)], axis=1)


def _same(true: Floats, found: Floats) -> tuple[Ints, Ints]:
    """Return the indices of the rows that lie near each other in both columns, each once, by rising time."""
    used = np.zeros(len(true), dtype=np.bool_)
    order = np.argsort(true[:, 0], kind="stable")
    first = true[order, 0]
    pairs = []
    for row in np.argsort(found[:, 0], kind="stable").tolist():
        low, high = np.searchsorted(first, found[row, 0] + np.array([-_NEAR, _NEAR]) * (1 + 1e-9))
        near = [one for one in order[low:high].tolist() if abs(true[one, 1] - found[row, 1]) <= _NEAR]
        free = next((one for one in near if not used[one]), None)
        if free is not None:
            used[free] = True
            pairs.append((free, row))
    found_pairs = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found_pairs[:, 0], found_pairs[:, 1]


def _voices(true: Score, found: Score, theirs: Ints, ours: Ints) -> tuple[float, NDArray[np.bool_]]:
    """Return the F measure of links from notes to the next chord of their voice, and which notes have a right one.

    Only notes of both scores count. All links of a chord together count once. A note of which both scores say that
    its voice ends has a right link too, if no note was missed there.
    """
    after_true = _following(true.voice[theirs], true.begin[theirs])
    after_found = _following(found.voice[ours], found.begin[ours])
    after_all = _following(true.voice, true.begin)
    place = {note: index for index, note in enumerate(theirs.tolist())}
    chords = np.stack([found.voice[ours].astype(np.float64), found.begin[ours]], axis=1)
    _, chord, size = np.unique(chords, axis=0, return_inverse=True, return_counts=True)
    right = total_found = total_true = 0.0
    linked = np.zeros(len(ours), dtype=np.bool_)
    for note, own in enumerate(after_found):
        wanted, written = after_true[note], after_all[theirs[note]]
        weight = (len(own) + len(wanted)) / 2 * size[chord.ravel()[note]]
        if weight:
            right += len(own & wanted) / weight
            total_found += len(own) / weight
            total_true += len(wanted) / weight
        known = {place[one] for one in written if one in place}
        linked[note] = bool(own & known) or not (own or written)
    return _f_measure(right, total_found, total_true), linked


def _following(voice: Ints, begin: Floats) -> list[set[int]]:
    """Return for each note the indices of those in the next chord of its voice."""
    found: list[set[int]] = [set() for _ in range(len(voice))]
    for one in np.unique(voice):
        here = np.flatnonzero(voice == one)
        times = np.unique(begin[here])
        chords = [set(here[begin[here] == time].tolist()) for time in times]
        for chord, after in pairwise(chords):
            for note in chord:
                found[note] = after
    return found


def _values(true: Floats, found: Floats) -> float:
    """Return the mean score of note values in seconds. 0 without any."""
    wrong = np.abs(found - true)
    scores = np.where(wrong <= _ALIKE, 1.0, np.maximum(1 - wrong / np.maximum(true, 1e-9), 0))
    return float(scores.mean()) if len(scores) else 0.0


def _key_score(true: str, found: str) -> float:
    """Return 1 for the same key and less for a near one, as in MIREX. Unlike there, a fifth below is near too."""
    keys = key_mode(true), key_mode(found)
    assert None not in keys
    (tonic, is_minor), (other, other_minor) = ((one % 12, one >= 12) for one in keys if one is not None)
    apart = (other - tonic) % 12
    if is_minor == other_minor:
        return {0: 1.0, 5: 0.5, 7: 0.5}.get(apart, 0.0)
    return {(3 if is_minor else 9): 0.3, 0: 0.2}.get(apart, 0.0)


def _f_measure(right: float, found: float, true: float) -> float:
    return float(2 * right / (found + true)) if found + true else 0.0
