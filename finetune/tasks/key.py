"""Recognise the key of a tune: the degree of each note above the tonic."""

from __future__ import annotations

from finetune.tasks.base import MergedClasses, Protocol, Task
from symbolic.predict.tonality import TONAL_CLASSES

KEY = Task(
    name="key",
    title="Key on the Nottingham tunes",
    about="where notes stand in their key, and its mode: Nottingham",
    level="note",
    corpus="nottingham",
    label="key",
    classes=TONAL_CLASSES,
    protocols=(
        Protocol("tunes", "dealt by tune, 80/10/10; tunes of one melody or one title stand on one side"),
    ),
    views=(MergedClasses("tonic", "tonic", tuple(degree % 12 for degree in range(24)), positive=None),),
    baselines=("majority", "note_table", "key_profiles"),
    epochs=8,
)
