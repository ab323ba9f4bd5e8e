"""Measure how beats of plain songs at an exact tempo are found, and fit what chooses them and their bars.

    python -m experiments.grids --root DATA --fit --songs 250
    python -m experiments.grids --root DATA --songs 30 --out results/mapping.jsonl

Songs of POP909 keep the timing of their files. Tunes of Nottingham, with chords and without, and melodies of OpenEWLD
are played exactly, at 60 to 180 beats a minute. No time signature is read. The first minute of each song counts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import mir_eval
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from tqdm import tqdm

from data.corpora import open_corpus
from data.corpora.pop909 import Pop909Corpus, read_beats
from data.toolkit.command import guarded
from experiments.mapping import Scores, report_kinds, songs_parser
from symbolic.errors import CounterpointError
from symbolic.features.stats import Floats, softmax
from symbolic.mapping.bars import BEGINNING, bar_features, beat_table
from symbolic.mapping.beat_trees import TreeTracking
from symbolic.mapping.beats import Beats, beats_of_file
from symbolic.mapping.chords import Chords, chords_of
from symbolic.mapping.grid import find_grid, grid_features
from symbolic.mapping.learnt import load_map
from symbolic.mapping.metre import IN_BAR
from symbolic.mapping.tracking import RuleTracking, Tracking
from symbolic.music.notes import Music

_PACES = (60, 180)
"""Slowest and fastest beats per minute."""
_SECONDS, _FEWEST = 60.0, 32
"""Longest part of a song that is read, and fewest notes of it."""
_SIDES = {True: ("train", None), False: ("valid", "test")}
_CORPORA = {
    True: ("pop909", "openewld", "openscore_lieder", "polish_scores"),
    False: ("pop909", "nottingham", "openewld"),
}
"""Those that the weights are fitted to, and those that are measured: the terms of Nottingham are not free."""
_RIDGE = 0.005
_BARS, _EVEN = 3, 0.9
"""Fewest bars of a song that bars are fitted to, and the least part of them of one length."""
_PICKUPS = 0.45
"""Factor of the weight of a beginning: in dances more songs begin before the bar than in what is fitted to."""
_WRONG = 0.15
"""Largest error of the beats on a grid that are taken for the true ones."""


class Song(NamedTuple):
    """A song: its kind, its chords and its true beats."""

    kind: str
    chords: Chords
    beats: Beats


def main(argv: Sequence[str]) -> None:
    """Print the weights, or measure three ways of finding beats and append records."""
    parser = songs_parser(__doc__, 60)
    parser.add_argument("--fit", action="store_true", help="fit the weights and print them")
    options = parser.parse_args(argv)
    found = list(tqdm(songs(options.root, options.fit, options.songs), "songs", disable=None))
    if options.fit:
        for name, weights in (("beats", fitted(found)), ("bars", fitted_bars(found))):
            print(name, np.array2string(weights, precision=2, separator=", "))  # noqa: T201
        return
    learnt = load_map()
    assert learnt is not None
    rows: dict[str, list[Scores]] = {}
    for song in found:
        chords = song.chords
        ways: dict[str, Tracking] = {
            "trees": TreeTracking(learnt.tracker, chords), "rules": RuleTracking(chords),
            "learnt": learnt.tracker(chords),
        }  # fmt: skip
        own = {name: one for way, it in ways.items() for name, one in scored(song, it, way).items()}
        rows.setdefault(song.kind, []).append(own)
    report_kinds(rows, "mapping, plain songs", "valid and test", options.out)


def songs(root: str | None, to_fit: bool, most: int) -> Iterator[Song]:
    """Yield songs to fit to, or to measure, by the committed splits."""
    random = np.random.default_rng(0)
    for name in _CORPORA[to_fit]:
        corpus = Pop909Corpus(root, beats=False) if name == "pop909" else open_corpus(name, root)
        pieces = [piece for piece in corpus.pieces() if piece.split in _SIDES[to_fit]]
        for at in random.permutation(len(pieces))[:most].tolist():
            piece = pieces[at]
            try:
                music = corpus.read(piece)
            except CounterpointError:
                continue
            if name == "pop909":
                times, down = read_beats(corpus.folder / Path(piece.file).parent / "beat_midi.txt")
                yield _cut(name, music, Beats(times, np.isin(np.arange(len(times)), down)))
                continue
            if len(np.unique(music.time_signatures[:, 1:], axis=0)) > 1:
                continue
            pace = float(np.exp(random.uniform(*np.log(_PACES))))
            exact = _at_pace(music, pace)
            melody = exact.with_notes(exact.notes[exact.notes["track"] == exact.notes["track"].min()])
            for kind, one in {f"{name}, melody": melody, f"{name}, chords": exact}.items():
                if len(one) >= _FEWEST and (one is melody or len(one) > len(melody)):
                    yield _cut(kind, one, beats_of_file(exact))


def _at_pace(music: Music, pace: float) -> Music:
    """Return the music at one tempo, in beats per minute."""
    unit = beats_of_file(music).unit
    return Music(
        music.notes, music.resolution, music.time_signatures, np.array([[0, pace * unit]]), music.tracks
    )


def _cut(kind: str, music: Music, beats: Beats) -> Song:
    """Return the beginning of a song with the beats in it."""
    chords = chords_of(music)
    end = chords.time[0] + _SECONDS
    notes = int(np.searchsorted(chords.onset, end))
    some = int(np.searchsorted(chords.first, notes))
    inside = (beats.times >= chords.time[0] - 0.1) & (beats.times <= min(end, chords.time[-1] + 0.1))
    return Song(
        kind,
        Chords(
            chords.time[:some],
            chords.first[:some],
            chords.onset[:notes],
            chords.end[:notes],
            chords.pitch[:notes],
            chords.velocity[:notes],
        ),
        Beats(beats.times[inside], beats.down[inside]),
    )


def scored(song: Song, tracking: Tracking, name: str) -> Scores:
    """Return the F measures of beats and downbeats, and whether beats are as long as the true ones."""
    found, true = tracking.beats(), song.beats
    down = found[tracking.bars(found)]
    ratio = np.median(np.diff(found)) / np.median(np.diff(true.times))
    return {
        f"beats, F, {name}": float(mir_eval.beat.f_measure(true.times, found)),
        f"downbeats, F, {name}": float(mir_eval.beat.f_measure(true.times[true.down], down)),
        f"level, {name}": float(abs(np.log2(ratio)) < 0.25),
    }


def fitted(found: Sequence[Song]) -> Floats:
    """Return the weights that make the true beats on the grid of each song most likely, with a small penalty."""
    rows, right = [], []
    for song in found:
        grid = find_grid(song.chords.time)
        if grid is None:
            continue
        steps, first, numbers = grid_features(song.chords, RuleTracking(song.chords).accents, grid)
        period, begin = steps * grid.step, grid.start + first * grid.step
        error = [_error(song.beats.times, *one) for one in zip(period, begin, strict=True)]
        if min(error) < _WRONG:
            rows.append(numbers)
            right.append(int(np.argmin(error)))
    return _likeliest(rows, right)


def fitted_bars(found: Sequence[Song]) -> Floats:
    """Return the weights that make the true bars of each song most likely, where their beats and metre are known."""
    rows, right = [], []
    for song in found:
        beats, in_bar = song.beats, song.beats.in_bar
        down = np.flatnonzero(beats.down)
        first = int(np.bincount(down % in_bar).argmax()) if len(down) else 0
        if len(down) < _BARS or in_bar == 1 or (down % in_bar == first).mean() < _EVEN:
            continue
        table = beat_table(song.chords, RuleTracking(song.chords).accents, beats.times)
        for choices in ((in_bar,), IN_BAR):
            in_bars, phases, numbers = bar_features(table, choices)
            true = np.flatnonzero((in_bars == in_bar) & (phases == first))
            if len(true):
                rows.append(numbers)
                right.append(int(true[0]))
    weights = _likeliest(rows, right)
    weights[BEGINNING] *= _PICKUPS
    return weights


def _likeliest(rows: Sequence[Floats], right: Sequence[int]) -> Floats:
    """Return the weights that make the right one of each table of numbers most likely, with a small penalty."""
    scale = np.concatenate(rows).std(axis=0)

    def loss(weights: NDArray[np.float64]) -> tuple[float, Floats]:
        total, slope = 0.0, np.zeros_like(weights)
        for numbers, true in zip(rows, right, strict=True):
            likely = softmax((numbers / scale) @ weights)
            total -= float(np.log(likely[true]))
            slope += (likely @ numbers - numbers[true]) / scale
        penalty = _RIDGE * float(weights @ weights)
        return total / len(rows) + penalty, slope / len(rows) + 2 * _RIDGE * weights

    best = minimize(loss, np.zeros(len(scale)), jac=True, method="L-BFGS-B").x
    return np.asarray(best / scale)


def _error(true: Floats, period: float, begin: float) -> float:
    """Return how far beats of a grid are from the true ones: in length, and in place as a part of a true beat."""
    apart = (true - begin) / period
    length = period / np.median(np.diff(true))
    return float(4 * abs(np.log(length)) + np.abs(apart - np.round(apart)).mean() * length)


if __name__ == "__main__":
    sys.exit(guarded(main))
