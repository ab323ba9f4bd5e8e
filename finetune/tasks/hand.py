"""Assign each note to a hand."""

from __future__ import annotations

from data.corpora.asap import HANDS
from finetune.tasks.base import ASAP_SPLIT, Task

HAND = Task(
    name="hand",
    title="Hands of (n)ASAP scores",
    about="right hand or left, every note: (n)ASAP scores as one staff",
    level="note",
    corpus="asap_scores",
    label="hand",
    classes=HANDS,
    protocols=(ASAP_SPLIT,),
    one_piano=True,
    baselines=("majority", "skyline", "note_table"),
    epochs=6,
)
