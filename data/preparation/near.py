"""Near-duplicates: the same piece with other velocities, tempo, ornaments or added tracks.

A track is a set of shingles: successive steps of its upper line in pitch and rhythm. Two pieces are near-duplicates
when two of their tracks resemble one another (Broder, 1997, "On the resemblance and containment of documents").
Sketches compare the sets. Locality-sensitive hashing finds the candidates (Indyk and Motwani, 1998).

A sketch takes the hashes of the shingles as points on a circle. It holds the first point at or after each of `SIZE`
fixed places. Two sets agree in one place with a probability equal to their Jaccard index. This is MinHash by rotation
(Shrivastava and Li, 2014). It needs one sort and one search a track. datasketch hashes every shingle `SIZE` times:
0.27 ms against 1.95 ms for 1,500 shingles. The rest of a piece takes 0.3 ms.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.music.notes import Music

Sketches = NDArray[np.uint32]
PAIR = np.dtype([("first", np.int64), ("second", np.int64), ("resemblance", np.float64)])
"""Indices of two pieces, the lower first, and the resemblance of their most similar tracks from 0 to 1."""

SIZE = 192
"""Numbers in a sketch. The standard error of a resemblance of 0.4 is 0.035."""
THRESHOLD = 0.4
"""Chosen on 6,837 files. `docs/scale.md` has the counts of right and wrong pairs at each value."""
_STEPS = 6
"""Symbols in a shingle, of 10 bits each, so that one number holds them all."""
_FEWEST = 48
"""Tracks with fewer distinct shingles are ignored: drones and riffs resemble without being copies."""
_MOST_TRACKS = 8
_BAND = 3
"""Places in a band. Two tracks that resemble by 0.4 meet in one of the 64 bands in 98.5 % of cases."""
_BLOCK = 1 << 12
"""Candidates compared at once, in 7 MB."""
_PLACES = (np.arange(SIZE, dtype=np.uint64) << np.uint64(32)) // np.uint64(SIZE) << np.uint64(32)


def sketch(music: Music) -> Sketches:
    """Compute the sketches of the tracks of a piece.

    Transposition, velocity, tempo, time signature, resolution, program and other tracks do not change them. Ornaments,
    notes below the upper line and small delays of a performance change them little.

    Args:
        music: The piece as its file has it.

    Returns:
        (T, SIZE) uint32 of the T tracks with the most shingles in order of tracks. T may be 0.
    """
    counted = [(1 + np.count_nonzero(np.diff(hashes)), hashes) for hashes in _shingles(music) if len(hashes)]
    tracks = [(count, hashes) for count, hashes in counted if count >= _FEWEST]
    if len(tracks) > _MOST_TRACKS:
        longest = sorted(range(len(tracks)), key=lambda i: (-tracks[i][0], i))[:_MOST_TRACKS]
        tracks = [tracks[i] for i in sorted(longest)]
    sketches = np.empty((len(tracks), SIZE), dtype=np.uint32)
    for row, (_, hashes) in zip(sketches, tracks, strict=True):
        row[:] = hashes[np.searchsorted(hashes, _PLACES) % len(hashes)] >> np.uint64(32)
    return sketches


def near_pairs(
    parts: Sequence[Sketches],
    owners: NDArray[np.int64],
    threshold: float,
    kinds: NDArray[np.integer] | None = None,
) -> NDArray[np.void]:
    """Find pairs of pieces that resemble one another, through shared bands.

    Each of many sketches that share a band is compared with the first and with the one before it. So copies are linked
    into groups, though not every pair of a group is listed. Work and memory grow with the number of tracks and never
    with its square: some 60 bytes a track and a found pair. With `kinds` work grows with the number of pairs of
    different kinds that share a band.

    Args:
        parts: Arrays of (T, SIZE) sketches. No page of a memory-mapped array stays in memory.
        owners: (all sketches,) the piece of each sketch, rising.
        threshold: Smallest resemblance.
        kinds: (pieces,) a number for each piece. All pieces of different kinds that share a band are compared, so that
            no such pair is missed.

    Returns:
        (P,) of `PAIR` in order of pieces. Each pair comes once.
    """
    edges = np.cumsum([0, *(len(part) for part in parts)])
    count = int(owners[-1]) + 1 if len(owners) else 1
    pairs, scores = np.empty(0, np.int64), np.empty(0, np.uint8)
    for band in range(0, SIZE, _BAND):
        keys = np.concatenate([np.empty(0, np.uint64), *(_band_keys(part, band) for part in parts)])
        more = [(pairs, scores)]
        for one, two in _candidates(keys, owners, None if kinds is None else kinds[owners]):
            equal = np.count_nonzero(_rows(parts, edges, one) == _rows(parts, edges, two), axis=1)
            near = equal / SIZE >= threshold
            both = owners[one[near]] * count + owners[two[near]]  # in one number
            more.append((both, equal[near].astype(np.uint8)))
        pairs, scores = _highest(*map(np.concatenate, zip(*more, strict=True)))
    found = np.empty(len(pairs), dtype=PAIR)
    found["first"], found["second"] = np.divmod(pairs, count)
    found["resemblance"] = scores / SIZE
    return found


def _shingles(music: Music) -> Iterator[NDArray[np.uint64]]:
    """Yield the sorted hashes of the shingles of each pitched track, repeated ones included."""
    notes = music.notes[~music.drums]
    pitch = notes["pitch"].astype(np.int64)
    # Ticks end at 2^31, so one number orders by track and onset.
    order = np.argsort((notes["track"].astype(np.int64) << 32) + notes["onset"], kind="stable")
    onset, track, pitch = notes["onset"][order], notes["track"][order].astype(np.int64), pitch[order]
    # Notes less than a 64th apart are one chord, of which the top note counts: performers spread chords.
    new = (np.diff(onset) > music.resolution // 16) | (np.diff(track) != 0)
    starts = np.flatnonzero(np.append(True, new)) if len(notes) else np.empty(0, dtype=np.int64)
    if len(starts) <= _STEPS + 1:
        return
    top, onset, track = np.maximum.reduceat(pitch, starts), onset[starts], track[starts]
    wait = np.diff(onset)
    # Longer than, shorter than or like the wait before. Integers give the same result on every machine.
    rhythm = 1 + (5 * wait[1:] > 7 * wait[:-1]) - (7 * wait[1:] < 5 * wait[:-1]).astype(np.int64)
    symbol = ((np.diff(top)[1:] + 128) * 3 + rhythm).astype(np.uint64)
    count = len(symbol) - _STEPS + 1
    packed = np.zeros(count, dtype=np.uint64)
    for step in range(_STEPS):
        packed = (packed << np.uint64(10)) | symbol[step : step + count]
    hashes, owner = _mixed(packed), track[:count]
    whole = owner == track[_STEPS + 1 :]  # shingles within one track
    hashes, owner = hashes[whole], owner[whole]
    for start, stop in zip(*_runs(owner), strict=True):
        yield np.sort(hashes[start:stop])


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Apply the finaliser of SplitMix64 (Steele et al., 2014). Every input bit affects every output bit."""
    numbers = (numbers + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _band_keys(part: Sketches, band: int) -> NDArray[np.uint64]:
    columns = part[:, band : band + _BAND].astype(np.uint64)
    _let_go(part)
    keys = np.zeros(len(part), dtype=np.uint64)
    for column in columns.T:
        keys = _mixed(keys ^ column)
    return keys


def _candidates(
    keys: NDArray[np.uint64], owners: NDArray[np.int64], kinds: NDArray[np.integer] | None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield blocks of pairs of sketches of different pieces with one key, the lower first."""
    order = np.argsort(keys, kind="stable")
    starts, stops = _runs(keys[order])
    lengths = stops - starts
    starts, lengths = starts[lengths > 1], lengths[lengths > 1]
    later = np.concatenate(
        [np.arange(s + 1, s + n) for s, n in zip(starts, lengths, strict=True)] or [starts]
    )
    first = np.repeat(starts, lengths - 1)
    apart = later - 1 > first  # else the one before is the first
    one = order[np.concatenate([first, later[apart] - 1])]
    two = order[np.concatenate([later, later[apart]])]
    other = owners[one] != owners[two]
    one, two = one[other], two[other]
    yield from _in_blocks([(one, two)])
    if kinds is not None:
        # Runs of two have been compared.
        runs = (order[s : s + n] for s, n in zip(starts, lengths, strict=True) if n > 2)
        yield from _in_blocks(pair for run in runs for pair in _across(run, kinds[run]))


def _across(
    sketches: NDArray[np.int64], kinds: NDArray[np.integer]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield pairs of sketches of different kinds, the lower first."""
    for kind in np.unique(kinds)[:-1]:
        ours, theirs = sketches[kinds == kind], sketches[kinds > kind]
        step = max(1, _BLOCK // len(theirs))
        for start in range(0, len(ours), step):
            some = ours[start : start + step]
            one, two = np.repeat(some, len(theirs)), np.tile(theirs, len(some))
            yield np.minimum(one, two), np.maximum(one, two)


def _in_blocks(
    pairs: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the same pairs, `_BLOCK` at a time."""
    waiting, count = [], 0
    for some in pairs:
        waiting.append(some)
        count += len(some[0])
        if count >= _BLOCK:
            one, two = map(np.concatenate, zip(*waiting, strict=True))
            whole = count - count % _BLOCK
            for start in range(0, whole, _BLOCK):
                yield one[start : start + _BLOCK], two[start : start + _BLOCK]
            waiting, count = [(one[whole:], two[whole:])], count - whole
    if count:
        one, two = map(np.concatenate, zip(*waiting, strict=True))
        yield one, two


def _highest(
    pairs: NDArray[np.int64], scores: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return each pair once, in order, with its highest score."""
    if len(pairs) == 0:
        return pairs, scores
    order = np.argsort(pairs, kind="stable")
    pairs = pairs[order]
    starts, _ = _runs(pairs)
    return pairs[starts], np.maximum.reduceat(scores[order], starts)


def _runs(values: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return starts and stops of stretches of equal values."""
    edges = np.flatnonzero(values[1:] != values[:-1]) + 1
    bounds = np.concatenate([[0], edges, [len(values)]]) if len(values) else np.zeros(1, dtype=np.int64)
    return bounds[:-1], bounds[1:]


def _rows(parts: Sequence[Sketches], edges: NDArray[np.int64], indices: NDArray[np.int64]) -> Sketches:
    rows = np.empty((len(indices), SIZE), dtype=np.uint32)
    part_of = np.searchsorted(edges, indices, side="right") - 1
    for part in np.unique(part_of):
        here = part_of == part
        rows[here] = parts[part][indices[here] - edges[part]]
        _let_go(parts[part])
    return rows


def _let_go(part: Sketches) -> None:
    """Release the pages of a mapped array. The system may keep them in its cache."""
    base: Any = part.base
    if isinstance(base, mmap.mmap) and hasattr(base, "madvise"):
        base.madvise(mmap.MADV_DONTNEED)
