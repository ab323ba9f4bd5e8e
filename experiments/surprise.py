"""Compare the surprise of pretrained models with that of n-gram models on chorales and folk tunes.

    python -m experiments.surprise --root DATA --models tiny RUN/checkpoint --out results/surprise.jsonl

Some pieces of each kind of music are measured. The n-gram models learn from the others, and from the piece itself. The
pretrained models know neither: pieces that they were trained on are left out. Bits are compared by pieces.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from tqdm import tqdm

from data.corpora import open_corpus
from data.corpora.music21_corpus import Music21Corpus
from data.fingerprint import note_fingerprint
from data.toolkit.command import guarded
from data.toolkit.records import portable_provenance, provenance
from data.toolkit.results import append_results
from experiments.viewpoints import Events, ViewpointModel, events
from symbolic.heads import FieldHeads
from symbolic.music.abc.tunes import read_tune, with_tunes
from symbolic.music.notes import Music
from symbolic.predict.information import bit_reader, bits_of
from symbolic.predict.network import Encoder
from symbolic.predict.pretrained import PretrainedModel
from symbolic.predict.surprise import CONTEXTS, SURPRISES, WRITTEN
from symbolic.tokens.tokenizer import Tokenizer

Bits = Mapping[str, NDArray[np.floating]]
"""(N,) bits of the notes of a piece in canonical order by field."""
TEMPERATURES = (0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5)
_DRAWS = 10_000


class Kind(NamedTuple):
    """Pieces of a kind of music.

    Attributes:
        measured: Those that are measured.
        others: Those that n-gram models learn from. None has the notes of a measured one in any key.
    """

    measured: list[Music]
    others: list[Music]


def main(argv: Sequence[str]) -> None:
    """Measure every model on every kind of music, print a table, and append records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", help="folder of data sets (default: $COUNTERPOINT_DATA)")
    parser.add_argument("--models", nargs="+", default=["tiny"], help="pretrained models")
    parser.add_argument("--music", nargs="+", choices=KINDS, default=list(KINDS), help="kinds of music")
    parser.add_argument("--pieces", type=int, default=12, help="pieces of each kind that are measured")
    parser.add_argument("--out", type=Path, help="file of records to append to")
    options = parser.parse_args(argv)
    models = [PretrainedModel.from_pretrained(one) for one in options.models]
    seen = {number for one in models for number in _trained_on(one)}
    kinds = {name: KINDS[name](options.root, options.pieces, seen) for name in options.music}
    about = {**portable_provenance(provenance()), "task": "surprise"}
    for name, kind in kinds.items():
        ngrams = {
            "n-grams": ViewpointModel(map(_events, kind.others)),
            "n-grams of the piece": ViewpointModel(),
        }
        found: dict[str, list[Bits]] = {
            title: [one.bits(_events(music)) for music in kind.measured] for title, one in ngrams.items()
        }
        for model in models:
            for context in CONTEXTS:
                for how, bits in by_model(model, context, kind.measured).items():
                    found[f"{model.name}, {context}, {how}"] = bits
        records = [{**about, "music": name, "learnt": len(kind.others), **one} for one in compared(found)]
        for one in records:
            print(f"{name:17} {_in_words(one)}", flush=True)  # noqa: T201
        if options.out:
            append_results(options.out, records)


def compared(found: Mapping[str, Sequence[Bits]]) -> list[dict[str, Any]]:
    """Return what each measure gives, and how it differs from the first one by pieces.

    Args:
        found: Bits of the same pieces by each measure.

    Returns:
        For each: mean bits a note by field with "total" among them; the mean difference from the first measure with
        its interval of 95 %; the mean rank correlation with it over the notes of a piece, with its interval.
    """
    first, lines = next(iter(found)), []
    for title, pieces in found.items():
        line: dict[str, Any] = {"measure": title, "pieces": len(pieces), "notes": sum(map(_notes, pieces))}
        for field in ("total", *WRITTEN):
            own, other = ([_of(piece, field) for piece in found[one]] for one in (title, first))
            gaps = np.array([a.mean() - b.mean() for a, b in zip(own, other, strict=True)])
            ranks = np.array([spearmanr(a, b).statistic for a, b in zip(own, other, strict=True)])
            ranks = ranks[np.isfinite(ranks)]  # a field that is constant has no ranks
            line[field] = {
                "bits": float(np.mean([one.mean() for one in own])),
                "difference": {"mean": float(gaps.mean()), "interval": _interval(gaps)},
                "ranks": {"mean": float(ranks.mean()), "interval": _interval(ranks)},
            }
        lines.append(line)
    return lines


def by_model(model: PretrainedModel, context: str, pieces: Sequence[Music]) -> dict[str, list[Bits]]:
    """Return the bits of pieces, plain and with temperatures that are chosen on every other piece."""
    encoder, head = Encoder(model.backbone), model.heads["fields"]
    assert isinstance(head, FieldHeads)
    reader = bit_reader(encoder, head, *(dict.fromkeys(WRITTEN, one) for one in TEMPERATURES))
    at = [SURPRISES.index(field) for field in WRITTEN]
    tables = []
    for music in tqdm(pieces, f"{model.name}, {context}", leave=False, disable=None):
        ids = model.tokenizer(music).ids
        table = np.empty((len(ids), len(TEMPERATURES) * len(SURPRISES)), dtype=np.float32)
        for chosen, bits in bits_of(reader, encoder.cut, ids, context):
            table[chosen] = bits
        tables.append(table.reshape(len(ids), len(TEMPERATURES), -1)[:, :, at])
    plain: list[Bits] = [dict(zip(WRITTEN, one[:, TEMPERATURES.index(1.0)].T, strict=True)) for one in tables]
    calibrated: list[Bits] = []
    for number, one in enumerate(tables):
        others = np.mean([other.mean(axis=0) for other in tables[(number + 1) % 2 :: 2]], axis=0)
        best = others.argmin(axis=0)
        calibrated.append({field: one[:, best[k], k] for k, field in enumerate(WRITTEN)})
    return {"plain": plain, "calibrated": calibrated}


def _events(music: Music) -> Events:
    return events(Tokenizer().encode(music).ids)


def _of(piece: Bits, field: str) -> NDArray[np.floating]:
    """(N,) bits of a field, or of all."""
    return np.sum([piece[one] for one in WRITTEN], axis=0) if field == "total" else piece[field]


def _notes(piece: Bits) -> int:
    return len(piece[WRITTEN[0]])


def _interval(values: NDArray[np.floating]) -> list[float]:
    """Return the middle 95 % of the means of bootstrap samples."""
    chosen = np.random.default_rng(0).integers(len(values), size=(_DRAWS, len(values)))
    low, high = np.percentile(values[chosen].mean(axis=1), (2.5, 97.5))
    return [float(low), float(high)]


def _in_words(line: Mapping[str, Any]) -> str:
    fields = "  ".join(f"{field} {line[field]['bits']:5.2f}" for field in ("total", *WRITTEN))
    gap, rank = line["total"]["difference"], line["pitch"]["ranks"]
    return (
        f"{line['measure']:28} {fields}  {gap['mean']:+.2f} ({gap['interval'][0]:+.2f} to {gap['interval'][1]:+.2f})  "
        f"ranks of pitch {rank['mean']:.2f}  {line['pieces']} pieces, {line['notes']:,} notes"
    )


def _trained_on(model: PretrainedModel) -> list[int]:
    known = model.checkpoint.pretrained_on
    return [] if known is None else known.tolist()


def _kind(music: Sequence[Music], pieces: int, seen: set[int]) -> Kind:
    """Deal pieces: every k-th one is measured if no model was trained on it."""
    numbers = [note_fingerprint(one) for one in music]
    spaced = range(0, len(music), max(len(music) // pieces, 1))
    chosen = [at for at in spaced if numbers[at] not in seen][:pieces]
    measured = {numbers[at] for at in chosen}
    others = [one for one, number in zip(music, numbers, strict=True) if number not in measured]
    mixed = np.random.default_rng(0).permutation(len(others))
    return Kind([music[at] for at in chosen], [others[at] for at in mixed])


def _chorales(root: str | None, pieces: int, seen: set[int]) -> Kind:
    corpus = Music21Corpus(root)
    files = [one for one in corpus.pieces() if one.file.startswith("bach/")]
    return _kind([corpus.read(one) for one in files[::3]], pieces, seen)


def _sopranos(root: str | None, pieces: int, seen: set[int]) -> Kind:
    return Kind(*([_highest(music) for music in side] for side in _chorales(root, pieces, seen)))


def _dances(root: str | None, pieces: int, seen: set[int]) -> Kind:
    corpus = open_corpus("nottingham", root)
    kind = _kind([corpus.read(one) for one in corpus.pieces()[::5]], pieces, seen)
    return Kind(*([_highest(music) for music in side] for side in kind))


def _songs(root: str | None, pieces: int, seen: set[int]) -> Kind:
    """Songs of the Essen collection, as music21 distributes them: every twentieth one."""
    folder = Music21Corpus(root).folder
    files = [f"essenFolksong/{path.name}" for path in sorted((folder / "essenFolksong").glob("*.abc"))]
    keys = list(with_tunes(files, folder))
    return _kind([read_tune(folder / key) for key in keys[::20]], pieces, seen)


def _highest(music: Music) -> Music:
    """Return the track whose mean pitch is highest."""
    track = music.notes["track"]
    highest = max(np.unique(track), key=lambda one: music.notes["pitch"][track == one].mean())
    return music.with_notes(music.notes[track == highest])


KINDS: Mapping[str, Callable[[str | None, int, set[int]], Kind]] = {
    "chorale sopranos": _sopranos,
    "chorales": _chorales,
    "Nottingham": _dances,
    "Essen": _songs,
}
"""Kinds of music by name: functions of the folder of data sets, the number to measure, and fingerprints to avoid."""


if __name__ == "__main__":
    sys.exit(guarded(main))
