"""Tasks: complete, consistent, and made from a user's folder."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from finetune_helpers import tune, write_folder

from data.corpora import CORPORA, open_corpus
from data.corpora.archives import FoldedCorpus
from data.corpora.nottingham import DANCES
from data.preparation.prepare import prepare
from data.preparation.settings import PrepareSettings
from data.splits import save_table
from data.splits.folds import FOLD_TABLES, dealt_folds, sides_of
from finetune.baselines.baselines import BASELINES
from finetune.tasks import TASKS, MergedClasses, Protocol, Task, note_task, sequence_task
from finetune.tasks import data as taskdata
from finetune.tasks.accounts import LEFT_OUT, left_out, piece_uses
from finetune.tasks.data import TaskData, task_data, task_metrics
from finetune.tasks.folds import prepared, prepared_folds
from finetune.tasks.metrics import confusion_matrix
from symbolic.errors import ConfigError, CorpusError, LabelError
from symbolic.music.midi.writer import write_midi
from symbolic.predict.tonality import TONAL_CLASSES, tonal_labels
from symbolic.tokens.tokenizer import Tokenizer


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_fits_its_corpus_and_states_its_floors(task: Task) -> None:
    corpus = CORPORA[task.corpus]
    if task.level == "note":
        assert tuple(corpus.note_classes[task.label]) == task.classes
    elif task.others:
        assert len(task.classes) < corpus.labels[task.label]
    else:
        assert len(task.classes) == corpus.labels[task.label]
    assert len({protocol.name for protocol in task.protocols}) == len(task.protocols)
    assert all(protocol.split for protocol in task.protocols)
    assert all(
        issubclass(corpus, FoldedCorpus)
        for protocol in task.protocols
        if protocol.folds > 1 and not protocol.table
    )
    for table in (protocol.table for protocol in task.protocols if protocol.table):
        assert FOLD_TABLES[table] == (task.corpus, task.label, task.classes)
    assert task.baselines[0] == "majority"
    assert set(task.baselines) <= set(BASELINES)
    assert set(task_metrics(task)) == set(task.metric_titles())
    assert all(set(row.scores) <= set(task_metrics(task)) and row.protocol for row in task.published)


def test_genre_asks_for_the_dances_of_the_corpus() -> None:
    assert set(TASKS["genre"].classes) == set(DANCES.values())


def test_a_task_about_velocity_hides_it_and_one_about_keys_moves_with_the_music() -> None:
    assert all("velocity" in task.hide for task in TASKS.values() if task.label == "velocity")
    pitch = np.array([60, 64, 67, 69])
    for tonality in (0, 7, 12, 21):  # C, G, c, a
        turned = 12 * (tonality // 12) + (tonality + 5) % 12
        moved = tonal_labels(pitch + 5, np.full(4, turned))
        assert (moved == tonal_labels(pitch, np.full(4, tonality))).all()
    assert [TONAL_CLASSES[c] for c in tonal_labels(pitch, np.full(4, 21))] == [
        "minor b3",
        "minor 5",
        "minor b7",
        "minor 1",
    ]


def test_quadrants_are_seen_as_arousal_and_valence() -> None:
    truth, predicted = np.array([0, 1, 2, 3]), np.array([1, 0, 3, 2])  # right in arousal, wrong in valence
    counts = confusion_matrix(truth, predicted, 4)
    metrics = task_metrics(TASKS["emotion"])
    assert metrics["accuracy"](counts) == 0
    assert metrics["arousal_accuracy"](counts) == metrics["arousal_f1"](counts) == 1
    assert metrics["valence_accuracy"](counts) == metrics["valence_f1"](counts) == 0


def test_the_first_protocol_is_meant_and_an_unknown_one_refused() -> None:
    assert TASKS["composer"].protocol().name == "published"
    assert TASKS["composer"].protocol("folds").folds == 5
    with pytest.raises(ConfigError, match="task 'composer' has published, folds"):
        TASKS["composer"].protocol("clips")


def test_the_two_class_view_of_melody_scores_melody_and_bridge_together() -> None:
    counts = confusion_matrix(np.array([0, 1, 2, 2]), np.array([1, 0, 2, 0]), 3)
    metrics = task_metrics(TASKS["melody"])
    assert metrics["accuracy"](counts) == 0.25
    assert metrics["two_class_accuracy"](counts) == 0.75
    assert metrics["two_class_f1"](counts) == pytest.approx(0.8)


def test_all_that_is_wrong_with_a_task_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        replace(
            TASKS["genre"], classes=("jig", "jig"), hide=("loudness",), views=(MergedClasses("v", "v", (0,)),)
        )
    assert len(caught.value.problems) == 3


def test_classes_of_an_own_task_are_its_labels(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tunes", 6)
    assert sequence_task(folder).classes == ("reel", "waltz")
    assert note_task(folder, ["MELODY", "PIANO"]).classes == ("MELODY", "PIANO")


def test_a_piece_can_have_any_of_hundreds_of_labels(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    names = [f"a{number:03d}" for number in range(150)]
    for number in range(300):
        write_midi(tune(number, "reel"), folder / f"{number}.mid")
    sides = ["train"] * 150 + ["valid", "test"] * 75
    table = [f"{i}.mid,{names[i % 150]},{side}" for i, side in enumerate(sides)]
    (folder / "labels.csv").write_text("\n".join(["file,label,split", *table]))
    data = prepared(
        sequence_task(folder), str(folder), Tokenizer(), PrepareSettings(jobs=0, near_duplicates=0)
    )
    assert sorted(data.labels.tolist()) == sorted([*range(150)] * 2)


def test_a_track_that_no_file_has_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tunes", 12)
    with pytest.raises(LabelError, match=r"called PIANOO with .* --tracks"):
        prepared(note_task(folder, ["MELODY", "PIANOO"]), str(folder), Tokenizer(), PrepareSettings(jobs=0))


def test_a_small_folder_without_sides_is_tested_in_folds(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tunes", 24)
    lines = [line.rpartition(",")[0] for line in (folder / "labels.csv").read_text().splitlines()]
    (folder / "labels.csv").write_text("\n".join(lines))
    task = sequence_task(folder)
    assert [protocol.name for protocol in task.protocols] == ["folds", "split"]
    folds = prepared_folds(task, str(folder), Tokenizer(), PrepareSettings(jobs=0), task.protocol())
    tested = np.concatenate([data.splits["test"] for data in folds])
    assert sorted(tested.tolist()) == list(range(24))
    for data in folds:
        assert len(np.concatenate(list(data.splits.values()))) == 24
        assert all(
            2 <= count <= 3
            for side in ("valid", "test")
            for count in np.bincount(data.labels[data.splits[side]])
        )
    assert left_out(piece_uses(folds)) == {}
    whole = prepared(task, str(folder), Tokenizer(), PrepareSettings(jobs=0), task.protocol("split"))
    assert {side: len(pieces) for side, pieces in whole.splits.items()} == {
        "train": 20,
        "valid": 2,
        "test": 2,
    }


def test_one_label_is_no_task(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tunes", 6)
    table = (folder / "labels.csv").read_text().replace("reel", "waltz")
    (folder / "labels.csv").write_text(table)
    with pytest.raises(LabelError, match="two labels"):
        sequence_task(folder)


def test_a_file_without_a_label_is_left_out_and_accounted_for(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tunes", 24)
    lines = (folder / "labels.csv").read_text().splitlines()
    lines[1] = "tune00.mid,,"
    lines[2] = "tune01.mid,ballad,excluded"
    (folder / "labels.csv").write_text("\n".join(lines[:-1]))
    (folder / "bad.mid").write_bytes(b"MThd")
    task = sequence_task(folder)
    data = prepared(task, str(folder), Tokenizer(), PrepareSettings(jobs=0))
    assert task.classes == ("reel", "waltz")
    uses = {use.piece: (use.use, use.reason) for use in piece_uses([data])}
    assert uses["tune00.mid"] == (LEFT_OUT, "no label in its row")
    assert uses["tune01.mid"] == (LEFT_OUT, "excluded by the labels file")
    assert uses["tune23.mid"] == (LEFT_OUT, "no row in the labels file")
    assert uses["bad.mid"][1].startswith("unreadable: ")
    assert (uses["tune12.mid"], uses["tune14.mid"]) == (("valid", ""), ("test", ""))
    counts = Counter(use for use, _ in uses.values())
    assert counts == {"train": 17, "valid": 2, "test": 2, LEFT_OUT: 4}
    assert sum(left_out(piece_uses([data])).values()) == 4


def test_a_side_without_pieces_is_refused_with_the_remedy(tmp_path: Path) -> None:
    task = sequence_task(write_folder(tmp_path / "tunes", 6))  # all of them train
    shards = prepare(
        CORPORA["folder"](tmp_path / "tunes"), tmp_path / "shards", Tokenizer(), jobs=0, progress=False
    )
    with pytest.raises(
        CorpusError, match=r"select on or test on \(6 train, 0 valid, 0 test\).*column 'split'"
    ):
        task_data(task, shards)


def _dealt(folder: Path, lines: list[str]) -> TaskData:
    """Tunes with the sides and groups of these lines of a labels table."""
    write_folder(folder, len(lines))
    (folder / "labels.csv").write_text("\n".join(["file,label,split,group", *lines]), encoding="utf-8")
    task = sequence_task(folder)
    corpus = open_corpus("folder", folder, **task.options)
    shards = prepare(corpus, folder.parent / "dealt", Tokenizer(), jobs=0, progress=False)
    return task_data(task, shards)


@pytest.fixture(scope="module")
def dealt(tmp_path_factory: pytest.TempPathFactory) -> TaskData:
    lines = [
        f"tune{n:02d}.mid,{('waltz', 'reel')[n % 4 == 0]},{'train' if n < 20 else ('valid', 'test')[n % 2]},g{n // 2}"
        for n in range(24)
    ]
    # Groups of two would hold both labels; a waltz beside each reel keeps three waltzes to a reel.
    lines[20:] = [line.rpartition(",")[0] + "," for line in lines[20:]]
    return _dealt(tmp_path_factory.mktemp("dealt") / "tunes", lines)


def test_a_budget_takes_whole_groups_and_larger_ones_hold_smaller_ones(dealt: TaskData) -> None:
    kept = {budget: set(dealt.thinned(budget, 3).splits["train"].tolist()) for budget in (0.1, 0.4, 1)}
    assert kept[0.1] < kept[0.4] < kept[1] == set(dealt.splits["train"].tolist())
    for pieces in kept.values():
        groups = set(dealt.groups[list(pieces)].tolist())
        assert pieces == {piece for piece in kept[1] if dealt.groups[piece] in groups}
    assert len(kept[0.4]) == pytest.approx(8, abs=1)


def test_a_budget_leaves_no_class_without_a_label_and_depends_on_the_seed(dealt: TaskData) -> None:
    apart = replace(dealt, groups=np.arange(len(dealt.groups)))
    few = [apart.thinned(0.2, seed).splits["train"] for seed in range(4)]
    assert all(np.bincount(apart.labels[pieces]).tolist() == [1, 3] for pieces in few)
    assert len({tuple(pieces.tolist()) for pieces in few}) > 1
    assert (apart.thinned(0.01, 0).splits["test"] == apart.splits["test"]).all()
    assert np.bincount(apart.labels[apart.thinned(0.01, 0).splits["train"]]).tolist() == [1, 1]


def test_labels_that_are_no_class_are_left_out_or_refused(dealt: TaskData) -> None:
    other = replace(dealt.task, classes=("polka", "waltz"))
    with pytest.raises(LabelError, match="reel"):
        task_data(other, dealt.shards)
    kept = task_data(replace(other, others=True), dealt.shards)
    assert set(kept.labels.tolist()) == {-1, 1}
    assert set(kept.splits["train"].tolist()) == {
        piece for piece in dealt.splits["train"].tolist() if dealt.labels[piece] == 1
    }


def test_folds_of_a_table_test_every_piece_once_tear_no_group_and_share_out_classes(
    dealt: TaskData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_table("mine", dealt_folds(dealt.shards.pieces, dealt.task.label, dealt.task.classes), tmp_path)
    monkeypatch.setattr(taskdata, "sides_of", partial(sides_of, folder=tmp_path))
    protocol = Protocol("folds", "made", 5, "mine")
    folds = [task_data(dealt.task, dealt.shards, protocol, fold) for fold in range(5)]
    tested = np.concatenate([data.splits["test"] for data in folds])
    assert sorted(tested.tolist()) == list(range(24))
    for data, following in zip(folds, [*folds[1:], folds[0]], strict=True):
        sides = [set(data.groups[pieces].tolist()) for pieces in data.splits.values()]
        assert sum(map(len, sides)) == len(set.union(*sides))
        assert (data.splits["valid"] == following.splits["test"]).all()
        assert 2 <= np.bincount(data.labels[data.splits["test"]])[1] <= 5
