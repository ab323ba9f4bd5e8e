"""A random model that writes within milliseconds, shared by the tests of generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from symbolic.backbone import BackboneConfig, build_backbone
from symbolic.checkpoint.format import save_checkpoint
from symbolic.heads import FieldHeads
from symbolic.predict.loading import load
from symbolic.predict.pretrained import PretrainedModel
from symbolic.tokens.tokenizer import Tokenizer

SHAPE = BackboneConfig(dim=16, layers=1, heads=2, ffn=16, window=48, relations=("pitch_class", "inter_onset"))


@pytest.fixture(scope="session")
def nano_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a random backbone with heads for fields."""
    torch.manual_seed(0)
    tokenizer = Tokenizer()
    backbone, heads = (
        build_backbone(SHAPE, tokenizer.vocabulary.sizes),
        FieldHeads(SHAPE.dim, tokenizer.vocabulary.sizes),
    )
    return save_checkpoint(
        tmp_path_factory.mktemp("generate") / "nano", backbone, tokenizer, heads={"fields": heads}
    )


@pytest.fixture(scope="session")
def nano(nano_folder: Path) -> Any:
    model = load(nano_folder)
    assert isinstance(model, PretrainedModel)
    return model
