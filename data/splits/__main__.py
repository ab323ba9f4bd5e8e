"""Makes the committed split tables: `python -m data.splits ROOT`, where ROOT holds the corpora.

POP909 takes MIDI-BERT's published list of songs (Chou et al., 2021, arXiv 2107.05223); Nottingham is dealt by
a fixed seed, dance by dance and tune group by tune group.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from data.corpora.nottingham import NottinghamCorpus, dance_of
from data.corpora.pop909 import Pop909Corpus
from data.fingerprint import note_fingerprint
from data.splits import EXCLUDED, SPLITS, Entry, connected, save_table
from symbolic.files import read_music

SEED = 2021
SAME_SONG = {"017": "018"}
"""POP909 holds one song twice, its MELODY tracks identical, on two sides of the published split."""


def pop909_table(corpus: Pop909Corpus, lists: Path) -> list[Entry]:
    """The published split, without songs that are not in 4/4 and without the copy of a test song.

    Args:
        corpus: All 909 songs.
        lists: Folder with midibert_split.json, side -> songs.
    """
    published = json.loads((lists / "midibert_split.json").read_text(encoding="utf-8"))
    side = {song: split for split, songs in published.items() for song in songs}
    entries = []
    for key, file in corpus.files().items():
        split, reason = side.get(key, EXCLUDED), ""
        if key in SAME_SONG:
            other = SAME_SONG[key]
            split, reason = EXCLUDED, f"the same song as {other}, which is in {side[other]}"
        elif split == EXCLUDED:
            reason = "not in 4/4"
        fingerprint = note_fingerprint(read_music(corpus.folder / file))
        entries.append(Entry(key, SAME_SONG.get(key, key), split, fingerprint, reason))
    return entries


def nottingham_table(corpus: NottinghamCorpus) -> list[Entry]:
    """80/10/10 of the tune groups of each dance; tunes of no one dance are dealt among themselves."""
    titles = corpus.tune_titles()
    prints: dict[str, int] = {}
    marks: list[tuple[str, int]] = []
    for key, file in corpus.files().items():
        music = read_music(corpus.folder / file)
        prints[key] = note_fingerprint(music)
        melody = music.with_notes(music.notes[music.notes["track"] == 0])
        marks.append((_plain(titles[key]), note_fingerprint(melody)))
    keys = list(prints)
    group_of = {key: keys[root] for key, root in zip(keys, connected(marks), strict=True)}
    sides = _dealt({g: dance_of(g) or "" for g in group_of.values()}, Counter(group_of.values()))
    return [Entry(key, group_of[key], sides[group_of[key]], prints[key], "") for key in keys]


def _plain(title: str) -> str:
    """A title without case, punctuation, article and remarks in brackets."""
    words = re.sub(r"\(.*?\)|[^\w ]", "", title).casefold().split()
    return " ".join(words[1:] if words[:1] in (["the"], ["a"]) else words)


def _dealt(strata: Mapping[str, str], sizes: Mapping[str, int]) -> dict[str, str]:
    """A side for each group: of the pieces in each stratum, a tenth to valid, a tenth to test."""
    shuffle = random.Random(SEED).shuffle
    sides: dict[str, str] = {}
    train, *held_out = SPLITS
    for stratum in sorted(set(strata.values())):
        groups = sorted(group for group in strata if strata[group] == stratum)
        shuffle(groups)
        tenth = round(sum(sizes[group] for group in groups) / 10)
        for side in held_out:
            taken = 0
            while taken < tenth:
                group = groups.pop()
                sides[group] = side
                taken += sizes[group]
        sides.update(dict.fromkeys(groups, train))
    return sides


def main(root: Path) -> None:
    """Write both tables beside this file."""
    save_table("pop909", pop909_table(Pop909Corpus(root), root / "pop909" / "splits"))
    save_table("nottingham", nottingham_table(NottinghamCorpus(root)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
