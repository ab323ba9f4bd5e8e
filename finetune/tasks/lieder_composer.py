"""Recognise the composer of a song with piano."""

from __future__ import annotations

from finetune.tasks.base import LIEDER_SPLIT, SEQUENCE_BASELINES, Task, folds_in

LIEDER_COMPOSER = Task(
    name="lieder_composer",
    title="Composer on OpenScore Lieder",
    about="the composer of a song with piano: OpenScore Lieder, 14 classes",
    level="sequence",
    corpus="openscore_lieder",
    label="composer",
    # Those with twenty songs or more, of 113; the test side holds from two to seven songs of each.
    classes=(
        *(
            "Bizet, Georges",
            "Chaminade, Cécile",
            "Debussy, Claude",
            "Faisst, Clara Mathilda",
            "Fauré, Gabriel",
        ),
        *("Holmès, Augusta Mary Anne", "Kinkel, Johanna", "Lang, Josephine", "Lehmann, Liza"),
        *("Reichardt, Louise", "Schröter, Corona", "Stanford, Charles Villiers", "Viardot, Pauline"),
        "Warlock, Peter",
    ),
    others=True,
    protocols=(LIEDER_SPLIT, folds_in("lieder_composer_folds")),
    one_piano=True,
    baselines=SEQUENCE_BASELINES,
    epochs=20,
)
