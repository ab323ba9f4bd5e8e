import hashlib
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from made import CACHE, DATA

import data.splits
from data.corpora import CORPORA
from data.corpora.archives import CACHE_VARIABLE
from data.corpora.nottingham import DANCES, dance_of
from data.shards import PieceRecord
from data.splits import (
    FOLDS,
    Entry,
    Member,
    connected,
    hashed_split,
    load_table,
    resolve,
    save_table,
    side_in_fold,
)
from data.splits.__main__ import TABLES, settled
from data.splits.dealing import dealt, folded, grouped, plain_title
from data.splits.folds import FOLD_TABLES, dealt_folds, sides_of
from symbolic.errors import CorpusError, LeakError

EVEN = {"train": 0.8, "valid": 0.1, "test": 0.1}


def member(key, split=None, group="", fingerprint=None):
    alone = int.from_bytes(key.encode(), "big")
    return Member(key, split, group, alone if fingerprint is None else fingerprint)


def splits(*members):
    return [verdict.split for verdict in resolve(members, EVEN)]


@pytest.mark.parametrize("name", TABLES)
def test_committed_tables_keep_songs_and_copies_on_one_side(name):
    sides = defaultdict(set)
    for entry in load_table(name).values():
        if entry.split != "excluded":
            sides[entry.group].add(entry.split)
            sides[entry.fingerprint].add(entry.split)
        if entry.fold is not None:
            sides["fold", entry.group].add(entry.fold)
        assert bool(entry.reason) == (entry.split == "excluded"), entry
    assert {mark: found for mark, found in sides.items() if len(found) > 1} == {}
    assert (Path(data.splits.__file__).parent / f"{name}.csv").stat().st_size < 200_000


SIDES = {
    "asap": "bb96dec60fcd66f0",
    "asap_composer_folds": "23cffb494a83f76c",
    "emopia": "e12bb8e663480b31",
    "giantmidi_sample": "d9d6462d82381e8c",
    "groove": "72438c04379fa901",
    "lieder_composer_folds": "7ef9ebd3ee6806c4",
    "metre_folds": "dfb33c15e5f7a479",
    "nottingham": "19fe5b455d0c1554",
    "openewld": "8c8717ca4c9bb5bb",
    "openscore_lieder": "7459fb37e3431b4e",
    "pianist8": "52e6b2056e8952a3",
    "pop909": "795762ce74a88d4e",
}
"""Hash of piece, group, side, reason and fold of every entry. Fingerprints may change with the readers."""


@pytest.mark.parametrize("name", TABLES)
def test_every_piece_keeps_its_side_when_readers_change(name):
    rows = sorted("\t".join(map(str, entry._replace(fingerprint=0))) for entry in load_table(name).values())
    assert hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16] == SIDES[name]


def test_pop909_has_the_published_split_without_a_copy():
    table = load_table("pop909")
    assert Counter(entry.split for entry in table.values()) == {
        "train": 692,
        "valid": 86,
        "test": 86,
        "excluded": 45,
    }
    assert table["018"].split == "test"
    assert table["017"].split == "excluded"
    assert table["017"].group == table["018"].group
    assert table["017"].reason == "the same song as 018, which is in test"


def test_nottingham_deals_every_dance_alike():
    table = load_table("nottingham")
    assert len(table) == 1034
    for dance in DANCES.values():
        counts = Counter(entry.split for entry in table.values() if dance_of(entry.piece) == dance)
        for side in ("valid", "test"):
            assert 0.08 <= counts[side] / counts.total() <= 0.13, (dance, counts)
    versions = [f"morris{i}" for i in (11, 12, 13)] + ["hpps11"]
    assert len({table[piece].group for piece in versions}) == 1, "four versions of Cuckoo's Nest"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ("openewld", *FOLD_TABLES) else name
        for name in TABLES
    ],
)
def test_the_maker_makes_the_committed_tables(name, monkeypatch):
    corpus = FOLD_TABLES[name].corpus if name in FOLD_TABLES else name
    if not (DATA / name).is_dir() and not (corpus in CORPORA and CORPORA[corpus].presence(DATA)):
        pytest.skip(f"no '{name}' in {DATA.name}; set COUNTERPOINT_DATA")
    monkeypatch.setenv(CACHE_VARIABLE, str(CACHE))
    made = {entry.piece: entry for entry in TABLES[name](DATA)}
    assert made == load_table(name), f"{name} has drifted"


def test_published_splits_stay_as_published_but_for_leaks():
    counts = {
        name: Counter(e.split for e in load_table(name).values()) for name in ("pianist8", "emopia", "groove")
    }
    assert counts == {
        "pianist8": {"train": 336, "valid": 37, "test": 37, "excluded": 1},
        "emopia": {"train": 871, "valid": 114, "test": 88, "excluded": 5},
        "groove": {"train": 896, "valid": 124, "test": 129, "excluded": 1},
    }
    left_out = load_table("pianist8")["Yiruma_Unknown_5"]
    assert left_out.reason == "the same song as Yiruma_Dream_a_Little_Dream_of_Me, which is in test"


def test_a_song_on_two_published_sides_leaves_the_laxer_one():
    sides = {"a": "train", "b": "test", "c": "train", "d": "valid"}
    prints = {"a": 1, "b": 2, "c": 3, "d": 3}
    entries = {e.piece: e for e in settled(prints, sides, {"a": "song", "b": "song"})}
    assert {key: entry.split for key, entry in entries.items()} == {
        "a": "excluded",
        "b": "test",
        "c": "excluded",
        "d": "valid",
    }
    assert entries["a"].reason == "the same song as b, which is in test"
    assert entries["c"].reason == "same music as d, which is in valid"


def test_groups_join_songs_copies_and_known_pairs():
    prints = {"a": 1, "b": 1, "c": 2, "d": 3, "e": 4}
    assert grouped(prints, {"c": "x", "d": "x"}, [("d", "e")]) == {
        "a": "a",
        "b": "a",
        "c": "c",
        "d": "c",
        "e": "c",
    }
    assert plain_title("The Cuckoo's Nest (slow)") == plain_title("cuckoos nest") == "cuckoos nest"


def test_groups_are_dealt_alike_in_every_stratum():
    strata = {f"{kind}{i}": kind for kind in "ab" for i in range(50)}
    sides = dealt(strata, dict.fromkeys(strata, 2))
    for kind in "ab":
        counts = Counter(side for group, side in sides.items() if strata[group] == kind)
        assert counts == {"train": 40, "valid": 5, "test": 5}
    assert sides == dealt(strata, dict.fromkeys(strata, 2)), "the seed is fixed"


def test_folds_share_every_class_evenly_and_keep_groups():
    classes = {f"g{i}": {"x": 1 + i % 3, "y": i % 2} for i in range(60)}
    folds = folded(classes)
    for label in "xy":
        counts = Counter()
        for group, fold in folds.items():
            counts[fold] += classes[group][label]
        assert max(counts.values()) - min(counts.values()) <= 2, counts
    assert set(folds.values()) == set(range(FOLDS))


def test_a_fold_is_tested_the_next_validates_the_rest_train():
    entries = [Entry(str(fold), "g", "train", 0, "", fold) for fold in range(FOLDS)]
    assert [side_in_fold(entry, 4) for entry in entries] == ["valid", "train", "train", "train", "test"]
    assert side_in_fold(Entry("a", "g", "train", 0, ""), 0) == "excluded"


def piece(number, label="a", group="", **changes):
    values = {"group": group or f"p{number}", "labels": {"kind": label}, "fingerprint": number, "tokens": 9}
    return PieceRecord(
        **{"key": f"p{number}", "file": f"{number}.mid", "split": "train", **values, **changes}
    )


def test_a_table_of_folds_holds_whole_groups_of_asked_pieces(tmp_path):
    pieces = [piece(n, "ab"[n % 2], f"song{n // 2}") for n in range(40)]
    others = [piece(90, "c"), piece(91, labels={}), piece(92, tokens=0)]
    entries = dealt_folds([*pieces, *others], "kind", ("a", "b"))
    assert [entry.piece for entry in entries] == [piece.key for piece in pieces]
    save_table("mine", entries, tmp_path)
    tested = []
    for fold in range(FOLDS):
        sides = sides_of([*pieces, *others], "mine", fold, tmp_path)
        assert set(sides[40:]) == {"excluded"}
        assert (sides[0:40:2] == sides[1:40:2]).all()
        assert (sides[:40] == "valid").sum() == (sides[:40] == "test").sum() == 8
        tested += [number for number in range(40) if sides[number] == "test"]
    assert sorted(tested) == list(range(40))


def test_a_table_of_folds_fits_its_own_pieces_and_groups_alone(tmp_path):
    pieces = [piece(number) for number in range(20)]
    save_table("mine", dealt_folds(pieces, "kind", ("a",)), tmp_path)
    with pytest.raises(LeakError, match="p3 holds other notes"):
        sides_of([*pieces[:3], piece(3, fingerprint=77)], "mine", 0, tmp_path)
    with pytest.raises(LeakError, match="--near_duplicates"):
        sides_of([piece(number, group="one") for number in range(20)], "mine", 0, tmp_path)


def test_a_table_survives_writing_and_a_damaged_one_is_named(tmp_path):
    entries = [Entry("b", "g", "test", -5, ""), Entry("a", "g", "excluded", 7, "a copy, of b")]
    save_table("mine", entries, tmp_path)
    assert list(load_table("mine", tmp_path).values()) == sorted(entries)
    assert "fold" not in (tmp_path / "mine.csv").read_text()
    entries = [entry._replace(fold=i) for i, entry in enumerate(entries)]
    save_table("mine", entries, tmp_path)
    assert list(load_table("mine", tmp_path).values()) == sorted(entries)
    (tmp_path / "bad.csv").write_text("piece,split\na,test\n")
    (tmp_path / "worse.csv").write_text("piece,group,split,fingerprint,reason\na,g,test,x,\n")
    for name in ("bad", "worse", "absent"):
        with pytest.raises(CorpusError, match=rf"{name}\.csv: not a split table"):
            load_table(name, tmp_path)


def test_hashed_splits_are_spread_and_stable():
    counts = Counter(hashed_split(number, EVEN) for number in range(4000))
    assert counts["train"] == pytest.approx(3200, abs=100)
    assert counts["test"] == pytest.approx(400, abs=60)
    assert [hashed_split(x, EVEN) for x in ("song", 1, "1", -(2**63))] == ["train", "valid", "train", "train"]
    assert hashed_split(1, {"train": 1.0 - 1e-12}) == "train"


def test_copies_and_groups_stay_together():
    # a and b are copies, b and c one song, c and d copies: all four are one.
    chain = [
        member("a", fingerprint=1),
        member("b", group="song", fingerprint=1),
        member("c", group="song", fingerprint=2),
        member("d", fingerprint=2),
    ]
    verdicts = resolve([*chain, member("alone")], EVEN)
    assert len({(v.split, v.group) for v in verdicts[:4]}) == 1
    assert verdicts[0].group == "song"
    assert verdicts[4].group == "alone"
    assert connected([("", 1), ("g", 2), ("", 1), ("g", 3), ("", 3)]) == [0, 1, 0, 1, 1]


def test_a_split_by_hash_does_not_depend_on_other_pieces():
    first = [member(f"p{i}", fingerprint=i) for i in range(50)]
    assert splits(*first)[10:] == splits(*first[10:])


def test_given_sides_win_and_pieces_without_one_join_them():
    assert splits(member("a", "test", "g"), member("b", None, "g"), member("c", "test", "g")) == ["test"] * 3


def test_copies_on_two_given_sides_leave_the_laxer_one():
    verdicts = resolve(
        [
            member("a", "train", fingerprint=1),
            member("b", "test", fingerprint=1),
            member("c", "valid", fingerprint=1),
            member("d", "train", fingerprint=2),
        ],
        EVEN,
    )
    assert [v.split for v in verdicts] == ["excluded", "test", "excluded", "train"]
    assert verdicts[0].reason == "same music as b, which is in test"
    assert verdicts[0].group == verdicts[1].group


def test_excluded_pieces_pull_nobody():
    assert splits(member("a", "excluded", "g"), member("b", "test", "g")) == ["excluded", "test"]


def test_a_group_given_two_sides_is_refused_by_name():
    with pytest.raises(LeakError, match=r"1 groups .* 'song' \(train and test\)"):
        splits(member("a", "train", "song"), member("b", "test", "song"))
