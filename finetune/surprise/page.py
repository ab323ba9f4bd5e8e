"""The page of a piece whose notes were measured: a roll coloured by surprise, and the most surprising notes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from data.toolkit.page import Page, asset
from finetune.infill.page import NOTICE
from finetune.predict.pages import written
from finetune.predict.roll import music_roll
from symbolic.music.bars import beats
from symbolic.predict.surprise import PAST, SURPRISES, Surprise
from symbolic.predict.writers import printable

_FIRST = 10
"""Notes in the table of the most surprising ones."""
_FULL = 98
"""Percentile of the bits from which on a note has the full colour."""
_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_READ = {PAST: "the notes before it", "both": "the notes on both sides"}
_HELP = (
    "Space plays and stops. A click sets where to play from. On the roll, the left and right keys go from note to note "
    "and + and - zoom. The lane above shows the mean bits of each bar."
)


def write_page(found: Surprise, path: Path) -> Path:
    """Write the page of a piece as one HTML file. Returns its path.

    Raises:
        ConfigError: If nothing can be written there.
    """
    return written(surprise_page(found), path)


def surprise_page(found: Surprise) -> Page:
    """Return the page of a piece."""
    music, total = found.music, found.total
    name = printable(Path(music.path or "music").name)
    page = Page(f"{name}: surprise")
    page.facts(
        {
            "file": f"`{name}`",
            "model": found.model,
            "each note is predicted from": _READ[found.context],
            "surprise": f"{total.mean():.2f} bits a note: onset, pitch and duration together",
        }
    )
    for repair in music.repairs:
        page.missing(f"Repaired when the file was read: {repair}")
    page.text(
        "1 bit is a value with the probability 1/2, 10 bits one with about 1/1000. Red notes surprise most."
    )
    page.text(_HELP, note=True)
    page.widget(
        "surprise",
        roll_data(found),
        [asset("data.toolkit", "roll.css"), asset("finetune.surprise", "surprise.css")],
        [
            NOTICE + asset("data.toolkit", "tinysynth.min.js"),
            *(asset("data.toolkit", one) for one in ("roll.js", "player.js")),
            asset("finetune.surprise", "surprise.js"),
        ],
    )
    page.heading("By field")
    high = np.percentile(found.bits, 95, axis=0)
    page.table(
        ("field", "mean bits a note", "one note in twenty has more than"),
        [
            (name, f"{mean:.2f}", f"{top:.2f}")
            for (name, mean), top in zip(found.means.items(), high, strict=True)
        ],
    )
    page.heading("The most surprising notes")
    page.table(("note", "bar", "beat", "part", "bits", *SURPRISES), _most_surprising(found), numbers=False)
    return page


def roll_data(found: Surprise) -> dict[str, Any]:
    """Return the roll of a piece as JSON values.

    Returns:
        As `music_roll`. "bits" holds hundredths of bits of each note by what is shown. "full" holds the bits of notes
        in full colour.
    """
    data, order = music_roll(found.music)
    shown = {"all": found.total, **{name: found[name] for name in SURPRISES}}
    bar = beats(found.music, found.music.notes["onset"][order])[0] - 1
    edges = [
        *data["bars"],
        max(data["notes"]["start"][-1] + data["notes"]["length"][-1], data["bars"][-1] + 1),
    ]
    count = np.bincount(bar, minlength=len(data["bars"]))
    mean = np.bincount(bar, found.total[order], minlength=len(data["bars"])) / np.maximum(count, 1)
    highest = max(float(mean.max()), 1.0)
    spans = [
        [start, end, f"{bits:.1f}", round(float(bits) / highest, 3)]
        for (start, end), bits, notes in zip(pairwise(edges), mean, count, strict=False)
        if notes
    ]
    return data | {
        "bits": {name: (100 * bits[order]).round().astype(int).tolist() for name, bits in shown.items()},
        "full": {name: round(max(float(np.percentile(bits, _FULL)), 1.0), 2) for name, bits in shown.items()},
        "lanes": [{"name": "bits", "spans": spans}],
    }


def _most_surprising(found: Surprise) -> list[tuple[object, ...]]:
    music, chosen = found.music, np.argsort(-found.total, kind="stable")[:_FIRST]
    notes, parts = music.notes[chosen], dict(enumerate(music.tracks))
    bar, beat = beats(music, notes["onset"])
    return [
        (
            f"drum {note['pitch']}" if drum else f"{_NAMES[note['pitch'] % 12]}{note['pitch'] // 12 - 1}",
            f"{bar[k]:,}",
            f"{beat[k]:.4g}",
            parts.get(int(note["track"]), ""),
            f"{found.total[chosen[k]]:.1f}",
            *(f"{bits:.1f}" for bits in found.bits[chosen[k]]),
        )
        for k, (note, drum) in enumerate(zip(notes, music.drums[chosen], strict=True))
    ]
