"""Score a melody model on kinds of music that others prepared, each beside the skyline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data.corpora.base import LeftOut
from data.corpora.melodies import LABEL, SOURCES, MelodySource
from data.fingerprint import note_fingerprint
from finetune.tasks.metrics import Counts, bootstrap_interval, class_f1
from symbolic.errors import ConfigError, CorpusError, MusicFileError, did_you_mean
from symbolic.features import under_another
from symbolic.music.notes import Music
from symbolic.music.piano import as_one_piano
from symbolic.predict.predictor import NotePredictor
from symbolic.tokens.tokenizer import Tokenizer

BINS = 10
"""Bins of confidence in the calibration error."""
_SEED = 0


class Scored(NamedTuple):
    """Predictions of one piece beside the truth, over its labelled notes.

    Attributes:
        truth: (K,) 0 for melody, 1 for the rest.
        predicted: (K,) likewise.
        skyline: (K,) likewise of the baseline.
        melody: (K,) probability of melody.
        warned: Whether the model warns about the piece.
    """

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    skyline: NDArray[np.int64]
    melody: NDArray[np.float64]
    warned: bool


def across(
    predictor: NotePredictor,
    names: Sequence[str] = (),
    root: str | Path | None = None,
    most: int | None = None,
) -> list[dict[str, Any]]:
    """Score a melody model on each source of `SOURCES` that is here.

    Args:
        predictor: A model with the class "melody".
        names: Sources. Default: all whose corpora are under root.
        root: The folder of data sets.
        most: Most pieces of a source. A seeded choice of more.

    Returns:
        One row a source, from `score`. Pieces that the model was trained on are left out and counted.

    Raises:
        ConfigError: If the model does not predict a melody, or there is no such source.
        CorpusError: If a named corpus is absent, or all are, or the model was trained on every piece.
    """
    if LABEL not in predictor.classes:
        raise ConfigError(f"'{predictor.name}' predicts {', '.join(predictor.classes)}, and no {LABEL}.")
    if unknown := [name for name in names if name not in SOURCES]:
        meant = did_you_mean(unknown[0], SOURCES)
        raise ConfigError(f"There is no source '{unknown[0]}'; {meant}choose from {', '.join(SOURCES)}.")
    known = predictor.checkpoint.pretrained_on
    seen = set() if known is None else set(known.tolist())
    rows, absent = [], []
    for source in [SOURCES[name] for name in names or SOURCES]:
        try:
            pieces = list(_readings(source, root, most))
        except CorpusError as error:
            if names:
                raise
            absent.append(str(error))
            continue
        unseen = [(key, music, truth) for key, mark, music, truth in pieces if mark not in seen]
        shown = tqdm(unseen, source.name, unit=" pieces", leave=False, disable=None)
        scored = {key: scored_piece(predictor, music, truth) for key, music, truth in shown}
        about = {"source": source.name, "title": source.title, "corpus": source.corpus}
        if scored:
            rows.append(about | score(scored) | {"trained_on": len(pieces) - len(unseen)})
    if not rows:
        every = "Every piece is one that the model was trained on. Name other sources."
        raise CorpusError(absent[0] if absent else every)
    return rows


def _readings(
    source: MelodySource, root: str | Path | None, most: int | None
) -> Iterable[tuple[str, int, Music, NDArray[np.int8]]]:
    """Yield key, fingerprint, music and truth of the tested pieces of a source, in order of a seeded choice."""
    corpus = source.open(root)
    pieces, found = source.pieces(corpus), 0
    for index in np.random.default_rng(_SEED).permutation(len(pieces)):
        try:
            raw, reading = source.read(corpus, pieces[index])
        except (LeftOut, MusicFileError):
            continue
        yield pieces[index].key, note_fingerprint(raw), reading.music, reading.note_labels[LABEL]
        found += 1
        if found == most:
            return


def scored_piece(predictor: NotePredictor, music: Music, truth: NDArray[np.int8]) -> Scored:
    """Predict a piece and keep its labelled notes.

    Args:
        predictor: A model with the class "melody".
        music: The piece.
        truth: (N,) 0 for melody, 1 for the rest, -1 where unknown.
    """
    found, melody = predictor(music), predictor.classes.index(LABEL)
    known = (truth >= 0) & (found.classes >= 0)
    return Scored(
        truth[known].astype(np.int64),
        (found.classes[known] != melody).astype(np.int64),
        skyline(music)[known],
        found.probabilities[known, melody].astype(np.float64),
        bool(found.warnings),
    )


def skyline(music: Music) -> NDArray[np.int64]:
    """Return (N,) 0 for notes above all that sound at their onset, else 1 (Uitdenbogerd & Zobel, 1998)."""
    tokens, found = Tokenizer().encode(as_one_piano(music)), np.ones(len(music), dtype=np.int64)
    found[tokens.note_index] = under_another(tokens.ids)
    return found


def score(pieces: Mapping[str, Scored]) -> dict[str, Any]:
    """Return the scores of one source.

    Args:
        pieces: By key, at least one.

    Returns:
        Numbers of pieces and notes. Of model and skyline: precision, recall and F1 of melody over all notes, its
        interval over pieces, and the mean F1 of a piece. Calibration error and share of notes under a warning.
    """
    all_of = list(pieces.values())
    melody, truth = (np.concatenate([getattr(one, name) for one in all_of]) for name in ("melody", "truth"))
    return {
        "pieces": len(all_of),
        "notes": len(truth),
        "model": _scores(all_of, "predicted"),
        "skyline": _scores(all_of, "skyline"),
        "calibration_error": calibration_error(melody, truth == 0),
        "warned": sum(len(one.truth) for one in all_of if one.warned) / len(truth),
        "by_piece": {key: float(_f1(_counts(one.truth, one.predicted))) for key, one in pieces.items()},
    }


def _scores(pieces: Sequence[Scored], system: str) -> dict[str, Any]:
    counts = np.stack([_counts(one.truth, getattr(one, system)) for one in pieces])
    hits, found, wanted = counts[:, 0, 0].sum(), counts[:, :, 0].sum(), counts[:, 0].sum()
    return {
        "precision": float(hits / max(found, 1)),
        "recall": float(hits / max(wanted, 1)),
        "f1": float(_f1(counts.sum(axis=0))),
        "interval": list(bootstrap_interval(counts[None], _f1)),
        "mean": float(np.mean(_f1(counts))),
    }


def _counts(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> Counts:
    return np.bincount(truth * 2 + predicted, minlength=4).reshape(2, 2)


def _f1(counts: Counts) -> NDArray[np.float64]:
    return np.asarray(class_f1(counts)[..., 0])


def calibration_error(probability: NDArray[np.floating], true: NDArray[np.bool_]) -> float:
    """Return the expected calibration error of the more probable of two classes.

    Args:
        probability: (K,) of the first class.
        true: (K,) whether it is the class.

    Returns:
        Mean over notes of the distance of confidence from accuracy in `BINS` equally wide bins (Guo et al., 2017).
    """
    confidence = np.maximum(probability, 1 - probability)
    right = (probability >= 0.5) == true
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = np.abs(np.bincount(place, confidence - right, minlength=BINS))
    return float(gaps.sum() / len(probability))
