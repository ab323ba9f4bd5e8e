"""Pages of predictions in a browser: they draw, answer keys and clicks, and sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import browser
import numpy as np
import pytest

from finetune.predict.page import prediction_page
from symbolic.music.notes import Music, note_array
from symbolic.predict.files import FilePrediction
from symbolic.predict.predictions import NotePredictions

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium is installed"),
]
LEVELS = """
  const notes = JSON.parse(document.getElementById("prediction-data").textContent).notes;
  const seconds = (column) => column.map((one) => one / 1000);
  const timed = { start: seconds(notes.start), length: seconds(notes.length) };
  const level = async (audible) => {
    const offline = new OfflineAudioContext(1, 22050 * 4, 22050);
    offline.resume = async () => {};
    const player = new Player({ ...notes, ...timed }, audible, () => {});
    player.synth = new WebAudioTinySynth({ voices: 128 });
    player.synth.setAudioContext(offline);
    player.play();
    clearInterval(player.timer);
    player.schedule(4);
    const sound = (await offline.startRendering()).getChannelData(0);
    return Math.sqrt(sound.reduce((total, one) => total + one * one, 0) / sound.length);
  };
  return [await level(() => true), await level((i) => notes.class[i] === 0), await level(() => false)];
"""
PLAYED = """
  const wait = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
  const press = () => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true }));
  press();
  await wait(1.2);
  const button = document.querySelector(".play"), during = button.textContent;
  const moved = parseFloat(document.querySelector(".playhead").style.transform.slice("translateX(".length));
  press();
  return [during, button.textContent, moved];
"""
LOOKS = """
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const canvas = document.querySelector(".view");
  const image = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const boxes = () => [...document.querySelectorAll(".legend input")].map((box) => box.checked);
  const only = () => document.querySelector(".legend button").click();
  const press = (key) => document.querySelector(".scroller").dispatchEvent(new KeyboardEvent("keydown", { key }));
  const detail = () => document.querySelector(".detail").textContent;
  const found = { colours: new Set(new Uint32Array(image.data.buffer)).size, before: boxes() };
  only();
  found.alone = boxes();
  only();
  found.again = boxes();
  press("ArrowRight");
  found.second = detail();
  press("End");
  found.last = detail();
  return found;
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page of a melody above two notes of accompaniment, with a drum."""
    upper, lower = note_array(np.arange(4) * 480, 480, 72, 100), note_array([0, 960], 960, 48, 70, 0, 1)
    music = Music(
        np.concatenate([upper, lower, note_array([480], 60, 38, 90, 128, 2)]), 480, tracks=("a", "b", "c")
    )
    classes = np.array([0, 0, 0, 0, 1, 1, -1])
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.2, 0.8]] * 2 + [[np.nan] * 2], dtype=np.float32)
    found = NotePredictions(music, classes, probabilities, ("melody", "accompaniment"), "melody", "melody")
    path = tmp_path / "page.html"
    prediction_page(FilePrediction("a.mid", "melody", found, (), "", music), "melody", "Melody").write(path)
    return path


@pytest.fixture
def tab(page: Path, tmp_path: Path) -> Iterator[browser.Tab]:
    with browser.opened(page, tmp_path / "profile") as tab:
        yield tab
        assert tab.failures == []
        assert tab.requests == [page.as_uri()]


def test_a_page_draws_and_answers_keys_and_clicks(tab: browser.Tab) -> None:
    found = tab.run(LOOKS)
    assert found["colours"] > 8
    assert found["before"] == found["again"] == [True] * 3
    assert found["alone"] == [True, False, False]
    assert found["second"] == "note 2 · C5 · bar 1 · 0:00.0 · amelody, probability 0.90 · skyline: melody"
    assert found["last"].startswith("note 7")


def test_a_page_sounds_and_is_silent_when_all_is_muted(tab: browser.Tab) -> None:
    every, melody, none = tab.run(LEVELS)
    assert every > 0.01
    assert melody > 0.01
    assert none == 0


def test_space_plays_and_stops(tab: browser.Tab) -> None:
    during, after, moved = tab.run(PLAYED)
    assert (during, after) == ("■ Stop", "▶ Play")
    assert moved > 10
