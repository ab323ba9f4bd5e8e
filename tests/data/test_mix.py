"""Mixes of corpora, and a corpus as one file."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from made import tune, write_tunes
from prepared import run

from data.cli import main
from data.corpora import CORPORA
from data.corpora.archives import CACHE_VARIABLE
from data.corpora.folder import FolderCorpus
from data.mix import Part, mix, permissive_corpora
from data.pack import pack, unpack
from data.preparation.lengths import piece_seconds
from data.preparation.summary import summary
from data.shards import LEDGER
from data.shares import parsed_shares
from symbolic.checkpoint.licence import is_permissive
from symbolic.errors import ConfigError, CorpusError
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import note_array
from symbolic.tokens.tokenizer import Tokenizer

THRESHOLD = 0.4


def corpus(folder, sides, near=THRESHOLD):
    """Prepare a folder of long tunes with these sides, by number."""
    music = folder / "music"
    music.mkdir(parents=True)
    for seed in sides:
        write_midi(tune(seed, notes=240), music / f"t{seed:03d}.mid")
    table = "".join(f"t{seed:03d}.mid,{side}\n" for seed, side in sides.items())
    (music / "labels.csv").write_text("file,split\n" + table)
    return run(FolderCorpus(music), folder / "shards", near_duplicates=near)


def reasons(shards):
    lines = (shards.path / LEDGER).read_text().splitlines()
    return [json.loads(line).get("reason", "") for line in lines]


@pytest.fixture
def pair(tmp_path):
    """Tune 3 is trained on in the first corpus and tested in the second; tune 4 is trained on in both."""
    first = corpus(tmp_path / "a", {1: "train", 2: "valid", 3: "train", 4: "train", 5: "test"})
    second = corpus(tmp_path / "b", {3: "test", 4: "train", 6: "train", 7: "valid"})
    return first, second


def test_what_any_corpus_holds_out_is_trained_on_in_none(pair, tmp_path):
    mixed = mix([Part(shards) for shards in pair], tmp_path / "mix", THRESHOLD)
    assert [(p.split, p.fingerprint) for p in mixed.pieces if p.split == "train"] == [
        ("train", pair[0].pieces[0].fingerprint),
        ("train", pair[0].pieces[3].fingerprint),
        ("train", pair[1].pieces[2].fingerprint),
    ]
    assert [piece.split for piece in mixed.pieces].count("valid") == 2
    found = reasons(mixed)
    assert found[2].startswith("copy of a piece held out: folder/t003")
    assert found[4] == "held out: its corpus has it on side 'test'"
    assert found[6].startswith("copy of a training piece: folder/t004")
    assert len(found) == 9
    assert mixed.manifest["totals"]["kept"] == len(mixed.pieces) == 5


def test_tokens_are_those_of_the_corpora(pair, tmp_path):
    mixed = mix([Part(shards) for shards in pair], tmp_path / "mix", THRESHOLD)
    assert np.array_equal(mixed.tokens(0, 240), pair[0].tokens(0, 240))
    assert np.array_equal(mixed.tokens(len(mixed) - 240, len(mixed)), pair[1].tokens(720, 960))


def test_a_mix_counts_what_each_corpus_gives_to_it(pair, tmp_path):
    mixed = mix([Part(pair[0]), Part(pair[1], guard=True)], tmp_path / "mix", THRESHOLD)
    tunes = mixed.manifest["totals"]["splits"]["train"] + mixed.manifest["totals"]["splits"]["valid"]
    hours = 240 * 0.125 * tunes / 3600  # sixteenths at 120 quarter notes a minute
    source = mixed.manifest["totals"]["sources"]["folder"]
    assert source == {"pieces": tunes, "tokens": 240 * tunes, "hours": pytest.approx(hours, rel=0.03)}
    assert f"together  {tunes:>7,}  {240 * tunes:>10,}" in summary(mixed)


@pytest.mark.parametrize("tempo", [59.0, 120.0, 179.0])
def test_lengths_are_those_of_the_music_but_for_tempo_bins(tmp_path, tempo):
    music = tune(3, notes=64)
    music = replace(music, tempos=np.array([[0.0, tempo], [16 * 120.0, 1.4 * tempo]]))
    (tmp_path / "music").mkdir()
    write_midi(music, tmp_path / "music" / "t.mid")
    shards = run(FolderCorpus(tmp_path / "music"), tmp_path / "shards")
    attention_mask = music.seconds(np.array([64 * 120]))
    assert piece_seconds(shards, [0]) == pytest.approx(attention_mask, rel=0.03)


class TestShares:
    @pytest.fixture
    def parts(self, tmp_path):
        """Ten training pieces of a large corpus and two of a small one, 240 tokens each."""
        found = [corpus(tmp_path / "a", dict.fromkeys(range(1, 11), "train") | {30: "test"})]
        found.append(corpus(tmp_path / "b", {20: "train", 21: "train", 22: "valid", 23: "test"}))
        names = ("large", "small")
        for shards, name in zip(found, names, strict=True):
            shards.manifest["corpus"]["name"] = name
        return [Part(shards) for shards in found]

    def pieces(self, mixed):
        names = [piece.key.partition("/")[0] for piece in mixed.pieces if piece.split == "train"]
        return names.count("large"), names.count("small")

    @pytest.mark.parametrize(("share", "kept"), [(0.5, 2), (0.6, 3), (0.01, 0), (0.9, 10)])
    def test_a_large_corpus_is_cut_to_its_share(self, parts, tmp_path, share, kept):
        mixed = mix(parts, tmp_path / "mix", THRESHOLD, {"large": share})
        assert self.pieces(mixed) == (kept, 2)
        left = [reason for reason in reasons(mixed) if reason.startswith("left out: large has its share")]
        assert len(left) == 10 - kept
        assert mixed.manifest["settings"]["shares"] == {"large": share}

    def test_a_small_corpus_is_used_whole(self, parts, tmp_path):
        assert self.pieces(mix(parts, tmp_path / "mix", THRESHOLD, {"small": 0.5})) == (10, 2)
        with pytest.raises(ConfigError, match="names every corpus"):
            mix(parts, tmp_path / "two", THRESHOLD, {"small": 0.5, "large": 0.4})

    def test_without_shares_all_is_used(self, parts, tmp_path):
        assert self.pieces(mix(parts, tmp_path / "mix", THRESHOLD)) == (10, 2)

    def test_the_share_of_an_unused_corpus_is_refused(self, parts, tmp_path):
        with pytest.raises(ConfigError, match="names other, which the mix does not use"):
            mix(parts, tmp_path / "mix", THRESHOLD, {"other": 0.5})

    @pytest.mark.parametrize("text", ["a", "a=x", "a=0", "a=1", "a=nan", "a=0.5,b=0.5", "a=-1"])
    def test_wrong_shares_are_refused(self, text):
        with pytest.raises(ConfigError, match="--shares"):
            parsed_shares(text)

    def test_shares_are_parsed(self):
        assert parsed_shares("a=0.4, b=.1,") == {"a": 0.4, "b": 0.1}


def test_permissive_corpora_state_free_licences(tmp_path):
    free = [reader for reader in CORPORA.values() if is_permissive(reader.spdx) and not reader.joins]
    assert {reader.name for reader in free} == {
        "pop909", "giantmidi_sample", "openscore_lieder", "openscore_quartets", "polish_scores", "orchestra",
        "openewld", "groove",
    }  # fmt: skip
    assert all(reader.licence.startswith(("MIT", "CC0 1.0", "CC BY 4.0")) for reader in free)
    assert permissive_corpora(tmp_path) == []
    assert main(["mix", "--permissive", "--root", str(tmp_path), "--out", str(tmp_path / "m")]) == 2


def test_of_a_guard_nothing_is_used_and_all_is_held_out(pair, tmp_path):
    mixed = mix([Part(pair[0]), Part(pair[1], guard=True)], tmp_path / "mix", THRESHOLD)
    assert [piece.key for piece in mixed.pieces] == ["folder/t001.mid", "folder/t002.mid"]
    assert sum(reason.startswith("copy of a piece held out") for reason in reasons(mixed)) == 2


def test_near_duplicates_of_what_is_held_out_are_left_out(tmp_path):
    music = tune(1, notes=240)
    ornamented = music.notes.copy()
    ornamented["pitch"][::40] += 1
    first, second = corpus(tmp_path / "a", {1: "test", 2: "train"}), tmp_path / "b"
    second.mkdir()
    write_midi(music.with_notes(ornamented), second / "x.mid")
    (second / "labels.csv").write_text("file,split\nx.mid,train\n")
    other = run(FolderCorpus(second), tmp_path / "shards", near_duplicates=THRESHOLD)
    mixed = mix([Part(first), Part(other)], tmp_path / "mix", THRESHOLD)
    assert [piece.key for piece in mixed.pieces] == ["folder/t002.mid"]
    assert reasons(mixed)[2].startswith("resembles a piece held out: folder/t001")
    blind = mix([Part(first), Part(other)], tmp_path / "blind", 0.0)
    assert len(blind.pieces) == 2


def test_copies_of_held_out_pieces_are_left_out(
    tmp_path,
):
    """Basses differ, so that notes do, and sketches of the tune do not."""
    music = tune(1, notes=240)

    def versions(name, side, basses):
        folder = tmp_path / name
        folder.mkdir()
        for low in basses:
            bass = note_array(np.arange(60) * 480, 400, low, 60, 0, 1)
            write_midi(music.with_notes(np.concatenate([music.notes, bass])), folder / f"{low}.mid")
        write_midi(tune(basses[0], notes=240), folder / "other.mid")
        tokens = "".join(f"{low}.mid,{side}\n" for low in basses)
        (folder / "labels.csv").write_text(f"file,split\n{tokens}other.mid,train\n")
        return Part(run(FolderCorpus(folder), tmp_path / f"{name}-shards", near_duplicates=THRESHOLD))

    parts = [
        versions("a", "train", [30, 31, 32, 33]),
        versions("b", "valid", [34]),
        versions("c", "test", [35]),
    ]
    mixed = mix(parts, tmp_path / "mix", THRESHOLD)
    assert [piece.key for piece in mixed.pieces] == ["folder/other.mid"] * 3
    found = reasons(mixed)
    assert all(found[i].startswith("resembles a piece held out: ") for i in (0, 1, 2, 3, 5))
    assert found[5].startswith("resembles a piece held out: folder/35.mid")


def test_unfit_mixes_and_folders_are_refused(pair, tmp_path):
    with pytest.raises(CorpusError, match="No training piece is left"):
        mix([Part(pair[0], guard=True)], tmp_path / "mix", THRESHOLD)
    with pytest.raises(ConfigError, match="holds files"):
        mix([Part(pair[0])], pair[1].path, THRESHOLD)
    hidden = run(FolderCorpus(write_tunes(tmp_path / "c", 4)), tmp_path / "hidden", hide=("velocity",))
    with pytest.raises(ConfigError, match="hidden fields"):
        mix([Part(pair[0]), Part(hidden)], tmp_path / "mix", THRESHOLD)


def test_near_duplicates_need_sketches(tmp_path):
    plain = corpus(tmp_path / "a", {1: "train", 2: "test"}, near=None)
    with pytest.raises(ConfigError, match="no sketches"):
        mix([Part(plain)], tmp_path / "mix", THRESHOLD)


def test_a_pack_comes_out_as_it_went_in(pair, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    path = pack(pair[0], tmp_path / "one.pack", progress=False)
    found = unpack(path, Tokenizer().fingerprint)
    assert np.array_equal(found.tokens(0, len(found)), pair[0].tokens(0, len(pair[0])))
    assert found.pieces == pair[0].pieces
    assert found.fingerprint == unpack(path).fingerprint  # the second time from the cache
    assert path.stat().st_size < 0.5 * 16 * len(found)


def test_what_is_no_pack_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    other = tmp_path / "x.pack"
    with pytest.raises(CorpusError, match=r"x\.pack cannot be read"):
        unpack(other)
    other.write_bytes(b"PK nonsense")
    with pytest.raises(CorpusError, match=r"x\.pack is no pack"):
        unpack(other)
    with zipfile.ZipFile(other, "w") as file:
        file.writestr("manifest.json", "{}")
    with pytest.raises(CorpusError, match=r"x\.pack is no pack"):
        unpack(other)


def test_a_pack_that_was_damaged_on_the_way_is_refused_by_name(pair, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    content = pack(pair[0], tmp_path / "new" / "one.pack", progress=False).read_bytes()
    told = set()
    directory = content.index(b"PK\1\2")
    for place in (*range(40, directory, directory // 20), *range(directory, len(content), 5)):
        for bit in (1, 128):
            damaged = bytearray(content)
            damaged[place] ^= bit
            (tmp_path / "one.pack").write_bytes(damaged)
            try:
                found = unpack(tmp_path / "one.pack")
            except CorpusError as error:
                told.add((type(error.__cause__).__name__, "Copy it again" in str(error)))
            else:  # in what does not matter
                assert np.array_equal(found.tokens(0, len(found)), pair[0].tokens(0, len(found)))
    assert {("LZMAError", True), ("BadZipFile", True), ("KeyError", True)} <= told
    assert all(remedy for _, remedy in told)


def test_the_commands(pair, tmp_path, capsys):
    assert main(["pack", str(pair[0].path), str(tmp_path / "one.pack")]) == 0
    assert "one.pack" in capsys.readouterr().out
    assert main(["pack", str(pair[0].path), str(tmp_path / "one.zip")]) == 2
    assert ".pack" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main(["pack", str(pair[0].path), str(tmp_path / "file" / "one.pack")]) == 2
    assert "one.pack cannot be written" in capsys.readouterr().err
    assert main(["mix", "nonesuch", "--out", str(tmp_path / "m")]) == 2
    assert "nonesuch" in capsys.readouterr().err
    # Before anything is looked for, which may take hours to prepare.
    mixing = ["mix", "pop909", "--root", str(tmp_path / "absent"), "--out"]
    assert main([*mixing, str(tmp_path / "file")]) == 2
    assert "file cannot be made" in capsys.readouterr().err
    assert main([*mixing, str(pair[0].path)]) == 2
    assert "holds files" in capsys.readouterr().err
