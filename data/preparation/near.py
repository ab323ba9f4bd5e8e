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
from collections.abc import Iterator, Sequence
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
_MOST_KEYS = 1 << 22
"""Keys of bands made at once, in 32 MB. Sketches of some 65,000 tracks need one pass."""
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


def near_pairs(parts: Sequence[Sketches], owners: NDArray[np.int64], threshold: float) -> NDArray[np.void]:
    """Find pairs of pieces that resemble one another, through shared bands.

    Each of many sketches that share a band is compared with the first and with the one before it. So copies are linked
    into groups, though not every pair of a group is listed. Work and memory grow with the number of tracks and never
    with its square.

    Args:
        parts: Arrays of (T, SIZE) sketches. No page of a memory-mapped array stays in memory.
        owners: (all sketches,) the piece of each sketch, rising.
        threshold: Smallest resemblance.

    Returns:
        (P,) of `PAIR` in order of pieces. Each pair comes once.
    """
    rows, count = Rows(parts), int(owners[-1]) + 1 if len(owners) else 1
    pairs, scores, compared = np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.int64)
    for order, starts, stops in _runs_of_bands(parts):
        one, two = _linked(order, starts, stops)
        other = owners[one] != owners[two]
        both = one[other] * len(owners) + two[other]  # in one number, once in a band
        both = both[~_among(both, compared)]  # copies meet in most bands
        compared = np.sort(np.concatenate([compared, both]))
        one, two = np.divmod(both, max(len(owners), 1))
        equal = rows.agreements(one, two)
        near = equal / SIZE >= threshold
        found = owners[one[near]] * count + owners[two[near]]
        pairs, scores = _highest(np.concatenate([pairs, found]), np.concatenate([scores, equal[near]]))
    result = np.empty(len(pairs), dtype=PAIR)
    result["first"], result["second"] = np.divmod(pairs, count)
    result["resemblance"] = scores / SIZE
    return result


def first_resembled(
    parts: Sequence[Sketches], owners: NDArray[np.int64], threshold: float, ranks: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find for each piece the first piece of a higher rank that it resembles, through shared bands.

    A piece is compared with no more pieces than it takes to find one. So the work grows with the number of tracks and
    of comparisons in vain, and not with the number of pairs.

    Args:
        parts: Arrays of (T, SIZE) sketches, as for `near_pairs`.
        owners: (all sketches,) the piece of each sketch, rising.
        threshold: Smallest resemblance.
        ranks: (P,) rank of each piece.

    Returns:
        (P,) index of the first such piece, or P where there is none; and (P,) the resemblance of their most similar
        tracks, or 0.
    """
    rows, first = Rows(parts), np.full(len(ranks), len(ranks))
    for order, starts, stops in _runs_of_bands(parts):
        run = np.repeat(np.arange(len(starts)), stops - starts)
        rank = ranks[owners[order]]
        for least in np.unique(rank)[1:]:
            higher = np.flatnonzero(rank >= least)
            mine = np.flatnonzero(rank == np.max(rank[rank < least]))
            at, stop = (np.searchsorted(run[higher], run[mine], side) for side in ("left", "right"))
            while True:
                # Later pieces than the one that was found need no comparison.
                left = np.flatnonzero(at < stop)
                left = left[owners[order[higher[at[left]]]] < first[owners[order[mine[left]]]]]
                if len(left) == 0:
                    break
                mine, at, stop = mine[left], at[left], stop[left]
                one, two = order[mine], order[higher[at]]
                near = rows.agreements(one, two) / SIZE >= threshold
                np.minimum.at(first, owners[one[near]], owners[two[near]])
                at = at + 1
    mine = np.flatnonzero(first < len(ranks))
    resemblance = np.zeros(len(ranks))
    resemblance[mine] = _highest_of_tracks(rows, owners, mine, first[mine])
    return first, resemblance


class Rows:
    """The rows of several arrays of sketches."""

    def __init__(self, parts: Sequence[Sketches]) -> None:
        self._parts = parts
        self._plain = [np.asarray(part) for part in parts]  # np.memmap is slow to index
        self._edges = np.cumsum([0, *(len(part) for part in parts)])

    def agreements(self, one: NDArray[np.int64], two: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return (N,) in how many places the sketches of each pair agree. 0 if they share no band."""
        found = np.empty(len(one), np.uint8)
        for start in range(0, len(one), _BLOCK):
            block = slice(start, start + _BLOCK)
            equal = self._take(one[block]) == self._take(two[block])
            shared = equal.reshape(len(equal), -1, _BAND).all(axis=2).any(axis=1)
            found[block] = np.count_nonzero(equal, axis=1) * shared
        return found

    def _take(self, indices: NDArray[np.int64]) -> Sketches:
        rows = np.empty((len(indices), SIZE), dtype=np.uint32)
        part_of = np.searchsorted(self._edges, indices, side="right") - 1
        for part in np.flatnonzero(np.bincount(part_of)).tolist():
            here = part_of == part
            rows[here] = self._plain[part][indices[here] - self._edges[part]]
            _let_go(self._parts[part])
        return rows


def _shingles(music: Music) -> Iterator[NDArray[np.uint64]]:
    """Yield the sorted hashes of the shingles of each pitched track, repeated ones included."""
    notes, drums = music.notes, music.drums
    # Ticks end at 2^31, so one number holds track, onset and pitch, and sorts several times faster than three.
    order = (notes["track"].astype(np.int64) << 32 | notes["onset"]) << 8 | notes["pitch"]
    if drums.any():
        order = order[~drums]
    if len(order) <= _STEPS + 1:
        return
    order.sort()
    place = order >> 8
    # Notes less than a 64th apart are one chord, of which the top note counts: performers spread chords. Tracks are
    # farther apart than any notes.
    starts = np.flatnonzero(np.diff(place, prepend=-1 << 40) > music.resolution // 16)
    if len(starts) <= _STEPS + 1:
        return
    top = np.maximum.reduceat(order & 0xFF, starts)
    place = place[starts]
    wait, track = np.diff(place), place >> 32
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


def _runs_of_bands(
    parts: Sequence[Sketches],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield for each band the sketches that share it with others, and starts and stops of those that share one key."""
    edges = np.cumsum([0, *(len(part) for part in parts)])
    count = int(edges[-1])
    bits = count.bit_length()
    together = max(1, _MOST_KEYS // max(count, 1))
    for band in range(0, SIZE // _BAND, together):
        bands = slice(band, band + together)
        keys = np.empty((len(range(SIZE // _BAND)[bands]), count), np.uint64)
        for part, start in zip(parts, edges, strict=False):
            keys[:, start : start + len(part)] = _keys(part, bands).T
        for key in keys:
            # Key and index in one number sort fast. The key lacks its lowest bits, so the few that share are sorted
            # once more, by all of it.
            packed = key >> np.uint64(bits) << np.uint64(bits) | np.arange(count, dtype=np.uint64)
            packed.sort()
            same = packed[1:] >> np.uint64(bits) == packed[:-1] >> np.uint64(bits)
            shared = np.append(same, False) | np.append(False, same) if count else same
            order = np.sort((packed[shared] & np.uint64((1 << bits) - 1)).astype(np.int64))
            order = order[np.argsort(key[order], kind="stable")]
            starts, stops = _runs(key[order])
            yield order, starts, stops


def _keys(part: Sketches, bands: slice) -> NDArray[np.uint64]:
    """Return (T, bands) a hash of the places of each band."""
    places = np.asarray(part).reshape(len(part), SIZE // _BAND, _BAND)[:, bands].astype(np.uint64)
    _let_go(part)
    keys = np.zeros(places.shape[:2], dtype=np.uint64)
    for place in range(_BAND):
        keys = _mixed(keys ^ places[:, :, place])
    return keys


def _linked(
    order: NDArray[np.int64], starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of sketches with one key, the lower first: each with the first and with the one before it."""
    first = np.repeat(starts, stops - starts)
    later = np.flatnonzero(np.arange(len(order)) > first)
    first = first[later]
    apart = later - 1 > first  # else the one before is the first
    return order[np.concatenate([first, later[apart] - 1])], order[np.concatenate([later, later[apart]])]


def _highest_of_tracks(
    rows: Rows, owners: NDArray[np.int64], mine: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (N,) the resemblance of the most similar tracks of each pair of pieces, all of which have tracks."""
    start, stop = (np.searchsorted(owners, np.stack([mine, other]), side) for side in ("left", "right"))
    ours, theirs = stop - start
    pair = np.repeat(np.arange(len(mine)), ours * theirs)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(ours * theirs) - ours * theirs, ours * theirs)
    equal = rows.agreements(start[0][pair] + within // theirs[pair], start[1][pair] + within % theirs[pair])
    found = np.zeros(len(mine))
    np.maximum.at(found, pair, equal / SIZE)
    return found


def _among(numbers: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which numbers are among known ones, which rise."""
    if len(known) == 0:
        return np.zeros(len(numbers), dtype=np.bool_)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, numbers), len(known) - 1)] == numbers
    return found


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


def _let_go(part: Sketches) -> None:
    """Release the pages of a mapped array. The system may keep them in its cache."""
    base: Any = part.base
    if isinstance(base, mmap.mmap) and hasattr(base, "madvise"):
        base.madvise(mmap.MADV_DONTNEED)
