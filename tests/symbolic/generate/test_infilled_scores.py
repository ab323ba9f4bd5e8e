"""Scores that are infilled: MusicXML comes back with all else in its place, and other scores become MIDI."""

from __future__ import annotations

import re

import pytest
from musicxml_text import note, notes, score
from synthetic import unruly

from symbolic.errors import MusicFileError
from symbolic.generate.sampling import Sampling
from symbolic.music.files import read_music
from symbolic.music.midi.writer import write_midi

QUICK = Sampling(steps=2)


def test_scores_are_written_as_midi(nano, tmp_path):
    path = tmp_path / "tune.abc"
    path.write_text("X:1\nT:Tune\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|cBAG|FEDC|\n")
    (found,) = nano.infill(path, (2, 3), sampling=QUICK)
    found.write(tmp_path / "tune.mid")
    back = read_music(tmp_path / "tune.mid")
    names = ["onset", "pitch", "duration"]
    assert sorted(back.notes[names].tolist()) == sorted(found.music.notes[names].tolist())
    with pytest.raises(MusicFileError, match="cannot be written"):
        found.write(tmp_path / "nowhere" / "tune.mid")


@pytest.mark.parametrize(
    "asked",
    [{"bars": (2, 3)}, {"continue_bars": 2}, {"bars": (2, 3), "fields": ["velocity"]}, {"tracks": [2]}],
    ids=["bars", "continue", "velocity", "part"],
)
def test_musicxml_comes_back_as_musicxml(nano, tmp_path, asked):
    path = tmp_path / "score.musicxml"
    lyric = "<lyric><text>la</text></lyric>"
    upper = [notes("C5 D5 E5 F5"), notes("G5 A5 B5 C6"), notes("C5 D5 E5 F5"), note("C5", 4, last=lyric)]
    path.write_text(score(upper, [notes("C3 D3", 2)] * 4))
    (found,) = nano.infill(path, **asked, sampling=QUICK)
    for name in ("again.musicxml", "again.mxl"):
        found.write(tmp_path / name)
        back = read_music(tmp_path / name)
        names = ["onset", "pitch", "duration", "velocity"]
        assert sorted(back.notes[names].tolist()) == sorted(found.music.notes[names].tolist())
    assert lyric in (tmp_path / "again.musicxml").read_text()
    path.write_text(score([notes("C4 D4 E4 F4")]))
    with pytest.raises(MusicFileError, match="does not hold these notes any more"):
        found.write(tmp_path / "again.musicxml")


def test_pitches_of_a_score_change_within_its_elements(nano, tmp_path):
    path = tmp_path / "slurred.musicxml"
    slur = '<notations><slur type="{}" number="1"/></notations>'
    bar = note("C5", last=slur.format("start")) + notes("D5 E5") + note("F5", last=slur.format("stop"))
    path.write_text(score([bar] * 4))
    (found,) = nano.infill(path, (2, 3), fields=["pitch"], sampling=QUICK)
    again = found.to_musicxml().decode()
    assert (found.notes["pitch"] != found.source.notes["pitch"][found.like]).any()
    assert re.sub("<pitch>.*?</pitch>", "", again) == re.sub("<pitch>.*?</pitch>", "", path.read_text())


def test_only_scores_in_musicxml_come_back_so(nano, tmp_path):
    write_midi(unruly(1, 24, 3, 480, 3), tmp_path / "a.mid")
    (found,) = nano.infill(tmp_path / "a.mid", (1, 2), sampling=QUICK)
    with pytest.raises(MusicFileError, match="only scores in MusicXML"):
        found.write(tmp_path / "x.musicxml")
