"""Write a model of keys or chords with its card, licence and attribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data.sources import task_source
from data.toolkit.page import Page
from data.toolkit.records import portable_provenance, provenance
from finetune.tasks import TASKS
from symbolic.checkpoint.attribution import legal_texts
from symbolic.checkpoint.bundled import CARD
from symbolic.checkpoint.card import front_matter
from symbolic.checkpoint.licence import FINE_TUNING, Stage
from symbolic.predict.classifiers.tonal import TonalClassifier
from symbolic.predict.network import save_model
from symbolic.tokens.tokenizer import Tokenizer


class Words(NamedTuple):
    """Sentences of a card: what the model does, what its scores are, and its limits."""

    model: str
    scores: str
    limits: str


def write_model(
    out: str,
    name: str,
    model: TonalClassifier,
    used: Mapping[str, Sequence[int]],
    marks: Sequence[int],
    words: Words,
    table: tuple[Sequence[str], Sequence[Sequence[str]]],
) -> None:
    """Write a model as a checkpoint with its card.

    Args:
        out: The folder.
        name: Name of the model and of its task.
        model: The model.
        used: The number of notes in each training piece, by corpus.
        marks: Fingerprints of the training pieces.
        words: For the card.
        table: Head and rows of its scores.
    """
    described = {**TASKS[name].describe(), "title": f"{name.capitalize()}s", "one_piano": False}
    sources = [
        task_source({"name": corpus}, described["label"], len(notes), sum(notes))
        for corpus, notes in used.items()
    ]
    chain = (Stage(name, FINE_TUNING, tuple(sources)),)
    made = portable_provenance(provenance())
    page = Page(name)
    page.text(words.model)
    page.code(f"finetune predict {name} song.mid\nfinetune predict {name} songs/ --csv {name}s.csv")
    page.heading("Scores")
    page.text(words.scores)
    page.table(*table)
    page.heading("Limits")
    page.text(words.limits)
    licence = page.licence(chain)
    page.heading("Made by")
    page.code(str(made["command"]))
    matter = front_matter(licence, task=described, datasets=list(used))
    texts = {CARD: "\n".join([*matter, page.markdown()]), **legal_texts(name, chain)}
    save_model(out, model, Tokenizer(), described, made, np.array(marks), texts=texts, chain=chain)
