"""Predict the velocity of each note from its other fields."""

from __future__ import annotations

from dataclasses import replace

from data.corpora.velocity import VELOCITIES
from finetune.tasks.base import POP909_SPLIT, Published, Task

VELOCITY = Task(
    name="velocity",
    title="Velocity on POP909",
    about="how loud each note was played, its velocity hidden: POP909",
    level="note",
    corpus="pop909",
    label="velocity",
    classes=VELOCITIES,
    protocols=(POP909_SPLIT,),
    hide=("velocity",),
    one_piano=True,
    baselines=("majority", "note_table", "rhythm_table"),
    published=(
        Published(
            "MidiBERT-Piano v1, CP",
            {"accuracy": 51.6},
            "same classes and songs; pretrained on the test songs",
            leaky=True,
        ),
        Published("M2BERT", {"accuracy": 53.4}, "5 folds; 53.2 to 53.5"),
    ),
    epochs=6,
)

VELOCITY_FILES = replace(
    VELOCITY,
    name="velocity_files",
    title="Velocity on POP909's files as they are",
    about="how loud each note was played: POP909's files as they are, whose bars are seldom true",
    options={"beats": False},
    published=(),
)
"""Target of transfer: the same songs, as filed."""

VELOCITY_ANY = replace(
    VELOCITY,
    name="velocity_any",
    title="Velocity on POP909, on true bars and on the files' own",
    about="velocity on anybody's files: POP909 on true bars and as filed",
    options={"twice": True},
    published=(),
    epochs=3,
)
"""Training data for use: each song twice, so that the model does not need true bars."""
