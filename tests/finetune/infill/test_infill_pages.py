"""Pages of written music: what they hold, and in a browser that they play, count votes and export a table."""

from __future__ import annotations

import csv
import io
import json
import re

import browser
import numpy as np
import pytest
from synthetic import line

from finetune import cli
from finetune.infill.listening import listening_page
from symbolic.music.midi.writer import write_midi

QUICK = ["--steps", "1", "--accelerator", "cpu"]
needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium is installed")


def data_of(page, name):
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(rf'id="{name}-data">(.*?)</script>', text)[1])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "songs").mkdir()
    for number in range(3):
        write_midi(line(np.arange(48, 80) + number), f"songs/{number}.mid")
    return tmp_path


@pytest.fixture
def variants(folder):
    command = ["infill", "songs/0.mid", "--bars", "3-4", "--number", "2", "--page", *QUICK]
    assert cli.main(command) == 0
    return folder / "variants" / "0.html"


@pytest.fixture
def listening(folder):
    assert cli.main(["listen", "songs", "--pairs", "3", "--bars", "2", "--accelerator", "cpu"]) == 0
    return folder / "listening.html"


def test_a_page_holds_the_passage_and_its_variants(variants):
    found = data_of(variants, "variants")
    assert found["first"] == 1
    assert found["bars"] == [0, 2000, 4000, 6000, 8000, 10000, 12000]
    assert [one["name"] for one in found["takes"]] == ["as it was", "variant 1", "variant 2"]
    given = found["takes"][0]["notes"]
    assert given["pitch"] == list(range(48, 72))
    assert given["start"][:2] == [0, 500]
    assert given["inside"] == [0] * 8 + [1] * 8 + [0] * 8
    for take in found["takes"][1:]:
        kept = [
            p for p, inside in zip(take["notes"]["pitch"], take["notes"]["inside"], strict=True) if not inside
        ]
        assert kept == given["pitch"][:8] + given["pitch"][16:]


def test_nothing_on_a_listening_page_tells_the_sides_apart(listening):
    pairs = data_of(listening, "listening")["pairs"]
    assert sorted(one["file"] for one in pairs) == ["0.mid", "1.mid", "2.mid"]
    for pair in pairs:
        given = pair["sides"][1 - pair["written"]]["pitch"]
        assert np.diff(given).tolist() == [1] * (len(given) - 1)
        assert pair["sides"][0].keys() == pair["sides"][1].keys()
        assert "inside" not in pair["sides"][0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent"], "absent is no folder"),
        (["empty"], "empty holds no music files"),
        (["broken"], "skipped broken/a.mid: not a readable MIDI file"),
        (["songs", "--bars", "60"], "no piece has 60 bars of notes"),
        (["songs", "--pairs", "0"], "--pairs 0"),
        (["songs", "--out", "songs"], "--out songs: cannot be written"),
    ],
)
def test_what_cannot_be_tested_is_refused(folder, capsys, arguments, words):
    for name in ("empty", "broken"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "broken" / "a.mid").write_bytes(b"not MIDI")
    assert cli.main(["listen", *arguments, "--accelerator", "cpu"]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.slow
@needs_browser
def test_variants_play_one_at_a_time(variants, tmp_path):
    with browser.opened(variants, tmp_path / "profile") as tab:
        texts = tab.run("""
          const buttons = [...document.querySelectorAll(".play")], texts = () => buttons.map((one) => one.textContent);
          buttons[0].click();
          const first = texts();
          buttons[1].click();
          const second = texts();
          buttons[1].click();
          return [first, second, texts()];
        """)
        assert tab.failures == []
        assert tab.requests == [variants.as_uri()]
    play, stop = "▶ Play", "■ Stop"
    assert texts == [[stop, play, play], [play, stop, play], [play, play, play]]


@pytest.mark.slow
@needs_browser
def test_votes_are_saved_as_a_table(tmp_path):
    notes = {name: [1] for name in ("start", "length", "pitch", "velocity", "program", "track")}
    pairs = [
        {"file": f"=tune{number}.mid", "bars": "3-6", "written": number % 2, "sides": [notes, notes]}
        for number in range(3)
    ]
    page = tmp_path / "page.html"
    listening_page(pairs, "tiny").write(page)
    with browser.opened(page, tmp_path / "profile") as tab:
        before, after, text, shown = tab.run("""
          const save = [...document.querySelectorAll("button")].at(-1), before = save.disabled;
          document.querySelector(".play").click();
          const choose = (pair, vote) => document.querySelector(`[name=pair-${pair}][value="${vote}"]`).click();
          ["A", "B", "?"].forEach((vote, pair) => choose(pair, vote));
          const after = save.disabled, text = votesTable();
          save.click();
          return [before, after, text, document.querySelector("[aria-live]").textContent];
        """)
        assert tab.failures == []
    assert (before, after) == (True, False)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["vote"] for row in rows] == ["A", "B", "?"]
    assert [row["right"] for row in rows] == ["1", "1", "0"]
    assert rows[0]["plays A"] == "1"
    assert rows[0]["file"] == "'=tune0.mid"
    assert shown.startswith("2 of 3 right")
