"""`finetune infill`: its files, its flags, and what it refuses in words."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import line

from finetune import cli
from symbolic.music.files import read_music
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import Music, note_array

QUICK = ["--steps", "1", "--accelerator", "cpu"]


@pytest.fixture
def song(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    music = line(np.arange(48, 80))
    music.notes["velocity"] = np.resize([50, 70, 90], len(music))
    write_midi(music, "song.mid")
    return tmp_path


def test_variants_are_files_beside_each_other(song, capsys):
    assert cli.main(["infill", "song.mid", "--bars", "3-4", "--number", "3", *QUICK]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [one.split("  ")[0] for one in told] == [f"variants/song-{number}.mid" for number in (1, 2, 3)]
    assert told[0].endswith("8 notes written in bars 3-4")
    before = read_music("song.mid").notes
    for number in (1, 2, 3):
        after = read_music(f"variants/song-{number}.mid").notes
        for notes in (before, after):
            inside = (notes["onset"] >= 1920 * 2) & (notes["onset"] < 1920 * 4)
        kept = [notes[(notes["onset"] < 3840) | (notes["onset"] >= 7680)] for notes in (before, after)]
        assert kept[0].tolist() == kept[1].tolist()
        assert inside.any()


def test_one_field_is_drawn_and_a_piece_goes_on(song, capsys):
    assert (
        cli.main(["infill", "song.mid", "--bars", "2", "--fields", "velocity", "--out", "soft", *QUICK]) == 0
    )
    before, after = read_music("song.mid").notes, read_music("soft/song-1.mid").notes
    names = ["onset", "duration", "pitch"]
    assert before[names].tolist() == after[names].tolist()
    assert (before["velocity"] != after["velocity"]).any()
    assert cli.main(["infill", "song.mid", "--continue", "2", "--scale", "C major", *QUICK]) == 0
    assert "written in bars 9-10" in capsys.readouterr().out
    new = read_music("variants/song-1.mid").notes[32:]
    assert len(new)
    assert np.isin(new["pitch"] % 12, [0, 2, 4, 5, 7, 9, 11]).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bars", "9-12"], "bars 9-12: the piece has 8 bars"),
        (["--bars", "nine"], "--bars nine: give the first and the last bar as in 9-12"),
        (["--bars", "1-2", "--continue", "2"], "exclude each other"),
        (["--tracks", "viola"], "No track is called 'viola'"),
        (["--fields", "loudness"], "fields loudness"),
        (["--scale", "C mejor"], "did you mean 'major'"),
        (["--lowest", "80", "--highest", "40"], "lowest first"),
        (["--number", "0"], "--number 0"),
        (["--from", "nowhere"], "nowhere"),
        (
            ["--from", "melody"],
            "melody is a model that predicts labels of notes. This needs a pretrained model, such as tiny or infill",
        ),
        (["--out", "song.mid"], "--out song.mid: cannot be made"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(song, capsys, arguments, words):
    assert cli.main(["infill", "song.mid", *QUICK, *arguments]) == 2
    assert words in capsys.readouterr().err


def test_files_without_music_are_refused(song, capsys):
    write_midi(Music(note_array([], [], []), 480), "empty.mid")
    assert cli.main(["infill", "empty.mid", *QUICK]) == 2
    assert "empty.mid: it holds no notes" in capsys.readouterr().err
    assert cli.main(["infill", "absent.mid", *QUICK]) == 2
    assert "absent.mid" in capsys.readouterr().err


def test_a_source_is_not_written_over(song, capsys):
    (song / "song-1.mid").write_bytes((song / "song.mid").read_bytes())
    (song / "song.mid").rename(song / "song.midi")
    assert cli.main(["infill", "song.midi", "--out", ".", "--bars", "1", *QUICK]) == 0
    write_midi(line([60, 62]), "tune-1.mid")
    (song / "tune-1.mid").rename(song / "x-1.mid")
    (song / "x.mid").symlink_to(song / "x-1.mid")
    assert cli.main(["infill", "x.mid", "--out", ".", *QUICK]) == 2
    assert "would be written over" in capsys.readouterr().err
