"""Recognise the composer of a performance of classical music, of pieces that are not in the training set."""

from __future__ import annotations

from finetune.tasks.base import ASAP_SPLIT, SEQUENCE_BASELINES, Task, folds_in

ASAP_COMPOSER = Task(
    name="asap_composer",
    title="Composer on (n)ASAP performances",
    about="the composer of a performance, by piece: (n)ASAP, 6 classes",
    level="sequence",
    corpus="asap_performances",
    label="composer",
    # Those with ten pieces or more: Bach 59, Beethoven 57, Chopin 34, Liszt 16, Schubert 13, Haydn 11.
    classes=("Bach", "Beethoven", "Chopin", "Haydn", "Liszt", "Schubert"),
    others=True,
    protocols=(ASAP_SPLIT, folds_in("asap_composer_folds")),
    baselines=SEQUENCE_BASELINES,
    epochs=6,
)
