"""Which composer of the classical repertoire a performance is of, no piece being heard before."""

from __future__ import annotations

from finetune.tasks.base import SEQUENCE_BASELINES, Protocol, Task, folds_in

ASAP_SPLIT = Protocol("pieces", "(n)ASAP by piece, 77/12/11; all performances of a piece on one side")

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
