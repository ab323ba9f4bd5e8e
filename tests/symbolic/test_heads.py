"""Heads: shapes, padding, and descriptions that rebuild them."""

from __future__ import annotations

import pytest
import torch

from symbolic.errors import ConfigError
from symbolic.heads import POOLINGS, FieldHeads, Head, NoteHead, SequenceHead, build_head

SIZES = (12, 10, 9, 11, 8, 7, 6, 8)


def test_field_heads_give_logits_of_each_fields_size() -> None:
    logits = FieldHeads(16, SIZES)(torch.randn(5, 16))
    assert [tuple(x.shape) for x in logits] == [(5, size) for size in SIZES]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_sequence_head_pools_real_rows_only(pooling: str) -> None:
    head = SequenceHead(16, 3, pooling=pooling).eval()
    if head.score is not None:
        torch.nn.init.normal_(head.score.weight)
    hidden = torch.randn(2, 6, 16)
    attention_mask = torch.arange(6) < torch.tensor([[4], [6]])
    alone = head(hidden[:1, :4])
    hidden[0, 4:] = 1e3
    torch.testing.assert_close(head(hidden, attention_mask)[:1], alone)


def test_attention_pooling_starts_as_the_mean_and_learns() -> None:
    head = SequenceHead(16, 3).eval()
    hidden = torch.randn(2, 6, 16)
    torch.testing.assert_close(head(hidden), head.output(hidden.mean(1)))
    head(hidden).square().sum().backward()
    assert head.score is not None
    assert head.score.weight.grad.abs().max() > 0


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_window_without_a_real_row_stays_finite(pooling: str) -> None:
    head = SequenceHead(16, 3, pooling=pooling)
    assert head(torch.randn(1, 4, 16), torch.zeros(1, 4, dtype=torch.bool)).isfinite().all()


def test_note_head_gives_logits_of_each_row() -> None:
    assert NoteHead(16, 3)(torch.randn(2, 6, 16)).shape == (2, 6, 3)


@pytest.mark.parametrize("head", [FieldHeads(16, SIZES), SequenceHead(16, 3, 0.2, "mean"), NoteHead(16, 4)])
def test_a_description_rebuilds_the_head(head: Head) -> None:
    again = build_head(head.describe())
    again.load_state_dict(head.state_dict())
    assert type(again) is type(head)
    assert again.describe() == head.describe()


def test_unknown_descriptions_are_refused() -> None:
    with pytest.raises(ConfigError, match="fields, sequence, note"):
        build_head({"kind": "chord", "dim": 4})
    with pytest.raises(ConfigError, match="width"):
        build_head({"kind": "note", "dim": 4, "classes": 2, "width": 3})
    with pytest.raises(ConfigError, match="attention, mean"):
        SequenceHead(4, 2, pooling="max")
