"""`finetune map` and `finetune match`."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from musicxml_text import notes, score

from finetune import cli
from finetune.mapping.command import fifths_of
from symbolic.music.files import read_music
from symbolic.music.notes import Music, note_array


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scale = [60, 62, 64, 65, 67, 65, 64, 62] * 8
    Music(note_array(np.arange(64) * 480 + 100, 400, scale), 480).write("played.mid")
    (tmp_path / "beats.txt").write_text(
        "".join(f"{0.104 + 0.5 * beat:.3f} {beat % 4 + 1}\n" for beat in range(65))
    )
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "scale.musicxml").write_text(
        score([notes("C4 D4 E4 F4"), notes("G4 F4 E4 D4")] * 8)
    )
    (tmp_path / "scores" / "other.musicxml").write_text(
        score([notes("C5 G4 C5 G4"), notes("A4 F#4 D4 B4")] * 8)
    )
    return tmp_path


@pytest.mark.parametrize("how", [(), ("--rule",)], ids=str)
def test_a_performance_with_beats_becomes_a_score(files, capsys, how):
    assert cli.main(["map", "played.mid", "--to", "score", "--beats", "beats.txt", *how]) == 0
    told = capsys.readouterr().out
    assert "64 notes in 16 bars of 4/4" in told
    assert ("CC BY-NC-SA" in told) == (not how)
    found = read_music("played.musicxml")
    assert (found.notes["onset"] / found.resolution).tolist() == list(range(64))
    assert ("CC BY-NC-SA" in (files / "played.musicxml").read_text()) == (not how)


@pytest.mark.parametrize(
    ("beats", "source"),
    [("midi", "as the file states"), ("found", "found in the notes"), (None, "its notes keep")],
)
def test_beats_are_taken_from_the_file_or_found(files, capsys, beats, source):
    how = ["--beats", beats] if beats else []
    assert cli.main(["map", "played.mid", "--to", "score", "--out", "deep/song.musicxml", *how]) == 0
    assert source in capsys.readouterr().out
    assert len(read_music("deep/song.musicxml")) == 64


@pytest.mark.parametrize("how", [(), ("--rule", "--tempo", "90")], ids=str)
def test_a_score_is_played(files, capsys, how):
    assert cli.main(["map", "scores/scale.musicxml", "--to", "performance", *how]) == 0
    assert ("CC BY-NC-SA" in capsys.readouterr().out) == (not how)
    found = read_music("scale.mid")
    assert len(found) == 64
    assert len(set(found.notes["velocity"].tolist())) > 2


def test_a_score_without_notes_is_refused_with_what_was_left_out(files, capsys):
    (files / "drums.musicxml").write_text(score([notes("r r r r"), "<note><unpitched/></note>"]))
    assert cli.main(["map", "drums.musicxml", "--to", "performance"]) == 2
    said = capsys.readouterr().err
    assert "drums.musicxml: it holds no notes (unpitched percussion notes left out: 1)" in said
    assert not (files / "drums.mid").exists()


def test_the_score_of_a_performance_comes_first(files, capsys):
    assert cli.main(["match", "played.mid", "scores", "--out", "match.csv"]) == 0
    assert "scale.musicxml" in capsys.readouterr().out
    rows = list(csv.DictReader((files / "match.csv").read_text().splitlines()))
    assert rows[0]["score"].endswith("scale.musicxml")
    assert float(rows[0]["alignment"]) > float(rows[1]["alignment"])
    assert cli.main(["match", "played.mid", "scores"]) == 0
    assert "scale.musicxml" in (files / "match.html").read_text()


def test_settings_that_do_not_fit_are_named_at_once(files, capsys):
    wrong = ["--beats", "midi", "--metre", "3/4", "--out", "x.txt"]
    assert cli.main(["map", "played.mid", "--to", "performance", *wrong]) == 2
    told = capsys.readouterr().err
    assert all(one in told for one in ("--beats is for", "--metre is for", "--out x.txt: must end"))
    assert cli.main(["map", "played.mid", "--to", "score", "--tempo", "80"]) == 2
    assert cli.main(["map", "absent.mid", "--to", "score"]) == 2
    assert cli.main(["map", "played.mid", "--to", "performance", "--out", "played.mid"]) == 2


def test_keys_have_signatures():
    named = ("C major", "A minor", "F# major", "Eb minor", "Db major", "G# minor", "F minor")
    assert [fifths_of(key) for key in named] == [0, 0, 6, 6, -5, 5, -4]
