"""A pretraining run as a folder to hand on: weights in half the bytes, fingerprints, and a card.

The folder is a checkpoint like any other, laid out as model hubs show them: README.md is the card.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from data.runs import RECORD
from data.shards import Shards
from pretrain.card import card
from pretrain.config import PretrainSettings
from symbolic.checkpoint import FILES, load_checkpoint, save_checkpoint
from symbolic.errors import ConfigError, CorpusError
from symbolic.tokenizer import Tokenizer

CARD, LICENCE = "README.md", "LICENSE"


def export(
    run: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    licence: str = "unstated",
    terms: str | Path | None = None,
    scores: str | Path | None = None,
    shards: str | Path | None = None,
) -> Path:
    """Write what a pretraining run made, in bfloat16, with its card.

    Args:
        run: Folder of the run.
        out: Where to; must not exist, or be a model that was written so before.
        name: Of the model; by default that of the folder.
        licence: Of the weights, in a line.
        terms: A file with the licence's text, to stand beside them.
        scores: Folder of records of `finetune` that began from `name`.
        shards: What the run was trained on; by default what its settings name.

    Returns:
        The folder.

    Raises:
        CounterpointError: If the run is none, or the shards are not those that it was trained on.
    """
    run, out = Path(run), Path(out)
    if not (run / RECORD).is_file():
        raise ConfigError(f"{run} holds no {RECORD}. Name the folder of a finished run of `pretrain`.")
    record = json.loads((run / RECORD).read_text(encoding="utf-8"))
    corpus = Shards(shards) if shards else _corpus(record["settings"])
    if corpus.fingerprint != record["corpus"]["shards"]:
        raise CorpusError(
            f"{corpus.path} is not what {run} was trained on. Say by --shards where that lies, or make it again."
        )
    beside = (out / CARD, out / LICENCE)
    if out.is_dir() and {entry.name for entry in out.iterdir()} <= {*FILES, CARD, LICENCE}:
        for file in beside:  # of an earlier export, which can only then be replaced
            file.unlink(missing_ok=True)
    checkpoint = load_checkpoint(run / record["files"]["checkpoint"])
    save_checkpoint(
        out,
        checkpoint.build_backbone().to(torch.bfloat16),
        checkpoint.tokenizer,
        heads={title: head.to(torch.bfloat16) for title, head in checkpoint.build_heads().items()},
        provenance=checkpoint.provenance,
        pretrained_on=checkpoint.pretrained_on,
    )
    told = Path(scores) if scores else None
    beside[0].write_text(card(name or out.name, record, corpus, told, licence), encoding="utf-8")
    if terms:
        beside[1].write_text(Path(terms).read_text(encoding="utf-8"), encoding="utf-8")
    return out


def _corpus(settings: dict[str, Any]) -> Shards:
    """What a run with these settings trains on, from the folder or the cache."""
    found = PretrainSettings(**settings)
    return found.shards("folder" if found.folder else found.corpus, found.folder, Tokenizer())
