"""The page of one prediction: what was found, the notes to look at, and music to listen to."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np

from data.toolkit.page import Page, asset
from finetune.predict.comparison import agreement, by_rule
from finetune.predict.roll import note_roll, piece_roll
from symbolic.music.notes import Music
from symbolic.predict.files import FilePrediction
from symbolic.predict.predictions import VELOCITY, NotePredictions, PiecePrediction
from symbolic.predict.writers import in_words, printable

_SHOWN = 8
"""Keys or chords in a table, the first."""
_NOTICE = "/*! webaudio-tinysynth 1.1.3, copyright g200kg (Tatsuya Shinyagaito), Apache License 2.0 */\n"
"""Above the synthesiser, whose licence is beside it in the repository."""
_HELP = (
    "Space plays and stops. A click sets where to play from. On the roll, the left and right keys go from note to note "
    "and + and - zoom. A tick in the legend decides whether notes are played."
)


def prediction_page(found: FilePrediction, model: str, title: str) -> Page:
    """Return the page of a file that was predicted.

    Args:
        found: The prediction.
        model: Name of the model.
        title: Title of its task.
    """
    assert found.result is not None
    assert found.music is not None
    page = Page(f"{printable(Path(found.file).name)}: {model}")
    files = ", ".join(f"`{printable(path.name)}`" for path in found.written)
    page.facts(
        {
            "predicted": in_words(found.result),
            "task": title,
            "file": f"`{printable(found.file)}`",
            "music": _music_in_words(found.music),
            **({"written": files} if files else {}),
        }
    )
    for warning in found.warnings:
        page.missing(warning)
    for repair in found.repairs:
        page.missing(f"Repaired when the file was read: {repair}")
    if isinstance(found.result, PiecePrediction):
        roll = piece_roll(found.music)
    else:
        rule = by_rule(found.result)
        roll = note_roll(found.result, rule)
    page.heading("Note by note")
    page.text(_HELP, note=True)
    page.widget(
        "prediction",
        roll,
        [asset("data.toolkit", "roll.css"), asset("finetune.predict", "prediction.css")],
        [
            _NOTICE + asset("data.toolkit", "tinysynth.min.js"),
            *(asset("data.toolkit", name) for name in ("roll.js", "player.js")),
            asset("finetune.predict", "prediction.js"),
        ],
    )
    page.heading("What was found")
    if isinstance(found.result, PiecePrediction):
        _piece(page, found.result)
    else:
        _notes(page, found.result, rule)
    return page


def _piece(page: Page, found: PiecePrediction) -> None:
    ordered = sorted(found.probabilities.items(), key=lambda item: -item[1])
    known = bool(found.shares)
    heads = ("class", "probability", *(["share of training pieces"] if known else []))
    lines = [(name, f"{one:.3f}", f"{found.shares.get(name, 0.0):.3f}") for name, one in ordered]
    page.table(heads, [line[: len(heads)] for line in lines])
    if found.reasons:
        page.text("What speaks for this class, and against it, among the hand-made features:")
        why = [(one.feature, f"{one.deviations:+.1f}", f"{one.weight:+.2f}") for one in found.reasons]
        page.table(("feature", "deviations from the training mean", "weight"), why)


def _notes(page: Page, found: NotePredictions, rule: NotePredictions) -> None:
    page.text(_comparison(found, rule))
    if found.key:
        keys = list(found.keys.items())[:_SHOWN]
        page.table(("key", "probability"), [(name, f"{probability:.3f}") for name, probability in keys])
    elif found.chords:
        lines = zip(_shares(found).items(), _shares(rule).items(), strict=False)
        page.table(
            ("chord", "share of time", f"chord, {rule.task}", "share of time"),
            [(name, f"{share:.0%}", other, f"{one:.0%}") for (name, share), (other, one) in lines],
            numbers=False,
        )
    else:
        page.table(
            ("class", "notes", "share", "mean confidence", f"notes, {rule.task}"), _classes(found, rule)
        )


def _comparison(found: NotePredictions, rule: NotePredictions) -> str:
    """One sentence on where predictions and rule agree."""
    if found.derived == "key":
        same = "too" if found.key == rule.key else "instead"
        return f"The model finds *{found.key}*. By {rule.task} the key is *{rule.key}* {same}."
    if found.derived == "chord":
        return (
            f"The model finds {len(found.chords):,} chords and templates of triads find {len(rule.chords):,}. "
            f"{agreement(found, rule):.0%} of the notes have the same place in the same kind of chord."
        )
    if rule.task == "majority":
        return "There is no rule for these labels to compare with. *majority* gives all notes the class predicted most."
    same = f"{agreement(found, rule):.0%} of the notes have the same class"
    return f"{same} in the file." if found.derived == VELOCITY else f"{same} by the rule *{rule.task}*."


def _classes(found: NotePredictions, rule: NotePredictions) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for number, (name, count) in enumerate(found.counts.items()):
        sure = found.confidence[found.classes == number]
        mean = f"{sure.mean():.2f}" if len(sure) else "–"
        share = count / max(sum(found.counts.values()), 1)
        lines.append((name, f"{count:,}", f"{share:.0%}", mean, f"{rule.counts[name]:,}"))
    return lines


def _shares(found: NotePredictions) -> dict[str, float]:
    """Share of time of the chords that sound longest."""
    notes, lasting = found.music.notes, defaultdict[str, float](float)
    end = float(found.music.seconds(np.array([(notes["onset"] + notes["duration"]).max()]))[0])
    edges = [*(chord.seconds for chord in found.chords), end]
    for chord, (start, following) in zip(found.chords, pairwise(edges), strict=True):
        lasting[chord.name] += following - start
    longest = sorted(lasting.items(), key=lambda item: -item[1])[:_SHOWN]
    return {name: seconds / max(sum(lasting.values()), 1e-9) for name, seconds in longest}


def _music_in_words(music: Music) -> str:
    return repr(music).removeprefix("Music(").removesuffix(")")
