"""Inference: windows that cover, tokens from their most central window, and a loaded model end to end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import symbolic
from symbolic.adapters import attach
from symbolic.backbone import BackboneConfig, build_backbone
from symbolic.errors import ConfigError
from symbolic.heads import Head, NoteHead, SequenceHead
from symbolic.predict.layers import on_tensors
from symbolic.predict.loading import load
from symbolic.predict.network import TaskModel, save_model
from symbolic.predict.predictor import PiecePredictor
from symbolic.predict.windows import Cut, overlapping_windows, predict_pooled, predict_tokens
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import BAR, PITCH, RESERVED

TOKENIZER = Tokenizer()
TASK = {
    "name": "key",
    "title": "Mode",
    "level": "sequence",
    "label": "mode",
    "classes": ["major", "minor"],
    "hide": [],
    "one_piano": False,
}


def piece(steps: list[int] | np.ndarray) -> np.ndarray:
    """Tokens whose bars advance by `steps`, with ids that every field has."""
    bars = np.cumsum(steps)
    tokens = np.random.default_rng(0).integers(RESERVED, 30, (len(bars), 8)).astype(np.uint16)
    tokens[:, BAR] = bars + RESERVED
    return tokens


def make_model(head: Head) -> TaskModel:
    torch.manual_seed(0)
    config = BackboneConfig(dim=16, layers=1, heads=2, ffn=16, window=16)
    assert isinstance(head, NoteHead | SequenceHead)
    return TaskModel(build_backbone(config, TOKENIZER.vocabulary.sizes), head).eval()


@given(
    steps=st.lists(st.sampled_from([0, 0, 0, 1, 2, 40]), max_size=80),
    length=st.integers(1, 20),
    data=st.data(),
    max_bars=st.integers(1, 50),
)
def test_windows_cover_the_piece_and_keep_their_bounds(
    steps: list[int], length: int, data: st.DataObject, max_bars: int
) -> None:
    tokens = piece(steps)
    overlap = data.draw(st.integers(0, length - 1))
    windows = overlapping_windows(tokens, length, overlap, max_bars)
    covered = np.zeros(len(tokens), dtype=bool)
    for start, stop in windows:
        covered[start:stop] = True
        assert 0 < stop - start <= length
        assert int(tokens[stop - 1, BAR]) - int(tokens[start, BAR]) < max_bars
    assert covered.all()
    assert windows == sorted(set(windows))
    if windows:
        assert windows[-1][1] == len(tokens)


def test_windows_of_one_bar_overlap_as_asked_and_end_flush() -> None:
    assert overlapping_windows(piece([0] * 10), 4, 2) == [(0, 4), (2, 6), (4, 8), (6, 10)]
    assert overlapping_windows(piece([0] * 11), 4, 0) == [(0, 4), (4, 8), (7, 11)]
    assert overlapping_windows(piece([0] * 3), 4, 2) == [(0, 3)]
    assert overlapping_windows(piece([]), 4, 2) == []


def test_the_last_window_reaches_back_no_further_than_its_bars() -> None:
    assert overlapping_windows(piece([0, 0, 1, 1, 1, 1]), 4, 0, max_bars=3) == [(0, 4), (3, 6)]


def test_bad_numbers_are_named_together() -> None:
    with pytest.raises(ConfigError, match=r"(?s)length is 0.*max_bars is 0.*overlap is 3"):
        overlapping_windows(piece([0]), 0, 3, 0)


def test_each_token_comes_from_its_most_central_window() -> None:
    def margins(ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        assert attention_mask is None
        place = torch.arange(ids.shape[1]).expand(ids.shape[:2])
        return torch.minimum(place, place.flip(1))

    [found] = predict_tokens(on_tensors(margins), [piece([0] * 14)], Cut(8, 5, batch=2))
    # Windows start at 0, 3 and 6.
    assert found.tolist() == [0, 1, 2, 3, 3, 2, 3, 3, 2, 3, 3, 2, 1, 0]


@given(steps=st.lists(st.sampled_from([0, 0, 1, 100]), min_size=1, max_size=60), batch=st.integers(1, 5))
def test_tokens_return_to_their_places_with_bars_rebased(steps: list[int], batch: int) -> None:
    tokens = piece(steps)

    def echo(ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        kept = ids if attention_mask is None else ids[attention_mask]
        assert int(kept[..., BAR].max()) < TOKENIZER.vocabulary.sizes[BAR]
        assert (ids[:, 0, BAR] == RESERVED).all()
        if attention_mask is not None:
            assert (ids[~attention_mask] == 0).all()
            assert not attention_mask.all()
        return ids[..., PITCH:]

    [found] = predict_tokens(on_tensors(echo), [tokens], Cut(8, 3, batch=batch))
    np.testing.assert_array_equal(found, tokens[:, PITCH:])
    assert found.dtype == np.float32


def test_pooling_weighs_windows_alike() -> None:
    tokens = piece([0] * 10)
    tokens[:, PITCH] = np.arange(10) + RESERVED

    def first_pitch(ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        return ids[:, 0, [PITCH]] - RESERVED

    # Windows start at 0, 4 and 6; three in batches of two.
    [found] = predict_pooled(on_tensors(first_pitch), [tokens], Cut(4, 0, batch=2))
    np.testing.assert_allclose(found, [(0 + 4 + 6) / 3])


def test_an_empty_piece_is_refused() -> None:
    with pytest.raises(ConfigError, match="no notes"):
        make_model(NoteHead(16, 3)).logits(piece([]))


def test_a_short_piece_gives_what_one_pass_gives() -> None:
    tokens = piece([0, 1] * 6)
    ids = torch.from_numpy(tokens.astype(np.int64))[None]
    for head in (SequenceHead(16, 5), NoteHead(16, 3)):
        model = make_model(head)
        with torch.no_grad():
            expected = head(model.backbone(ids))[0]
        np.testing.assert_allclose(model.logits(tokens), expected, atol=1e-5)


@pytest.mark.parametrize("head", [NoteHead(16, 3), SequenceHead(16, 5)])
def test_batching_pieces_together_changes_nothing(head: Head) -> None:
    model = make_model(head)
    random = np.random.default_rng(1)
    pieces = [piece(random.choice([0, 1, 90], size, p=[0.7, 0.2, 0.1])) for size in (100, 1, 7, 40)]
    for found, tokens in zip(model.batch_logits(pieces), pieces, strict=True):
        assert found.shape == ((len(tokens), 3) if isinstance(head, NoteHead) else (5,))
        np.testing.assert_allclose(found, model.logits(tokens), atol=1e-5)


def test_the_number_of_windows_at_a_time_changes_nothing() -> None:
    model = make_model(NoteHead(16, 3))
    tokens = piece(np.random.default_rng(1).choice([0, 1, 90], 100, p=[0.7, 0.2, 0.1]))
    one, seven = (
        predict_tokens(on_tensors(model), [tokens], replace(model.encoder.cut, batch=batch))[0]
        for batch in (1, 7)
    )
    assert one.shape == (100, 3)
    np.testing.assert_allclose(seven, one, atol=1e-5)


def test_a_saved_model_loads_and_predicts_the_same(tmp_path: Path) -> None:
    model = make_model(SequenceHead(16, 2))
    for parameter in attach(model.backbone, "lora").parameters():
        torch.nn.init.normal_(parameter)
    save_model(tmp_path / "m", model, TOKENIZER, TASK)
    loaded = load(tmp_path / "m")
    assert isinstance(loaded, PiecePredictor)
    tokens = piece([0, 1] * 20)
    np.testing.assert_array_equal(loaded.model.logits(tokens), model.logits(tokens))
    assert loaded.task == TASK
    assert loaded.tokenizer.fingerprint == TOKENIZER.fingerprint
    assert not loaded.model.training
    assert symbolic.load is load
