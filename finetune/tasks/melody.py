"""Find melody, bridge and accompaniment in a piano arrangement."""

from __future__ import annotations

from dataclasses import replace

from finetune.tasks.base import POP909_SPLIT, MergedClasses, Protocol, Published, Task

MELODY = Task(
    name="melody",
    title="Melody extraction on POP909",
    about="melody, bridge, accompaniment: every note of POP909",
    level="note",
    corpus="pop909",
    label="melody",
    classes=("melody", "bridge", "accompaniment"),
    protocols=(POP909_SPLIT,),
    one_piano=True,
    views=(MergedClasses("two_class", "2-class", (0, 0, 1)),),
    baselines=("majority", "skyline", "note_table"),
    published=(
        Published(
            "MidiBERT-Piano v1, CP",
            {"accuracy": 96.4},
            "3 classes, same songs; pretrained on the test songs, and the note order reveals the track",
            leaky=True,
        ),
        Published(
            "MidiBERT, performance CP",
            {"accuracy": 95.8, "two_class_accuracy": 99.06},
            "3 classes and 2 classes, same songs; pretrained on the test songs, and the note order reveals the track",
            leaky=True,
        ),
        Published("M2BERT", {"two_class_accuracy": 98.2}, "2 classes, 5 folds; 98.1 to 98.3"),
        Published("BiGRU from scratch", {"accuracy": 83.1}, "3 classes, canonical order, no pretraining"),
    ),
    epochs=6,
)

MELODY_FILES = replace(
    MELODY,
    name="melody_files",
    title="Melody extraction on POP909's files as they are",
    about="melody, bridge, accompaniment: POP909's files as they are, whose bars are seldom true",
    options={"beats": False},
    published=(),
)
"""Target of transfer: the same songs, as filed."""

MELODY_ANY = replace(
    MELODY,
    name="melody_any",
    title="Melody extraction on POP909, on true bars and on the files' own",
    about="melody on anybody's files: POP909 on true bars and as filed",
    options={"twice": True},
    published=(),
    epochs=3,
)
"""Each song twice, so that the model also learns to do without true bars."""

MELODY_SONGS = replace(
    MELODY_ANY,
    name="melody_songs",
    title="Melody extraction on songs: POP909, on true bars and as filed, and OpenScore Lieder",
    about="melody of songs of any kind: as melody_any, and the voice of Lieder",
    corpus="songs",
    options={},
    protocols=(
        Protocol(
            "songs", "MIDI-BERT's 4/4 songs of POP909, and Lieder dealt by song; copies across sides excluded"
        ),
    ),
)
"""Training data for use: also written scores of voice and piano."""
