"""Recognise the metre of a performance from the times of its notes."""

from __future__ import annotations

from finetune.tasks.base import ASAP_SPLIT, SEQUENCE_BASELINES, Task, folds_in

METRE = Task(
    name="metre",
    title="Metre of (n)ASAP performances",
    about="the time signature of a performance: (n)ASAP, 4 classes",
    level="sequence",
    # Their files know no bars: all state one nominal metre and tempo, so that no field tells the label. Scores, whose
    # rows count positions from the bar, would tell it even with the time signature hidden.
    corpus="asap_performances",
    label="metre",
    # Those with twenty pieces or more among the pieces that keep one metre.
    classes=("2/4", "3/4", "4/4", "6/8"),
    others=True,
    protocols=(ASAP_SPLIT, folds_in("metre_folds")),
    baselines=SEQUENCE_BASELINES,
    epochs=6,
)
