"""Save a melody model, test it across corpora and write its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finetune.across.scoring import across
from finetune.lines.card import card, chain_of
from finetune.lines.command import TASK
from finetune.lines.data import Example
from finetune.training.weights import InitialWeights
from symbolic.checkpoint.attribution import legal_texts
from symbolic.checkpoint.bundled import CARD
from symbolic.predict.loading import load
from symbolic.predict.network import TaskModel, save_model
from symbolic.predict.predictor import NotePredictor


def save_melody(
    out: str | Path,
    model: TaskModel,
    weights: InitialWeights,
    examples: Sequence[Example],
    about: Mapping[str, Any],
    root: str | Path | None = None,
    most: int | None = None,
) -> list[dict[str, Any]]:
    """Save a model with its licence, then with a card of its scores.

    Args:
        out: The folder. Its name is that of the model.
        model: Network and lines.
        weights: What the network was trained from.
        examples: All pieces that network and trees learnt from. Validation, which chose a few numbers, is left out.
        about: Its provenance.
        root: The folder of data sets.
        most: Most test pieces of a kind of music.

    Returns:
        The rows of `finetune.across.scoring.across`.
    """
    name = Path(out).name
    marks = np.union1d(weights.pretrained_on, [one.mark for one in examples])
    chain = (*weights.chain, *chain_of(name, examples))
    texts = legal_texts(name, chain)

    def save() -> None:
        save_model(out, model, weights.tokenizer, TASK, about, marks, texts=texts, chain=chain)

    save()
    tested = load(out)
    assert isinstance(tested, NotePredictor)
    rows = across(tested, (), root, most)
    texts[CARD] = card(name, chain, about, rows)
    save()
    return rows
