"""Fit a model of keys to music of free terms and score it on four kinds of music, beside profiles of keys.

    python -m experiments.tonality --root DATA --out runs/key

It is trained on POP909 (MIT) and Polish scores (CC BY). The tunes of Nottingham and Bach's chorales are only tested.
Scores are MIREX's weighted key scores by mir_eval, means over pieces.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data.corpora import CORPORA, Corpus, Piece, open_corpus
from data.fingerprint import note_fingerprint
from data.sources import task_source
from data.splits import hashed_split
from data.splits.small import dealing_hash
from data.toolkit.page import Page
from data.toolkit.records import portable_provenance, provenance
from finetune.baselines.rules import degrees_by_profiles
from finetune.baselines.tonal import fit_tonal
from finetune.tasks import TASKS
from finetune.tasks.metrics import wilson_interval
from finetune.tasks.mirex import key_score
from symbolic.checkpoint.attribution import CHAIN_HEADER, NAMED, chain_rows, legal_texts
from symbolic.checkpoint.bundled import CARD
from symbolic.checkpoint.card import front_matter
from symbolic.checkpoint.licence import FINE_TUNING, Stage, licence_of
from symbolic.errors import CounterpointError
from symbolic.features.stats import softmax
from symbolic.music.notes import Music
from symbolic.music.profiles import KEY_PROFILES
from symbolic.predict.classifiers.tonal import TonalClassifier
from symbolic.predict.keys import KEYS, key_probabilities
from symbolic.predict.network import save_model
from symbolic.predict.tonality import TONAL_CLASSES, key_mode, tonal_labels
from symbolic.tokens.tokenizer import Tokenizer, Tokens

NAME, TRAINED_ON = "key", ("pop909", "polish_scores")
LARGEST, EVERY = 120_000, 5
"""Polish scores are read up to this many bytes, and one of so many."""
TEMPERLEY = np.array(
    [
        [0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400],
        [0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330],
    ]
)
"""Profiles from the pieces of a textbook (Temperley, 2007, "Music and Probability")."""
PROFILES = {"Krumhansl & Kessler": KEY_PROFILES, "Temperley": TEMPERLEY}
_KERN_KEY = re.compile(r"\*([A-Ga-g])([#-]?):")
Rule = Callable[[NDArray[np.integer]], NDArray[np.integer]]
Answer = Callable[["Example"], NDArray[np.float64]]
"""From a piece to the (N, 24) probabilities of its tokens."""


@dataclass(frozen=True, eq=False)
class Example:
    """A piece of one key.

    Attributes:
        kind: What kind of music it is, by its corpus.
        train: Whether it is trained on.
        music: What is read.
        tokens: The same as tokens.
        labels: (N,) indices of tokens into `TONAL_CLASSES`.
        truth: The key by name.
        mark: Fingerprint of the notes.
    """

    kind: str
    train: bool
    music: Music
    tokens: Tokens
    labels: NDArray[np.integer]
    truth: str
    mark: int


def key_examples(root: str | None) -> Iterator[Example]:
    """Yield pieces of one key of four corpora."""
    for corpus, piece in _pieces(root, "pop909", "polish_scores", "humdrum_sapp", "nottingham"):
        key, train = _key_of(corpus, piece), piece.split == "train"
        if corpus.name == "polish_scores":
            train = hashed_split(piece.group or piece.key, {"train": 0.8, "test": 0.2}) == "train"
        elif corpus.name != "pop909":
            train = False
        if key is not None and (train or corpus.name != "pop909" or piece.split == "test"):
            yield from _example(corpus, piece, train, key)


def _pieces(root: str | None, *names: str) -> Iterator[tuple[Corpus, Piece]]:
    for name in names:
        corpus = open_corpus(name, root)
        pieces = sorted(corpus.pieces(), key=lambda piece: dealing_hash(piece.key))
        if name == "polish_scores":
            pieces = [one for one in pieces[::EVERY] if Path(corpus.path(one.file)).stat().st_size < LARGEST]
        for piece in tqdm(pieces, name, unit=" pieces", leave=False, disable=None):
            yield corpus, piece


def _key_of(corpus: Corpus, piece: Piece) -> int | None:
    """Return the key that a corpus states for a whole piece, as tonic plus twelve times the mode; else None."""
    path = Path(corpus.path(piece.file))
    if corpus.name == "pop909":
        [first, *others] = (path.parent / "key_audio.txt").read_text(encoding="utf-8").splitlines()
        tonic, mode = first.split()[-1].split(":")
        return None if others else key_mode(f"{tonic} {'minor' if mode.startswith('min') else 'major'}")
    if corpus.name == "nottingham":
        reading = corpus.interpret(piece, corpus.read(piece))
        label = reading.note_labels["key"].astype(np.int64)
        known = label >= 0
        tonic_of = (reading.music.notes["pitch"][known].astype(np.int64) - label[known] % 12) % 12
        keys = set((tonic_of + 12 * (label[known] // 12)).tolist())
        return keys.pop() if len(keys) == 1 else None
    if path.suffix != ".krn":
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    cells = {cell for line in lines if line.startswith("*") for cell in line.split("\t")}
    stated = {cell for cell in cells if _KERN_KEY.match(cell)}
    found = {match for cell in stated if (match := _KERN_KEY.fullmatch(cell))}
    keys = {key_mode(m[1].upper() + m[2].replace("-", "b") + "m" * m[1].islower()) for m in found}
    return (
        keys.pop() if len(keys) == len(found) == len(stated) == 1 else None
    )  # a modal one has more behind the colon


def _example(corpus: Corpus, piece: Piece, train: bool, key: int) -> Iterator[Example]:
    """Yield the piece if it can be read and has pitched notes."""
    try:
        music = corpus.interpret(piece, corpus.read(piece)).music
    except CounterpointError:
        return
    if music.drums.all():
        return
    tokens = Tokenizer().encode(music)
    pitch = music.notes["pitch"][tokens.note_index].astype(np.int64)
    labels = tonal_labels(pitch, np.full(len(pitch), key))
    yield Example(corpus.title, train, music, tokens, labels, KEYS[key], note_fingerprint(music))


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
    options = parser.parse_args(argv)
    examples = list(key_examples(options.root))
    train = [one for one in examples if one.train]
    model = fit_tonal([(one.tokens.ids, one.labels) for one in train], "piece")
    rules: dict[str, Rule] = {
        f"key profiles, {name}": partial(degrees_by_profiles, profiles=one) for name, one in PROFILES.items()
    }
    answers: dict[str, Answer] = {name: _by_rule(rule) for name, rule in rules.items()}
    answers[NAME] = lambda one: softmax(model.logits(one.tokens.ids))
    kinds = list(dict.fromkeys(one.kind for one in examples if not one.train))
    rows = []
    for kind in kinds:
        tested = [one for one in examples if one.kind == kind and not one.train]
        cells = [100 * float(np.mean([score(one, answer) for one in tested])) for answer in answers.values()]
        low, high = wilson_interval(cells[-1] / 100, len(tested))
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        rows.append([kind, f"{len(tested):,}", *(f"{cell:.1f}" for cell in cells), interval])
    heads = ["test music, %", "pieces", *answers, "95 % of the last"]
    page = Page(NAME)
    page.table(heads, rows)
    sys.stdout.write(page.markdown())
    if options.out:
        _save(options.out, model, train, (heads, rows))
    return 0


def _save(
    out: str, model: TonalClassifier, train: Sequence[Example], table: tuple[list[str], list[list[str]]]
) -> None:
    """Write the model with its card, licence and attribution."""
    described = {**TASKS[NAME].describe(), "title": "Keys"}
    sources = []
    for corpus in TRAINED_ON:
        used = [one for one in train if one.kind == CORPORA[corpus].title]
        notes = sum(len(one.tokens) for one in used)
        sources.append(task_source({"name": corpus}, described["label"], len(used), notes))
    chain = (Stage(NAME, FINE_TUNING, tuple(sources)),)
    licence, made = licence_of(chain), portable_provenance(provenance())
    page = Page(NAME)
    page.text(
        f"The key of a piece, major or minor, by one regression of {model.numbers} numbers. It reads histograms of "
        "pitch classes and scores all twelve tonics alike. It has no network."
    )
    page.code(f"finetune predict {NAME} song.mid\nfinetune predict {NAME} songs/ --csv keys.csv")
    page.heading("Scores")
    page.text("MIREX's weighted key score by mir_eval, mean over pieces that it was not trained on.")
    page.table(*table)
    page.heading("Limits")
    page.text("A piece has one key: changes of key are not followed. Church modes become major or minor.")
    page.heading("Licence")
    page.text(f"{licence.title}. {licence.reason} {NAMED}")
    page.table(CHAIN_HEADER, chain_rows(chain), numbers=False)
    page.heading("Made by")
    page.code(str(made["command"]))
    matter = front_matter(licence, task=described, datasets=list(TRAINED_ON))
    texts = {CARD: "\n".join([*matter, page.markdown()]), **legal_texts(NAME, chain)}
    seen = np.array([one.mark for one in train])
    save_model(out, model, Tokenizer(), described, made, seen, texts=texts, chain=chain)


if __name__ == "__main__":
    sys.exit(main())
