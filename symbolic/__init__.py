"""Symbolic music for models: load one, call it on music.

    import symbolic

    symbolic.load("melody")("song.mid").labels    # a class for each note
    symbolic.load("tiny").embed("song.mid")       # a vector for the piece
    symbolic.Tokenizer()("song.mid").ids          # (N, 8) ids

Names are imported when they are first used. Tokens need no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbolic.registry import lazy_names

if TYPE_CHECKING:
    from symbolic import adapters
    from symbolic.backbone import BackboneConfig, build_backbone
    from symbolic.checkpoint.bundled import shipped_models
    from symbolic.checkpoint.format import load_checkpoint, save_checkpoint
    from symbolic.dataset import MusicDataset, collate
    from symbolic.errors import CounterpointError
    from symbolic.music.conversion import as_music
    from symbolic.music.files import read_music
    from symbolic.music.midi.writer import write_midi
    from symbolic.music.notes import Music
    from symbolic.predict.loading import load, load_predictors
    from symbolic.predict.predictions import NotePredictions, PiecePrediction
    from symbolic.predict.predictor import NotePredictor, PiecePredictor
    from symbolic.predict.pretrained import PretrainedModel
    from symbolic.predict.vectors import vectors_of
    from symbolic.tokens.tokenizer import Tokenizer, Tokens
    from symbolic.tokens.transposition import transpose
    from symbolic.tokens.vocabulary import FIELDS, Vocabulary
    from symbolic.version import __version__

_HOMES = {
    "adapters": "adapters",
    "load": "predict.loading",
    "load_predictors": "predict.loading",
    "shipped_models": "checkpoint.bundled",
    "PretrainedModel": "predict.pretrained",
    "NotePredictor": "predict.predictor",
    "PiecePredictor": "predict.predictor",
    "NotePredictions": "predict.predictions",
    "PiecePrediction": "predict.predictions",
    "vectors_of": "predict.vectors",
    "read_music": "music.files",
    "as_music": "music.conversion",
    "write_midi": "music.midi.writer",
    "Music": "music.notes",
    "Tokenizer": "tokens.tokenizer",
    "Tokens": "tokens.tokenizer",
    "Vocabulary": "tokens.vocabulary",
    "FIELDS": "tokens.vocabulary",
    "transpose": "tokens.transposition",
    "MusicDataset": "dataset",
    "collate": "dataset",
    "BackboneConfig": "backbone",
    "build_backbone": "backbone",
    "load_checkpoint": "checkpoint.format",
    "save_checkpoint": "checkpoint.format",
    "CounterpointError": "errors",
    "__version__": "version",
}

__all__ = [  # noqa: RUF022 - by use
    "load",
    "load_predictors",
    "shipped_models",
    "PretrainedModel",
    "NotePredictor",
    "PiecePredictor",
    "NotePredictions",
    "PiecePrediction",
    "vectors_of",
    "read_music",
    "as_music",
    "write_midi",
    "Music",
    "Tokenizer",
    "Tokens",
    "Vocabulary",
    "FIELDS",
    "transpose",
    "MusicDataset",
    "collate",
    "BackboneConfig",
    "build_backbone",
    "load_checkpoint",
    "save_checkpoint",
    "adapters",
    "CounterpointError",
    "__version__",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
