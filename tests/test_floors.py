"""Floors: what they say, that they learn from training pieces alone, and features against a slow second opinion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finetune_helpers import tune, write_folder

from data.corpora import open_corpus
from data.prepare import prepare
from finetune.features import chords, feature_matrix, feature_names, piece_features, under_another
from finetune.floors import FLOORS, measure_floors
from finetune.taskdata import TaskData, task_data
from finetune.tasks import Task, note_task, sequence_task
from symbolic.errors import ConfigError
from symbolic.notes import Music, note_array
from symbolic.tokenizer import Tokenizer
from symbolic.transposition import transpose
from symbolic.vocabulary import HIDDEN, PITCH


def _data(task: Task, folder: Path, out: Path) -> TaskData:
    corpus = open_corpus("folder", folder, **task.options)
    return task_data(task, prepare(corpus, out, Tokenizer(), jobs=0, progress=False))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    return write_folder(tmp_path_factory.mktemp("floors") / "tunes")


@pytest.fixture(scope="module")
def notes(folder: Path) -> TaskData:
    task = replace(note_task(folder, ["MELODY", "PIANO"]), floors=("majority", "skyline", "note_table"))
    return _data(task, folder, folder.parent / "notes")


@pytest.fixture(scope="module")
def dances(folder: Path) -> TaskData:
    return _data(sequence_task(folder), folder, folder.parent / "dances")


def _rows(*notes: tuple[int, int, int]) -> np.ndarray:
    """Rows of (onset in sixteenths, duration, pitch)."""
    onset, duration, pitch = zip(*notes, strict=True)
    return Tokenizer().encode(Music(note_array(onset, duration, pitch), 4)).rows


def test_majority_is_right_as_often_as_its_class(notes: TaskData, dances: TaskData) -> None:
    piano = np.mean(np.concatenate([truth for _, truth in notes.pieces("test")]) == 1)
    majority, *_ = measure_floors(notes)
    assert majority["test"]["scores"]["accuracy"]["mean"] == pytest.approx(max(piano, 1 - piano))
    majority, *_ = measure_floors(dances)
    assert majority["test"]["scores"]["accuracy"]["mean"] == 0.5


def test_where_the_melody_lies_on_top_skyline_and_note_table_find_it(notes: TaskData) -> None:
    scores = {floor["name"]: floor["test"]["scores"]["accuracy"]["mean"] for floor in measure_floors(notes)}
    assert scores["skyline"] == 1.0
    assert scores["note_table"] == 1.0


def test_where_dances_differ_by_metre_features_tell_them(dances: TaskData) -> None:
    scores = {floor["name"]: floor["test"]["scores"]["accuracy"]["mean"] for floor in measure_floors(dances)}
    assert scores["features_logistic"] == scores["features_trees"] == 1.0


@pytest.mark.parametrize("name", ["majority", "note_table"])
def test_floors_look_at_training_labels_only(notes: TaskData, name: str) -> None:
    changed = notes.labels.copy()
    for split in ("valid", "test"):
        for piece in notes.splits[split]:
            changed[notes.shards.offsets[piece] : notes.shards.offsets[piece + 1]] = 0
    before, after = FLOORS[name].fit(notes), FLOORS[name].fit(replace(notes, labels=changed))
    for rows, _ in notes.pieces("test"):
        assert (before(rows) == after(rows)).all()


def test_with_shuffled_labels_a_floor_is_worth_no_more_than_chance(notes: TaskData) -> None:
    shuffled = replace(notes, labels=np.random.default_rng(0).permutation(notes.labels))
    *_, table = measure_floors(shuffled)
    assert abs(table["test"]["scores"]["accuracy"]["mean"] - 0.5) < 0.1


def test_an_unknown_floor_is_named(notes: TaskData) -> None:
    with pytest.raises(ConfigError, match="oracle"):
        measure_floors(replace(notes, task=replace(notes.task, floors=("majority", "oracle"))))


def test_skyline_hears_notes_that_still_sound() -> None:
    rows = _rows((0, 8, 72), (0, 4, 60), (4, 2, 64), (8, 2, 64))
    assert under_another(rows).tolist() == [True, False, True, False]


def test_chords_and_covered_notes_agree_with_counting_by_hand() -> None:
    random = np.random.default_rng(3)
    raw = [(int(o), int(d), int(p)) for o, d, p in random.integers((0, 1, 55), (40, 9, 80), (80, 3))]
    rows = _rows(*raw)
    raw.sort(key=lambda note: (note[0], note[2], note[1]))
    chord, under = chords(rows), under_another(rows)
    for i, (onset, _, pitch) in enumerate(raw):
        together = [other for other in raw if other[0] == onset]
        assert chord.size[i] == len(together)
        assert chord.rank[i] == sum(other[2] > pitch for other in together)
        assert under[i] == any(o <= onset < o + d and p > pitch for o, d, p in raw)


def test_features_have_names_and_are_finite() -> None:
    tokenizer = Tokenizer()
    pieces = [tokenizer.encode(tune(0, dance)).rows for dance in ("waltz", "reel")]
    pieces += [_rows((0, 1, 60)), tokenizer.encode(Music(note_array([0, 4], 1, 36, 80, 128), 4)).rows]
    table = feature_matrix(pieces)
    assert table.shape == (4, len(feature_names()))
    assert len(set(feature_names())) == len(feature_names()) >= 40
    assert np.isfinite(table).all()


def test_features_say_what_they_mean() -> None:
    found = piece_features(Tokenizer().encode(tune(0, "waltz")).rows)
    assert found["metre_quarters"] == 3.0
    assert found["duration_eighth"] == pytest.approx(0.5)
    assert found["duration_quarter"] == pytest.approx(0.5)
    assert found["notes_per_quarter"] == pytest.approx(4, rel=0.05)


def test_transposition_moves_register_and_nothing_else() -> None:
    rows = Tokenizer().encode(tune(0)).rows
    before, after = piece_features(rows), piece_features(transpose(rows, 5))
    moved = {name for name in before if before[name] != pytest.approx(after[name])}
    assert moved == {"pitch_mean", "pitch_low", "pitch_high"}


def test_hidden_fields_are_constants() -> None:
    rows = Tokenizer().encode(tune(0), hide=("velocity", "time_signature", "tempo")).rows
    assert (rows[:, 5] == HIDDEN).all()
    assert rows[:, PITCH].min() > HIDDEN
    assert piece_features(rows)["velocity_sd"] == 0.0
