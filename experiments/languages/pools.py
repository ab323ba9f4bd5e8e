"""Write the two pools of music that the backbones learn from: scores with opaque pitches, and performances.

    python -m experiments.languages.pools --root DATA --out POOLS

No piece is in both pools, and none is a piece of (n)ASAP, whose pairs the map learns from: fingerprints and the
alignment of `finetune match` hold them apart. Pitches of scores are exchanged by a secret permutation. Otherwise a
histogram of pitches would find the score of a performance, and a map would show nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.corpora import Piece, open_corpus
from data.fingerprint import note_fingerprint
from data.splits.small import dealing_hash
from data.toolkit.command import guarded
from data.toolkit.safewrite import write
from finetune.mapping.command import fifths_of, key_of
from symbolic.documents import as_json
from symbolic.errors import CounterpointError
from symbolic.mapping.matching import aligned_share, sounds_of
from symbolic.music.notes import Music

SCORES = ("openscore_lieder", "openscore_quartets")
PERFORMANCES = ("giantmidi_sample", "pianist8")
KEYS = "keys.json"
"""Sharps of the key signature of some pieces of the score pool, by name, as the bundled `key` finds them."""
_SECRET = 20261130
_PITCHES = 128
_SAME = 0.5
"""Alignment from which a match is called sure (docs/map.md)."""
_NEAREST = 5
"""Scores of (n)ASAP, by statistics of pitches, with which a performance is aligned."""


def opaque(music: Music) -> Music:
    """Return the music with its pitches exchanged by the secret permutation."""
    secret = np.random.default_rng(_SECRET).permutation(_PITCHES).astype(np.uint8)
    notes = music.notes.copy()
    notes["pitch"] = secret[notes["pitch"]]
    return music.with_notes(notes)


def main(argv: Sequence[str]) -> None:
    """Write both pools and print what they hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", help="folder of data sets (default: $COUNTERPOINT_DATA)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pools")
    parser.add_argument("--pieces", type=int, default=1000, help="most pieces of a corpus")
    parser.add_argument("--keys", type=int, default=250, help="scores whose key is found")
    options = parser.parse_args(argv)
    _write_pools(options.root, options.out, options.pieces, options.keys)


def _write_pools(root: str | None, out: Path, most: int, keyed: int) -> None:
    corpus = open_corpus("asap_scores", root)
    taken = [corpus.read(one) for one in tqdm(corpus.pieces(), "(n)ASAP", leave=False, disable=None)]
    marks, sounds = {note_fingerprint(one) for one in taken}, [sounds_of(one) for one in taken]
    keys: dict[str, int] = {}
    for side, names in (("score", SCORES), ("performance", PERFORMANCES)):
        (out / side).mkdir(parents=True, exist_ok=True)
        count = notes = 0
        for name, music in _music(root, names, most):
            mark = note_fingerprint(music)
            if side == "performance":
                own = sounds_of(music)
                near = np.argsort([-(one.statistics @ own.statistics) for one in sounds])[:_NEAREST]
                if max(aligned_share(own, sounds[one]) for one in near) >= _SAME:
                    continue
            if mark in marks:
                continue
            marks.add(mark)
            (opaque(music) if side == "score" else music).write(out / side / f"{name}.mid")
            if side == "score" and len(keys) < keyed and count % 2 == 0:
                keys[name] = fifths_of(key_of(music))
            count, notes = count + 1, notes + len(music)
        print(f"{side}: {count:,} pieces, {notes:,} notes")  # noqa: T201
    write(out / KEYS, as_json(keys))


def _music(root: str | None, names: tuple[str, ...], most: int) -> Iterator[tuple[str, Music]]:
    """Yield pieces of corpora in an order that does not depend on their names."""
    for name in names:
        corpus = open_corpus(name, root)
        pieces = sorted(corpus.pieces(), key=lambda piece: dealing_hash(piece.key))
        count = 0
        for piece in tqdm(pieces, name, leave=False, disable=None):
            if count == most or not _serves(piece):
                continue
            try:
                music = corpus.read(piece)
            except CounterpointError:
                continue
            if len(music) and not music.drums.any():
                count += 1
                yield f"{name}-{count:04}", music


def _serves(piece: Piece) -> bool:
    """Return whether a piece is no sequenced version of a performance."""
    return not piece.key.startswith("ground_truth/")


if __name__ == "__main__":
    sys.exit(guarded(main))
