"""Tables of labels as spreadsheets write them."""

from pathlib import Path

import pytest

from data.corpora.labels import read_table
from symbolic.errors import LabelError

FILES = ["p000.mid", "p001.mid", "more/p002.MID"]


def rows(folder: Path, text: str | bytes, names=FILES, needed=("label",)):
    path = folder / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [(row.file, row.label, row.split) for row in read_table(path, names, folder, needed)]


PLAIN = [("p000.mid", "dur", None), ("p001.mid", "moll", None)]


@pytest.mark.parametrize(
    "text",
    [
        "file,label\np000.mid,dur\np001.mid,moll\n",
        "file;label\np000.mid;dur\np001.mid;moll\n",
        "file\tlabel\np000.mid\tdur\np001.mid\tmoll\n",
        "sep=;\nfile;label\np000.mid;dur\np001.mid;moll\n",
        "File, LABEL \r\np000.mid,dur\r\np001.mid,moll\r\n",
        "file,label,,\np000.mid,dur,,\n,,,\np001.mid,moll,,\n\n",
        '\n"file";"label";"remark, long"\n"p000.mid";"dur";"a, b"\n"p001.mid";"moll";""\n',
        "nr,label,comment;remark,file\n1,dur,,p000.mid\n2,moll,x,p001.mid\n",
        "file,label\np000,dur\np001,moll\n",
        "file,label\np000.MID,dur\nP001.mid,moll\n",
        "file,label\nset40/p000.mid,dur\nset40\\p001.mid,moll\n",
        "file,label\nC:\\music\\set40\\p000.mid,dur\n./p001,moll\n",
        b"\xef\xbb\xbffile;label\r\np000.mid;dur\r\np001.mid;moll\r\n",
        "file\tlabel\r\np000.mid\tdur\r\np001.mid\tmoll\r\n".encode("utf-16"),
    ],
)
def test_a_table_is_read_as_meant(tmp_path, text):
    assert rows(tmp_path, text) == PLAIN


def test_words_for_sides_are_understood(tmp_path):
    words = ["Train", "training", "VAL", "validation", "dev", "Valid", "TEST", "exclude", ""]
    names = [f"{i}.mid" for i in range(len(words))]
    table = "file,split\n" + "".join(f"{name},{word}\n" for name, word in zip(names, words, strict=True))
    assert [split for _, _, split in rows(tmp_path, table, names, ())] == [
        *("train", "train", "valid", "valid", "valid", "valid", "test", "excluded", None)
    ]


@pytest.mark.parametrize(
    ("name", "names", "found"),
    [
        ("p002", FILES, "more/p002.MID"),
        ("more/p002.mid", FILES, "more/p002.MID"),
        ("a/b/more/p002", FILES, "more/p002.MID"),
        ("p.mid", ["p.mid", "more/p.mid"], "p.mid"),
        ("set/more/p.mid", ["p.mid", "more/p.mid"], "more/p.mid"),
        ("opus.1", ["opus.1.mid"], "opus.1.mid"),
        ("book", ["book.abc", "book.abc#1", "book.abc#2"], "book.abc"),
    ],
)
def test_a_row_means_the_file_that_its_path_ends_like(tmp_path, name, names, found):
    assert rows(tmp_path, f"file,label\n{name},x\n", names) == [(found, "x", None)]


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ("file,label\np,x\n", ["p.mid", "p.xml"], r"1 row fits several files \(line 2: p: p.mid or p.xml\)"),
        ("file,label\np,x\n", ["a/p.mid", "b/p.mid"], r"a/p.mid or b/p.mid\). Write the path"),
        ("file,label\nb/p.mid,x\n", ["a/p.mid"], r"1 row names no music file under .*line 2: b/p.mid"),
        ("file,label\np000.mid,x\n\n,y\n", FILES, r"1 row names no file \(line 4: y\). Fill in"),
        ("file,label\np000.mid,x\nset/p000,y\n", FILES, r"1 row repeats a file \(line 3: p000.mid\)"),
    ],
)
def test_a_row_that_fits_no_file_or_several_is_named(tmp_path, text, names, message):
    with pytest.raises(LabelError, match=message):
        rows(tmp_path, text, names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("File;Genre\np000.mid;dur\n", r"no column 'label'; its columns are File, Genre. Call the column"),
        ("file,label,Label\np000.mid,a,b\n", r"several columns 'label'; its columns are file, label, Label"),
        ("p000.mid,dur\n", r"no column 'file'; its columns are p000.mid, dur"),
        ('file,label\np000.mid,"dur\np001.mid,moll\n', r"is no table .*Quotes must come in pairs"),
        (b"file,label\np000.mid,gr\xfcn\n", r"is not in UTF-8 \(line 2\). Save it as CSV in UTF-8"),
        (b"PK\x03\x04\x14\x00", r"cannot be read as .xlsx .*Save it as CSV"),
        (b"\xd0\xcf\x11\xe0", r"is a spreadsheet. Save it as .xlsx or as CSV"),
    ],
)
def test_what_is_no_table_of_labels_is_refused_with_the_remedy(tmp_path, text, message):
    with pytest.raises(LabelError, match=message):
        rows(tmp_path, text)


def test_a_label_has_one_spelling(tmp_path):
    (one, other) = rows(tmp_path, "file,label\np000.mid,Fu\u0308r \np001.mid,F\u00fcr\n")
    assert one[1] == other[1] == "F\u00fcr"
