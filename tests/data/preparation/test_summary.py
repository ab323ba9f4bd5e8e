"""The ledger as a few lines, and the command that prints them."""

import pytest
from made import contents, tune, write_tunes
from prepared import run, write_spoilt

from data.cli import main
from data.corpora.folder import FolderCorpus
from data.preparation.summary import skipped_lines, summary
from symbolic.music.midi.writer import write_midi


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))


def test_every_reason_has_its_line_with_an_example(tmp_path):
    shards = run(FolderCorpus(write_spoilt(tmp_path)), tmp_path / "out")
    text = summary(shards)
    assert "A folder of music files: 13 pieces" in text
    skipped = shards.manifest["totals"]["skipped"]
    assert sum("such as" in line for line in text.splitlines()) == len(skipped) > 3
    assert "such as short.mid" in next(line for line in text.splitlines() if "too short" in line)
    (whole,) = [line for line in text.splitlines() if line.startswith("skipped")]
    assert int(whole.split()[1]) == sum(skipped.values())


def test_skipped_files_are_named_with_the_ledger(tmp_path):
    shards = run(FolderCorpus(write_spoilt(tmp_path)), tmp_path / "out")
    count = sum(shards.manifest["totals"]["skipped"].values())
    first, *named, last = skipped_lines(shards, shown=2)
    assert first == f"{count} files were skipped:"
    assert len(named) == 2
    assert last == f"  ... and {count - 2} more: {shards.path / 'ledger.jsonl'}"
    *named, last = skipped_lines(shards, shown=count)[1:]
    assert last == f"  ledger: {shards.path / 'ledger.jsonl'}"
    assert any(line.startswith("  short.mid: too short: ") for line in named)
    assert skipped_lines(run(FolderCorpus(write_tunes(tmp_path / "music", 4)), tmp_path / "clean")) == []


def test_repairs_are_counted_by_kind_not_by_wording(tmp_path):
    folder = write_tunes(tmp_path / "music", 4)
    for seed, name in enumerate(("one.mid", "three.mid")):
        write_midi(tune(50 + seed), folder / name)
    text = summary(run(Lengthless(folder), tmp_path / "out"))
    (line,) = [line for line in text.splitlines() if "no length" in line]
    assert line.split()[-1] == "2"


def test_grace_notes_of_a_score_are_no_repairs(tmp_path):
    folder = write_tunes(tmp_path / "music", 4)
    (folder / "tune.abc").write_text("X:1\nK:C\n" + "{A}CDEF GABc|" * 8)
    shards = run(FolderCorpus(folder), tmp_path / "out")
    assert shards.manifest["totals"]["repaired"] == 0
    assert shards.manifest["totals"]["kept"] == 5


class Lengthless(FolderCorpus):
    """Takes the length from some notes of two tunes, which `write_midi` cannot."""

    name = "lengthless"

    def read(self, piece, pedal="keep"):
        music = super().read(piece)
        music.notes["duration"][: {"one.mid": 1, "three.mid": 3}.get(piece.file, 0)] = 0
        return music


def test_sides_are_listed_in_order(tmp_path):
    folder = write_tunes(tmp_path / "music", 4)
    sides = enumerate(["test", "excluded", "valid", "train"])
    table = [f"t{number:03d}.mid,{side}" for number, side in sides]
    (folder / "labels.csv").write_text("\n".join(["file,split", *table]))
    text = summary(run(FolderCorpus(folder), tmp_path / "out"))
    assert "train 1, valid 1, test 1, excluded 1" in text


def test_the_command_prepares_and_names_the_folder(tmp_path, capsys):
    folder = write_tunes(tmp_path / "music", 6)
    write_midi(tune(1, notes=3), folder / "short.mid")
    out = tmp_path / "out"
    assert main(["prepare", str(folder), "--out", str(out), "--jobs", "0"]) == 0
    text = capsys.readouterr().out
    assert "7 pieces" in text
    assert f"shards  {out}" in text
    assert "short.mid: too short: 3 notes" in text
    assert f"{out / 'ledger.jsonl'}" in text
    before = contents(out)
    assert main(["prepare", str(folder), "--out", str(out), "--jobs", "0"]) == 0
    assert contents(out) == before


def test_the_command_obeys_the_filters(tmp_path, capsys):
    folder = write_tunes(tmp_path / "music", 3)
    assert main(["prepare", str(folder), "--jobs", "0", "--min_notes", "99"]) == 2
    assert "too short (3)" in capsys.readouterr().err


def test_wrong_settings_of_the_command_are_named(capsys):
    assert main(["prepare", "nowhere", "--near_duplicates", "7"]) == 2
    assert "--near_duplicates" in capsys.readouterr().err
    assert main(["prepare", "nowhere"]) == 2
    assert "nowhere is not a folder" in capsys.readouterr().err
