"""The embedding of relations: nothing changes before it learns, nothing depends on padding or absolute pitch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic import unruly

from symbolic.backbone import KINDS, Backbone, BackboneConfig, build_backbone
from symbolic.errors import ConfigError
from symbolic.relations import RELATIONS, relation_ids
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.transposition import transpose
from symbolic.tokens.vocabulary import DRUM_PITCH, PAD, PITCH, RESERVED, Vocabulary

SIZES = Vocabulary().sizes
ALL = tuple(RELATIONS)
BLIND = tuple(name for name in ALL if name not in ("pitch_class", "octave", "degree"))
"""Relations that transposition leaves as they are; ties of keys may move the tonic."""
PLAIN = BackboneConfig(dim=16, layers=1, heads=2, ffn=16, window=64)


def windows() -> np.ndarray:
    return np.stack([Tokenizer()(unruly(seed, 40)).ids[:32] for seed in range(3)])


def as_tensor(ids: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(ids.astype(np.int64))


def backbone(**changes: object) -> Backbone:
    """A backbone whose relations have learnt something."""
    torch.manual_seed(0)
    made = build_backbone(replace(PLAIN, **changes), SIZES).eval()
    if made.embedding.relations is not None:
        torch.nn.init.normal_(made.embedding.relations.weight)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_new_relations_change_no_state(kind: str) -> None:
    plain = backbone(kind=kind)
    related = build_backbone(replace(PLAIN, kind=kind, relations=ALL), SIZES).eval()
    missing = related.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing == ["embedding.relations.weight"]
    tokens = as_tensor(windows())
    assert torch.equal(related(tokens), plain(tokens))


def test_a_vector_is_the_sum_of_those_of_its_relations() -> None:
    embedding, tokens = backbone(relations=BLIND).embedding, as_tensor(windows())
    expected = torch.zeros(*tokens.shape[:2], PLAIN.dim)
    for column, rows in enumerate(embedding.relations.vectors().values()):
        expected += rows[relation_ids(tokens, BLIND)[..., column]]
    torch.testing.assert_close(embedding.relations(tokens), expected)


def test_each_relation_learns() -> None:
    made, tokens = backbone(relations=ALL), as_tensor(windows())
    made(tokens).square().sum().backward()
    gradient = made.embedding.relations.weight.grad.split(made.embedding.relations.sizes)
    assert all(part.abs().sum() > 0 for part in gradient)


def test_ids_of_padding_are_not_read() -> None:
    made, tokens = backbone(relations=ALL), as_tensor(windows())
    attention_mask = torch.arange(tokens.shape[1]).expand(3, -1) < torch.tensor([[20], [32], [9]])
    padded = tokens.masked_fill(~attention_mask[..., None], PAD)
    found, expected = (made(ids, attention_mask)[attention_mask] for ids in (tokens, padded))
    torch.testing.assert_close(found, expected)


def test_without_absolute_pitch_transposition_is_exact() -> None:
    ids = windows()
    pitch = ids[..., PITCH]
    pitched = pitch < RESERVED + DRUM_PITCH
    pitch[pitched] = RESERVED + 40 + pitch[pitched] % 40  # room to move
    relative, absolute = (backbone(relations=BLIND, absolute_pitch=kept) for kept in (False, True))
    moved = np.stack([transpose(window, 2) for window in ids])
    assert torch.equal(relative(as_tensor(moved)), relative(as_tensor(ids)))
    assert not torch.allclose(absolute(as_tensor(moved)), absolute(as_tensor(ids)))


def test_drum_keys_keep_their_vectors_without_absolute_pitch() -> None:
    made, tokens = backbone(absolute_pitch=False), as_tensor(windows())
    tokens[..., PITCH] = RESERVED + DRUM_PITCH + 36
    other = tokens.clone()
    other[..., PITCH] += 2
    assert not torch.allclose(made(tokens), made(other))


@pytest.mark.slow
def test_a_compiled_backbone_gives_the_same_states() -> None:
    made, tokens = backbone(relations=ALL), as_tensor(windows())
    compiled = torch.compile(made, backend="eager", dynamic=True)
    torch.testing.assert_close(compiled(tokens), made(tokens))


def test_half_precision_embeds_relations() -> None:
    made, tokens = backbone(relations=ALL), as_tensor(windows())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = made(tokens).float()
    torch.testing.assert_close(found, made(tokens), atol=0.1, rtol=0.1)
    assert made.bfloat16()(tokens).dtype == torch.bfloat16


def test_unknown_relations_and_vocabularies_are_refused() -> None:
    with pytest.raises(ConfigError, match="no relation 'bass'"):
        replace(PLAIN, relations=("bass",))
    with pytest.raises(ConfigError, match="usual vocabulary"):
        build_backbone(replace(PLAIN, relations=ALL), Vocabulary(max_bars=64).sizes)


def test_a_shape_with_relations_is_read_as_written() -> None:
    shape = replace(PLAIN, relations=BLIND, absolute_pitch=False)
    assert BackboneConfig.from_dict(shape.to_dict()) == shape
    old = {
        name: value for name, value in PLAIN.to_dict().items() if name not in ("relations", "absolute_pitch")
    }
    assert BackboneConfig.from_dict(old) == PLAIN
