"""Recognise the style of a drummer."""

from __future__ import annotations

from finetune.tasks.base import SEQUENCE_BASELINES, Protocol, Task

DRUM_STYLE = Task(
    name="drum_style",
    title="Drumming style on Groove",
    about="the style of a drummer's take, tempo hidden: Groove, 12 classes",
    level="sequence",
    corpus="groove",
    label="style",
    # Those with twenty takes or more.
    classes=(
        *("afrocuban", "country", "funk", "hiphop", "jazz", "latin", "neworleans", "pop", "punk", "reggae"),
        *("rock", "soul"),
    ),
    others=True,
    protocols=(
        Protocol("published", "official, by take, less copies; takes of one session are on several sides"),
    ),
    # All takes of a session have the tempo of its metronome, which would tell the session, and so the style.
    hide=("tempo",),
    transposition=0,
    baselines=SEQUENCE_BASELINES,
    epochs=20,
)
