"""`finetune surprise`: its tables and pages, and what it refuses in words."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import browser
import numpy as np
import pytest
from finetune_helpers import tune
from pages import Reader
from synthetic import line

import symbolic
from finetune import cli
from finetune.surprise.page import roll_data, surprise_page
from symbolic.music.midi.writer import write_midi
from symbolic.predict.surprise import SURPRISES, Surprise

QUICK = ["--context", "both", "--every", "4", "--accelerator", "cpu"]


@pytest.fixture
def song(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_midi(line(np.arange(48, 64)), "song.mid")
    return tmp_path


@pytest.fixture
def found() -> Surprise:
    """Three bars of two tracks in no order of time, with random bits."""
    music = tune(0, bars=3)
    music = music.with_notes(music.notes[np.random.default_rng(1).permutation(len(music))])
    bits = np.random.default_rng(0).exponential(2, (len(music), len(SURPRISES))).astype(np.float32)
    return Surprise(music, bits, "nano", "past")


def test_a_file_gets_a_table_and_what_else_is_asked_for(
    song: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["surprise", "song.mid", "--json", "--page", *QUICK]) == 0
    told = capsys.readouterr().out
    assert told.startswith("song.mid  ")
    assert "surprise/song.csv, surprise/song.json, surprise/song.html" in told
    lines = list(csv.DictReader(Path("surprise/song.csv").read_text(encoding="utf-8").splitlines()))
    document = json.loads(Path("surprise/song.json").read_text(encoding="utf-8"))
    expected = symbolic.load("tiny").surprise("song.mid", "both", every=4)
    np.testing.assert_allclose([float(one["surprise"]) for one in lines], expected.total, atol=2e-3)
    assert document["context"] == "both"
    assert f"{expected.total.mean():.2f} bits a note" in told
    assert "song.mid: surprise" in Path("surprise/song.html").read_text(encoding="utf-8")


def test_a_bad_file_among_good_ones_is_named(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.mid").write_bytes(b"no music")
    assert cli.main(["surprise", "bad.mid", "song.mid", *QUICK]) == 0
    assert "skipped  bad.mid" in capsys.readouterr().err
    assert [path.name for path in Path("surprise").iterdir()] == ["song.csv"]
    assert cli.main(["surprise", "bad.mid", *QUICK]) == 2
    assert "None of the 1 files could be measured" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.mid"], "no such file"),
        (["song.mid", "--memory", "999"], "memory is 999"),
        (["song.mid", "--from", "melody"], "This needs a pretrained model"),
        (["song.mid", "--out", "song.mid"], "Name another folder with --out"),
    ],
)
def test_a_wrong_setting_ends_in_words(
    song: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert cli.main(["surprise", *arguments, *QUICK]) == 2
    assert words in capsys.readouterr().err


def test_the_roll_holds_the_bits_in_order_of_time(found: Surprise) -> None:
    data = roll_data(found)
    order = np.lexsort((found.music.notes["pitch"], found.music.notes["onset"]))
    assert data["notes"]["pitch"] == found.music.notes["pitch"][order].tolist()
    for name, bits in (("all", found.total), *((name, found[name]) for name in SURPRISES)):
        np.testing.assert_allclose(data["bits"][name], 100 * bits[order], atol=0.5)
    (lane,) = data["lanes"]
    assert len(lane["spans"]) == 3
    first = found.total[found.music.notes["onset"] < 3 * 480].mean()
    assert lane["spans"][0][2] == f"{first:.1f}"
    assert max(span[3] for span in lane["spans"]) == 1


def test_the_page_names_the_most_surprising_notes_and_loads_nothing(found: Surprise) -> None:
    reader = Reader(surprise_page(found).html())
    assert reader.loads == []
    assert reader.islands["surprise-data"] == roll_data(found)
    for bits in np.sort(found.total)[-10:]:
        assert f"{bits:.1f}" in reader.text


@pytest.mark.slow
@pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium is installed")
def test_the_page_plays_stops_and_names_the_next_note(found: Surprise, tmp_path: Path) -> None:
    page = tmp_path / "surprise.html"
    page.write_text(surprise_page(found).html(), encoding="utf-8")
    with browser.opened(page, tmp_path / "profile") as tab:
        texts = tab.run("""
          const button = document.querySelector(".play");
          const press = (on, key) => on.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
          press(document.body, " ");
          const during = button.textContent;
          press(document.body, " ");
          press(document.querySelector(".scroller"), "ArrowRight");
          return [during, button.textContent, document.querySelector(".detail").textContent];
        """)
        assert tab.failures == []
        assert tab.requests == [page.as_uri()]
    assert texts[:2] == ["■ Stop", "▶ Play"]
    assert texts[2].startswith("note 2 · ")
    assert "bits" in texts[2]
