"""The experiment that trains on notes in canonical order and in track order."""

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data.corpora import open_corpus
from data.toolkit.results import read_lines
from finetune.settings import FinetuneSettings

EXPERIMENT = Path(__file__).parents[2] / "experiments" / "note_order.py"


@pytest.fixture(scope="module")
def note_order():
    found = importlib.util.spec_from_file_location("note_order", EXPERIMENT)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def by_tracks(note_order, notes, folder, tmp_path_factory):
    """The tunes with their tokens in the order of tracks, and the share of notes whose order changes."""
    corpus = open_corpus(notes.task.corpus, str(folder), **notes.task.options)
    return note_order.by_track(notes, corpus, tmp_path_factory.mktemp("by_tracks") / "shards")


def test_a_note_is_tied_where_another_track_begins_with_it(note_order):
    onset, track = np.array([0, 0, 4, 4, 4, 8]), np.array([0, 1, 1, 1, 1, 0])
    assert note_order.beside_others(onset, track).tolist() == [True, True, False, False, False, False]


def test_simultaneous_notes_are_ordered_by_track(notes, by_tracks):
    data, tied = by_tracks
    assert 0 < tied <= 1
    moved = 0
    for piece in range(len(data.shards.pieces)):
        before, after = notes.tokens(piece), data.tokens(piece)
        labels = data.truth(piece).tolist()
        pairs = [
            Counter((tuple(token), label) for token, label in zip(tokens.tolist(), truth, strict=True))
            for tokens, truth in ((before, notes.truth(piece).tolist()), (after, labels))
        ]
        assert pairs[0] == pairs[1]
        strokes = list(zip(after[:, 0].tolist(), after[:, 1].tolist(), labels, strict=True))
        assert strokes == sorted(strokes)  # melody, the first track, before the piano
        moved += int((before != after).any(axis=1).sum())
    assert moved > 0
    assert data.shards.fingerprint != notes.shards.fingerprint


def test_both_orders_are_trained_and_compared(note_order, notes, folder, tmp_path, capsys):
    settings = FinetuneSettings.of(
        checkpoint=str(folder.parent / "nano"),
        out=str(tmp_path / "run"),
        epochs=2,
        lr=0.003,
        tokens_per_batch=256,
        jobs=0,
        accelerator="cpu",
        root=str(folder),
    )
    assert note_order.compare_orders(settings, ["tracks"], notes.task) is None
    record = note_order.compare_orders(settings.having(resume=True), task=notes.task)
    canonical, tracks = (record["orders"][order][0]["test"]["accuracy"] for order in note_order.ORDERS)
    assert record["gain"]["accuracy"][0] == pytest.approx(tracks - canonical)
    note_order.show(record)
    assert (
        f"accuracy: {100 * canonical:.1f} canonical, {100 * tracks:.1f} by track" in capsys.readouterr().out
    )


def test_the_page_says_what_the_record_says():
    [record] = read_lines(EXPERIMENT.parents[1] / "results" / "note_order.jsonl")
    page = (EXPERIMENT.parents[1] / "docs" / "order.md").read_text(encoding="utf-8")
    for name, gain in record["gain"].items():
        canonical, tracks = (
            100 * np.mean([seed["test"][name] for seed in record["orders"][order]])
            for order in ("canonical", "tracks")
        )
        mean, low, high = (100 * value for value in gain)
        assert f"| {canonical:.1f} | {tracks:.1f} | {mean:+.1f} ({low:.1f} to {high:.1f}) |" in page, name
    assert f"{100 * record['tied']:.0f} % of its notes" in page
