"""Recognise chords: the degree of each note above the root."""

from __future__ import annotations

from finetune.tasks.base import POP909_SPLIT, MergedClasses, Task
from symbolic.predict.tonality import TONAL_CLASSES

CHORD = Task(
    name="chord",
    title="Chords of POP909, as an algorithm labelled them",
    about="where notes stand in their chord, and its mode: POP909",
    level="note",
    corpus="pop909",
    label="chord",
    classes=TONAL_CLASSES,
    protocols=(POP909_SPLIT,),
    one_piano=True,
    views=(MergedClasses("root", "root", tuple(degree % 12 for degree in range(24)), positive=None),),
    baselines=("majority", "note_table", "triads"),
    epochs=6,
)
