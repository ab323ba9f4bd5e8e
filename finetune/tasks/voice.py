"""Find the sung notes of a song."""

from __future__ import annotations

from data.corpora.openscore import PARTS
from finetune.tasks.base import LIEDER_SPLIT, Task

VOICE = Task(
    name="voice",
    title="Voice and accompaniment of OpenScore Lieder",
    about="voice or accompaniment, every note: OpenScore Lieder",
    level="note",
    corpus="openscore_lieder",
    label="part",
    classes=PARTS,
    protocols=(LIEDER_SPLIT,),
    one_piano=True,
    baselines=("majority", "skyline", "note_table"),
    epochs=6,
    answers=dict.fromkeys(("melody", "melody_any", "melody_songs"), (0, 0, 1)),
)
