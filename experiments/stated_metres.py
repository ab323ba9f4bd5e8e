"""Measure how bars are found in files that keep their tempo and whose user states the metre alone.

    python -m experiments.stated_metres --root DATA --songs 25 --out results/mapping.jsonl

Time signatures are removed from songs of one metre, and the notes begin at any time. Pick-ups stay.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import mir_eval
import numpy as np
from tqdm import tqdm

from data.corpora import open_corpus
from data.splits.small import dealing_hash
from data.toolkit.command import guarded
from experiments.mapping import Scores, report_kinds, songs_parser
from symbolic.errors import CounterpointError
from symbolic.mapping.beats import Beats, beats_of_file, find_beats, stated_beats
from symbolic.mapping.learnt import load_map
from symbolic.mapping.tracking import Tracker
from symbolic.music.notes import Music

_METRES = {
    "openscore_lieder": ("2/4", "3/4", "4/4", "3/8", "6/8", "9/8"),
    "openewld": ("2/4", "3/4", "4/4"),
    "nottingham": ("3/4", "4/4", "6/8"),
    "symbtr": ("5/8", "7/8", "10/8"),
}
"""Metres that are measured. Melodies of SymbTr have the uneven ones."""
_FEWEST, _RIGHT = 32, 0.9


class Song(NamedTuple):
    """A song: its metre, its notes without it and its true beats."""

    metre: str
    music: Music
    beats: Beats


def main(argv: Sequence[str]) -> None:
    """Measure with the metre stated and without, print a table and append records."""
    options = songs_parser(__doc__, 25).parse_args(argv)
    learnt = load_map()
    assert learnt is not None
    rows: dict[str, list[Scores]] = {}
    for corpus in _METRES:
        for song in songs(options.root, corpus, options.songs):
            rows.setdefault(f"{corpus}, {song.metre}", []).append(scored(song, learnt.tracker))
    report_kinds(rows, "mapping, stated metres", "valid and test", options.out)


def songs(root: str | None, name: str, most: int) -> Iterator[Song]:
    """Yield songs of a corpus, as many of each metre, in an order that does not depend on their names."""
    corpus, count = open_corpus(name, root), Counter[str]()
    random = np.random.default_rng(0)
    pieces = [piece for piece in corpus.pieces() if piece.split != "train"]
    for piece in tqdm(sorted(pieces, key=lambda one: dealing_hash(one.key)), name, disable=None):
        if all(count[metre] >= most for metre in _METRES[name]):
            return
        try:
            music = corpus.read(piece)
        except CounterpointError:
            continue
        metres = {f"{upper}/{lower}" for _, upper, lower in music.time_signatures.tolist()}
        metre = min(metres, default="")
        if len(metres) > 1 or metre not in _METRES[name] or count[metre] >= most or len(music) < _FEWEST:
            continue
        count[metre] += 1
        late = int(random.integers(music.resolution))
        yield Song(
            metre, _bare(music, late), _later(beats_of_file(music), float(music.seconds(np.array(late))))
        )


def _bare(music: Music, late: int) -> Music:
    """Return the notes some ticks later, at the tempo of the file, without time signatures."""
    notes = music.notes.copy()
    notes["onset"] += late
    tempos = music.tempos.copy()
    tempos[1:, 0] += late
    return Music(notes, music.resolution, tempos=tempos, tracks=music.tracks)


def _later(beats: Beats, seconds: float) -> Beats:
    return Beats(beats.times + seconds, beats.down, beats.lower, beats.compound)


def scored(song: Song, tracker: Tracker) -> Scores:
    """Return the F measure of downbeats and whether nearly all are right, with the metre and without it."""
    scores: Scores = {}
    true = song.beats.times[song.beats.down]
    for metre, stated in ((song.metre, "metre stated"), ("", "metre found")):
        found = stated_beats(song.music, metre) or find_beats(song.music, metre, tracker)
        inside = found.times[found.down]
        score = float(mir_eval.beat.f_measure(*(mir_eval.beat.trim_beats(one) for one in (true, inside))))
        scores |= {f"downbeats, F, {stated}": score, f"bars right, {stated}": float(score > _RIGHT)}
    return scores


if __name__ == "__main__":
    sys.exit(guarded(main))
