"""Under which genre the recordings of a song are listed, from its melody alone."""

from __future__ import annotations

from finetune.tasks.base import DEALT_FOLDS, SEQUENCE_FLOORS, Protocol, Task

SONG_GENRE = Task(
    name="song_genre",
    title="Genre on OpenEWLD lead sheets",
    about="the genre of a song's recordings, from its melody: OpenEWLD, 5",
    level="sequence",
    corpus="openewld",
    label="genre",
    # Those with twenty songs or more; eight others have nine songs or fewer and are left out.
    classes=("Folk, World, & Country", "Jazz", "Pop", "Rock", "Stage & Screen"),
    others=True,
    protocols=(
        Protocol("songs", "dealt by song, genre by genre, 80/10/10; one title on one side"),
        DEALT_FOLDS,
    ),
    floors=SEQUENCE_FLOORS,
    epochs=20,
)
