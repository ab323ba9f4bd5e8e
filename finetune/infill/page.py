"""The page of variants: the passage as it was and as it was written, side by side, to look at and to play."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.toolkit.page import Page, asset
from finetune.predict.roll import music_roll
from symbolic.generate.variant import Variant
from symbolic.music.bars import bar_lines
from symbolic.music.notes import Music
from symbolic.predict.writers import printable

NOTICE = "/*! webaudio-tinysynth 1.1.3, copyright g200kg (Tatsuya Shinyagaito), Apache License 2.0 */\n"
"""Above the synthesiser, whose licence is beside it in the repository."""
_SHOWN = 24
"""Variants on a page, the first ones."""
_AROUND = 2
"""Bars that are shown and played before a passage and after it."""


def variants_page(
    source: str, model: str, variants: Sequence[Variant], paths: Sequence[Path], style: str = ""
) -> Page:
    """Return the page of the variants of one passage.

    Args:
        source: Name of the piece.
        model: Name of the model.
        variants: The variants.
        paths: Their files.
        style: Name of the style, if there is one.
    """
    shown = variants[:_SHOWN]
    bars, name = variants[0].passage.bars, printable(Path(source).name)
    page = Page(f"{name}: bars {bars}")
    page.facts(
        {
            "file": f"`{name}`",
            "model": model,
            **({"style": style} if style else {}),
            "variants": f"{len(variants):,}",
        }
    )
    if len(shown) < len(variants):
        page.text(f"The first {len(shown)} are shown.", note=True)
    page.text("Notes of the passage are coloured. A click on a roll sets where to play from.", note=True)
    first, edges = stretch(shown)
    takes = [{"name": "as it was", "about": "", "notes": excerpt(shown[0].source, shown[0], edges)}]
    for number, (variant, path) in enumerate(zip(shown, paths, strict=False), 1):
        about = f"{path.name} · {len(variant.notes):,} notes"
        takes.append(
            {"name": f"variant {number}", "about": about, "notes": excerpt(variant.music, variant, edges)}
        )
    lines = _milliseconds(shown[0].source, edges)
    lines -= lines[0]
    page.widget(
        "variants",
        {"first": first, "bars": lines.tolist(), "takes": takes},
        [asset("data.toolkit", "roll.css"), asset("finetune.infill", "variants.css")],
        [
            NOTICE + asset("data.toolkit", "tinysynth.min.js"),
            *(asset("data.toolkit", one) for one in ("roll.js", "player.js")),
            asset("finetune.infill", "variants.js"),
        ],
    )
    return page


def stretch(variants: Sequence[Variant]) -> tuple[int, NDArray[np.int64]]:
    """Return the bars around a passage: the number of the first, counted from 1, and the ticks of their lines."""
    one = variants[0]
    notes = one.source.notes
    end = max(int(one.edges[-1]), int((notes["onset"] + notes["duration"]).max(initial=0)))
    lines = np.unique(np.append(bar_lines(one.source, end).round().astype(np.int64), one.edges))
    low = max(one.passage.first - _AROUND, 0)
    return low + 1, lines[low : one.passage.stop + _AROUND + 1]


def excerpt(music: Music, variant: Variant, edges: NDArray[np.int64]) -> dict[str, Any]:
    """Return the notes of a stretch as columns of a roll; "inside" marks those of the passage.

    Args:
        music: The piece with or without the variant.
        variant: For its passage and tracks.
        edges: Ticks of the bar lines of the stretch.
    """
    onset = music.notes["onset"]
    here = music.with_notes(music.notes[(edges[0] <= onset) & (onset < edges[-1])])
    data, order = music_roll(here)
    start = int(_milliseconds(music, edges[:1])[0])
    notes = data["notes"]
    notes["start"] = [max(time - start, 0) for time in notes["start"]]
    own = here.notes[order]
    inside = (variant.edges[0] <= own["onset"]) & (own["onset"] < variant.edges[-1])
    notes["inside"] = (inside & np.isin(own["track"], variant.passage.tracks)).astype(int).tolist()
    return dict(notes)


def _milliseconds(music: Music, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    return (music.seconds(ticks) * 1000).round().astype(np.int64)
