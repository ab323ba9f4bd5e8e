"""Make the committed split tables: `python -m data.splits ROOT [NAME ...]`, where ROOT holds the corpora.

Published splits are used without the copies of test pieces. Where there is none, a fixed seed deals groups of pieces.
Tables of folds prepare their corpora to find near-duplicates.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from data.corpora import open_corpus
from data.corpora.asap import AsapScoresCorpus
from data.corpora.emopia import EmopiaCorpus, song_of
from data.corpora.giantmidi import GiantMidiCorpus
from data.corpora.groove import GrooveCorpus
from data.corpora.nottingham import NottinghamCorpus, dance_of
from data.corpora.openewld import OpenEwldCorpus
from data.corpora.openscore import LiederCorpus, composer_of
from data.corpora.pianist8 import Pianist8Corpus
from data.corpora.pop909 import Pop909Corpus
from data.fingerprint import note_fingerprint
from data.preparation.settings import PrepareSettings
from data.splits import EXCLUDED, SPLITS, Entry, Member, resolve, save_table
from data.splits.dealing import dealt, folded, grouped, plain_title
from data.splits.folds import FOLD_TABLES, dealt_folds
from data.splits.works import works_of
from symbolic.music.files import read_music
from symbolic.tokens.tokenizer import Tokenizer

POP909_SAME = {"017": "018"}
"""POP909 holds one song twice with equal MELODY tracks, on two sides of the published split."""
PIANIST8_SAME = [
    ("Yiruma_The_Day_That'll_Never_Come", "Yiruma_Unknown_4"),
    ("Yiruma_Dream_a_Little_Dream_of_Me", "Yiruma_Unknown_5"),
    *(
        ("Hisaishi_Umi_no_Mieru_Machi", f"Hisaishi_{song}")  # a medley of these
        for song in (
            "Kaze_no_Tani_no_Naushika",
            "Kaze_no_Toori_Michi",
            "Toki_ni_wa_Mukashi_no_Hanashi_wo",
            "Tonari_no_Totoro",
            "Yasashisa_ni_Tsutsumareta_nara",
        )
    ),
]
"""Performances that share 5 % or more of their runs of nine notes."""
EMOPIA_SAME = [
    ("Q4_Ie5koh4qvJc_28", "Q4_jO2zX6Ul8GM_2"),
    ("Q4_Ie5koh4qvJc_16", "Q4_FoTXpYZXxJs_0"),
    ("Q1_TNoaOTrTkTQ_1", "Q1_bIx4DwkZxFY_1"),
]
"""Clips of one song in different videos. They share more than 10 % of their runs of nine notes."""
LIEDER_SAME = [
    ("lc5067312", "lc5002052"),
    ("lc6654137", "lc6652350"),
    ("lc6210838", "lc6221731"),
    ("lc6649053", "lc6646781"),
    ("lc6158825", "lc6159296"),
]
"""Songs in two collections or in two forms."""


def prints_of(folder: Path, files: Mapping[str, str]) -> dict[str, int]:
    """Compute the note fingerprint of each piece."""
    return {key: note_fingerprint(read_music(folder / file)) for key, file in files.items()}


def settled(prints: Mapping[str, int], sides: Mapping[str, str], groups: Mapping[str, str]) -> list[Entry]:
    """Make entries with given sides without pieces whose song or copy is on a stricter side.

    Args:
        prints: Note fingerprint of each piece.
        sides: Published side of each piece.
        groups: Song of each piece that has one.
    """
    strictest: dict[str, str] = {}
    for key, group in groups.items():
        strictest[group] = max(strictest.get(group, key), key, key=lambda piece: SPLITS.index(sides[piece]))
    members = []
    for key, fingerprint in prints.items():
        group = groups.get(key, "")
        other = strictest.get(group, key)
        torn = sides[other] != sides[key]
        reason = f"the same song as {other}, which is in {sides[other]}" if torn else ""
        members.append(Member(key, EXCLUDED if torn else sides[key], group, fingerprint, reason))
    return [
        Entry(member.key, verdict.group, verdict.split, member.fingerprint, verdict.reason)
        for member, verdict in zip(members, resolve(members, {}), strict=True)
    ]


def dealt_table(
    prints: Mapping[str, int], groups: Mapping[str, str], strata: Mapping[str, str]
) -> list[Entry]:
    """Deal the groups of each stratum 80/10/10. The stratum of a group is that of its first piece."""
    sides = dealt({g: strata[g] for g in groups.values()}, Counter(groups.values()))
    return [Entry(key, groups[key], sides[groups[key]], prints[key], "") for key in prints]


def with_folds(entries: list[Entry], classes: Mapping[str, str]) -> list[Entry]:
    """Add folds of whole groups to entries with each class spread evenly."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in entries:
        counts[entry.group][classes[entry.piece]] += 1
    folds = folded(counts)
    return [entry._replace(fold=folds[entry.group]) for entry in entries]


def pop909_table(root: Path) -> list[Entry]:
    """Make MIDI-BERT's split (Chou et al., 2021, arXiv 2107.05223) without a copy and songs not in 4/4."""
    corpus = Pop909Corpus(root)
    published = json.loads((root / "pop909/splits/midibert_split.json").read_text(encoding="utf-8"))
    side = {song: split for split, songs in published.items() for song in songs}
    entries = []
    for key, fingerprint in prints_of(corpus.folder, corpus.files()).items():
        split, reason = side.get(key, EXCLUDED), ""
        if key in POP909_SAME:
            other = POP909_SAME[key]
            split, reason = EXCLUDED, f"the same song as {other}, which is in {side[other]}"
        elif split == EXCLUDED:
            reason = "not in 4/4"
        entries.append(Entry(key, POP909_SAME.get(key, key), split, fingerprint, reason))
    return entries


def pianist8_table(root: Path) -> list[Entry]:
    """Make MIDI-BERT's split without a test song under another name, and folds with equal parts of composers."""
    corpus = Pianist8Corpus(root)
    sides = {}
    for side in SPLITS:
        listed = json.loads((root / f"pianist8/splits/midibert_{side}.json").read_text(encoding="utf-8"))
        sides.update({Path(file).stem: side for file in listed})
    files = corpus.files()
    prints = prints_of(corpus.folder, files)
    composers = {key: file.partition("/")[0] for key, file in files.items()}
    groups = grouped(prints, {}, PIANIST8_SAME)
    return with_folds(settled(prints, sides, groups), composers)


def emopia_table(root: Path) -> list[Entry]:
    """Make folds and the authors' split by song (Hung et al., 2021) without five clips of validation songs."""
    corpus = EmopiaCorpus(root)
    sides = {}
    for side, name in (("train", "train"), ("valid", "val"), ("test", "test")):
        with (corpus.folder / f"split/{name}_clip.csv").open(encoding="utf-8", newline="") as file:
            sides.update({Path(row["clip_name"]).stem: side for row in csv.DictReader(file)})
    prints = prints_of(corpus.folder, corpus.files())
    groups = grouped(prints, {key: song_of(key) for key in prints}, EMOPIA_SAME)
    songs = {key: song_of(group) for key, group in groups.items()}
    return with_folds(settled(prints, sides, songs), {key: key[:2] for key in prints})


def asap_table(root: Path) -> list[Entry]:
    """Make the suggested split by piece, for scores and performances, without a piece on two sides.

    Schumann's Toccata is in training without its repeat and in test with it.
    """
    corpus = AsapScoresCorpus(root)
    sides, pieces = {}, {}
    with (root / "asap/labels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for column in ("performance_midi", "score_midi"):
                key = row[column].removeprefix("asap_midi/").removesuffix(".mid")
                sides[key] = row["suggested_piece_disjoint_split"]
                pieces[key] = f"{row['composer']}/{row['title'].removesuffix('_repeat')}"
    return settled(prints_of(corpus.folder, corpus.files()), sides, pieces)


def groove_table(root: Path) -> list[Entry]:
    """Make the official split (Gillick et al., 2019) without copies."""
    corpus = GrooveCorpus(root)
    with (root / "groove/info.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sides = {row["id"]: row["split"].replace("validation", "valid") for row in rows}
    return settled(prints_of(corpus.folder, corpus.files()), sides, {})


def nottingham_table(root: Path) -> list[Entry]:
    """Deal tunes dance by dance, those with one title or one melody together."""
    corpus = NottinghamCorpus(root)
    titles = corpus.tune_titles()
    prints, melodies = {}, {}
    for key, file in corpus.files().items():
        music = read_music(corpus.folder / file)
        prints[key] = note_fingerprint(music)
        melodies[key] = note_fingerprint(music.with_notes(music.notes[music.notes["track"] == 0]))
    groups = grouped(melodies, {key: plain_title(titles[key]) for key in prints})
    return dealt_table(prints, groups, {key: dance_of(key) or "" for key in prints})


def lieder_table(root: Path) -> list[Entry]:
    """Deal songs composer by composer. Equal titles of a composer are one song."""
    corpus = LiederCorpus(root)
    files = corpus.files()
    prints = prints_of(corpus.folder, files)
    composers = {key: composer_of(file) for key, file in files.items()}
    titles = {
        key: re.sub(r"^\d+\w?_", "", file.split("/")[2]).replace("_", " ") for key, file in files.items()
    }
    songs = {key: f"{composers[key]}: {plain}" for key in files if (plain := plain_title(titles[key]))}
    return dealt_table(prints, grouped(prints, songs, LIEDER_SAME), composers)


def openewld_table(root: Path) -> list[Entry]:
    """Deal songs genre by genre and those without a genre among themselves."""
    corpus = OpenEwldCorpus(root)
    files, genres = corpus.files(), corpus.genres()
    prints = prints_of(corpus.folder, files)
    groups = grouped(prints, {key: plain_title(key.partition("/")[2].replace("_", " ")) for key in files})
    return dealt_table(prints, groups, {key: genres.get(file, "") for key, file in files.items()})


def giantmidi_table(root: Path) -> list[Entry]:
    """Deal works without strata because there are too few of each composer."""
    corpus = GiantMidiCorpus(root)
    files = corpus.files()
    prints = prints_of(corpus.folder, files)
    works = works_of(corpus.folder, files)
    sides = dealt(dict.fromkeys(works.values(), ""), Counter(works.values()))
    return [Entry(key, works[key], sides[works[key]], prints[key], "") for key in files]


def folds_table(name: str, root: Path) -> list[Entry]:
    """Make folds of the pieces with a label, by songs, copies and near-duplicates of the prepared corpus."""
    asked = FOLD_TABLES[name]
    shards = PrepareSettings().prepare(open_corpus(asked.corpus, root), Tokenizer())
    return dealt_folds(shards.pieces, asked.label, asked.classes)


TABLES: dict[str, Callable[[Path], list[Entry]]] = {
    "pop909": pop909_table,
    "pianist8": pianist8_table,
    "emopia": emopia_table,
    "asap": asap_table,
    "groove": groove_table,
    "nottingham": nottingham_table,
    "openscore_lieder": lieder_table,
    "openewld": openewld_table,
    "giantmidi_sample": giantmidi_table,
    **{name: partial(folds_table, name) for name in FOLD_TABLES},
}
"""Functions that make each table from the folder that holds the corpora."""


def main(root: Path, *names: str) -> None:
    """Write the named tables, or all, next to this file."""
    for name in names or TABLES:
        save_table(name, TABLES[name](root))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
