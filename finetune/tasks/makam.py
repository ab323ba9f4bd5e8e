"""Recognise the makam of a melody."""

from __future__ import annotations

from finetune.tasks.base import SEQUENCE_BASELINES, Protocol, Task

MAKAM = Task(
    name="makam",
    title="Makam on SymbTr",
    about="the mode of a Turkish melody: SymbTr, 29 makams",
    level="sequence",
    corpus="symbtr",
    label="makam",
    # Those with twenty files or more that hold notes. Usul is no task: the metre of the file states it.
    classes=(
        *(
            "acemasiran",
            "acemkurdi",
            "beyati",
            "buselik",
            "evic",
            "gerdaniye",
            "hicaz",
            "hicaz_humayun",
            "hicazkar",
        ),
        *("hisarbuselik", "huseyni", "huzzam", "isfahan", "karcigar", "kurdilihicazkar", "mahur", "muhayyer"),
        *(
            "muhayyerkurdi",
            "nihavent",
            "nikriz",
            "nisaburek",
            "rast",
            "saba",
            "segah",
            "sehnaz",
            "suzinak_zirgule",
        ),
        *("tahir", "ussak", "yegah"),
    ),
    others=True,
    protocols=(Protocol("songs", "by hash, 80/10/10; pieces of one title and composer on one side"),),
    # A makam has its own final on a fixed degree of the notation, so that a transposed melody would be in another.
    transposition=0,
    baselines=SEQUENCE_BASELINES,
    epochs=20,
)
