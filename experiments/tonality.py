"""Fit the bundled models of keys and chords and score them on several kinds of music, beside profiles and templates.

    python -m experiments.tonality key --root DATA --out symbolic/models/key
    python -m experiments.tonality chord --root DATA --out symbolic/models/chord

They are trained on music whose terms allow any use: POP909 (MIT) and, for keys, Polish scores (CC BY). The tunes of
Nottingham and Bach's chorales are only tested. Scores are those of MIREX by mir_eval, means over pieces.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
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
from finetune.baselines.rules import TRIADS, degrees_by_profiles, degrees_by_triads
from finetune.baselines.tonal import fit_tonal
from finetune.tasks import TASKS
from finetune.tasks.metrics import wilson_interval
from finetune.tasks.mirex import chord_scores, key_score
from symbolic.checkpoint.attribution import CHAIN_HEADER, chain_rows, legal_texts
from symbolic.checkpoint.bundled import CARD
from symbolic.checkpoint.card import front_matter
from symbolic.checkpoint.licence import FINE_TUNING, Stage, licence_of
from symbolic.errors import CounterpointError
from symbolic.features.stats import softmax
from symbolic.music.notes import Music
from symbolic.music.piano import as_one_piano
from symbolic.music.profiles import KEY_PROFILES
from symbolic.predict.classifiers.tonal import TonalClassifier
from symbolic.predict.keys import CHORDS, KEYS, chords, key_probabilities
from symbolic.predict.network import save_model
from symbolic.predict.tonality import TONAL_CLASSES, key_mode, tonal_labels
from symbolic.tokens.tokenizer import Tokenizer, Tokens

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
SONGS = 160
"""POP909's songs that chords are learnt from. More bring nothing: a song has hundreds of beats."""
_KERN_KEY = re.compile(r"\*([A-Ga-g])([#-]?):")
Intervals = tuple[NDArray[np.float64], list[str]]
Answer = Callable[["Example"], NDArray[np.float64]]
"""From a piece to the (N, 24) probabilities of its tokens."""


@dataclass(frozen=True, eq=False)
class Example:
    """A piece with its keys or chords.

    Attributes:
        kind: What kind of music it is, by its corpus.
        train: Whether it is trained on.
        music: What is read.
        tokens: The same as tokens.
        labels: (N,) indices of tokens into `TONAL_CLASSES`.
        truth: The key by name, or chords with their times.
        mark: Fingerprint of the notes.
    """

    kind: str
    train: bool
    music: Music
    tokens: Tokens
    labels: NDArray[np.integer]
    truth: str | Intervals
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


def chord_examples(root: str | None) -> Iterator[Example]:
    """Yield songs of POP909, and tunes of Nottingham, whose chords are written out in a track."""
    songs = 0
    for corpus, piece in _pieces(root, "pop909", "nottingham"):
        train = corpus.name == "pop909" and piece.split == "train"
        if piece.split == "test" or (train and songs < SONGS):
            songs += train
            yield from _example(corpus, piece, train)


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


def _example(corpus: Corpus, piece: Piece, train: bool, key: int | None = None) -> Iterator[Example]:
    """Yield the piece if it can be read and has what is asked for."""
    try:
        reading = corpus.interpret(piece, corpus.read(piece))
    except CounterpointError:
        return
    music = reading.music if key is not None else as_one_piano(reading.music)
    if music.drums.all():
        return
    tokens = Tokenizer().encode(music)
    pitch = music.notes["pitch"][tokens.note_index].astype(np.int64)
    truth: str | Intervals
    if key is not None:
        labels, truth = tonal_labels(pitch, np.full(len(pitch), key)), KEYS[key]
    elif corpus.name == "pop909":
        labels, truth = reading.note_labels["chord"][tokens.note_index], _stated_chords(corpus, piece)
    else:
        labels, truth = np.full(len(pitch), -1), _written_chords(reading.music)
        if not truth[1]:
            return
    yield Example(corpus.title, train, music, tokens, labels, truth, note_fingerprint(music))


def _stated_chords(corpus: Corpus, piece: Piece) -> Intervals:
    """Read POP909's chords."""
    text = (Path(corpus.path(piece.file)).parent / "chord_midi.txt").read_text(encoding="utf-8")
    rows = [line.split() for line in text.splitlines()]
    return np.array([[float(row[0]), float(row[1])] for row in rows]), [row[2] for row in rows]


def _written_chords(music: Music) -> Intervals:
    """Read the major and minor triads, with or without a seventh, of the lower track of a tune."""
    tracks = np.unique(music.notes["track"])
    if len(tracks) != 2:
        return np.zeros((0, 2)), []
    lower = min(tracks, key=lambda track: music.notes["pitch"][music.notes["track"] == track].mean())
    notes = music.notes[music.notes["track"] == lower]
    times_found, names = [], []
    for onset in np.unique(notes["onset"]):
        here = notes[notes["onset"] == onset]
        classes = set((here["pitch"] % 12).tolist())
        fits = [
            root + 12 * mode
            for mode in range(2)
            for root in range(12)
            if {(root + step) % 12 for step in np.flatnonzero(TRIADS[mode])} <= classes
        ]
        if len(fits) == 1:
            end = (here["onset"] + here["duration"]).max()
            times_found.append(music.seconds(np.array([onset, end])))
            names.append(CHORDS[fits[0]])
    order = [i for i in range(len(names)) if i == 0 or times_found[i][0] >= times_found[i - 1][1] - 1e-6]
    return np.array([times_found[i] for i in order]).reshape(-1, 2), [names[i] for i in order]


def _by_rule(predict: Callable[[NDArray[np.integer]], NDArray[np.integer]]) -> Answer:
    return lambda one: np.eye(len(TONAL_CLASSES))[predict(one.tokens.ids)]


def score(one: Example, answer: Answer) -> float:
    """Return MIREX's weighted key score of a piece, or the share of time with the right major or minor chord."""
    found = np.zeros((len(one.music), len(TONAL_CLASSES)), dtype=np.float32)
    found[one.tokens.note_index] = answer(one)
    if isinstance(one.truth, str):
        return key_score([one.truth], [next(iter(key_probabilities(one.music, found)))])
    known, names = one.truth
    estimated = chords(one.music, found)
    starts = [chord.seconds for chord in estimated]
    ends = [*starts[1:], max(starts[-1], float(known[-1, 1])) + 1.0]
    spans = np.array([starts, ends]).T
    whole = spans[:, 1] > spans[:, 0]
    labels = [chord.name for chord, kept in zip(estimated, whole, strict=True) if kept]
    return chord_scores(known, names, spans[whole], labels)["majmin"]


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("key", "chord"))
    parser.add_argument("--root", help="folder of data sets (default: $COUNTERPOINT_DATA)")
    parser.add_argument("--out", help="folder to write the model to")
    options = parser.parse_args(argv)
    key = options.what == "key"
    examples = list((key_examples if key else chord_examples)(options.root))
    train = [one for one in examples if one.train]
    model = fit_tonal([(one.tokens.ids, one.labels) for one in train], "piece" if key else "beat")
    rules: dict[str, Callable[[NDArray[np.integer]], NDArray[np.integer]]] = {
        f"key profiles, {name}": partial(degrees_by_profiles, profiles=one) for name, one in PROFILES.items()
    }
    rules = rules if key else {"triad templates": degrees_by_triads}
    answers: dict[str, Answer] = {name: _by_rule(rule) for name, rule in rules.items()}
    answers[options.what] = lambda one: softmax(model.logits(one.tokens.ids))
    kinds = list(dict.fromkeys(one.kind for one in examples if not one.train))
    rows = []
    for kind in kinds:
        tested = [one for one in examples if one.kind == kind and not one.train]
        cells = [100 * float(np.mean([score(one, answer) for one in tested])) for answer in answers.values()]
        low, high = wilson_interval(cells[-1] / 100, len(tested))
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        rows.append([kind, f"{len(tested):,}", *(f"{cell:.1f}" for cell in cells), interval])
    heads = ["test music, %", "pieces", *answers, "95 % of the last"]
    page = Page(options.what)
    page.table(heads, rows)
    sys.stdout.write(page.markdown())
    if options.out:
        _save(options.out, options.what, model, train, (heads, rows))
    return 0


def _save(
    out: str,
    name: str,
    model: TonalClassifier,
    train: list[Example],
    table: tuple[list[str], list[list[str]]],
) -> None:
    """Write the model with its card, licence and attribution."""
    task = TASKS[name]
    title = "Keys" if name == "key" else "Chords"
    sources = []
    for corpus in ("pop909", "polish_scores"):
        reader = CORPORA[corpus]
        used = [one for one in train if one.kind == reader.title]
        if used:
            about = {"name": corpus, "title": reader.title}
            notes = sum(len(one.tokens.ids) for one in used)
            sources.append(task_source(about, task.label, len(used), notes))
    chain = (Stage(name, FINE_TUNING, tuple(sources)),)
    licence = licence_of(chain)
    described = {**task.describe(), "title": title, "one_piano": task.one_piano}
    made = portable_provenance(provenance())
    page = Page(name)
    asked = "key of a piece" if name == "key" else "chord of each beat"
    page.text(
        f"{title}, major or minor. It predicts the {asked} with one regression of {model.numbers} numbers, "
        "which reads histograms of pitch classes and scores all twelve tonics alike. It has no network."
    )
    page.code(f"finetune predict {name} song.mid\nfinetune predict {name} songs/ --json predictions.json")
    result = "key" if name == "key" else "chords"
    page.code(f'import symbolic\n\nfound = symbolic.load("{name}")("song.mid")\nfound.{result}', "python")
    page.heading("Scores")
    page.text(
        (
            "MIREX's weighted key score"
            if name == "key"
            else "The share of time with the right major or minor chord"
        )
        + " by mir_eval, mean over pieces. None of them was trained on. The interval is Wilson's."
    )
    page.table(*table)
    page.heading("Limits")
    page.text(
        "A piece has one key: changes of key are not followed, and church modes become major or minor."
        if name == "key"
        else "Sevenths, suspended, diminished and augmented chords become the nearest triad. A beat is a quarter."
    )
    page.heading("Licence")
    page.text(f"{licence.title}. ATTRIBUTION.md names every source.")
    page.table(CHAIN_HEADER, chain_rows(chain), numbers=False)
    page.heading("Made by")
    page.code(str(made["command"]))
    matter = front_matter(licence, task=described, datasets=[source.name for source in sources])
    save_model(
        out,
        model,
        Tokenizer(),
        described,
        made,
        np.array([one.mark for one in train]),
        texts={CARD: "\n".join([*matter, page.markdown()]), **legal_texts(name, chain)},
        chain=chain,
    )


if __name__ == "__main__":
    sys.exit(main())
