"""Fit a model of keys to music of free terms and score it on four kinds of music, beside profiles of keys.

    python -m experiments.tonality --root DATA --out runs/key --record results/tonality.jsonl

It is trained on POP909 (MIT) and Polish scores (CC BY). Their validation pieces choose the penalty. The tunes of
Nottingham and Bach's chorales are only tested. Scores are MIREX's weighted key scores by mir_eval, means over pieces.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.corpora import CORPORA
from data.toolkit.page import Page
from data.toolkit.records import portable_provenance, provenance
from data.toolkit.results import append_results
from experiments.stated_keys import TRAINED_ON, Example, by_side, key_examples
from experiments.tonal_card import Words, write_model
from finetune.baselines.rules import degrees_by_profiles
from finetune.baselines.tonal import fit_tonal
from finetune.tasks.metrics import wilson_interval
from finetune.tasks.mirex import key_score
from symbolic.features.stats import softmax
from symbolic.music.profiles import KEY_PROFILES
from symbolic.predict.classifiers.tonal import TonalClassifier
from symbolic.predict.keys import KEYS, key_probabilities
from symbolic.predict.tonality import TONAL_CLASSES

NAME = "key"
DECAYS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
"""Penalties on the weights, of which validation pieces choose one."""
TEMPERLEY = np.array(
    [
        [0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400],
        [0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330],
    ]
)
"""Profiles from the pieces of a textbook (Temperley, 2007, "Music and Probability")."""
PROFILES = {"Krumhansl & Kessler": KEY_PROFILES, "Temperley": TEMPERLEY}
Rule = Callable[[NDArray[np.integer]], NDArray[np.integer]]
Answer = Callable[["Example"], NDArray[np.float64]]
"""From a piece to the (N, 24) probabilities of its tokens."""


def _by_rule(predict: Rule) -> Answer:
    return lambda one: np.eye(len(TONAL_CLASSES))[predict(one.tokens.ids)]


def score(one: Example, answer: Answer) -> float:
    """Return the weighted key score of a piece."""
    found = np.zeros((len(one.music), len(TONAL_CLASSES)), dtype=np.float32)
    found[one.tokens.note_index] = answer(one)
    return key_score([one.truth], [next(iter(key_probabilities(one.music, found)))])


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", help="folder of data sets (default: $COUNTERPOINT_DATA)")
    parser.add_argument("--out", help="folder to write the model to")
    parser.add_argument("--record", type=Path, help="file of records to append to")
    options = parser.parse_args(argv)
    train, valid, test = by_side(key_examples(options.root))
    decay, losses = chosen_decay(train, valid)
    model = fitted(train, decay)
    results = measured(model, test)
    heads, rows = as_table(results)
    page = Page(NAME)
    page.text(f"Penalty {decay:g}. Cross-entropy on {len(valid)} validation pieces by penalty:")
    page.table(
        ["penalty", *losses[f"{decay:g}"]], [[name, *of_kinds.values()] for name, of_kinds in losses.items()]
    )
    page.heading("Test pieces")
    page.table(heads, rows)
    sys.stdout.write(page.markdown())
    if options.record:
        about = portable_provenance(provenance())
        about |= {"trained_on": len(train), "penalty": decay, "validation": len(valid), "losses": losses}
        append_results(options.record, ({**about, **one} for one in results))
    if options.out:
        _save(options.out, model, train, (heads, rows))
    return 0


def fitted(examples: Sequence[Example], decay: float) -> TonalClassifier:
    """Fit the model of keys to pieces with a penalty."""
    return fit_tonal([(one.tokens.ids, one.labels) for one in examples], "piece", decay)


def chosen_decay(
    train: Sequence[Example], valid: Sequence[Example]
) -> tuple[float, dict[str, dict[str, float]]]:
    """Choose the penalty by validation pieces.

    Returns:
        The one of `DECAYS` with the lowest mean over kinds of music of the cross-entropy of keys. And the cross-entropy
        in nats by penalty and kind.
    """
    losses: dict[str, dict[str, float]] = {}
    for decay in DECAYS:
        model, of_kinds = fitted(train, decay), defaultdict(list)
        for one in valid:
            of_kinds[one.kind].append(-np.log(_posterior(model, one)[KEYS.index(one.truth)]))
        losses[f"{decay:g}"] = {kind: round(float(np.mean(found)), 4) for kind, found in of_kinds.items()}
    means = [float(np.mean(list(of_kinds.values()))) for of_kinds in losses.values()]
    return DECAYS[int(np.argmin(means))], losses


def _posterior(model: TonalClassifier, one: Example) -> NDArray[np.float64]:
    """Return the (24,) probabilities of the keys of a piece."""
    return np.asarray(softmax(model.tonality_logits(one.tokens.ids)[0])[0])


def measured(model: TonalClassifier, test: Sequence[Example]) -> list[dict[str, Any]]:
    """Score the model and the profiles on each kind of music.

    Returns:
        For each kind its name, the number of pieces, mean scores by method, the interval of the model's (Wilson, 95 %),
        its share of right keys, and the mean probability that it gives to its key.
    """
    rules: dict[str, Rule] = {
        name: partial(degrees_by_profiles, profiles=one) for name, one in PROFILES.items()
    }
    answers: dict[str, Answer] = {name: _by_rule(rule) for name, rule in rules.items()}
    answers[NAME] = lambda one: softmax(model.logits(one.tokens.ids))
    found = []
    for kind in dict.fromkeys(one.kind for one in test):
        tested = [one for one in test if one.kind == kind]
        scores = {
            name: float(np.mean([score(one, answer) for one in tested])) for name, answer in answers.items()
        }
        posteriors = np.stack([_posterior(model, one) for one in tested])
        right = posteriors.argmax(axis=1) == [KEYS.index(one.truth) for one in tested]
        found.append(
            {
                "kind": kind,
                "pieces": len(tested),
                "scores": scores,
                "interval": list(wilson_interval(scores[NAME], len(tested))),
                "right": float(right.mean()),
                "confidence": float(posteriors.max(axis=1).mean()),
            }
        )
    return found


def as_table(results: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of a table of `measured` in per cent."""
    rows = []
    for one in results:
        low, high = one["interval"]
        cells = [*one["scores"].values(), one["right"], one["confidence"]]
        percent = [f"{100 * cell:.1f}" for cell in cells]
        percent.insert(len(one["scores"]), f"{100 * low:.1f} to {100 * high:.1f}")
        rows.append([one["kind"], f"{one['pieces']:,}", *percent])
    names = list(results[0]["scores"])
    return ["test music, %", "pieces", *names, "95 %", "right keys", "mean confidence"], rows


def _save(
    out: str, model: TonalClassifier, train: Sequence[Example], table: tuple[list[str], list[list[str]]]
) -> None:
    """Write the model with its card."""
    used: dict[str, list[int]] = {corpus: [] for corpus in TRAINED_ON}
    names = {CORPORA[corpus].title: corpus for corpus in TRAINED_ON}
    for one in train:
        used[names[one.kind]].append(len(one.tokens))
    text = (
        f"The key of a piece, major or minor, by one regression of {model.numbers} numbers. It reads histograms of "
        "pitch classes and scores all twelve tonics alike. It has no network."
    )
    about = (
        "MIREX's weighted key score by mir_eval in per cent, mean over pieces. Neither its weights nor its penalty "
        "depend on them. Beside it are profiles of keys, and Wilson's interval of the mean."
    )
    limits = (
        "A piece has one key: changes of key are not followed. Church modes become major or minor. Pieces that state "
        "several keys or a church mode were left out."
    )
    write_model(out, NAME, model, used, [one.mark for one in train], Words(text, about, limits), table)


if __name__ == "__main__":
    sys.exit(main())
