"""A pretraining run as a folder to hand on: weights in half the bytes, fingerprints, and a card.

The folder is a checkpoint like any other, laid out as model hubs show them: README.md is the card.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from data.shards import Shards
from data.toolkit.records import portable_provenance
from data.toolkit.runs import read_record
from data.toolkit.safewrite import write
from pretrain.report.card import card
from pretrain.settings import PretrainSettings
from symbolic.checkpoint.bundled import CARD, LICENCE
from symbolic.checkpoint.format import load_checkpoint, save_checkpoint
from symbolic.errors import ConfigError, CorpusError
from symbolic.tokens.tokenizer import Tokenizer


def export(
    run: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    licence: str = "unstated",
    terms: str | Path | None = None,
    scores: str | Path | None = None,
    shards: str | Path | None = None,
    root: str | None = None,
) -> Path:
    """Write what a pretraining run made, in bfloat16, with its card; whole or not at all.

    Args:
        run: Folder of the run.
        out: Where to; must not exist, or be a checkpoint, which is replaced. Its licence's text stays, unless another
            is given.
        name: Of the model; by default that of the folder.
        licence: Of the weights, in a line.
        terms: A file with the licence's text, to stand beside them.
        scores: Folder of records of `finetune`; those that began from these very weights are told.
        shards: What the run was trained on; by default what its settings name.
        root: The folder that holds named corpora.

    Returns:
        The folder.

    Raises:
        CounterpointError: If the run is none, or the shards are not those that it was trained on.
    """
    run, out = Path(run), Path(out)
    record = read_record(run, {"files", "history", "corpus", "settings"}, "pretrain")
    corpus = _corpus(record["settings"], shards, root)
    if corpus.fingerprint != record["corpus"]["shards"]:
        raise CorpusError(
            f"{corpus.path} is not what {run} was trained on. Say by --shards where that lies, or make it again."
        )
    if scores and not Path(scores).is_dir():
        raise ConfigError(f"--scores {scores}: there is no such folder.")
    text = _terms(Path(terms) if terms else out / LICENCE, given=terms is not None)
    record["command"] = portable_provenance(record)["command"]
    checkpoint = load_checkpoint(run / record["files"]["checkpoint"])
    about = name or out.name
    texts = {CARD: card(about, record, corpus, licence)}
    save_checkpoint(
        out,
        checkpoint.build_backbone().to(torch.bfloat16),
        checkpoint.tokenizer,
        heads={title: head.to(torch.bfloat16) for title, head in checkpoint.build_heads().items()},
        provenance=portable_provenance(checkpoint.provenance),
        pretrained_on=checkpoint.pretrained_on,
        texts=texts if text is None else {**texts, LICENCE: text},
    )
    if scores:  # known by the weights that now stand there
        known = load_checkpoint(out).fingerprint
        write(out / CARD, card(about, record, corpus, licence, Path(scores), known).encode())
    return out


def _corpus(settings: dict[str, Any], shards: str | Path | None, root: str | None) -> Shards:
    """What a run with these settings trains on, from a folder, a pack or the cache."""
    found = PretrainSettings.from_dict(settings)
    data = found.having(folder=str(shards)).data if shards else found.data
    name, folder = data.source
    return data.shards(name, folder or root, Tokenizer())


def _terms(path: Path, given: bool) -> str | None:
    """The text of a licence; None where none was given and none stands there."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        if given:
            raise ConfigError(f"--terms {path}: cannot be read ({error.strerror}).") from error
        return None
