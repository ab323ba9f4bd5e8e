import hashlib
import io
import pickle
import subprocess
import sys
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from made import CACHE, DATA, needs, tune, write_tunes

from data.corpora import CORPORA, open_corpus
from data.corpora.archives import CACHE_VARIABLE, ROOT_VARIABLE, locate
from data.corpora.base import TERMS, Corpus, Piece
from data.corpora.folder import FolderCorpus
from data.corpora.music21_corpus import Music21Corpus
from data.corpora.nottingham import NottinghamCorpus, dance_of
from data.corpora.pop909 import RESOLUTION, Pop909Corpus, read_beats, warp
from data.corpora.tracks import track_labels
from symbolic.errors import ConfigError, CorpusError, LabelError, MusicFileError
from symbolic.files import write_midi
from symbolic.notes import Music, note_array
from symbolic.tokenizer import Tokenizer

ABC = "X:{0}\nT:Tune {0}\nM:4/4\nL:1/8\nK:G\nGABc d2ef|gfed cBAG|\n\n"


@pytest.fixture
def music(tmp_path):
    return write_tunes(tmp_path / "music", 3)


@pytest.fixture(scope="module")
def unpacked():
    """The real corpora, their archives unpacked into the tests' own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(CACHE))
        yield DATA


def table(folder, text):
    (folder / "labels.csv").write_text(text)
    return FolderCorpus(folder)


# Every reader


@pytest.mark.parametrize("name", CORPORA)
def test_every_reader_states_its_terms_and_gives_pieces(name, music, unpacked):
    if name in ("pop909", "nottingham") and not (DATA / name).is_dir():
        pytest.skip(f"no '{name}' in {DATA.name}; set {ROOT_VARIABLE}")
    reader = CORPORA[name]
    assert reader.name == name
    assert all(isinstance(getattr(reader, term), str) and getattr(reader, term) for term in TERMS)
    assert sum(reader.fractions.values()) == pytest.approx(1)
    corpus = open_corpus(name, music if name == "folder" else unpacked)
    pieces = corpus.pieces()
    assert pieces == corpus.pieces() == pickle.loads(pickle.dumps(corpus)).pieces()
    assert len({piece.key for piece in pieces}) == len(pieces)
    assert len(corpus.content(pieces[:2])) == 32
    for piece in (pieces[0], pieces[-1]):
        assert all((corpus.folder / file).is_file() for file in corpus.sources(piece))
        reading = corpus.interpret(piece, corpus.read(piece))
        assert len(Tokenizer().encode(reading.music).rows) > 8
        assert set(reading.note_labels) == set(corpus.note_classes)
        for label, classes in corpus.note_classes.items():
            values = reading.note_labels[label]
            assert values.dtype == np.int8
            assert values.shape == (len(reading.music),)
            assert -1 <= values.min() <= values.max() < len(classes)


def test_a_reader_without_terms_cannot_be_written():
    with pytest.raises(TypeError, match="Silent must state its licence, homepage"):
        type(
            "Silent",
            (FolderCorpus,),
            {"licence": "", "homepage": ""},
        )


def test_unknown_readers_and_options_are_named(music):
    with pytest.raises(CorpusError, match=r"No corpus is called 'lakh'\. Choose from music21, folder"):
        open_corpus("lakh")
    with pytest.raises(ConfigError, match="'folder' takes no such option"):
        open_corpus("folder", music, lables="x.csv")


def test_opening_readers_costs_no_heavy_import():
    code = (
        "import sys, data.corpora as c; c.open_corpus('music21').pieces();"
        "print(*sorted({'torch', 'music21', 'symusic', 'lightning'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


# A folder


def test_a_folder_is_read_in_order_of_paths(music):
    write_tunes(music / "b", 1)
    (music / "a").mkdir()
    (music / "a" / "Z.MID").write_bytes((music / "t000.mid").read_bytes())
    (music / "._t000.mid").write_bytes(b"finder")
    (music / "notes.txt").write_text("no music")
    pieces = FolderCorpus(music).pieces()
    assert [p.key for p in pieces] == ["a/Z.MID", "b/t000.mid", "t000.mid", "t001.mid", "t002.mid"]
    assert {(p.split, p.group) for p in pieces} == {(None, "")}


def test_labels_splits_and_groups_come_from_the_table(music):
    corpus = table(
        music,
        "file,label,extra,split,group\nt001.mid,jig,x,test,g\n./t000.mid, reel ,y,,\nt002.mid,,,excluded,\n",
    )
    reel, jig, out = corpus.pieces()
    assert jig == Piece("t001.mid", "t001.mid", {"label": "jig"}, "test", "g")
    assert reel == Piece("t000.mid", "t000.mid", {"label": "reel"})
    assert (out.labels, out.split, out.reason) == ({}, "excluded", "excluded by the labels file")


def test_a_table_elsewhere_and_with_a_byte_order_mark(music, tmp_path):
    path = tmp_path / "elsewhere.csv"
    path.write_bytes(b"\xef\xbb\xbffile;label\r\n".replace(b";", b",") + b"t000.mid,x\r\n")
    assert FolderCorpus(music, labels=path).pieces()[0].labels == {"label": "x"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,label\nt000.mid,a\nnone.mid,b\nalso.mid,c\n",
            r"2 rows name \('none.mid', 'also.mid'\) no music",
        ),
        ("file,label\nt000.mid,a\nt000.mid,b\n", r"1 file has \('t000.mid'\) several rows. Keep one row"),
        ("file,split\nt000.mid,dev\n", r"1 split is \('dev'\) unknown. Use train, valid, test, excluded"),
        ("path,label\nt000.mid,a\n", r"no column 'file'; its columns are path, label"),
        ("", r"no column 'file'; its columns are none"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_remedy(music, text, message):
    with pytest.raises(LabelError, match=message):
        table(music, text).pieces()


def test_all_troubles_of_a_table_are_named_at_once(music):
    with pytest.raises(LabelError, match=r"x\.mid.*several rows.*dev"):
        table(music, "file,split\nx.mid,dev\nx.mid,\n").pieces()


def test_files_without_labels_are_refused_only_where_labels_are_needed(music):
    (music / "labels.csv").write_text("file,label\nt000.mid,a\nt001.mid,\n")
    assert len(FolderCorpus(music).pieces()) == 3
    with pytest.raises(LabelError, match=r"2 files have \('t001.mid', 't002.mid'\) no label"):
        FolderCorpus(music, require_labels=True).pieces()
    with pytest.raises(LabelError, match=r"gone\.csv cannot be read"):
        FolderCorpus(music, labels=music / "gone.csv").pieces()


def test_empty_and_absent_folders_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="holds no music files"):
        FolderCorpus(tmp_path).pieces()
    with pytest.raises(CorpusError, match="is not a folder"):
        FolderCorpus(tmp_path / "none")
    with pytest.raises(CorpusError, match="needs a folder"):
        FolderCorpus()


def test_the_tunes_of_a_book_are_pieces(tmp_path):
    (tmp_path / "book.abc").write_text("% a book\n" + "".join(ABC.format(n) for n in ("1", "0012", "1")))
    (tmp_path / "single.abc").write_text(ABC.format(7))
    (tmp_path / "labels.csv").write_text("file,label\nbook.abc,all\nbook.abc#12,twelve\n")
    corpus = FolderCorpus(tmp_path)
    pieces = corpus.pieces()
    assert {p.key: p.labels.get("label") for p in pieces} == {
        "book.abc#1": "all",
        "book.abc#12": "twelve",
        "book.abc#1-2": "all",
        "single.abc": None,
    }
    assert [len(corpus.read(piece)) for piece in pieces] == [15] * 4
    with pytest.raises(MusicFileError, match="no tune 99"):
        corpus.read(Piece("book.abc#99", "book.abc"))


def test_tracks_become_note_labels_and_one_piano(tmp_path):
    notes = note_array(np.arange(6) * 480, 480, 60, 80, [40, 40, 0, 0, 128, 0], [0, 0, 1, 1, 2, 3])
    write_midi(Music(notes, 480, tracks=("Melody", "PIANO", "kit", "strings")), tmp_path / "a.mid")
    corpus = FolderCorpus(tmp_path, tracks=("MELODY", "piano"))
    (piece,) = corpus.pieces()
    reading = corpus.interpret(piece, corpus.read(piece))
    order = np.argsort(reading.music.notes["onset"])
    assert corpus.note_classes == {"track": ("MELODY", "piano")}
    assert reading.note_labels["track"][order].tolist() == [0, 0, 1, 1, -1, -1]
    assert reading.music.notes["program"][order].tolist() == [0, 0, 0, 0, 128, 0]
    assert set(reading.music.notes["track"]) == {0}
    apart = FolderCorpus(tmp_path, tracks=("MELODY", "piano"), merge=False)
    assert apart.interpret(piece, corpus.read(piece)).music.notes["program"].max() == 128
    assert apart.options() != corpus.options()


def test_notes_beyond_the_named_tracks_are_unlabelled():
    music = Music(note_array([0, 1], 1, 60, track=[0, 5]), 480, tracks=("a",))
    assert track_labels(music, ["A"]).tolist() == [0, -1]


# music21


def test_music21_gives_chorales_and_tunes():
    corpus = Music21Corpus()
    pieces = corpus.pieces()
    keys = [piece.key for piece in pieces]
    assert {"bach/bwv66.6.mxl", "airdsAirs/book1.abc#12", "oneills1850/0626-0700.abc#626"} <= set(keys)
    assert sum(key.startswith("bach/") for key in keys) == 365
    assert sum(key.startswith("ryansMammoth/") for key in keys) == 1059
    assert "bach/bwv846.mxl" not in keys, "a prelude, not a chorale"
    chorale, tune = (pieces[keys.index(key)] for key in ("bach/bwv66.6.mxl", "airdsAirs/book1.abc#12"))
    assert len(np.unique(corpus.read(chorale).notes["track"])) == 4
    assert len(corpus.read(tune)) > 20


# POP909


def steady(count, beat=0.5, start=0.0):
    return start + np.arange(count) * beat


def played(seconds, length=0.25):
    """Notes at times in seconds, written as ticks of a tempo that has nothing to do with the music."""
    onset = np.round(np.asarray(seconds) * 2000).astype(np.int64)  # 1000 ticks a quarter at 120
    return Music(note_array(onset, int(length * 2000), 60), 1000)


def onsets(music):
    return (music.notes["onset"] / RESOLUTION).tolist()


def test_warp_puts_notes_on_beats_whatever_the_tempo():
    beats = np.cumsum([0.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0])
    warped = warp(played([0, 0.25, 2.0, 2.5, 5.0]), beats, np.array([0, 4, 8]))
    assert onsets(warped) == [0, 0.5, 4, 4.5, 7]
    assert (warped.notes["duration"] / RESOLUTION).tolist() == [0.5, 0.5, 0.25, 0.25, 0.25]
    assert warped.metres.tolist() == [[0, 4, 4]]
    assert warped.tempi.tolist() == [[0, 120], [4 * RESOLUTION, 60]]
    assert np.allclose(np.diff(warped.seconds(warped.notes["onset"])), [0.25, 1.75, 0.5, 2.5])


def test_warp_goes_on_before_the_first_and_after_the_last_beat():
    # The note half a beat early opens a bar of pick-up; those after the last beat keep its pace.
    warped = warp(played([0.75, 1.0, 3.0, 4.0]), steady(5, 0.5, start=1.0), np.array([0, 4]))
    assert onsets(warped) == [3.5, 4, 8, 10]


def test_a_hair_before_the_first_beat_opens_no_bar():
    assert onsets(warp(played([0.995, 1.5]), steady(5, 0.5, start=1.0), np.array([0, 4]))) == [0, 1]


def test_a_pick_up_moves_to_the_end_of_a_full_bar():
    warped = warp(played([0.0, 0.5, 1.0]), steady(12), np.array([2, 6, 10]))
    assert onsets(warped) == [2, 3, 4]
    bars = Tokenizer().encode(warped).rows[:, 0]
    assert (bars - bars[0]).tolist() == [0, 0, 1]


def test_bars_follow_the_downbeats_and_long_ones_are_split():
    downbeats = np.array([0, 4, 8, 10, 14, 25, 29])
    warped = warp(played(steady(33)), steady(33), downbeats)
    changes = [(tick // RESOLUTION, beats) for tick, beats, _ in warped.metres.tolist()]
    assert changes == [(0, 4), (8, 2), (10, 4), (22, 3), (25, 4)]
    rows = Tokenizer().encode(warped).rows.astype(int)
    starts = np.flatnonzero(np.diff(rows[:, 0], prepend=-1))
    assert starts.tolist() == [0, 4, 8, 10, 14, 18, 22, 25, 29]


def test_beat_noise_makes_no_tempo_changes():
    beats = steady(40) + np.random.default_rng(0).normal(0, 0.0004, 40)
    assert len(warp(played([0]), beats, np.arange(0, 40, 4)).tempi) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "three columns"),
        ("0 1 1\n", "three columns"),
        ("0 1\n1 0\n", "three columns"),
        ("1 1 1\n0 0 0\n", "times that rise"),
        ("nan 1 1\nnan 0 0\n", "times that rise"),
        ("0 1 0\n1 0 0\n", "no downbeat"),
        ("a b c\n", "cannot be read"),
        ("0 1 1\n1\n", "cannot be read"),
    ],
)
def test_damaged_beats_are_refused(tmp_path, text, reason):
    path = tmp_path / "beat_midi.txt"
    path.write_text(text)
    with pytest.raises(MusicFileError, match=rf"beat_midi\.txt: .*{reason}"):
        read_beats(path)


def test_absent_beats_are_refused(tmp_path):
    with pytest.raises(MusicFileError, match="cannot be read"):
        read_beats(tmp_path / "none.txt")


@needs("pop909")
def test_pop909_bars_are_bars_though_the_file_says_otherwise(unpacked):
    corpus = Pop909Corpus(unpacked)
    pieces = {piece.key: piece for piece in corpus.pieces()}
    assert len(pieces) == 909
    piece = next(p for p in pieces.values() if corpus.read(p).metres[0].tolist() == [0, 1, 4])
    music = corpus.read(piece)
    reading = corpus.interpret(piece, music)
    before, after = (Tokenizer().encode(m).rows[-1, 0] for m in (music, reading.music))
    assert before > 3.5 * after
    # The warp moves bars, not time: seconds differ from the file's by one constant.
    shift = reading.music.seconds(reading.music.notes["onset"]) - music.seconds(music.notes["onset"])
    assert np.ptp(shift) < 0.05
    counts = np.bincount(reading.note_labels["melody"], minlength=3)
    assert (counts > 0).all()
    assert (
        reading.note_labels["velocity"] == np.digitize(music.notes["velocity"], [32, 48, 64, 80, 96])
    ).all()


@needs("pop909")
def test_pop909_tracks_leave_no_trace_but_the_labels(unpacked):
    corpus = Pop909Corpus(unpacked)
    piece = corpus.pieces()[0]
    music = corpus.read(piece)
    # The same song, its tracks in another order and its notes shuffled.
    turn = np.array([2, 0, 1], dtype=np.uint16)
    notes = music.notes[np.random.default_rng(0).permutation(len(music))]
    notes["track"] = turn[notes["track"]]
    names = tuple(music.tracks[i] for i in np.argsort(turn))
    plain = corpus.interpret(piece, music)
    turned = corpus.interpret(piece, replace(music, notes=notes, tracks=names))
    tokens, others = (Tokenizer().encode(reading.music) for reading in (plain, turned))
    assert (tokens.rows == others.rows).all()
    assert set(plain.music.notes["program"]) == set(plain.music.notes["track"]) == {0}
    counts = [np.bincount(reading.note_labels["melody"]).tolist() for reading in (plain, turned)]
    assert counts[0] == counts[1]


# Nottingham


@needs("nottingham")
def test_nottingham_reads_full_tunes_with_their_dance(unpacked):
    corpus = NottinghamCorpus(unpacked)
    pieces = {piece.key: piece for piece in corpus.pieces()}
    assert len(pieces) == 1034
    assert pieces["jigs1"].labels == {"dance": "jig"}
    assert pieces["ashover1"].labels == {}
    assert len(np.unique(corpus.read(pieces["jigs1"]).notes["track"])) == 2
    assert corpus.tune_titles()["hpps1"] == "Aunt Hessie's White Horse"


@pytest.mark.parametrize(
    ("key", "dance"),
    [("reelsa-c3", "reel"), ("hpps1", "hornpipe"), ("waltzes2", "waltz"), ("slip1", None), ("xmas1", None)],
)
def test_dances_are_told_by_the_kind_of_tune(key, dance):
    assert dance_of(key) == dance


# Archives


def archive(root, members=None, name="little"):
    """An archive as shared folders hold them, and its hash."""
    path = root / name / f"{name}.tar.xz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:xz") as tar:
        for member, content in (members or {"little/001/001.mid": b"music"}).items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def found(root, sha256=""):
    return locate("little", root, "001/001.mid", sha256, "https://example.org/little")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    return tmp_path / "cache"


@pytest.mark.parametrize(
    "place", ["little", "little/little", "little/Little-main/data", "clone/data", "."], ids=str
)
def test_unpacked_files_and_clones_are_found(tmp_path, cache, place):
    song = tmp_path / place / "001" / "001.mid"
    song.parent.mkdir(parents=True)
    song.touch()
    assert found(tmp_path) == song.parents[1]
    assert not cache.exists()


def test_an_archive_is_unpacked_once(tmp_path, cache, monkeypatch):
    sha256 = archive(tmp_path)
    folder = found(tmp_path, sha256)
    assert folder == cache / "corpora" / f"little-{sha256[:8]}" / "little"
    assert (folder / "001" / "001.mid").read_bytes() == b"music"
    monkeypatch.setattr(tarfile, "open", lambda *a, **k: pytest.fail("unpacked again"))
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    assert found(None, sha256) == folder
    assert [path.name for path in (cache / "corpora").iterdir()] == [f"little-{sha256[:8]}"]


def test_archives_that_are_other_or_unsafe_leave_nothing_behind(tmp_path, cache):
    archive(tmp_path)
    with pytest.raises(CorpusError, match=r"has sha256 .* damaged or another release"):
        found(tmp_path, "0" * 64)
    unsafe = archive(tmp_path / "unsafe", {"../../escaped.mid": b"x"})
    with pytest.raises(CorpusError, match="cannot be unpacked"):
        found(tmp_path / "unsafe", unsafe)
    other = archive(tmp_path / "other", {"readme.txt": b"x"})
    with pytest.raises(CorpusError, match=r"holds no '001/001\.mid'"):
        found(tmp_path / "other", other)
    assert not list(tmp_path.rglob("escaped.mid"))
    assert [path.name for path in (cache / "corpora").iterdir()] == [f"little-{other[:8]}"]


def test_a_missing_corpus_says_what_was_looked_for_and_where_to_get_it(tmp_path, cache):
    with pytest.raises(CorpusError, match=r"'001/001\.mid' in 'little' .* Get it from https://example.org"):
        found(tmp_path)
    with pytest.raises(CorpusError, match=rf"needs a folder\. Get it from .* \${ROOT_VARIABLE}"):
        found(None)


def test_content_changes_with_any_byte_of_any_source(music):
    corpus = FolderCorpus(music)
    pieces, before = corpus.pieces(), corpus.content(corpus.pieces())
    assert corpus.content(pieces) == before
    write_midi(tune(0, shift=1), music / "t000.mid")  # as long as it was
    assert corpus.content(pieces) != before
    assert isinstance(corpus, Corpus)
