"""The backbone: shapes, padding, positions, initialisation, and settings that are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from symbolic.backbone import KINDS, PRESETS, Backbone, BackboneConfig, build_backbone, preset
from symbolic.backbone.attention import attend, rotary_angles, rotate
from symbolic.backbone.parts import Dropout
from symbolic.errors import ConfigError
from symbolic.tokens.vocabulary import PAD, Vocabulary

SIZES = (12, 10, 9, 11, 8, 7, 6, 8)
CONFIG = BackboneConfig(dim=16, layers=2, heads=2, ffn=32, window=16)


def random_tokens(*shape: int) -> Tensor:
    return torch.stack([torch.randint(4, size, shape) for size in SIZES], dim=-1)


@pytest.fixture(params=KINDS)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    torch.manual_seed(0)
    return build_backbone(replace(CONFIG, kind=request.param), SIZES).eval()


def test_every_preset_builds_with_the_real_vocabulary() -> None:
    for config in PRESETS.values():
        with torch.device("meta"):
            assert build_backbone(config, Vocabulary().sizes).config == config


def test_small_is_about_ten_million_and_base_about_85() -> None:
    def millions(name: str) -> float:
        with torch.device("meta"):
            return sum(p.numel() for p in build_backbone(preset(name), (4,) * 8).parameters()) / 1e6

    assert millions("small") == pytest.approx(10.7, abs=0.5)
    assert millions("base") == pytest.approx(85, abs=1)


def test_states_are_the_embedding_and_one_per_layer(backbone: Backbone) -> None:
    tokens = random_tokens(3, 5)
    states = backbone.states(tokens)
    assert len(states) == CONFIG.layers + 1
    assert all(state.shape == (3, 5, CONFIG.dim) for state in states)
    torch.testing.assert_close(states[0], backbone.embedding(tokens))
    torch.testing.assert_close(states[-1], backbone(tokens))


def test_padding_never_changes_other_tokens(backbone: Backbone) -> None:
    tokens = random_tokens(2, 8)
    attention_mask = torch.arange(8) < torch.tensor([[5], [8]])
    alone = backbone(tokens[:1, :5])
    padded = tokens.masked_fill(~attention_mask[..., None], PAD)
    garbage = torch.where(attention_mask[..., None], tokens, random_tokens(2, 8))
    for batch in (padded, garbage):
        torch.testing.assert_close(backbone(batch, attention_mask)[:1, :5], alone, atol=1e-5, rtol=1e-4)


def test_no_gradient_flows_to_padding(backbone: Backbone) -> None:
    attention_mask = torch.tensor([[True, True, False]])
    tokens = torch.full((1, 3, 8), 5)
    tokens[0, 2] = PAD
    backbone(tokens, attention_mask)[attention_mask].sum().backward()
    for table in backbone.embedding.tables:
        assert table.weight.grad[PAD].abs().max() == 0


def test_a_window_of_padding_stays_finite(backbone: Backbone) -> None:
    attention_mask = torch.tensor([[False, False], [True, True]])
    out = backbone(random_tokens(2, 2), attention_mask)
    out.sum().backward()
    assert out.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in backbone.parameters())


def test_real_all_true_equals_none(backbone: Backbone) -> None:
    tokens = random_tokens(2, 6)
    torch.testing.assert_close(backbone(tokens, torch.ones(2, 6, dtype=torch.bool)), backbone(tokens))


def test_order_matters_and_rotary_depends_on_distances_only(backbone: Backbone) -> None:
    tokens = random_tokens(1, 6)
    assert not torch.allclose(backbone(tokens.flip(1)).flip(1), backbone(tokens), atol=1e-4)
    cos, sin = rotary_angles(9, 8, torch.device("cpu"))
    query, key = torch.randn(2, 1, 1, 1, 8)

    def score(i: int, j: int) -> Tensor:
        return (rotate(query, (cos[[i]], sin[[i]])) * rotate(key, (cos[[j]], sin[[j]]))).sum()

    torch.testing.assert_close(score(1, 4), score(5, 8))


def test_every_field_of_a_token_changes_the_output(backbone: Backbone) -> None:
    tokens = torch.full((1, 3, 8), 4)
    before = backbone(tokens)
    for column in range(8):
        changed = tokens.clone()
        changed[0, 1, column] = 5
        assert not torch.allclose(backbone(changed), before)


def test_an_id_beyond_its_field_is_an_error(backbone: Backbone) -> None:
    tokens = random_tokens(1, 2)
    tokens[0, 0, 0] = SIZES[0]
    with pytest.raises(IndexError):
        backbone(tokens)


def test_initial_deviations() -> None:
    torch.manual_seed(0)
    backbone = build_backbone(replace(CONFIG, dim=64, ffn=128, layers=8, heads=2), SIZES)
    block = backbone.blocks[0]
    assert block.attention.query.weight.std().item() == pytest.approx(0.02, rel=0.1)
    for writer in (block.attention.output, block.feedforward.down):
        assert writer.weight.std().item() == pytest.approx(0.02 / 4, rel=0.1)
    stds = [table.weight.std().item() for table in backbone.embedding.tables]
    assert np.mean(stds) == pytest.approx(0.02, rel=0.1)


def test_dropout_acts_in_training_only(backbone: Backbone) -> None:
    tokens = random_tokens(1, 4)
    torch.testing.assert_close(backbone(tokens), backbone(tokens))
    backbone.train()
    assert not torch.allclose(backbone(tokens), backbone(tokens))


def test_half_precision_runs(backbone: Backbone) -> None:
    tokens, attention_mask = random_tokens(1, 4), torch.tensor([[True, True, True, False]])
    exact = backbone(tokens, attention_mask)[attention_mask]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(
            backbone(tokens, attention_mask)[attention_mask].float(), exact, atol=0.1, rtol=0.1
        )
    assert backbone.bfloat16()(tokens, attention_mask).dtype == torch.bfloat16


@pytest.mark.parametrize("keys", [1030, 1040])
@pytest.mark.parametrize("padded", [False, True])
def test_half_precision_attention_has_the_same_gradients(keys: int, padded: bool) -> None:
    """More scores than are worked on at once, so that pieces must come together right; keys of a prefix too."""
    torch.manual_seed(0)
    attention_mask = torch.arange(keys) < torch.tensor([[keys], [7]]) if padded else None
    lengths = (1030, keys, keys)
    exact = [torch.randn(2, 3, length, 8).bfloat16().float().requires_grad_() for length in lengths]
    half = [x.detach().bfloat16().requires_grad_() for x in exact]
    weights = torch.randn(2, 3, 1030, 8)
    for inputs in (exact, half):
        (attend(*inputs, attention_mask).float() * weights).sum().backward()
    for found, wanted in zip(half, exact, strict=True):
        assert (found.grad.float() - wanted.grad).norm() < 0.01 * wanted.grad.norm()


def test_half_precision_training_ignores_padding(
    backbone: Backbone,
) -> None:
    tokens, attention_mask = random_tokens(2, 4), torch.tensor([[True, True, False, False], [False] * 4])
    grads = []
    for padding in (PAD, 5):
        backbone.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            backbone(tokens.masked_fill(~attention_mask[..., None], padding), attention_mask)[
                attention_mask
            ].sum().backward()
        grads.append(torch.cat([p.grad.flatten() for p in backbone.blocks.parameters()]))
    assert grads[0].isfinite().all()
    assert torch.equal(*grads)


def test_dropout_has_its_rate_and_mean_and_follows_the_seed() -> None:
    x, dropout = torch.ones(1001, 101), Dropout(0.1)
    torch.manual_seed(0)
    dropped = dropout(x)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.1, abs=0.005)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.9])
    assert not torch.equal(dropout(x), dropped)
    torch.manual_seed(0)
    assert torch.equal(dropout(x), dropped)
    # Neighbours fall independently: none of the bits is used twice.
    assert ((dropped[:, 1:] == 0) & (dropped[:, :-1] == 0)).float().mean().item() == pytest.approx(
        0.01, abs=0.002
    )
    assert torch.equal(dropout.eval()(x), x)


def test_config_names_all_bad_fields_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        BackboneConfig(kind="gru", dim=10, layers=0, heads=4, ffn=-1, window=8, dropout=1.0)
    for field in ("kind", "layers", "ffn", "dropout", "dim 10 is not divisible by heads 4"):
        assert field in str(error.value)
    with pytest.raises(ConfigError, match="even"):
        BackboneConfig(dim=6, layers=1, heads=2, ffn=4, window=8)


def test_config_survives_json_and_refuses_strangers() -> None:
    assert BackboneConfig.from_dict(CONFIG.to_dict()) == CONFIG
    with pytest.raises(ConfigError, match=r"(?s)'depth'.*'layers' is missing"):
        BackboneConfig.from_dict({"dim": 8, "depth": 2, "heads": 2, "ffn": 4, "window": 8})


def test_unknown_preset_lists_the_presets() -> None:
    with pytest.raises(ConfigError, match="tiny, mini, small, base"):
        preset("huge")
