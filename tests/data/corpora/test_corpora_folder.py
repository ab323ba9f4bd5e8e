import numpy as np
import pytest
from made import write_tunes

from data.corpora.base import Piece
from data.corpora.folder import FolderCorpus
from symbolic.errors import CorpusError, LabelError, MusicFileError
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import Music, note_array
from symbolic.music.piano import track_labels

ABC = "X:{0}\nT:Tune {0}\nM:4/4\nL:1/8\nK:G\nGABc d2ef|gfed cBAG|\n\n"


@pytest.fixture
def music(tmp_path):
    return write_tunes(tmp_path / "music", 3)


def table(folder, text):
    (folder / "labels.csv").write_text(text)
    return FolderCorpus(folder)


def test_a_folder_is_read_in_order_of_paths(music):
    write_tunes(music / "b", 1)
    (music / "a").mkdir()
    (music / "a" / "Z.MID").write_bytes((music / "t000.mid").read_bytes())
    (music / "._t000.mid").write_bytes(b"finder")
    (music / "notes.txt").write_text("no music")
    write_tunes(music / "b" / ".trash", 1)
    (music / "folder.mid").mkdir()
    pieces = FolderCorpus(music).pieces()
    assert [p.key for p in pieces] == ["a/Z.MID", "b/t000.mid", "t000.mid", "t001.mid", "t002.mid"]
    assert {(p.split, p.group) for p in pieces} == {(None, "")}


def test_linked_folders_are_read_once_and_not_in_circles(music, tmp_path):
    elsewhere = write_tunes(tmp_path / "elsewhere", 1)
    (music / "songs").mkdir()
    (music / "songs" / "a.mid").write_bytes((music / "t000.mid").read_bytes())
    (music / "best").symlink_to(music / "songs")
    (music / "linked").symlink_to(elsewhere)
    (music / "other link").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(music)
    for name in ("loop", "loop.mid", "gone"):
        (music / name).symlink_to(music / name.replace("gone", "nowhere"))
    assert [piece.key for piece in FolderCorpus(music).pieces()] == [
        *("linked/t000.mid", "songs/a.mid", "t000.mid", "t001.mid", "t002.mid"),
    ]


def test_accents_may_be_written_either_way(music):
    apart, joined = "Ka\u0308se", "K\u00e4se"
    (music / "t000.mid").rename(music / f"{apart}.mid")
    found = {p.key: p.labels for p in table(music, f"file,label\n{joined}.mid,x\n").pieces()}
    assert found[f"{apart}.mid"] == {"label": "x"}
    (music / "t001.mid").rename(music / f"{joined}.mid")  # now there are two
    found = {p.key: p.labels for p in table(music, f"file,label\n{joined}.mid,x\n").pieces()}
    assert (found[f"{apart}.mid"], found[f"{joined}.mid"]) == ({}, {"label": "x"})


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


def test_a_table_is_looked_for_in_the_folder_too(music, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (music / "mine.csv").write_text("file,label\nt000.mid,there\n")
    assert FolderCorpus(music, labels="mine.csv").pieces()[0].labels == {"label": "there"}
    (tmp_path / "mine.csv").write_text("file,label\nt000.mid,here\n")
    assert FolderCorpus(music, labels="mine.csv").pieces()[0].labels == {"label": "here"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,label\nt000.mid,a\nnone.mid,b\nalso.mid,c\n",
            r"2 rows name no music file under .*music \(line 3: none.mid; line 4: also.mid\)",
        ),
        (
            "file,label\nt000.mid,a\n\nt000.mid,b\n",
            r"1 row repeats a file \(line 4: t000.mid\). There are several rows of it. Keep one",
        ),
        (
            "file,split\nt000.mid,held out\n",
            r"1 split is unknown \(line 2: held out\). Use train, valid, test, excluded",
        ),
        (
            "file,label\nt000.mid,Bach, J. S.\nt001.mid,b,,\n",
            r"1 row has more cells than there are columns \(line 2: t000.mid\). Quote what",
        ),
        ("path,label\nt000.mid,a\n", r"no column 'file'; its columns are path, label"),
        ("", r"no column 'file'; its columns are none"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_remedy(music, text, message):
    with pytest.raises(LabelError, match=message):
        table(music, text).pieces()


def test_all_troubles_of_a_table_are_named_at_once(music):
    with pytest.raises(LabelError, match=r"x\.mid.*several rows.*dove"):
        table(music, "file,split\nx.mid,dove\nx.mid,\n").pieces()


def _into(folder, places):
    """Put one of the files into each of these places, from first to last, and leave none where it was."""
    files = sorted(folder.glob("*.mid"))
    for place, file in zip(places, files * len(places), strict=False):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(file.read_bytes())
    for file in files:
        file.unlink()


def test_without_a_table_folders_are_classes(music):
    _into(music, ["waltz/1.mid", "waltz/1.copy/2.mid", "März 2/3.mid", "odd.mid"])
    found = FolderCorpus(music, require_labels=True).pieces()
    assert [(one.file, one.labels.get("label"), one.split, one.reason) for one in found] == [
        ("März 2/3.mid", "März 2", None, ""),
        ("odd.mid", None, "excluded", "in no folder of a class"),
        ("waltz/1.copy/2.mid", "waltz", None, ""),
        ("waltz/1.mid", "waltz", None, ""),
    ]
    assert not any(one.labels for one in FolderCorpus(music).pieces())  # nobody asked for labels
    (music / "labels.csv").write_text("file,label\nodd.mid,polka\nwaltz/1.mid,waltz\n")
    assert {one.labels.get("label") for one in FolderCorpus(music, require_labels=True).pieces()} == {
        "polka",
        "waltz",
        None,
    }


def test_folders_of_sides_hold_folders_of_classes(music):
    _into(music, ["Train/a/1.mid", "Train/b/2.mid", "val/a/3.mid", "test/b/x/4.mid", "test/5.mid"])
    found = FolderCorpus(music, require_labels=True).pieces()
    assert [(one.file, one.labels.get("label"), one.split) for one in found] == [
        ("Train/a/1.mid", "a", "train"),
        ("Train/b/2.mid", "b", "train"),
        ("test/5.mid", None, "excluded"),
        ("test/b/x/4.mid", "b", "test"),
        ("val/a/3.mid", "a", "valid"),
    ]


@pytest.mark.parametrize(
    "places", [["a/1.mid", "a/2.mid"], ["train/1.mid", "test/2.mid"], ["1.mid", "a/2.mid"]]
)
def test_one_folder_is_no_label(music, places):
    _into(music, places)
    with pytest.raises(LabelError, match="or put the files of each class into a folder of its own"):
        FolderCorpus(music, require_labels=True).pieces()


def test_files_without_labels_are_left_out_where_labels_are_needed(music):
    with pytest.raises(LabelError, match=r"There is no .*labels\.csv\. Make a table"):
        FolderCorpus(music, require_labels=True).pieces()
    (music / "labels.csv").write_text("file,label\nt000.mid,a\nt001.mid,\n")
    assert {piece.split for piece in FolderCorpus(music).pieces()} == {None}
    assert [(p.split, p.reason) for p in FolderCorpus(music, require_labels=True).pieces()] == [
        (None, ""),
        ("excluded", "no label in its row"),
        ("excluded", "no row in the labels file"),
    ]
    (music / "labels.csv").write_text("file,label\nt000.mid,\n")
    with pytest.raises(LabelError, match=r"labels\.csv labels no file. Fill in column 'label'"):
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


def test_track_names_match_in_any_case_and_composition():
    music = Music(note_array([0, 1], 1, 60, track=[0, 1]), 480, tracks=("Me\u0301lodie", "M\u00c9LODIE "))
    assert track_labels(music, ["m\u00e9lodie"]).tolist() == [0, 0]
