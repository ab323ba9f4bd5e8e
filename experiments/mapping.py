"""Measure the tools of `finetune map` and `finetune match` on held-out pieces of (n)ASAP.

    python -m experiments.mapping --root DATA --out results/mapping.jsonl
    python -m experiments.mapping --root DATA --match --out results/mapping.jsonl

One performance of each piece is taken, the first by name. Scores are means over pieces. Notes count that are matched,
no grace notes and within 0.4 beats of their written place: the alignment is doubtful for the others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
from tqdm import tqdm

from data.corpora import Piece
from data.corpora.asap import AsapPerformancesCorpus
from data.corpora.asap_pairs import read_written
from data.corpora.beats import read_annotation
from data.toolkit.command import guarded
from data.toolkit.records import portable_provenance, provenance
from data.toolkit.results import append_results
from finetune.mapping.command import fifths_of, key_of
from finetune.mapping.examples import Example, examples
from finetune.mapping.fit import playing_targets
from finetune.tasks.metrics import wilson_interval
from symbolic.features.stats import Floats, correlation
from symbolic.mapping.beats import RULES, Beats, find_beats
from symbolic.mapping.expression import ASPECTS, playing, rule_weights
from symbolic.mapping.features import TICKS
from symbolic.mapping.learnt import LearntMap, load_map
from symbolic.mapping.matching import ranked, sounds_of
from symbolic.mapping.quantisation import Quantiser, Rules
from symbolic.mapping.staves import continued
from symbolic.mapping.written import read_score, written_features
from symbolic.music.files import read_music

_DRAWS = 2_000
_UNLEARNT = ("velocity", "period")
"""Aspects that have no mean of their own: loudness and tempo are relative to the piece."""
_PARTS = ("all", "notes", "playing", "beats")
Scores = dict[str, float]


def main(argv: Sequence[str]) -> None:
    """Measure, print a table and append records."""
    parser = mapping_parser(__doc__)
    parser.add_argument("--part", default="all", choices=_PARTS, help="measure this part alone")
    parser.add_argument("--match", action="store_true", help="measure retrieval among all scores instead")
    options = parser.parse_args(argv)
    corpus, learnt = AsapPerformancesCorpus(options.root), load_map()
    assert learnt is not None
    rows = list(_matches(corpus) if options.match else _pieces(corpus, options.side, learnt, options.part))
    report(rows, "mapping, (n)ASAP", "all" if options.match else options.side, options.out)


def mapping_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of what all measurements on (n)ASAP need."""
    parser = _parser(description)
    parser.add_argument("--side", default="test", choices=("train", "valid", "test"))
    return parser


def report(rows: Sequence[Scores], task: str, side: str, out: Path | None) -> None:
    """Print a table of the scores of pieces, and append its records to a file if there is one."""
    _keep(summarised(rows), task, side, out)


def report_kinds(kinds: Mapping[str, Sequence[Scores]], task: str, side: str, out: Path | None) -> None:
    """Print a table of the scores of pieces of several kinds, and append its records to a file if there is one."""
    records = [
        {**one, "measure": f"{kind}: {one['measure']}"}
        for kind, rows in kinds.items()
        for one in summarised(rows)
    ]
    _keep(records, task, side, out)


def _keep(records: Sequence[dict[str, Any]], task: str, side: str, out: Path | None) -> None:
    about = {**portable_provenance(provenance()), "task": task, "side": side}
    print_table(records)
    if out:
        append_results(out, [about | one for one in records])


def songs_parser(description: str | None, usual: int) -> argparse.ArgumentParser:
    """Return a parser of what all measurements on songs need.

    Args:
        description: Of the command.
        usual: Most songs of a kind unless another number is given.
    """
    parser = _parser(description)
    parser.add_argument(
        "--songs", type=int, default=usual, help="most songs of a kind (default: %(default)s)"
    )
    return parser


def _parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", help="folder of data sets (default: $COUNTERPOINT_DATA)")
    parser.add_argument("--out", type=Path, help="file of records to append to")
    return parser


def print_table(records: Sequence[dict[str, Any]]) -> None:
    """Print means and intervals."""
    for one in records:
        low, high = one["interval"]
        print(f"{one['measure']:32} {one['mean']:6.3f}  {low:6.3f} to {high:6.3f}  {one['pieces']} pieces")  # noqa: T201


def one_each(corpus: AsapPerformancesCorpus, side: str) -> Iterator[Example]:
    """Yield one performance of each piece of a side of the split."""
    seen = set()
    for example in tqdm(examples(corpus, side, 1), "pieces", leave=False, disable=None):
        if example.piece.group not in seen:
            seen.add(example.piece.group)
            yield example


def _pieces(corpus: AsapPerformancesCorpus, side: str, learnt: LearntMap, part: str) -> Iterator[Scores]:
    """Yield the scores of one performance of each piece: all of them or one of `_PARTS`."""
    for example in one_each(corpus, side):
        scores: Scores = {}
        if part in ("all", "notes"):
            scores["onset, snapped to quarters of a beat"] = _snapped(example)
            scores |= quantised(example, Rules(), "rules") | quantised(example, learnt.quantiser, "learnt")
        if part in ("all", "playing"):
            scores |= played(example, rule_weights(), "rule") | played(example, learnt.weights, "learnt")
        if part in ("all", "beats"):
            scores |= _found(corpus, example, learnt)
        yield scores


def _snapped(example: Example) -> float:
    onset = np.round(example.notes.onset[example.at] * 4) / 4 * TICKS
    return float((onset % TICKS == example.tick % TICKS).mean())


def quantised(example: Example, quantiser: Quantiser, name: str) -> Scores:
    """Return the share of notes with the right place in the beat, note value and staff.

    A note that continues another one on the same staff of the score should share its staff: "kept in lines".

    Args:
        example: A performance with annotated beats.
        quantiser: What decides.
        name: Its name in the scores.
    """
    notes, at = example.notes, example.at
    onset, staff = quantiser.onsets(notes), quantiser.staves(notes)
    before, _ = continued(notes)
    true = np.full(len(staff), -1)
    true[at] = example.staff
    lines = np.flatnonzero((before >= 0) & (true >= 0) & (true == true[before]))
    in_bar, unit = int(np.median(example.in_bar)), float(np.median(example.unit))
    value = quantiser.values(notes, onset, staff, in_bar, unit)
    return {
        f"onset, {name}": float((onset[at] % TICKS == example.tick % TICKS).mean()),
        f"value, {name}": float((value[at] == np.round(example.value * TICKS)).mean()),
        f"staff, {name}": float((staff[at] == example.staff).mean()),
        f"staff kept in lines, {name}": float((staff[lines] == staff[before[lines]]).mean())
        if len(lines)
        else 1.0,
    }


def played(example: Example, weights: Floats, name: str) -> Scores:
    """Return the correlation with a performance, and the share of its variance that is explained: flat playing is 0.

    Args:
        example: A performance.
        weights: (F, 4) weights of playing.
        name: Their name in the scores.
    """
    targets = playing_targets(example)
    found = playing(written_features(read_score(example.score))[example.written], weights)
    scores = {}
    for column, aspect in enumerate(ASPECTS):
        true, guess = targets[:, column], found[aspect]
        if aspect in _UNLEARNT:
            guess = guess - guess.mean() + true.mean()
        scores[f"{aspect} r, {name}"] = correlation(guess, true)
        scores[f"{aspect} R2, {name}"] = float(1 - np.square(true - guess).mean() / max(true.var(), 1e-9))
    return scores


def _found(corpus: AsapPerformancesCorpus, example: Example, learnt: LearntMap) -> Scores:
    """Return how well beats, bars and the usual key signature are found without being given."""
    music = corpus.read(example.piece)
    annotation = read_annotation(corpus.folder / f"{example.piece.key}_annotations.txt")
    true = Beats(annotation.beats, annotation.down)
    scores = {"key signature found": key_is_right(example.score, fifths_of(key_of(music)))}
    for name, tracker in (("rules", RULES), ("learnt", learnt.tracker)):
        scores |= tracked(true, find_beats(music, tracker=tracker), name)
    return scores


def tracked(true: Beats, found: Beats, name: str) -> Scores:
    """Return F measures of beats and downbeats within 70 ms, after the first five seconds, and the metre.

    Args:
        true: The annotated beats.
        found: The beats found.
        name: What found them.
    """
    pairs = {
        "beats": (true.times, found.times),
        "downbeats": (true.times[true.down], found.times[found.down]),
    }
    scores = {
        f"{kind} found, F, {name}": float(mir_eval.beat.f_measure(*map(mir_eval.beat.trim_beats, pair)))
        for kind, pair in pairs.items()
    }
    return scores | {f"beats of a bar found, {name}": float(found.in_bar == true.in_bar)}


def key_is_right(score: Path, fifths: int) -> float:
    """Return 1 for the usual key signature of a score and 0 for others. C# major and Db major are one to the ear."""
    written = read_written(score).notes["fifths"].astype(np.int64)
    usual = int(np.bincount(written + 7).argmax()) - 7
    return float((fifths - usual) % 12 == 0)


def _matches(corpus: AsapPerformancesCorpus) -> Iterator[Scores]:
    """Yield whether the score of the first performance of each score comes first. A version of its piece counts."""
    first: dict[Path, Piece] = {}
    for piece in corpus.pieces():
        if corpus.written(piece).is_file():
            first.setdefault(corpus.written(piece), piece)
    scores = [sounds_of(read_music(path)) for path in tqdm(first, "scores", leave=False, disable=None)]
    groups = [piece.group or piece.key for piece in first.values()]
    for own, piece in tqdm(enumerate(first.values()), "performances", leave=False, disable=None):
        sounds = sounds_of(corpus.read(piece))
        found = ranked(sounds, scores)
        same = [groups[one.score] == groups[own] for one in found]
        cosines = [one.statistics @ sounds.statistics for one in scores]
        others = [one.alignment for one, is_same in zip(found, same, strict=True) if not is_same]
        yield {
            "statistics, R@1": float(groups[int(np.argmax(cosines))] == groups[own]),
            "alignment, R@1": float(same[0]),
            "alignment of the piece": max((one.alignment for one in found), default=0.0),
            "alignment of the next piece": max(others, default=0.0),
        }


def summarised(rows: Sequence[Scores]) -> list[dict[str, Any]]:
    """Return the mean of each measure with a 95 % interval over pieces: by bootstrap, Wilson's of what is yes or no."""
    random = np.random.default_rng(0)
    drawn = random.integers(len(rows), size=(_DRAWS, len(rows)))
    records = []
    for measure in rows[0]:
        values = np.array([row[measure] for row in rows])
        mean = float(values.mean())
        interval: list[float] = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975]).tolist()
        if np.isin(values, (0, 1)).all():
            interval = list(wilson_interval(mean, len(rows)))
        records.append({"measure": measure, "mean": mean, "interval": interval, "pieces": len(rows)})
    return records


if __name__ == "__main__":
    sys.exit(guarded(main))
