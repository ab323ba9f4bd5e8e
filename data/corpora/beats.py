"""Annotated beats of performances in the format of (n)ASAP and note labels from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import MusicFileError
from symbolic.music.notes import Music

BEATS = ("downbeat", "beat", "between")
NEAR = 0.07
"""Seconds around a beat that count as on it, as in the evaluation of beat tracking (Davies et al., 2009)."""


@dataclass(frozen=True, eq=False)
class Annotation:
    """The content of an annotation file.

    Attributes:
        beats: (B,) rising times of beats in seconds.
        down: (B,) bool. True where a beat begins a bar.
        sure: (B,) bool. False where the notation is free and the beat is a guess.
        time_signatures: Time signatures in the order of their first use such as ("3/4",).
    """

    beats: NDArray[np.float64]
    down: NDArray[np.bool_]
    sure: NDArray[np.bool_]
    time_signatures: tuple[str, ...]


def read_annotation(path: Path) -> Annotation:
    """Read an annotation file. Its columns are time, time again and a kind with signatures after commas.

    Raises:
        MusicFileError: If it is absent or damaged.
    """
    times, kinds, time_signatures = [], [], []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.strip():
                continue
            time, _, label = line.split("\t")[:3]
            kind, *signatures = label.strip().split(",")
            if signatures and signatures[0]:
                time_signatures.append(signatures[0])
            if kind:
                times.append(float(time))
                kinds.append(kind)
    except (OSError, ValueError) as error:
        raise MusicFileError(
            path, f"its beats cannot be read ({error})", "Get it anew from the corpus' homepage."
        ) from error
    order = np.argsort(np.array(times, dtype=np.float64), kind="stable")
    sorted_kinds = np.array(kinds, dtype="U8")[order]
    return Annotation(
        beats=np.array(times, dtype=np.float64)[order],
        down=np.asarray(sorted_kinds == "db", dtype=np.bool_),
        sure=np.asarray(sorted_kinds != "bR", dtype=np.bool_),
        time_signatures=tuple(dict.fromkeys(time_signatures)),
    )


def beat_labels(music: Music, annotation: Annotation) -> NDArray[np.int8]:
    """Return (N,) int8 indices into `BEATS`: the metrical place of each onset.

    Notes before the first beat, after the last one or next to an unsure beat are unlabelled.

    Args:
        music: The performance as its file has it.
        annotation: The beats of the performance.
    """
    beats = annotation.beats
    if len(beats) < 2:
        return np.full(len(music), -1, dtype=np.int8)
    onset = music.seconds(music.notes["onset"])
    after = np.clip(np.searchsorted(beats, onset), 1, len(beats) - 1)
    nearest = np.where(onset - beats[after - 1] < beats[after] - onset, after - 1, after)
    on = np.abs(onset - beats[nearest]) <= NEAR
    label = np.where(on, np.where(annotation.down[nearest], 0, 1), 2)
    known = (onset >= beats[0] - NEAR) & (onset <= beats[-1] + NEAR)
    sure = np.where(on, annotation.sure[nearest], annotation.sure[after - 1] & annotation.sure[after])
    return np.where(known & sure, label, -1).astype(np.int8)
