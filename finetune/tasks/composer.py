"""Recognise the artist of a performance, one of eight."""

from __future__ import annotations

from data.splits import FOLDS
from finetune.tasks.base import SEQUENCE_BASELINES, Protocol, Published, Task

COMPOSER = Task(
    name="composer",
    title="Composer on Pianist8",
    about="the artist of a piano performance: Pianist8, 8 classes",
    level="sequence",
    corpus="pianist8",
    label="composer",
    classes=("Bethel", "Clayderman", "Einaudi", "Hancock", "Hillsong", "Hisaishi", "Ryuichi", "Yiruma"),
    protocols=(
        Protocol("published", "MIDI-BERT's 337/37/37, less a test song under another name"),
        Protocol("folds", "5 folds of groups that share music, as much of each composer in each", FOLDS),
    ),
    baselines=SEQUENCE_BASELINES,
    published=(
        Published(
            "MidiBERT-Piano v1, CP",
            {"accuracy": 78.6},
            "published split, by window; pretrained on the test pieces",
            leaky=True,
        ),
        Published(
            "MidiBERT, performance CP",
            {"accuracy": 81.8},
            "published split, from memory; pretrained on the test pieces",
            leaky=True,
        ),
        Published(
            "Adversarial-MidiBERT",
            {"accuracy": 97.9},
            "published split, from memory; test inputs masked and transposed at random, padding scored",
            leaky=True,
        ),
        Published("MusicBERT, by others", {"accuracy": 78.6}, "5 folds, 5 seeds; ± 2.1"),
        Published("M2BERT", {"accuracy": 74.2}, "5 folds; 74.0 to 74.4"),
        Published("Aria, 650 M parameters", {"accuracy": 86.1}, "5 folds, 5 seeds; ± 4.3"),
        Published("M3 / CLaMP line", {"accuracy": 91.6}, "a split of their own"),
        Published("Moonbeam-M", {"accuracy": 94.6}, "a split of their own"),
    ),
    epochs=12,
)
