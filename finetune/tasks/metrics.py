"""Scores from counts in pure numpy: accuracy, F1 and bootstrap intervals over song groups.

Everything is computed from confusion matrices, one for each song group. A bootstrap sample of groups is then a
weighted sum of matrices and thousands of samples are one matrix product.
"""

from __future__ import annotations

import lzma
import math
from base64 import b85decode, b85encode
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError

Counts = NDArray[np.int64]
Metric = Callable[[Counts], NDArray[np.float64]]
"""(..., C, C) counts -> (...) scores."""

SAMPLES = 2000
FEW_GROUPS = 10
"""With fewer groups a bootstrap knows too little of how groups differ. The interval is then Wilson's."""
_DICTIONARY = 1 << 26
"""Bytes over which the preset below looks back. To clear them takes 50 ms. Fewer give the same text of fewer counts."""
_LZMA = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "pb": 0}


class Interval(NamedTuple):
    """Lower and upper end of a confidence interval."""

    low: float
    high: float


class Difference(NamedTuple):
    """Difference between two systems with its interval.

    Attributes:
        mean: Difference of the scores on all groups.
        low: Lower end of its interval.
        high: Upper end. The difference is claimed only where `low` and `high` have one sign.
        p: Two-sided bootstrap p-value of no difference.
    """

    mean: float
    low: float
    high: float
    p: float


def confusion_matrix(truth: NDArray, predicted: NDArray, classes: int) -> Counts:
    """Count pairs of true and predicted class.

    Args:
        truth: (K,) class indices.
        predicted: (K,) class indices.
        classes: Number of classes C.

    Returns:
        (C, C) counts. Row = truth, column = prediction.

    Raises:
        ValueError: If the inputs are empty, differ in shape or hold an index outside 0..C-1.
    """
    groups = np.zeros(np.shape(truth), dtype=np.int64)
    return np.asarray(grouped_confusions(truth, predicted, groups, classes)[0])


def grouped_confusions(truth: NDArray, predicted: NDArray, groups: NDArray, classes: int) -> Counts:
    """Count a confusion matrix for every group in rising order of the group's number.

    Args:
        truth: (K,) class indices.
        predicted: (K,) class indices.
        groups: (K,) integers, the song group of each.
        classes: Number of classes C.

    Returns:
        (G, C, C) counts, G being the number of different groups.

    Raises:
        ValueError: As `confusion_matrix`.
    """
    truth, predicted, groups = np.asarray(truth), np.asarray(predicted), np.asarray(groups)
    if not truth.ndim == 1 or not truth.shape == predicted.shape == groups.shape:
        raise ValueError(
            f"truth {truth.shape}, predictions {predicted.shape} and groups {groups.shape} "
            "must be one-dimensional and equally long"
        )
    if truth.size == 0:
        raise ValueError("there is nothing to score")
    for name, values in (("truth", truth), ("predictions", predicted)):
        if not np.issubdtype(values.dtype, np.integer):
            raise ValueError(f"{name} must be class indices, not {values.dtype}")
        if values.min() < 0 or values.max() >= classes:
            raise ValueError(f"{name} hold {values.min()}..{values.max()}, outside 0..{classes - 1}")
    _, group = np.unique(groups, return_inverse=True)
    cell = (group.astype(np.int64) * classes + truth) * classes + predicted
    counts = np.bincount(cell, minlength=(int(group.max()) + 1) * classes * classes)
    return counts.reshape(-1, classes, classes)


def pack_counts(counts: Counts) -> dict[str, Any]:
    """Compress counts to a line of text, so that a record alone can be compared with another.

    Args:
        counts: (..., G, C, C) of G groups.

    Returns:
        The shape and the counts as text: groups last, the bytes of all numbers plane by plane, LZMA, base 85.
    """
    last = np.ascontiguousarray(np.moveaxis(counts, -3, -1), dtype="<u8")
    planes = np.moveaxis(last.reshape(-1, 1).view(np.uint8), -1, 0)
    used = planes[: max(1, (int(counts.max()).bit_length() + 7) // 8)]
    filters = [{**_LZMA, "dict_size": min(max(used.size, 1 << 12), _DICTIONARY)}]
    text = b85encode(lzma.compress(used.tobytes(), lzma.FORMAT_RAW, filters=filters)).decode()
    return {"shape": list(counts.shape), "packed": text}


def unpack_counts(packed: Mapping[str, Any]) -> Counts:
    """Undo `pack_counts`.

    Raises:
        ConfigError: If the counts are damaged, or of another number than their shape says.
    """
    *seeds, groups, classes, _ = packed["shape"]
    shape = (*seeds, classes, classes, groups)
    size = math.prod(shape)
    try:
        reader = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[_LZMA])
        raw = reader.decompress(b85decode(packed["packed"]), max_length=8 * size + 1)
        used = np.frombuffer(raw, dtype=np.uint8).reshape(-1, size)
        planes = np.zeros((8, size), dtype=np.uint8)
        planes[: len(used)] = used
    except (ValueError, lzma.LZMAError) as error:
        raise ConfigError(f"The counts of a record are damaged ({error}). Restore it from a copy.") from error
    return np.moveaxis(np.ascontiguousarray(planes.T).view("<u8").reshape(shape), -1, -3).astype(np.int64)


def accuracy(confusions: Counts) -> NDArray[np.float64]:
    """Return micro accuracy, the share of correct items. (..., C, C) -> (...)."""
    right = np.trace(confusions, axis1=-2, axis2=-1)
    return np.asarray(right / confusions.sum(axis=(-2, -1)))


def class_f1(confusions: Counts) -> NDArray[np.float64]:
    """Return F1 of each class, NaN for one neither true nor predicted. (..., C, C) -> (..., C)."""
    right = np.diagonal(confusions, axis1=-2, axis2=-1)
    involved = confusions.sum(axis=-1) + confusions.sum(axis=-2)
    scores = np.full(right.shape, np.nan)
    return np.asarray(np.divide(2 * right, involved, out=scores, where=involved > 0))


def macro_f1(confusions: Counts) -> NDArray[np.float64]:
    """Return the mean F1 over the classes that are true or predicted anywhere. (..., C, C) -> (...)."""
    return np.asarray(np.nanmean(class_f1(confusions), axis=-1))


def merge_classes(confusions: Counts, merge: Sequence[int]) -> Counts:
    """Merge classes of confusion counts.

    Args:
        confusions: (..., C, C).
        merge: (C,) the new class of each old one, numbered from 0.

    Returns:
        (..., D, D), D being the number of new classes.
    """
    member = np.eye(max(merge) + 1, dtype=np.int64)[list(merge)]
    return np.asarray(member.T @ confusions @ member)


def mean_sd(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation. The latter is 0 for a single value.

    Raises:
        ValueError: If there are no values.
    """
    if len(values) == 0:
        raise ValueError("there is nothing to average")
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def bootstrap_interval(
    confusions: Counts,
    metric: Metric,
    samples: int = SAMPLES,
    level: float = 0.95,
    seed: int = 0,
    over_seeds: bool = False,
) -> Interval:
    """Return the percentile bootstrap interval over groups, of the mean score over seeds.

    Where all resamples agree, as where everything is right, and with fewer groups than `FEW_GROUPS`, it is Wilson's
    interval instead, with each group as one trial.

    Args:
        confusions: (G, C, C) or (S, G, C, C) of S seeds on the same groups.
        metric: What to score such as `accuracy`.
        samples: Resamples of the groups.
        level: Share of resamples inside the interval.
        seed: Of the resampling. The same seed gives the same digits.
        over_seeds: Draw training seeds too, so that the interval holds for others.
    """
    counts = _with_seeds(confusions)
    groups = counts.shape[1]
    drawn = _drawn(counts, metric, samples, seed)
    scores = _over_seeds(drawn, np.random.default_rng([seed, 1])) if over_seeds else drawn.mean(axis=1)
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    if low == high or groups < FEW_GROUPS:
        return wilson_interval(float(metric(counts.sum(axis=1)).mean()), groups, level)
    return Interval(float(low), float(high))


def wilson_interval(ratio: float, trials: int, level: float = 0.95) -> Interval:
    """Return the score interval of a ratio (Wilson, 1927).

    Args:
        ratio: Proportion of successes.
        trials: Number of trials, at least 1.
        level: Confidence level.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = ratio + z**2 / (2 * trials)
    half = z * (ratio * (1 - ratio) / trials + z**2 / (4 * trials**2)) ** 0.5
    scale = 1 + z**2 / trials
    low = (centre - half) / scale if ratio > 0 else 0.0
    return Interval(low, (centre + half) / scale if ratio < 1 else 1.0)


def paired_bootstrap(
    ours: Sequence[Counts],
    theirs: Sequence[Counts],
    metric: Metric,
    samples: int = SAMPLES,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Compare the mean scores of two sides. Groups and training seeds are both resampled.

    A resample draws groups, and seeds by their number, alike for all systems: seeds of one number share their labels,
    order and transpositions. What holds is then expected of other pieces and of other seeds. Where the two sides
    differ in their number of seeds, these are drawn apart.

    Few groups prove little. So p is at least that of a sign test which all groups pass. Where all resamples agree on a
    difference, and with fewer groups than `FEW_GROUPS`, the interval is Newcombe's (1998), of two Wilson intervals.

    Args:
        ours: (S, G, C, C) of each system or (G, C, C) where there is nothing to seed.
        theirs: The same for the others.
        metric: What to score.
        samples: Resamples.
        level: Share of resamples inside the interval.
        seed: Of the resampling.

    Raises:
        ValueError: If systems were not scored on the same items of the same groups, or those of one side differ in
            their seeds.
    """
    sides = [[_with_seeds(one) for one in side] for side in (ours, theirs)]
    every = [one for side in sides for one in side]
    items = every[0][0].sum(axis=-1)
    if any(not np.array_equal(one[0].sum(axis=-1), items) for one in every):
        raise ValueError("the systems were not scored on the same items; pair only runs of one test split")
    by_seed, means = [], []
    for side in sides:
        seeds = max(len(one) for one in side)
        if any(len(one) not in (1, seeds) for one in side):
            raise ValueError(
                "systems of one side differ in their numbers of seeds, so that they have no mean"
            )
        drawn = [_drawn(one, metric, samples, seed) for one in side]
        by_seed.append(np.mean([np.broadcast_to(one, (samples, seeds)) for one in drawn], axis=0))
        means.append(np.mean([metric(one.sum(axis=1)).mean() for one in side]))
    random = np.random.default_rng([seed, 1])
    first, second = by_seed
    if 1 in (first.shape[1], second.shape[1]) or first.shape == second.shape:
        gaps = _over_seeds(first - second, random)
    else:
        gaps = _over_seeds(first, random) - _over_seeds(second, random)
    found, groups = _difference(gaps, means[0] - means[1], level), len(items)
    least = min(1.0, 2.0 ** (1 - groups))
    found = found._replace(p=max(found.p, least))
    if not gaps.any() or (found.low < found.high and groups >= FEW_GROUPS):
        return found
    low, high = _newcombe(means[0], means[1], groups, level)
    if least > 1 - level:  # so few that nothing can be claimed
        low, high = min(low, 0.0), max(high, 0.0)
    return found._replace(low=low, high=high)


def _newcombe(ours: float, theirs: float, trials: int, level: float) -> Interval:
    """Return the ends of the interval of a difference of two ratios from the Wilson interval of each."""
    first, second = (wilson_interval(ratio, trials, level) for ratio in (ours, theirs))
    below = math.hypot(ours - first.low, second.high - theirs)
    above = math.hypot(first.high - ours, theirs - second.low)
    return Interval(float(ours - theirs - below), float(ours - theirs + above))


def _over_seeds(scores: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """(samples, S) scores -> (samples,) means, each of seeds drawn with replacement."""
    samples, seeds = scores.shape
    shares = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=samples) / seeds
    return np.asarray((scores * shares).sum(axis=1))


def _difference(gaps: NDArray[np.float64], mean: float, level: float) -> Difference:
    """From (samples,) resampled gaps."""
    low, high = np.quantile(gaps, [(1 - level) / 2, (1 + level) / 2])
    # One is added to both counts, so that a finite number of samples never claims p = 0.
    tail = min((gaps <= 0).sum(), (gaps >= 0).sum()) + 1
    return Difference(float(mean), float(low), float(high), float(min(1.0, 2 * tail / (len(gaps) + 1))))


def _with_seeds(confusions: Counts) -> Counts:
    if confusions.ndim not in (3, 4) or 0 in confusions.shape:
        raise ValueError(
            f"counts of shape {confusions.shape} are not (groups, C, C) or (seeds, groups, C, C)"
        )
    return confusions if confusions.ndim == 4 else confusions[None]


def _drawn(confusions: Counts, metric: Metric, samples: int, seed: int) -> NDArray[np.float64]:
    """(samples, S) scores of (S, G, C, C), each of groups drawn with replacement."""
    # Products of floats are many times as fast as those of integers, and exact up to 2 ** 53.
    summed = np.tensordot(_weights(confusions.shape[1], samples, seed), confusions.astype(np.float64), (1, 1))
    return np.asarray(metric(summed.astype(np.int64)))


@lru_cache(maxsize=4)  # all that is compared is drawn alike
def _weights(groups: int, samples: int, seed: int) -> NDArray[np.float64]:
    """(samples, groups) how often each group is drawn."""
    random = np.random.default_rng(seed)
    return random.multinomial(groups, np.full(groups, 1 / groups), size=samples).astype(np.float64)
