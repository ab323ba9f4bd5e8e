"""Hand-made features of notes, and boosted trees of them as a model."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetune_helpers import tune, write_folder

from finetune.baselines import notes as fitting
from finetune.baselines.boosting import TREES, fit_boosting
from finetune.baselines.notes import fit_note_classifier
from finetune.cli import main
from finetune.settings import FEATURES
from symbolic.errors import CheckpointError
from symbolic.features import notes
from symbolic.features.neighbours import REACH, sums_of
from symbolic.features.notes import FAR, NEVER, note_features, note_matrix, note_names
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array
from symbolic.predict.loading import load
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.transposition import transpose

QUARTER = 480


def tokens_of(onset: Any, duration: Any, pitch: Any, velocity: Any = 64, program: Any = 0) -> Any:
    """Tokens of notes in quarters of half a second, in canonical order, and the note that each is."""
    scaled = (np.asarray(times) * QUARTER for times in (onset, duration))
    tokens = Tokenizer().encode(Music(note_array(*scaled, np.asarray(pitch), velocity, program), QUARTER))
    return tokens.ids, tokens.note_index


def test_features_are_finite_and_only_pitch_depends_on_the_key() -> None:
    tokens = Tokenizer().encode(tune(3)).ids
    table = note_matrix(tokens)
    assert table.shape == (len(tokens), len(note_names()))
    assert np.isfinite(table).all()
    moved = note_matrix(transpose(tokens, 4))
    changed = [name for name, column in zip(note_names(), (moved != table).T, strict=True) if column.any()]
    assert changed == ["pitch"]
    assert np.isfinite(note_matrix(tokens[:1])).all()


def test_a_chord_is_seen_from_each_of_its_notes() -> None:
    """A sixth-four chord above a bass that is held, the lowest note of the chord doubled."""
    tokens, source = tokens_of([0, 1, 1, 1, 1], [4, 1, 1, 1, 2], [36, 60, 65, 69, 60], [48, 60, 60, 92, 60])
    found = {name: column[np.argsort(source)] for name, column in note_features(tokens).items()}
    assert found["chord_others"].tolist() == [0, 3, 3, 3, 3]
    assert found["chord_above"].tolist() == [0, 2, 1, 0, 2]
    assert found["chord_below"].tolist() == [0, 0, 2, 3, 0]
    assert found["chord_up"].tolist() == [FAR, 5, 4, FAR, 5]
    assert found["chord_down"].tolist() == [FAR, FAR, 5, 4, FAR]
    assert found["unison"].tolist() == [0, 1, 0, 0, 1]
    assert found["unison_longer"].tolist() == [0, 1, 0, 0, -1]
    assert found["sounding"].tolist() == [0, 4, 4, 4, 4]
    assert found["sounding_down"].tolist() == [FAR, 24, 5, 4, 24]
    assert found["during"].tolist() == [4, 0, 0, 0, 0]
    assert found["chord_louder"][3] == -32
    assert found["velocity_rank"].argmax() == 3


def test_a_line_is_followed_where_it_leads() -> None:
    """Down a step at once, over a bass that leaps; nothing leads to the first notes."""
    tokens, source = tokens_of([0, 0, 1, 1], [1, 1, 1, 1], [72, 48, 71, 36])
    found = {name: column[np.argsort(source)] for name, column in note_features(tokens).items()}
    assert found["successor_interval"][:2].tolist() == [-1, -12]
    assert found["predecessor_interval"].tolist() == [FAR, FAR, 1, 12]
    assert found["successor_gap"].tolist() == [0, 0, NEVER, NEVER]
    np.testing.assert_allclose(found["successor_time"][:2], 0.5, rtol=0.02)  # tempo is kept in steps
    assert found["successor_rank"].tolist() == [0, 1, -1, -1]
    assert found["stroke+1_top"][:2].tolist() == [-1, 23]
    np.testing.assert_allclose(found["stroke-1_time"], [-NEVER, -NEVER, -0.5, -0.5], rtol=0.02)


def test_class_probabilities_of_neighbours_are_features() -> None:
    tokens, source = tokens_of([0, 0, 1], [1, 1, 1], [72, 48, 71])
    shares = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    found = {
        name: column[np.argsort(source)] for name, column in note_features(tokens, shares[source]).items()
    }
    np.testing.assert_allclose(found["class0"], [0.9, 0.2, 0.6], rtol=1e-6)
    np.testing.assert_allclose(found["class0_chord_most"], [0.2, 0.9, 0], rtol=1e-6)
    np.testing.assert_allclose(found["class1_successor"], [0.4, 0.4, 0], rtol=1e-6)
    np.testing.assert_allclose(found["class1_predecessor"], [0, 0, 0.1], rtol=1e-6)
    np.testing.assert_allclose(found["class0_past_near"], [0, 0, 0.9], rtol=1e-6)
    assert found["class1_past_interval"].tolist() == [FAR, FAR, -23]
    mean = (0.9 * 72 + 0.2 * 48 + 0.6 * 71) / 1.7  # the pitch of what is held for the first class
    np.testing.assert_allclose(found["class0_pitch"], [72 - mean, 48 - mean, 71 - mean])
    np.testing.assert_allclose(found["class1_share"], 1.3 / 3)
    assert note_matrix(tokens, shares[source]).shape == (3, len(note_names(2)))


def test_blocks_and_drums_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece that is worked on bit by bit; one in which a drum beats between the notes."""
    music = tune(1, bars=40)
    tokens = Tokenizer().encode(music).ids
    assert len(tokens) > 2 * REACH
    whole = note_matrix(tokens)
    monkeypatch.setattr(notes, "BLOCK", 100)
    np.testing.assert_array_equal(note_matrix(tokens), whole)
    beats = np.arange(40)
    drums = note_array(beats * QUARTER, 60, np.full(40, 38), 90, DRUM_PROGRAM)
    both = Music(np.concatenate([music.notes, drums]), QUARTER, music.time_signatures)
    tokens = Tokenizer().encode(both)
    beaten, is_drum = tokens.ids, tokens.note_index >= len(music)
    table = note_matrix(beaten)
    assert not table[is_drum].any()
    np.testing.assert_array_equal(table[~is_drum], whole)
    assert not note_matrix(beaten[is_drum]).any()


def test_sums_of_many_choices_equal_sums_one_by_one() -> None:
    draw = np.random.default_rng(0)
    chosen, values = draw.random((5, 3, 9)) < 0.4, draw.normal(size=(2, 5, 9))
    sizes, sums = sums_of(chosen, list(values))
    np.testing.assert_array_equal(sizes, chosen.sum(axis=2))
    np.testing.assert_allclose(sums, np.einsum("kmw,vkw->kmv", chosen, values), rtol=1e-5, atol=1e-6)


def test_of_one_class_there_is_nothing_to_learn() -> None:
    tokens = Tokenizer().encode(tune(0)).ids
    model = fit_note_classifier([(tokens, np.full(len(tokens), 1))], 3)
    assert model.classes(tokens).tolist() == [1] * len(tokens)


def test_many_notes_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """About as many as asked for, of every piece, labelled ones alone."""
    seen = []
    monkeypatch.setattr(fitting, "MOST", 500)
    monkeypatch.setattr(fitting, "fit_boosting", lambda x, y, c: seen.append((x, y)))
    truth = np.tile([0, 1, -1, -1], 500)
    pieces = [np.full((2000, 1), number, dtype=np.float32) for number in range(4)]
    fitting.grown(pieces, [truth] * 4, 2)
    features, labels = seen[0]
    assert 400 < len(labels) < 600
    assert set(labels.tolist()) == {0, 1}
    assert np.unique(features).tolist() == [0, 1, 2, 3]


def test_a_model_is_not_trained_on_the_song_it_predicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both readings of a song stand in one part; and of a single song the judge is who was taught by it."""
    taught = []

    def grown(pieces: Any, labels: Any, classes: int) -> Any:
        taught.append({int(truth[0]) for truth in labels})
        list(pieces)
        return fit_boosting(np.zeros((2, 1), dtype=np.float32), np.array([0, 0]), classes)

    monkeypatch.setattr(fitting, "grown", grown)
    tokens = Tokenizer().encode(tune(0, bars=1)).ids
    pieces = [(tokens, np.full(len(tokens), number)) for number in range(6)]
    fit_note_classifier(pieces, 6, groups=np.array([7, 3, 7, 3, 9, 9]))
    first, *judges, second = taught
    assert first == second == set(range(6))
    assert len(judges) == 2
    assert judges[0] | judges[1] == first
    assert not judges[0] & judges[1]
    assert all(judge & {0, 2} in ({0, 2}, set()) and judge & {1, 3} in ({1, 3}, set()) for judge in judges)
    taught.clear()
    fit_note_classifier(pieces[:2], 6, groups=np.array([5, 5]))
    assert {0, 1} in taught[1:-1]


def test_memory_grows_by_the_table_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "BLOCK", 256)
    tokens, peaks = Tokenizer().encode(tune(2, bars=400)).ids, []
    for count in (1500, 3000):
        tracemalloc.start()
        try:
            note_matrix(tokens[:count])
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1500 * 1600  # bytes, of which the table has 644 a note


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Melodies are distinguished from chords, with one seed."""
    base = tmp_path_factory.mktemp("note-features")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERPOINT_CACHE", str(base / "cache"))
        patch.setattr("finetune.baselines.boosting.fit_boosting.__defaults__", (8, TREES))
        tunes = str(write_folder(base / "tunes"))
        command = ["note", tunes, "--tracks", "MELODY,PIANO", "--method", FEATURES, "--jobs", "0"]
        assert main([*command, "--out", str(base / "run")]) == 0
        yield base / "run"


def test_it_is_scored_and_shown(run: Path) -> None:
    record = json.loads((run / "record.json").read_text())
    assert record["test"]["accuracy"]["mean"] > 0.99
    assert record["backbone"] == {"source": FEATURES}
    assert record["seeds"][0]["learnt_from"] == ["train"]
    page = (run / "report.html").read_text()
    assert "validation pieces were learnt from too" not in page
    assert "of validation pieces too" not in page
    assert "What speaks for each class" not in page
    assert "A test piece" in page


def test_there_is_no_chance_in_it_that_seeds_could_tell(run: Path, capsys: Any) -> None:
    command = [
        "note",
        str(run.parent / "tunes"),
        "--tracks",
        "MELODY,PIANO",
        "--method",
        FEATURES,
        "--jobs",
        "0",
    ]
    assert main([*command, "--seeds", "2"]) == 2
    assert "what is fitted to the same labels is the same" in capsys.readouterr().err


def test_it_predicts_and_is_handed_on(run: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.json"
    command = ["predict", str(run), str(run.parent / "tunes"), "--out", str(tmp_path)]
    assert main([*command, "--json", str(answers)]) == 0
    found = json.loads(answers.read_text())
    assert len(found) == 24
    assert main(["export", str(run), str(tmp_path / "lines"), "--licence", "mine"]) == 0
    ours, theirs = load(tmp_path / "lines"), load(run)
    music = tune(77)
    np.testing.assert_array_equal(ours(music).classes, theirs(music).classes)
    assert (ours(music).classes == (music.notes["track"] != 0)).mean() > 0.99
    assert (
        "hand-made features by boosted trees, without a backbone"
        in (tmp_path / "lines" / "README.md").read_text()
    )


def test_what_was_fitted_otherwise_is_refused(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), str(tmp_path / "old"), "--licence", "mine"]) == 0
    config = tmp_path / "old" / "config.json"
    about = json.loads(config.read_text())
    about["parts"]["features"]["features"][0] = "of_another_release"
    config.write_text(json.dumps(about))
    with pytest.raises(CheckpointError, match="other hand-made features"):
        load(tmp_path / "old")
