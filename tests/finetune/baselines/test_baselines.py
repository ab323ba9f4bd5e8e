"""Baselines: what they say, that they learn from training pieces alone, and when they are measured again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finetune_helpers import tune, write_folder

from data.corpora import open_corpus
from data.preparation.prepare import prepare
from data.toolkit.results import read_tasks
from finetune.baselines.baselines import (
    BASELINES,
    SidePredictor,
    cached_baselines,
    measure_baselines,
    runs_of_notes,
)
from finetune.tasks import MergedClasses, Protocol, Task, note_task, sequence_task
from finetune.tasks.data import TaskData, task_data
from finetune.tasks.metrics import unpack_counts
from finetune.training.record import save_baselines
from symbolic.errors import ConfigError
from symbolic.features import chords, piece_features, under_another
from symbolic.music.notes import Music, note_array
from symbolic.predict.tonality import TONAL_CLASSES
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.transposition import transpose


def _data(task: Task, folder: Path, out: Path) -> TaskData:
    corpus = open_corpus("folder", folder, **task.options)
    return task_data(task, prepare(corpus, out, Tokenizer(), jobs=0, progress=False))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    return write_folder(tmp_path_factory.mktemp("baselines") / "tunes")


@pytest.fixture(scope="module")
def notes(folder: Path) -> TaskData:
    task = replace(note_task(folder, ["MELODY", "PIANO"]), baselines=("majority", "skyline", "note_table"))
    return _data(task, folder, folder.parent / "notes")


@pytest.fixture(scope="module")
def dances(folder: Path) -> TaskData:
    return _data(sequence_task(folder), folder, folder.parent / "dances")


def _rows(*notes: tuple[int, int, int]) -> np.ndarray:
    """Tokens of (onset in sixteenths, duration, pitch)."""
    onset, duration, pitch = zip(*notes, strict=True)
    return Tokenizer().encode(Music(note_array(onset, duration, pitch), 4)).ids


def test_majority_is_right_as_often_as_its_class(notes: TaskData, dances: TaskData) -> None:
    piano = np.mean(np.concatenate([truth for _, truth in notes.pieces("test")]) == 1)
    majority, *_ = measure_baselines(notes)
    assert majority["test"]["scores"]["accuracy"]["mean"] == pytest.approx(max(piano, 1 - piano))
    majority, *_ = measure_baselines(dances)
    assert majority["test"]["scores"]["accuracy"]["mean"] == 0.5


def test_where_the_melody_lies_on_top_skyline_and_note_table_find_it(notes: TaskData) -> None:
    scores = {
        baseline["name"]: baseline["test"]["scores"]["accuracy"]["mean"]
        for baseline in measure_baselines(notes)
    }
    assert scores["skyline"] == 1.0
    assert scores["note_table"] == 1.0


def test_where_dances_differ_by_metre_features_tell_them(dances: TaskData) -> None:
    scores = {
        baseline["name"]: baseline["test"]["scores"]["accuracy"]["mean"]
        for baseline in measure_baselines(dances)
    }
    assert scores["features_logistic"] == scores["features_trees"] == 1.0


@pytest.mark.parametrize("name", ["majority", "note_table", "rhythm_table"])
def test_floors_look_at_training_labels_only(notes: TaskData, name: str) -> None:
    changed = notes.labels.copy()
    for split in ("valid", "test"):
        for piece in notes.splits[split]:
            changed[notes.shards.offsets[piece] : notes.shards.offsets[piece + 1]] = 0
    before, after = BASELINES[name].fit(notes), BASELINES[name].fit(replace(notes, labels=changed))
    pieces = [tokens for tokens, _ in notes.pieces("test")]
    assert all((one == other).all() for one, other in zip(before(pieces), after(pieces), strict=True))


def test_with_shuffled_labels_a_floor_is_worth_no_more_than_chance(notes: TaskData) -> None:
    shuffled = replace(notes, labels=np.random.default_rng(0).permutation(notes.labels))
    *_, table = measure_baselines(shuffled)
    assert abs(table["test"]["scores"]["accuracy"]["mean"] - 0.5) < 0.1


def test_an_unknown_floor_is_named(notes: TaskData) -> None:
    with pytest.raises(ConfigError, match="oracle"):
        measure_baselines(replace(notes, task=replace(notes.task, baselines=("majority", "oracle"))))


def test_a_look_up_finds_a_copy_in_another_key_and_falls_back_on_the_commonest(dances: TaskData) -> None:
    train = dances.splits["train"]
    look_up = BASELINES["look_up"].fit(dances)
    copies = [transpose(np.asarray(dances.tokens(piece)), 3) for piece in train]
    assert np.array(look_up(copies)).tolist() == dances.labels[train].tolist()
    alone = _rows((0, 1, 60))
    assert look_up([alone])[0] == np.bincount(dances.labels[train]).argmax()


def test_runs_of_notes_are_those_of_the_top_line() -> None:
    tune = [(0, 1, 60), (2, 1, 62), (4, 1, 64), (6, 1, 60), (8, 1, 67), (10, 1, 65)]
    bass = [(0, 4, 36), (4, 4, 43)]
    assert (
        runs_of_notes(_rows(*tune)) == runs_of_notes(_rows(*tune, *bass)) == [(2, 2, -4, 7), (2, -4, 7, -2)]
    )


def test_where_times_tell_the_class_the_rhythm_table_finds_it(notes: TaskData) -> None:
    # The accompaniment is in quarters, the melody in eighths.
    baselines = measure_baselines(
        replace(notes, task=replace(notes.task, baselines=("majority", "rhythm_table")))
    )
    assert baselines[1]["test"]["scores"]["accuracy"]["mean"] == 1.0


def _tonal(predictor: SidePredictor, *notes: tuple[int, int, int]) -> list[str]:
    return [TONAL_CLASSES[c] for c in predictor([_rows(*notes)])[0]]


def test_key_profiles_find_the_key_of_a_scale_and_its_relative(notes: TaskData) -> None:
    predictor = BASELINES["key_profiles"].fit(notes)
    major = [(4 * i, 4, 62 + step) for i, step in enumerate((0, 2, 4, 5, 7, 9, 11, 12, 7, 4, 0))]
    assert _tonal(predictor, *major)[:3] == ["major 1", "major 2", "major 3"]
    minor = [(4 * i, 4, 57 + step) for i, step in enumerate((0, 2, 3, 5, 7, 8, 11, 12, 7, 3, 0))]
    assert _tonal(predictor, *minor)[:3] == ["minor 1", "minor 2", "minor b3"]


def test_triads_follow_the_chord_that_sounds_though_it_began_before(notes: TaskData) -> None:
    predictor = BASELINES["triads"].fit(notes)
    g_major = [(0, 16, 43), (0, 16, 59), (0, 16, 62)]
    a_minor = [(16, 4, 57), (16, 4, 60), (16, 4, 64)]
    found = _tonal(predictor, *g_major, (8, 4, 67), *a_minor)
    assert found == ["major 1", "major 3", "major 5", "major 1", "minor 1", "minor b3", "minor 5"]


def test_folds_are_counted_together_and_their_deviation_told(dances: TaskData) -> None:
    protocol = Protocol("folds", "made", 2)
    one = replace(dances, protocol=protocol)
    other = replace(one, fold=1, splits={**one.splits, "test": one.splits["valid"]})
    alone, both = measure_baselines(one)[0], measure_baselines(one, other)[0]
    assert np.sum(both["test"]["confusion"]) == len(one.splits["test"]) + len(one.splits["valid"])
    assert "fold_sd" not in alone["test"]["scores"]["accuracy"]
    assert both["test"]["scores"]["accuracy"]["fold_sd"] == 0.0
    assert unpack_counts(both["test_counts"]).shape == (4, 2, 2)


def test_kept_floors_are_measured_again_when_task_or_labels_change(
    dances: TaskData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path))
    task = replace(dances.task, baselines=("majority",))
    plain = replace(dances, task=task)
    viewed = replace(dances, task=replace(task, views=(MergedClasses("same", "same", (0, 1)),)))
    assert cached_baselines(plain) == cached_baselines(plain)
    assert len(list((tmp_path / "baselines").iterdir())) == 1
    assert "same_accuracy" in cached_baselines(viewed)[0]["test"]["scores"]
    cached_baselines(plain.thinned(0.5, 0))
    cached_baselines(plain.thinned(0.5, 1))
    cached_baselines(replace(plain, protocol=Protocol("other", "made")))
    assert len(list((tmp_path / "baselines").iterdir())) == 5


def test_floors_are_kept_as_a_record_of_their_own(dances: TaskData, tmp_path: Path) -> None:
    folds = replace(dances, protocol=Protocol("halves", "made"))
    path = save_baselines(tmp_path, [folds.thinned(0.5, 1)], measure_baselines(dances), 0.5, 1)
    assert path == tmp_path / "baselines.jsonl"
    [record] = read_tasks(path).values()
    assert record["protocol"] == "halves"
    assert record["split"]["source"] == "made"
    assert [baseline["name"] for baseline in record["baselines"]] == list(dances.task.baselines)
    assert {"command", "versions", "machine", "corpus"} <= set(record)


def test_skyline_hears_notes_that_still_sound() -> None:
    tokens = _rows((0, 8, 72), (0, 4, 60), (4, 2, 64), (8, 2, 64))
    assert under_another(tokens).tolist() == [True, False, True, False]


def test_chords_and_covered_notes_agree_with_counting_by_hand() -> None:
    random = np.random.default_rng(3)
    raw = [(int(o), int(d), int(p)) for o, d, p in random.integers((0, 1, 55), (40, 9, 80), (80, 3))]
    tokens = _rows(*raw)
    raw.sort(key=lambda note: (note[0], note[2], note[1]))
    chord, under = chords(tokens), under_another(tokens)
    for i, (onset, _, pitch) in enumerate(raw):
        together = [other for other in raw if other[0] == onset]
        assert chord.size[i] == len(together)
        assert chord.rank[i] == sum(other[2] > pitch for other in together)
        assert under[i] == any(o <= onset < o + d and p > pitch for o, d, p in raw)


def test_features_say_what_they_mean() -> None:
    found = piece_features(Tokenizer().encode(tune(0, "waltz")).ids)
    assert found["metre_quarters"] == 3.0
    assert found["duration_eighth"] == pytest.approx(0.5)
    assert found["duration_quarter"] == pytest.approx(0.5)
    assert found["notes_per_quarter"] == pytest.approx(4, rel=0.05)
