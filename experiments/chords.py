"""Fit a model of chords to POP909 and score it on five kinds of music, beside templates of triads.

    python -m experiments.chords --root DATA --out runs/chord --record results/tonality.jsonl

Validation songs of POP909 choose the penalty. Its chords were found by an algorithm. Those of Nottingham are what its
second track plays, those of OpenEWLD the symbols above a melody without accompaniment. Chorales and madrigals were
analysed by hand. Scores are shares of time by mir_eval, means over pieces.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.toolkit.page import Page
from data.toolkit.records import portable_provenance, provenance
from data.toolkit.results import append_results
from experiments.stated_chords import SIDES, Song, songs
from experiments.tonal_card import Words, write_model
from finetune.baselines.rules import degrees_by_triads
from finetune.baselines.tonal import fit_tonal
from finetune.report.tables import gap_text
from finetune.tasks.metrics import Difference, wilson_interval
from finetune.tasks.mirex import chord_scores
from symbolic.features.stats import softmax
from symbolic.music.notes import Music
from symbolic.predict.classifiers.tonal import TonalClassifier
from symbolic.predict.keys import chords
from symbolic.predict.tonality import TONAL_CLASSES
from symbolic.tokens.tokenizer import Tokenizer

DECAYS = (1e-5, 1e-4, 1e-3)
"""Penalties on the weights, of which validation songs choose one."""
RESAMPLES = 2000
METRICS = ("majmin", "root")
"""Scores of mir_eval: chords among major and minor triads, and roots."""


def score(song: Song, of_tokens: NDArray[np.floating]) -> list[float]:
    """Return the share of time with the right chord by `METRICS`, from (N, 24) probabilities of tokens."""
    found = np.zeros((len(song.music), len(TONAL_CLASSES)), dtype=np.float32)
    found[song.tokens.note_index] = of_tokens
    predicted = chords(song.music, found)
    # On its true beats a song has other seconds than in its file, for which the true chords are written.
    onsets = song.music.notes["onset"]
    starts = [float(song.seconds[onsets == one.onset].min()) for one in predicted]
    end = float(np.max(song.truth[0]))
    times = list(zip(starts, [*starts[1:], max(end, starts[-1])], strict=True))
    scores = chord_scores(*song.truth, times, [one.name for one in predicted])
    return [scores[name] for name in METRICS]


def paces(song: Song) -> Iterator[tuple[NDArray[np.integer], NDArray[np.integer]]]:
    """Yield the tokens and labels of a song at its own pace and twice as fast.

    In songs a chord lasts for two beats or more. Elsewhere it changes with every beat.
    """
    yield song.tokens.ids, song.labels
    of_notes = np.full(len(song.music), -1)
    of_notes[song.tokens.note_index] = song.labels
    notes = song.music.notes.copy()
    notes["onset"] //= 2
    notes["duration"] = np.maximum(notes["duration"] // 2, 1)
    tokens = Tokenizer().encode(Music(notes, resolution=song.music.resolution))
    yield tokens.ids, of_notes[tokens.note_index]


def chosen_model(train: Sequence[Song], valid: Sequence[Song]) -> tuple[TonalClassifier, dict[str, float]]:
    """Return the model with the penalty that is best on validation songs, and the cross-entropy in nats by penalty.

    Songs are read at both `paces`.
    """
    learnt, chosen_by = ([both for one in side for both in paces(one)] for side in (train, valid))
    models, losses = {}, {}
    for decay in DECAYS:
        model = fit_tonal(learnt, "beat", decay)
        found = []
        for ids, labels in chosen_by:
            known = np.flatnonzero(labels >= 0)
            found.append(-np.log(softmax(model.logits(ids))[known, labels[known]]).mean())
        models[f"{decay:g}"], losses[f"{decay:g}"] = model, round(float(np.mean(found)), 4)
    return models[min(losses, key=lambda name: losses[name])], losses


def above(ours: NDArray[np.floating], theirs: NDArray[np.floating]) -> Difference:
    """Return the mean difference of (P,) scores of the same pieces, its interval and p, by a paired bootstrap."""
    gaps = ours - theirs
    draws = np.random.default_rng(0).integers(0, len(gaps), size=(RESAMPLES, len(gaps)))
    means = gaps[draws].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    p = 2 * min(float((means <= 0).mean()), float((means >= 0).mean()))
    return Difference(float(gaps.mean()), float(low), float(high), min(p, 1.0))


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", help="folder of data sets (default: $COUNTERPOINT_DATA)")
    parser.add_argument("--out", help="folder to write the model to")
    parser.add_argument("--record", type=Path, help="file of records to append to")
    options = parser.parse_args(argv)
    sides: dict[str, list[Song]] = {side: [] for side in SIDES}
    for one in songs(options.root):
        sides[one.side].append(one)
    model, losses = chosen_model(sides["train"], sides["valid"])

    def probabilities(ids: NDArray[np.integer]) -> NDArray[np.floating]:
        return softmax(model.logits(ids))

    rows, records = [], []
    about = {**portable_provenance(provenance()), "trained_on": len(sides["train"]), "losses": losses}
    for kind in dict.fromkeys(one.kind for one in sides["test"]):
        tested = [one for one in sides["test"] if one.kind == kind]
        rule, fitted = (
            np.array([score(one, answer(one.tokens.ids)) for one in tested])
            for answer in (lambda ids: np.eye(len(TONAL_CLASSES))[degrees_by_triads(ids)], probabilities)
        )
        scores = {
            name: dict(zip(METRICS, found.mean(axis=0).tolist(), strict=True))
            for name, found in (("templates", rule), ("chord", fitted))
        }
        low, high = wilson_interval(scores["chord"]["majmin"], len(tested))
        gap = above(fitted[:, 0], rule[:, 0])._asdict()
        cells = [f"{100 * cell:.1f}" for found in scores.values() for cell in found.values()]
        rows.append([kind, str(len(tested)), *cells, f"{100 * low:.1f} to {100 * high:.1f}", gap_text(gap)])
        records.append(
            {
                **about,
                "kind": kind,
                "pieces": len(tested),
                "scores": scores,
                "interval": [low, high],
                "above": gap,
            }
        )
    page = Page("chord")
    page.text(f"Cross-entropy on validation songs by penalty: {losses}.")
    heads = [f"{name}, {metric}" for name in ("templates", "chord") for metric in METRICS]
    table = ["test music, % of time", "pieces", *heads, "95 % of majmin", "above templates, majmin"], rows
    page.table(*table)
    sys.stdout.write(page.markdown())
    if options.record:
        append_results(options.record, records)
    if options.out:
        notes = [len(one.tokens) for one in sides["train"]]
        words = Words(
            f"Major and minor chords of each beat, by one regression of {model.numbers} numbers. It reads histograms "
            "of pitch classes and scores all twelve roots alike. It has no network.",
            "Shares of time with the right chord by mir_eval in per cent, mean over pieces. Neither its weights nor "
            "its penalty depend on them. Beside it are templates of triads, and Wilson's interval of the mean. "
            "The last column is the difference in points, with its 95 % interval by a paired bootstrap over pieces.",
            "A beat is a quarter and has one chord, major or minor. It was trained on chords of POP909 that an "
            "algorithm found in the same notes, at the pace of the songs and twice as fast. Chords of Nottingham are "
            "what an accompaniment plays. Those of chorales and madrigals are analyses by hand: few pieces, so wide "
            "intervals. Lead sheets are melodies alone, from which most chords cannot be known. "
            "The faster pace was added after a first model stood below the templates on chorales.",
        )
        marks = [one.mark for one in sides["train"]]
        write_model(options.out, "chord", model, {"pop909": notes}, marks, words, table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
