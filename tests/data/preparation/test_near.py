import json
from dataclasses import replace

import numpy as np
import pytest
from made import CACHE, DATA, contents, needs, write_tunes
from prepared import ledger, run

from data.corpora import open_corpus
from data.corpora.archives import CACHE_VARIABLE
from data.corpora.folder import FolderCorpus
from data.preparation import near
from data.preparation.near import SIZE, THRESHOLD, first_resembled, near_pairs, sketch
from data.splits import Member, resolve
from symbolic.errors import ConfigError
from symbolic.music.files import read_music
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array


def song(seed, notes=240, track=0):
    """A random melody with a lower voice under it."""
    random = np.random.default_rng(seed)
    onset = np.cumsum(random.choice([120, 240, 480], notes))
    melody = note_array(onset, 120, random.integers(55, 90, notes), 80, 0, track)
    bass = note_array(onset[::4], 480, random.integers(30, 50, len(onset[::4])), 60, 0, track)
    return Music(np.concatenate([melody, bass]), 480, tracks=("song",) * (track + 1))


def changed(music, **columns):
    notes = music.notes.copy()
    for name, values in columns.items():
        notes[name] = values
    return music.with_notes(notes)


def alike(one, two):
    """Return the largest resemblance of their tracks by their sketches."""
    pairs = [(a == b).mean() for a in sketch(one) for b in sketch(two)]
    return max(pairs, default=0.0)


def test_transposition_velocity_and_tempo_keep_the_sketch():
    music = song(1)
    onset, pitch = music.notes["onset"], music.notes["pitch"]
    drums = note_array(np.arange(99) * 300, 10, 38, 100, DRUM_PROGRAM, 1)
    variants = {
        "velocity": changed(music, velocity=1),
        "duration": changed(music, duration=7),
        "tempo": replace(music, tempos=np.array([[0.0, 60.0]])),
        "twice as slow": changed(music, onset=onset * 2),
        "resolution": replace(changed(music, onset=onset * 2), resolution=960),
        "transposed": changed(music, pitch=pitch + 7),
        "program": changed(music, program=40),
        "order": music.with_notes(music.notes[::-1].copy()),
        "drums": music.with_notes(np.concatenate([music.notes, drums])),
        "no bass": music.with_notes(music.notes[pitch >= 55]),
    }
    assert {name: alike(music, variant) for name, variant in variants.items()} == dict.fromkeys(variants, 1)


def test_added_tracks_do_not_hide_the_song():
    music, others = song(1), [song(seed, track=seed).notes for seed in range(2, 9)]
    full = Music(np.concatenate([music.notes, *others]), 480)
    assert alike(music, full) == 1
    assert len(sketch(full)) == 8
    assert len(sketch(Music(np.concatenate([full.notes, song(20, 500, 20).notes]), 480))) == 8


def test_some_other_notes_leave_it_near_and_another_song_is_far():
    music = song(1)
    notes = music.notes.copy()
    notes["pitch"][:240:24] += 1
    assert THRESHOLD + 0.05 < alike(music, music.with_notes(notes)) < 0.9
    assert max(alike(music, song(seed)) for seed in range(2, 30)) < 0.05


def test_the_sketch_estimates_the_jaccard_index():
    random = np.random.default_rng(0)
    errors = []
    for seed in range(30):
        shared = random.uniform(0.2, 0.9)
        music = song(seed, 600)
        cut = int(shared * 600)
        other = song(seed + 100, 600)
        pitch = np.concatenate([music.notes["pitch"][:cut], other.notes["pitch"][cut:]])
        pitch[600:] = 20  # a bass that is never on top
        mixed = changed(music, pitch=pitch)
        errors.append(alike(music, mixed) - cut / (1200 - cut))
    assert np.abs(np.mean(errors)) < 0.02
    assert np.abs(errors).max() < 0.15


@pytest.mark.parametrize("notes", [0, 1, 7, 8, 40])
def test_pieces_with_little_to_say_have_no_sketch(notes):
    assert sketch(song(1, notes)).shape == (0, SIZE)
    assert sketch(Music(note_array(np.arange(400) * 240, 9, 36, 99, DRUM_PROGRAM), 480)).shape == (0, SIZE)
    assert sketch(Music(note_array(np.arange(400) * 240, 9, 36), 480)).shape == (0, SIZE), "a drone"


def test_sketches_are_pinned():
    # Shards hold them: other numbers need another format.
    assert sketch(song(1))[0, :4].tolist() == [22638420, 22638420, 49545952, 80663484]


def test_pairs_are_found_at_any_place_and_never_within_a_piece():
    sketches = [sketch(song(seed)) for seed in range(40)]
    parts = [*sketches, sketches[3], np.concatenate([sketches[7]] * 3), np.empty((0, SIZE), np.uint32)]
    owners = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    pairs = near_pairs(parts, owners, THRESHOLD)
    assert pairs.tolist() == [(3, 40, 1.0), (7, 41, 1.0)]
    assert np.array_equal(near_pairs([np.concatenate(parts)], owners, THRESHOLD), pairs)
    assert len(near_pairs([], np.empty(0, np.int64), THRESHOLD)) == 0


def test_a_thousand_copies_are_one_group_without_a_million_pairs():
    one = sketch(song(1))
    parts = [np.repeat(one, 1000, axis=0)]
    pairs = near_pairs(parts, np.arange(1000), THRESHOLD)
    assert 999 <= len(pairs) < 2000
    members = [Member(str(i), None, "", i) for i in range(1000)]
    verdicts = resolve(members, {"train": 0.5, "test": 0.5}, [pair.item()[:2] for pair in pairs])
    assert len({verdict.split for verdict in verdicts}) == 1


def relatives(seed, families=12, pieces=90):
    """Sketches of pieces of one or two tracks, in families that resemble one another more or less, in three arrays."""
    random = np.random.default_rng(seed)
    ancestors = random.integers(0, 2**32, (families, SIZE), dtype=np.uint32)
    tracks = random.integers(0, 3, pieces)
    sketches = ancestors[random.integers(families, size=tracks.sum())]
    changed = random.random(sketches.shape) < random.uniform(0, 0.9, (len(sketches), 1))
    sketches[changed] = random.integers(0, 2**32, changed.sum(), dtype=np.uint32)
    return np.split(sketches, [40, 55]), np.repeat(np.arange(pieces), tracks)


def resemblances(parts, owners):
    """The highest resemblance of tracks that share a band, of all pairs of pieces, one by one."""
    sketches, found = np.concatenate(parts), {}
    for i, j in zip(*np.triu_indices(len(sketches), 1), strict=True):
        equal = sketches[i] == sketches[j]
        if owners[i] != owners[j] and equal.reshape(-1, 3).all(axis=1).any():
            pair = int(owners[i]), int(owners[j])
            found[pair] = max(found.get(pair, 0.0), equal.mean())
    return {pair: value for pair, value in found.items() if value >= THRESHOLD}


@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_those_of_a_walk_through_the_bands(seed):
    parts, owners = relatives(seed)
    sketches, expected = np.concatenate(parts), {}
    for band in range(0, SIZE, 3):
        first, before = {}, {}
        for two, key in enumerate(map(tuple, sketches[:, band : band + 3].tolist())):
            for one in {first.setdefault(key, two), before.get(key, two)}:
                pair, value = (owners[one], owners[two]), (sketches[one] == sketches[two]).mean()
                if pair[0] != pair[1] and value >= THRESHOLD:
                    expected[pair] = max(expected.get(pair, 0), value)
            before[key] = two
    assert len(expected) > 50
    assert near_pairs(parts, owners, THRESHOLD).tolist() == [
        (*pair, expected[pair]) for pair in sorted(expected)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_the_first_of_a_higher_rank_is_that_of_all_pairs(seed):
    parts, owners = relatives(seed)
    ranks = np.random.default_rng(seed).integers(0, 3, 90)
    expected = {}
    for (one, two), resemblance in sorted(resemblances(parts, owners).items()):
        for mine, other in ((one, two), (two, one)):
            if ranks[other] > ranks[mine]:
                expected.setdefault(mine, (other, resemblance))
    first, resemblance = first_resembled(parts, owners, THRESHOLD, ranks)
    assert len(expected) > 20
    assert {i: (first[i], resemblance[i]) for i in np.flatnonzero(first < 90)} == expected


def test_copies_on_two_sides_are_compared_once_each(monkeypatch):
    parts, ranks = [np.repeat(sketch(song(1)), 4000, axis=0)], np.arange(4000) % 2
    compared, agreements = [], near.Rows.agreements
    monkeypatch.setattr(
        near.Rows,
        "agreements",
        lambda self, one, two: compared.append(len(one)) or agreements(self, one, two),
    )
    first, resemblance = first_resembled(parts, np.arange(4000), THRESHOLD, ranks)
    assert (first[::2] == 1).all()
    assert (resemblance[::2] == 1).all()
    assert sum(compared) == 4000  # 2,000 to find the first, 2,000 to compare all of their tracks


# Splits


def member(key, split=None, group=""):
    return Member(key, split, group, int.from_bytes(key.encode(), "big"))


EVEN = {"train": 0.5, "test": 0.5}


def test_near_duplicates_are_joined_before_the_splits_are_dealt():
    members = [member(f"p{i}") for i in range(60)]
    near = [(i, i + 30) for i in range(30)]
    verdicts = resolve(members, EVEN, near)
    assert all(verdicts[a].split == verdicts[b].split for a, b in near)
    assert {v.split for v in verdicts} == {"train", "test"}
    assert any(a.split != b.split for a, b in zip(resolve(members, EVEN), verdicts, strict=True))
    turned = resolve(members[::-1], EVEN, [(59 - a, 59 - b) for a, b in near])
    assert [v.split for v in turned[::-1]] == [v.split for v in verdicts], "whatever the order"


def test_the_near_copy_on_the_less_strict_side_is_left_out():
    verdicts = resolve(
        [member("a", "train"), member("b", "test"), member("c"), member("d", "train")], EVEN, [(0, 1), (1, 2)]
    )
    assert [verdict.split for verdict in verdicts] == ["excluded", "test", "test", "train"]
    assert verdicts[0].reason == "near-duplicate of b, which is in test"


# Preparation


@pytest.fixture
def music(tmp_path):
    """Write tunes and twenty songs. Each song has a near-duplicate with other velocities and a wrong note."""
    folder = write_tunes(tmp_path / "music", 5)
    for seed in range(20):
        notes = song(seed).notes.copy()
        write_midi(song(seed), folder / f"a{seed}.mid")
        notes["velocity"] = 40
        notes["pitch"][100] += 1
        write_midi(song(seed).with_notes(notes), folder / f"b{seed}.mid")
    return folder


def test_near_duplicates_are_reported_and_kept_on_one_side(music, tmp_path):
    out = tmp_path / "out"
    shards = run(FolderCorpus(music), out)
    side = {piece.key: (piece.split, piece.group) for piece in shards.pieces}
    assert all(side[f"a{i}.mid"] == side[f"b{i}.mid"] for i in range(20))
    lines = [json.loads(line) for line in (out / "near_duplicates.jsonl").read_text().splitlines()]
    assert sorted(line["pieces"] for line in lines) == sorted([f"a{i}.mid", f"b{i}.mid"] for i in range(20))
    assert all(0.8 < line["resemblance"] < 1 and len(set(line["splits"])) == 1 for line in lines)
    totals = shards.manifest["totals"]
    assert (totals["near_duplicates"], totals["largest_group"]) == (20, 2)


def test_a_near_copy_of_a_test_piece_is_taken_out_of_training(music, tmp_path):
    (music / "labels.csv").write_text("file,split\na3.mid,train\nb3.mid,test\n")
    run(FolderCorpus(music), tmp_path / "out")
    line = ledger(tmp_path / "out")["a3.mid"]
    assert (line["split"], line["reason"]) == ("excluded", "near-duplicate of b3.mid, which is in test")


def test_switched_off_nothing_is_looked_for(music, tmp_path):
    shards = run(FolderCorpus(music), tmp_path / "out", near_duplicates=None)
    assert not list(shards.path.glob("*.sketch.npy"))
    assert (shards.path / "near_duplicates.jsonl").read_text() == ""
    assert len({piece.group for piece in shards.pieces}) == 45
    with pytest.raises(ConfigError, match=r"near_duplicates is 1\.5; it must be above 0 and at most 1"):
        run(FolderCorpus(music), tmp_path / "other", near_duplicates=1.5)


def test_the_bytes_do_not_depend_on_the_number_of_processes(music, tmp_path):
    run(FolderCorpus(music), tmp_path / "here")
    run(FolderCorpus(music), tmp_path / "there", jobs=2)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


@needs("pop909")
def test_the_known_pair_of_pop909_is_found(monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(CACHE))
    corpus = open_corpus("pop909", DATA)
    songs = [read_music(corpus.folder / f"{key}/{key}.mid") for key in ("017", "018", "019", "020")]
    assert alike(songs[0], songs[1]) > 0.9
    assert max(alike(songs[0], other) for other in songs[2:]) < 0.1
