"""Recognise the dance of a folk tune."""

from __future__ import annotations

from finetune.tasks.base import SEQUENCE_BASELINES, Protocol, Task

GENRE = Task(
    name="genre",
    title="Dance type on the Nottingham tunes",
    about="the dance of a folk tune: Nottingham, 5 classes",
    level="sequence",
    corpus="nottingham",
    label="dance",
    classes=("hornpipe", "jig", "morris", "reel", "waltz"),
    protocols=(
        Protocol("tunes", "dealt by tune, 80/10/10; tunes of one melody or one title stand on one side"),
    ),
    baselines=SEQUENCE_BASELINES,
    epochs=12,
)
