"""The command `corpora`."""

import json
import subprocess
import sys

import pytest

from data.cli import about, in_full, main, table
from data.corpora import CORPORA
from data.corpora.archives import CACHE_VARIABLE, ROOT_VARIABLE


@pytest.fixture(autouse=True)
def nothing_set(tmp_path, monkeypatch):
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    """One corpus as files, one as an archive."""
    song = tmp_path / "root" / "pop909" / "POP909-Dataset" / "001" / "001.mid"
    song.parent.mkdir(parents=True)
    song.touch()
    archive = tmp_path / "root" / "asap" / "asap_midi.tar.xz"
    archive.parent.mkdir()
    archive.touch()
    return tmp_path / "root"


def run(capsys, *argv):
    status = main([str(argument) for argument in argv])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_every_corpus_has_a_line_that_fits_a_terminal(capsys, root):
    status, out, _ = run(capsys, "--root", root)
    lines = out.splitlines()
    assert status == 0
    assert [line.split()[0] for line in lines[1 : 1 + len(CORPORA)]] == list(CORPORA)
    assert max(map(len, lines)) <= 112
    here = {line.split()[0]: line.split()[-1] for line in lines[1 : 1 + len(CORPORA)]}
    assert {name for name, place in here.items() if place == "files"} == {"music21", "pop909"}
    assert {name for name, place in here.items() if place == "archive"} == {
        "asap_scores",
        "asap_performances",
    }
    assert here["groove"] == "-"


def test_listing_unpacks_nothing(capsys, root, tmp_path):
    run(capsys, "--root", root)
    assert not (tmp_path / "cache").exists()


def test_the_root_may_come_from_the_environment(capsys, root, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(root))
    assert json.loads(run(capsys, "pop909", "--json")[1])["present"] == "files"


@pytest.mark.parametrize("name", CORPORA)
def test_each_is_shown_in_full(name):
    reader = CORPORA[name]
    told = " ".join(in_full(about(name)).split())
    for text in (reader.licence, reader.citation, reader.homepage, reader.directions()):
        assert " ".join(text.split()) in told
    for label in [*reader.labels, *reader.note_classes]:
        assert label in told


def test_labels_of_notes_are_marked_and_classes_counted():
    (line,) = [row for row in table([about("groove")]).splitlines() if row.startswith("groove")]
    assert "style 18, kind 2, velocity* 6" in line


def test_json_is_complete(capsys):
    found = json.loads(run(capsys, "--json")[1])
    assert [one["name"] for one in found] == list(CORPORA)
    assert found[0]["present"] == "files"
    pop909 = next(one for one in found if one["name"] == "pop909")
    assert pop909["note_labels"]["melody"] == ["melody", "bridge", "accompaniment"]
    assert pop909["present"] == ""
    assert list(pop909["archives"]) == ["pop909.tar.xz"]


def test_an_unknown_name_is_refused_with_the_known_ones(capsys):
    status, out, err = run(capsys, "lakh")
    assert (status, out) == (2, "")
    assert err.startswith("error: No corpus is called 'lakh'; choose from music21, folder, pop909")


def test_help_keeps_to_a_screen_and_imports_nothing_heavy(tmp_path):
    code = (
        "import sys; from data.cli import main\n"
        "try: main(['--help'])\nfinally: print(*{'torch', 'music21', 'symusic'} & set(sys.modules), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr.strip() == ""
    assert len(ran.stdout.splitlines()) <= 24
