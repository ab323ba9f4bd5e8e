"""Sum over all lines that a melody could take: at each onset one note or none, with small steps and few gaps.

This is a linear chain whose states are notes (Rabiner, 1989, "A tutorial on hidden Markov models"). An edge leads over
onsets at which the line rests. The answer is the probability of each note to be on the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from symbolic.features.note_table import TOGETHER
from symbolic.features.stats import Floats, Ints

REACH = 24
"""Candidates before an onset that may precede it in the line without a restart."""
PER_ONSET = 6
"""Candidates at an onset: those with the highest log-odds."""
_UNLIKELY = -12.0
"""Log-odds of notes that are no candidates, and the least of any note."""
_LARGE = 1e100
"""Sums of weights above it are scaled down."""
_Onset = tuple[int, int, int]
"""First candidate of an onset, the end of its candidates, and the first that may precede them."""


class LineWeights(NamedTuple):
    """Log-weights of a step from one note of the line to the next.

    Attributes:
        follow: Of every step.
        interval: Of the binary logarithm of one more than its semitones.
        overlap: Of the share of the earlier note that still sounds.
        rest: Of the logarithm of one more than the seconds of rest between them.
        restart: Of a step over more than `REACH` candidates.
    """

    follow: float = 0.0
    interval: float = -0.3
    overlap: float = -1.0
    rest: float = -0.3
    restart: float = -1.0


@dataclass(frozen=True, eq=False)
class Candidates:
    """Notes that may be on the line, by onset. Notes of one onset and pitch class are one candidate.

    Attributes:
        own: (M,) log-odds of each: that any of its notes is melody. Octaves may be melody together. An accompaniment
            may double the melody, and it cannot be known which of two equal notes is which.
        seconds: (M,) onsets.
        ends: (M,) ends of the most likely note of each.
        pitch: (M,) pitches of that note.
        starts: (S + 1,) first candidate of each onset, and M.
        low: (S,) first candidate that may precede each onset. It is the first of an onset.
        of_note: (N,) candidate of each note. -1 where it has none.
    """

    own: Floats
    seconds: Floats
    ends: Floats
    pitch: Ints
    starts: Ints
    low: Ints
    of_note: Ints

    @classmethod
    def of(cls, log_odds: Floats, seconds: Floats, ends: Floats, pitch: Ints) -> Candidates:
        """Choose the candidates among (N,) notes in order of onsets, N > 0."""
        stroke = np.cumsum(np.diff(seconds, prepend=seconds[:1]) >= TOGETHER)
        keys, of_note = np.unique(stroke * 12 + pitch % 12, return_inverse=True)
        begin, best = np.full(len(keys), np.inf), np.zeros(len(keys), dtype=np.int64)
        silent = np.bincount(of_note, np.logaddexp(0, log_odds))
        none: Floats = silent.astype(np.float64)  # - log-probability that no note is melody
        own = none + np.log(-np.expm1(-none))
        np.minimum.at(begin, of_note, seconds)
        rising = np.argsort(log_odds, kind="stable")
        best[of_note[rising]] = rising  # the last one that is written stays
        order = np.lexsort((-own, keys // 12))
        first = np.flatnonzero(np.diff(keys[order] // 12, prepend=-1))
        rank = np.arange(len(keys)) - np.repeat(first, np.diff(first, append=len(keys)))
        kept = np.sort(order[rank < PER_ONSET])
        place = np.full(len(keys), -1)
        place[kept] = np.arange(len(kept))
        starts = np.flatnonzero(np.diff(keys[kept] // 12, prepend=-1))
        low = starts[np.searchsorted(starts, starts - REACH)]
        return cls(
            own[kept],
            begin[kept],
            ends[best[kept]],
            pitch[best[kept]],
            np.append(starts, len(kept)),
            low,
            place[of_note],
        )

    def steps(self, weights: LineWeights) -> Floats:
        """Return (M, REACH) log-weights of the steps to each candidate from those that may precede it.

        The last column is the candidate just before its onset. Candidates before `low` have minus infinity.
        """
        sizes = np.diff(self.starts)
        start, low = np.repeat(self.starts[:-1], sizes), np.repeat(self.low, sizes)
        index = start[:, None] + np.arange(-REACH, 0)
        known = index >= low[:, None]
        index = np.maximum(index, 0)
        interval = np.log2(1 + np.abs(self.pitch[index] - self.pitch[:, None]))
        late = self.ends[index] - self.seconds[:, None]
        overlap = np.clip(late / np.maximum(self.ends - self.seconds, TOGETHER)[index], 0, 1)
        found = (
            weights.follow
            + weights.interval * interval
            + weights.overlap * overlap
            + weights.rest * np.log1p(np.maximum(-late, 0))
        )
        return np.where(known, found, -np.inf)


def line_log_odds(
    log_odds: Floats, seconds: Floats, ends: Floats, pitch: Ints, weights: LineWeights
) -> Floats:
    """Return (N,) log-odds that each note is on the line.

    Args:
        log_odds: (N,) log-odds of each note by itself, N > 0.
        seconds: (N,) onsets, rising.
        ends: (N,) ends in seconds.
        pitch: (N,) MIDI pitches.
        weights: Of the steps.
    """
    nodes = Candidates.of(log_odds, seconds, ends, pitch)
    shares = np.exp(np.minimum(_log_marginals(nodes, weights), 0))
    copies = nodes.of_note
    relative = _sigmoid(log_odds) / _sigmoid(nodes.own)[copies]
    share = np.where(copies < 0, 0, shares[copies] * relative)
    return np.asarray(
        np.clip(np.log(share + 1e-300) - np.log1p(-np.minimum(share, 1 - 1e-9)), _UNLIKELY, -_UNLIKELY)
    )


def _log_marginals(nodes: Candidates, weights: LineWeights) -> Floats:
    """Return (M,) log-probability that each candidate is on the line, by the forward-backward algorithm."""
    steps, own, restart = np.exp(nodes.steps(weights)), np.exp(nodes.own), float(np.exp(weights.restart))
    starts = nodes.starts.tolist()
    onsets = list(zip(starts[:-1], starts[1:], nodes.low.tolist(), strict=True))
    forward = _forward(onsets, own, steps, restart)
    backward = _backward(onsets, own, steps, restart)
    return np.asarray(forward + backward - np.logaddexp.reduce(forward, initial=0.0))


def _forward(onsets: Sequence[_Onset], own: Floats, steps: Floats, restart: float) -> Floats:
    """Return (M,) logarithms of the summed weights of all lines that end at each candidate.

    Sums of weights are much faster than sums of logarithms. Where they become too large, all that are still needed are
    divided by one number.
    """
    sums, ones, found = np.empty(len(own)), np.ones(len(own)), np.empty(len(own))
    empty, older, passed, done, scale = 1.0, 0.0, 0, 0, 0.0
    for first, last, low in onsets:
        if low > passed:
            older += float(sums[passed:low].dot(ones[passed:low]))
            passed = low
        here = steps[first:last, REACH - (first - low) :].dot(sums[low:first])
        here += empty + older * restart
        here *= own[first:last]
        sums[first:last] = here
        if (total := float(here.dot(ones[first:last]))) > _LARGE:
            found[done:last] = np.log(sums[done:last]) + scale
            sums[low:last] /= total
            empty, older, scale, done = empty / total, older / total, scale + np.log(total), last
    found[done:] = np.log(sums[done:]) + scale
    return found


def _backward(onsets: Sequence[_Onset], own: Floats, steps: Floats, restart: float) -> Floats:
    """Return (M,) logarithms of the summed weights of all that may follow each candidate in the line."""
    sums, ones, found = np.zeros(len(own)), np.ones(len(own)), np.empty(len(own))
    restarts = [0.0] * len(onsets)
    empty, later, waiting, done, scale = 1.0, 0.0, len(onsets) - 1, len(own), 0.0
    for onset in range(len(onsets) - 1, -1, -1):
        first, last, low = onsets[onset]
        while onsets[waiting][2] >= last:
            later += restarts[waiting]
            waiting -= 1
        sums[first:last] += later + empty
        ahead = own[first:last] * sums[first:last]
        total = float(ahead.dot(ones[first:last]))
        restarts[onset] = total * restart
        sums[low:first] += ahead.dot(steps[first:last, REACH - (first - low) :])
        if total > _LARGE:
            found[first:done] = np.log(sums[first:done]) + scale
            sums[low:first] /= total
            restarts[onset : waiting + 1] = [one / total for one in restarts[onset : waiting + 1]]
            empty, later, scale, done = empty / total, later / total, scale + np.log(total), first
    found[:done] = np.log(sums[:done]) + scale
    return found


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -30, 30))))
