"""Export of a pretraining run: weights in half the bytes, fingerprints and a card.

The folder is a checkpoint, laid out as model hubs expect it: README.md is the card.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from data.shards import Shards
from data.sources import pretraining_sources, with_terms
from data.toolkit.record_schema import PRETRAINED
from data.toolkit.records import portable_provenance
from data.toolkit.runs import read_record
from data.toolkit.safewrite import write
from data.toolkit.settings import flatten
from pretrain.report.card import card
from pretrain.settings import PretrainSettings
from symbolic.checkpoint.attribution import legal_texts
from symbolic.checkpoint.bundled import CARD, model_name
from symbolic.checkpoint.format import load_checkpoint, save_checkpoint
from symbolic.checkpoint.licence import PRETRAINING, UNRECORDED, Stage
from symbolic.errors import ConfigError, CorpusError
from symbolic.tokens.tokenizer import Tokenizer


def export(
    run: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    licence: str | None = None,
    terms: str | Path | None = None,
    scores: str | Path | None = None,
    shards: str | Path | None = None,
    root: str | None = None,
) -> Path:
    """Write the backbone of a run in bfloat16 with its card. The folder is written whole or not at all.

    Args:
        run: Folder of the run.
        out: Folder to write. It must not exist, or be a checkpoint, which is replaced.
        name: Name of the model. By default that of the folder.
        licence: Terms of your own music in one line, where it states none. The licence of the weights follows from the
            terms of all music in the chain.
        terms: File with the text of these terms, if they are no well-known licence.
        scores: Folder with records of `finetune`. Those that start from these weights are listed on the card.
        shards: Music of the run. By default found by its settings.
        root: Folder that holds named corpora.

    Returns:
        The folder.

    Raises:
        CounterpointError: If there is no such run, or the music is not what it was trained on.
    """
    run, out = Path(run), Path(out)
    record = read_record(run, PRETRAINED)
    corpus = _corpus(record["settings"], shards, root)
    if corpus.fingerprint != record["corpus"]["shards"]:
        raise CorpusError(
            f"{corpus.path} is not the music that {run} was trained on. Name that music with --shards, or prepare it "
            "again."
        )
    if scores and not Path(scores).is_dir():
        raise ConfigError(f"--scores {scores}: there is no such folder.")
    record["command"] = portable_provenance(record)["command"]
    checkpoint = load_checkpoint(run / record["files"]["checkpoint"])
    title = name or out.name
    before = checkpoint.chain[:-1]
    if record["from"] and not before:
        before = (Stage(model_name(flatten(record["settings"])["checkpoint"]), UNRECORDED),)
    stage = with_terms(Stage(title, PRETRAINING, pretraining_sources(corpus)), licence)
    chain = tuple(dict.fromkeys((*before, stage)))  # longer training on the same music is told once
    save_checkpoint(
        out,
        checkpoint.build_backbone().to(torch.bfloat16),
        checkpoint.tokenizer,
        heads={key: head.to(torch.bfloat16) for key, head in checkpoint.build_heads().items()},
        provenance=portable_provenance(checkpoint.provenance),
        pretrained_on=checkpoint.pretrained_on,
        texts={CARD: card(title, record, corpus, chain), **legal_texts(title, chain, terms)},
        chain=chain,
    )
    if scores:  # records name the weights by the fingerprint that they have now
        weights = load_checkpoint(out).fingerprint
        write(
            out / CARD,
            card(title, record, corpus, chain, Path(scores), weights).encode(errors="backslashreplace"),
        )
    return out


def _corpus(settings: dict[str, Any], shards: str | Path | None, root: str | None) -> Shards:
    """Find the music of a run with these settings in a folder, a pack or the cache."""
    found = PretrainSettings.from_dict(settings)
    data = found.having(folder=str(shards)).data if shards else found.data
    name, folder = data.source
    return data.shards(name, folder or root, Tokenizer())
