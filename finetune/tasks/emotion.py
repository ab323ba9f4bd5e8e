"""Recognise emotion: the quadrant of valence and arousal that listeners chose for a clip.

Both protocols keep all clips of a song on one side, so that there is no song to look up: the look-up among the
baselines finds likeness at most. On the split by clip that others use it would find the song.
"""

from __future__ import annotations

from data.splits import FOLDS
from finetune.tasks.base import SEQUENCE_BASELINES, MergedClasses, Protocol, Published, Task

EMOTION = Task(
    name="emotion",
    title="Emotion on EMOPIA",
    about="valence and arousal of a clip of pop piano: EMOPIA, 4 quadrants",
    level="sequence",
    corpus="emopia",
    label="emotion",
    classes=("Q1", "Q2", "Q3", "Q4"),
    protocols=(
        Protocol("published", "the authors' 876/114/88 by song, less five clips of validation songs"),
        Protocol("folds", "5 folds of songs, as much of each quadrant in each", FOLDS),
    ),
    # Q1 and Q2 are high in arousal, Q1 and Q4 in valence; class 1 of a view is the high one.
    views=(
        MergedClasses("arousal", "arousal", (1, 1, 0, 0), positive=None),
        MergedClasses("valence", "valence", (1, 0, 0, 1), positive=None),
    ),
    baselines=SEQUENCE_BASELINES,
    published=(
        Published(
            "MidiBERT-Piano v1, CP",
            {"accuracy": 67.9},
            "split by clip: looking up a clip's song alone scores 76.6; pretrained on the test clips",
            leaky=True,
        ),
        Published("MidiBERT, performance CP", {"accuracy": 70.6}, "split by clip, as above", leaky=True),
        Published(
            "Adversarial-MidiBERT", {"accuracy": 79.5}, "split by clip, from memory, as above", leaky=True
        ),
        Published("MusicBERT, by others", {"accuracy": 77.8}, "split by clip", leaky=True),
        Published("M2BERT", {"accuracy": 66.6}, "5 folds; 65.8 to 67.4"),
        Published("M3 / CLaMP line", {"accuracy": 71.5}, "song-disjoint"),
        Published("Moonbeam-M", {"accuracy": 69.3}, "song-disjoint"),
        Published("EMOPIA's authors", {"accuracy": 68.4}, "song-disjoint"),
    ),
    epochs=12,
)
