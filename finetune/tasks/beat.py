"""Find the notes of a performance on beats and on downbeats."""

from __future__ import annotations

from data.corpora.beats import BEATS
from finetune.tasks.base import ASAP_SPLIT, MergedClasses, Task

BEAT = Task(
    name="beat",
    title="Beats and downbeats of (n)ASAP performances",
    about="notes on downbeats, on beats, between: (n)ASAP performances",
    level="note",
    corpus="asap_performances",
    label="beat",
    classes=BEATS,
    protocols=(ASAP_SPLIT,),
    views=(
        MergedClasses("on_beat", "on a beat", (0, 0, 1)),
        MergedClasses("downbeat", "downbeat", (0, 1, 1)),
    ),
    baselines=("majority", "note_table", "rhythm_table"),
    epochs=2,
)
