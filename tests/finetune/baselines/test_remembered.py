"""Note features are computed once in a process, kept on disk within bounds, and are the same to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from finetune_helpers import tune

from finetune.baselines import memory
from finetune.baselines.memory import NoteMemory
from symbolic.features.notes import note_matrix, note_names
from symbolic.predict.note_codes import LEVELS, level_edges
from symbolic.tokens.tokenizer import Tokenizer

Tokens = np.ndarray[Any, Any]


@pytest.fixture
def pieces(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> list[Tokens]:
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))
    return [Tokenizer().encode(tune(number, bars=2 + number)).ids for number in range(3)]


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of the pieces whose features are computed, as it goes."""
    found: list[int] = []

    def counted(tokens: Tokens) -> Tokens:
        found.append(len(tokens))
        return note_matrix(tokens)

    monkeypatch.setattr(memory, "note_matrix", counted)
    return found


def test_features_are_computed_once_in_any_order(pieces: list[Tokens], computed: list[int]) -> None:
    store = NoteMemory()
    for tokens in [*pieces, *pieces[::-1], pieces[1], pieces[1][:5]]:
        np.testing.assert_array_equal(store.of(tokens), note_matrix(tokens))
    assert computed == [*map(len, pieces), 5]


def test_what_has_no_room_is_computed_anew(pieces: list[Tokens], computed: list[int]) -> None:
    store = NoteMemory(most=note_matrix(pieces[0]).nbytes)
    for tokens in [*pieces, *pieces]:
        np.testing.assert_array_equal(store.of(tokens), note_matrix(tokens))
    assert computed == [len(pieces[one]) for one in (0, 1, 2, 1, 2)]


def test_a_full_disk_costs_time_and_nothing_else(
    pieces: list[Tokens], computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(memory.tempfile, "TemporaryFile", full)
    store = NoteMemory()
    for tokens in pieces[:1] * 2:
        np.testing.assert_array_equal(store.of(tokens), note_matrix(tokens))
    assert len(computed) == 2


def test_further_features_need_the_known_ones_no_second_time(pieces: list[Tokens]) -> None:
    for tokens in pieces:
        shares = np.random.default_rng(0).dirichlet([1, 2, 3], len(tokens))
        whole = note_matrix(tokens, shares)
        np.testing.assert_array_equal(note_matrix(tokens, shares, note_matrix(tokens)), whole)
        marked = note_matrix(tokens, shares, np.full((len(tokens), len(note_names())), 7, np.float32))
        taken = [note_names(3).index(name) for name in note_names()]
        assert (marked[:, taken] == 7).all()
        np.testing.assert_array_equal(np.delete(marked, taken, 1), np.delete(whole, taken, 1))


def test_levels_of_one_feature_at_a_time_are_those_of_all() -> None:
    draw = np.random.default_rng(0)
    pieces = [draw.normal(size=(50, 4)).astype(np.float32).round(1) for _ in range(9)]
    some = np.concatenate([one[::7] for one in pieces])
    expected = np.quantile(some, np.arange(1, LEVELS) / LEVELS, axis=0).T.astype(np.float32)
    found = level_edges(iter(pieces))
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, expected)
