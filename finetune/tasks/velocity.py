"""How loud each note was played, when nothing but the other fields can tell."""

from __future__ import annotations

from data.corpora.velocity import VELOCITIES
from finetune.tasks.base import Published, Task
from finetune.tasks.melody import POP909_SPLIT

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
    floors=("majority", "note_table", "rhythm_table"),
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
