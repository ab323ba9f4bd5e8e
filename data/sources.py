"""The sources of prepared music for the licence chain of a model: their terms, pieces and notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from data.corpora import CORPORA, Corpus
from data.corpora.base import TERMS
from data.corpora.folder import FolderCorpus
from data.shards import Shards
from symbolic.checkpoint.licence import Source, Stage, identify
from symbolic.errors import ConfigError

_USED = ("train", "valid")


def pretraining_sources(shards: Shards) -> tuple[Source, ...]:
    """Return the corpora of a mix, or the one corpus, with the pieces on the sides of training and validation."""
    corpus, used = shards.manifest["corpus"], [one.tokens for one in shards.pieces if one.split in _USED]
    alone = {corpus["name"]: {"pieces": len(used), "tokens": sum(used)}}
    parts = shards.manifest["totals"].get("sources", alone)
    return tuple(_source(name, corpus, int(one["pieces"]), int(one["tokens"])) for name, one in parts.items())


def task_source(corpus: Mapping[str, Any], label: str, pieces: int, notes: int = 0) -> Source:
    """Return the corpus of a task. Labels can have terms of their own.

    Args:
        corpus: Terms of the corpus from the manifest of its shards.
        label: Name of the label that is learnt.
        pieces: Number of training pieces.
        notes: Number of notes in them. 0 if they were not counted.
    """
    source = _source(corpus["name"], corpus, pieces, notes)
    reader = CORPORA.get(source.name)
    parts = [reader, *(CORPORA[name] for name in reader.joins)] if reader else []
    further = [part.label_terms[label] for part in parts if label in part.label_terms]
    return replace(source, spdx=" AND ".join([source.spdx, *further]) if source.spdx else "")


def with_terms(stage: Stage, line: str | None) -> Stage:
    """State the terms of the user's own music in a stage.

    Args:
        stage: The last stage of a chain.
        line: A licence by its name, or own terms in a line. None: as they are.

    Raises:
        ConfigError: If all music of the stage states its terms, so that the line would be ignored.
    """
    if line is None:
        return stage
    own = [
        one for one in stage.sources if not one.spdx and CORPORA.get(one.name, FolderCorpus) is FolderCorpus
    ]
    if not own:
        raise ConfigError(
            f"--licence {line}: it states the terms of music of your own, and this model was trained on corpora whose "
            "terms are known. Leave it out: the licence follows from them."
        )
    stated = [replace(one, licence=line, spdx=identify(line)) if one in own else one for one in stage.sources]
    return replace(stage, sources=tuple(stated))


def _source(name: str, corpus: Mapping[str, Any], pieces: int, notes: int) -> Source:
    """Return a source with the terms of its reader. A corpus that has none here brings its terms in its manifest."""
    reader: type[Corpus] | None = CORPORA.get(name)
    terms = {one: getattr(reader, one) if reader else str(corpus[one]) for one in TERMS}
    return Source(**{**terms, "name": name}, spdx=reader.spdx if reader else "", pieces=pieces, notes=notes)
