"""Which dance a folk tune is for."""

from __future__ import annotations

from finetune.tasks.base import Task

GENRE = Task(
    name="genre",
    title="Dance type on the Nottingham tunes",
    level="sequence",
    corpus="nottingham",
    label="dance",
    classes=("hornpipe", "jig", "morris", "reel", "waltz"),
    split="by hash of the tune, 80/10/10; tunes of one melody or one title stand on one side",
    floors=("majority", "features_logistic", "features_trees"),
    epochs=12,
)
