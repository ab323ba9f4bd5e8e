"""The card of a melody model as Markdown: what it does, its scores on every kind of music, its sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.corpora.melodies import SOURCES
from data.sources import task_source
from data.toolkit.page import Page
from finetune.across.command import HEAD, table
from finetune.lines.data import Example
from symbolic.checkpoint.card import front_matter
from symbolic.checkpoint.licence import FINE_TUNING, Chain, Stage

LABEL = "melody"


def chain_of(name: str, examples: Sequence[Example]) -> tuple[Stage, ...]:
    """Return the licence chain of a model that was fitted to these pieces."""
    used: dict[str, dict[int, int]] = {}
    for one in examples:
        used.setdefault(SOURCES[one.share.source].corpus, {})[one.mark] = len(one.tokens)
    sources = (
        task_source({"name": corpus}, LABEL, len(notes), sum(notes.values()))
        for corpus, notes in sorted(used.items())
    )
    return (Stage(name, FINE_TUNING, tuple(sources)),)


def card(name: str, chain: Chain, about: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the card.

    Args:
        name: Name of the model.
        chain: Its licence chain.
        about: Its provenance.
        rows: Scores from `finetune.across.scoring.across`.
    """
    page = Page(name)
    page.text(
        "Melody of any music: predicts for every note whether it is melody or accompaniment. A network and boosted "
        "trees rate each note. The tracks of a file vote. A sum over all lines decides: at each onset at most one note "
        "is melody. The texture of a piece tells how far its line and its highest line count. One voice alone is "
        "melody. Written by `finetune lines`."
    )
    page.code(f"finetune predict {name} song.mid\nfinetune predict {name} songs/ --json predictions.json")
    page.code(
        f'import symbolic\n\nfound = symbolic.load("{name}")("song.mid")\n'
        "found.labels, found.probabilities  # aligned with found.music.notes",
        "python",
    )
    page.heading("Scores")
    page.text(
        "Test pieces that it was not trained on, in per cent, beside the skyline: the notes above all that sound. "
        "F1 is of the melody, over all notes. ↓ marks what stands below the skyline. Intervals are of 95 %, by a "
        "bootstrap over pieces. *Calibration error* is that of the confidence. *Warned* is the share of notes of "
        "pieces that are called unlike the training music, since line and skyline differ there."
    )
    page.table(HEAD, table(rows), numbers=False)
    page.heading("Limits")
    below = [row["source"] for row in rows if row["model"]["f1"] < row["skyline"]["f1"]]
    only = (
        "Nottingham, art_melody, the chorales and SymbTr are of corpora that it was not trained on. Nor was it on the "
        "annotations of orchestra."
    )
    page.text((f"It stands below the skyline on {', '.join(below)}. " if below else "") + only)
    licence = page.licence(chain)
    page.heading("Made by")
    page.code(str(about["command"]))
    if "remark" in about:
        page.text(str(about["remark"]))
    scores = {row["source"]: row["model"]["f1"] for row in rows}
    task = {"label": LABEL}
    datasets = sorted({source.name for stage in chain for source in stage.sources})
    matter = front_matter(licence, task=task, datasets=datasets, scores=scores)
    return "\n".join([*matter, page.markdown()])
