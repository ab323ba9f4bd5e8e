"""Kept states of notes: the same answers, computed once; told and done without where they take too much disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from finetune_helpers import NANO, PLAN, counted_windows, trained_in_two_goes

from finetune.tasks.data import TaskData
from finetune.training import notecache
from finetune.training.draws import DRAWS
from finetune.training.model import build_model
from finetune.training.notecache import NoteBatch, disk_needed, note_batches, note_states
from finetune.training.seed import train_seed
from finetune.training.source import Source
from symbolic.predict.network import load_model

CPU = torch.device("cpu")
PROBE = replace(PLAN, method="probe")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever a window's states are computed to be kept."""
    return counted_windows(monkeypatch)


def test_a_probe_learns_the_same_with_and_without_kept_states(
    notes: TaskData, source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = train_seed(notes, source, PROBE, 0, tmp_path / "kept", {})
    assert "GiB" not in capsys.readouterr().err
    anew = train_seed(notes, source, replace(PROBE, keep_states=0.0), 0, tmp_path / "anew", {})
    assert "Raise --keep_states" in capsys.readouterr().err
    for ours, theirs in zip(kept.summary["history"], anew.summary["history"], strict=True):
        assert ours["step"] == theirs["step"]
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-3)
        assert ours["valid_loss"] == pytest.approx(theirs["valid_loss"], rel=1e-3)
    before, after = (load_model(tmp_path / name / "checkpoint")[0] for name in ("kept", "anew"))
    tokens = notes.tokens(int(notes.splits["test"][0]))
    assert np.allclose(before.logits(tokens), after.logits(tokens), atol=0.01)
    assert kept.summary["test"]["accuracy"] == pytest.approx(anew.summary["test"]["accuracy"], abs=0.005)


@pytest.mark.parametrize("only", [None, -1])
def test_kept_states_answer_as_the_rows_of_the_same_draw_would(
    only: int | None, notes: TaskData, source: Source
) -> None:
    model = build_model(source.backbone(), notes.task, "probe", {"only": only}).eval()
    states = note_states(model, notes, CPU)
    assert states is not None
    moved = 0
    for split in ("train", "valid"):
        kept, anew = (note_batches(model, notes, split, 512, 3, one) for one in (states, None))
        plain = note_batches(model, notes, split, 512, 3, None).plain
        for step in range(3):
            ours, theirs = kept[step], anew[step]
            assert isinstance(ours, NoteBatch)
            assert (ours.start == theirs.start).all()
            assert (ours.attention_mask == theirs.attention_mask).all()
            with torch.no_grad():
                said = model.of_heard(ours.states)[ours.attention_mask]
                wanted = model(theirs.tokens, theirs.attend)[theirs.attention_mask]
            assert torch.allclose(said, wanted, atol=5e-3)
            moved += int((theirs.tokens != plain[step].tokens).any())
    assert moved > 0


def test_only_training_windows_are_transposed(notes: TaskData, source: Source) -> None:
    model = build_model(source.backbone(), notes.task, "probe")
    valid = note_batches(model, notes, "valid", 512, 3, None)
    assert all(torch.equal(valid[k].tokens, valid.plain[k].tokens) for k in range(len(valid)))


def test_another_seed_and_another_probe_compute_only_what_is_not_known(
    notes: TaskData, source: Source, tmp_path: Path, asked: list[int]
) -> None:
    train_seed(notes, source, replace(PROBE, epochs=1, options={"kind": "last"}), 0, tmp_path / "last", {})
    windows = sum(asked)
    assert windows > 0
    asked.clear()
    train_seed(
        notes.thinned(0.5, 0),
        source,
        replace(PROBE, epochs=1, options={"kind": "last"}),
        1,
        tmp_path / "b",
        {},
    )
    assert asked == []
    train_seed(notes, source, replace(PROBE, epochs=1), 0, tmp_path / "mix", {})
    assert sum(asked) == windows


def test_the_disk_that_is_asked_for_is_what_is_written(
    notes: TaskData, source: Source, tmp_path: Path
) -> None:
    last, mix = (build_model(source.backbone(), notes.task, "probe", o) for o in ({"only": -1}, {}))
    tokens = {
        split: sum(len(notes.tokens(int(p))) for p in notes.splits[split]) for split in ("train", "valid")
    }
    assert disk_needed(last, notes) == (DRAWS * tokens["train"] + tokens["valid"]) * NANO.dim * 2
    assert disk_needed(mix, notes) == (NANO.layers + 1) * disk_needed(last, notes)
    states = note_states(last, notes, CPU)
    assert states is not None
    assert np.count_nonzero(states._states) == pytest.approx(disk_needed(last, notes) / 2, rel=0.01)


def test_a_full_disk_is_not_filled(
    notes: TaskData, source: Source, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notecache, "free_disk", lambda: 1000)
    assert note_states(build_model(source.backbone(), notes.task, "probe"), notes, CPU) is None
    assert "0.0 are allowed or free" in capsys.readouterr().err


def test_an_interrupted_probe_of_notes_ends_as_if_never_interrupted(
    notes: TaskData, source: Source, tmp_path: Path
) -> None:
    whole = train_seed(notes, source, PROBE, 0, tmp_path / "whole", {})
    resumed = trained_in_two_goes(notes, source, PROBE, tmp_path / "seed", validations=2)
    assert resumed.summary["history"] == whole.summary["history"]
    assert (resumed.counts["test"] == whole.counts["test"]).all()
