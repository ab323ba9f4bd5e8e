"""Symbolic music for models: notes, tokens, backbones, adapters, checkpoints.

    from symbolic import Tokenizer
    tokens = Tokenizer()("song.mid")

Names are imported when first used, so tokens never cost an import of torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symbolic.music.files import read_music
    from symbolic.music.midi import write_midi
    from symbolic.music.notes import Music
    from symbolic.predict.loading import load
    from symbolic.tokens.tokenizer import Tokenizer, Tokens
    from symbolic.tokens.transposition import transpose
    from symbolic.tokens.vocabulary import FIELDS, Vocabulary

_HOMES = {
    "FIELDS": "tokens.vocabulary",
    "Music": "music.notes",
    "Tokenizer": "tokens.tokenizer",
    "Tokens": "tokens.tokenizer",
    "Vocabulary": "tokens.vocabulary",
    "load": "predict.loading",
    "read_music": "music.files",
    "transpose": "tokens.transposition",
    "write_midi": "music.midi",
}

__all__ = [  # noqa: RUF022 - by use
    "read_music",
    "write_midi",
    "Music",
    "Tokenizer",
    "Tokens",
    "Vocabulary",
    "FIELDS",
    "transpose",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'symbolic' has no attribute {name!r}")
    return getattr(import_module(f"symbolic.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
