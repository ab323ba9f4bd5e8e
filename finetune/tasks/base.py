"""Define tasks: corpus, label, classes, protocols, scores and baselines in one object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from data.splits import FOLDS
from symbolic.documents import PLAIN_NAME
from symbolic.errors import ConfigError
from symbolic.tokens.vocabulary import FIELDS

Level = Literal["note", "sequence"]
SEQUENCE_BASELINES = ("majority", "look_up", "features_logistic", "features_trees", "features_together")
"""Baselines of every sequence-level task."""


@dataclass(frozen=True)
class MergedClasses:
    """Merged classes of the same predictions such as melody or bridge against the rest.

    Attributes:
        name: Prefix of its scores in records.
        title: What people call it.
        merge: The new class of each class, numbered from 0.
        positive: The new class whose F1 is reported. None for the mean over the new classes.
    """

    name: str
    title: str
    merge: tuple[int, ...]
    positive: int | None = 0


@dataclass(frozen=True)
class Published:
    """A published score with its protocol.

    Attributes:
        system: Whose.
        scores: Percentages by name of metric.
        protocol: How it was measured.
        leaky: Whether its split shares songs between the sides or its pretraining saw test pieces.
    """

    system: str
    scores: Mapping[str, float]
    protocol: str
    leaky: bool = False


@dataclass(frozen=True)
class Protocol:
    """A division of a corpus into training, validation and test pieces.

    Attributes:
        name: On the command line and in records.
        split: Where it comes from in words.
        folds: More than 1 has every piece tested once: each fold is trained by itself, with the next one to select
            on, and their test pieces are counted together.
        table: The split table in which the folds stand. Where there is none, they stand in that of the corpus and
            its reader takes the option `fold`.
        dealt: Whether the folds are dealt from the prepared pieces, whole groups and equally in each class.
    """

    name: str
    split: str
    folds: int = 1
    table: str = ""
    dealt: bool = False


def folds_in(table: str) -> Protocol:
    """Return the protocol of a committed table of folds, one of `data.splits.folds`."""
    split = f"5 folds of song groups, as much of each class in each: the committed table {table}"
    return Protocol("folds", split, FOLDS, table)


POP909_SPLIT = Protocol("published", "MIDI-BERT's songs, 4/4 only, 693/86/86; copies across sides excluded")
LIEDER_SPLIT = Protocol("songs", "dealt by song, composer by composer, 80/10/10")
ASAP_SPLIT = Protocol("pieces", "(n)ASAP by piece, 77/12/11; all performances of a piece on one side")


@dataclass(frozen=True)
class Task:
    """State a question about notes or pieces with what docs/evaluation.md asks of a result.

    Attributes:
        name: On the command line and in records.
        title: For people.
        about: What is learnt and from what in half a line of help.
        level: "note" asks of every note, "sequence" of a whole piece.
        corpus: Name of the corpus reader.
        options: Further arguments of the reader.
        label: Name of the note-level or sequence-level label.
        classes: Names in the order of their indices.
        protocols: Ways to split it. The first is meant where none is named.
        others: Pieces whose label is none of the classes are left out. Where this is false, they are an error.
        hide: Fields whose ids are withheld in every split.
        one_piano: Pitched tracks are read as one piano in training and in prediction alike.
        transposition: Training windows are moved by up to this many semitones. 0 where that would make a label
            false.
        views: Coarser questions.
        baselines: Names of the baselines, lowest first.
        published: Others' numbers.
        epochs: Passes over the training windows unless told otherwise.
        warnings: What is odd about a user's own labels in sentences.
        answers: By name of another task, the class here that each class there counts as: a run of it can be scored
            on this one's test pieces.

    Raises:
        ConfigError: If parts do not fit together. Names all that do not.
    """

    name: str
    title: str
    about: str
    level: Level
    corpus: str
    label: str
    classes: tuple[str, ...]
    protocols: tuple[Protocol, ...]
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    others: bool = False
    hide: tuple[str, ...] = ()
    one_piano: bool = False
    transposition: int = 11
    views: tuple[MergedClasses, ...] = ()
    baselines: tuple[str, ...] = ("majority",)
    published: tuple[Published, ...] = ()
    epochs: int = 10
    warnings: tuple[str, ...] = ()
    answers: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        problems = []
        if not re.fullmatch(PLAIN_NAME, self.name):
            problems.append(
                f"Task {self.name!r} gives its name to files: use letters, digits, spaces and . + = - _ alone."
            )
        if len(self.classes) < 2:
            named = ", ".join(self.classes) or "none"
            problems.append(f"Task {self.name!r} needs two classes or more and has {named}.")
        if twice := sorted({c for c in self.classes if self.classes.count(c) > 1}):
            problems.append(f"Task {self.name!r} names {', '.join(twice)} twice.")
        if not self.protocols:
            problems.append(f"Task {self.name!r} has no protocol.")
        if unknown := sorted(set(self.hide) - set(FIELDS)):
            problems.append(
                f"Task {self.name!r} hides {', '.join(unknown)}; the fields are {', '.join(FIELDS)}."
            )
        problems += [
            f"MergedClasses {view.name!r} of task {self.name!r} must merge {len(self.classes)} classes."
            for view in self.views
            if len(view.merge) != len(self.classes)
        ]
        if problems:
            raise ConfigError(problems)

    def protocol(self, name: str | None = None) -> Protocol:
        """Return the protocol of that name, or the first.

        Raises:
            ConfigError: If there is none. Names those there are.
        """
        found = {protocol.name: protocol for protocol in self.protocols}
        if name is not None and name not in found:
            raise ConfigError(f"--protocol {name}: task '{self.name}' has {', '.join(found)}.")
        return self.protocols[0] if name is None else found[name]

    def metric_titles(self) -> dict[str, str]:
        """Return the column headings by metric."""
        titles = {"accuracy": "accuracy", "macro_f1": "macro F1"}
        for view in self.views:
            kind = "macro F1" if view.positive is None else "F1"
            titles |= {
                f"{view.name}_accuracy": f"{view.title} accuracy",
                f"{view.name}_f1": f"{view.title} {kind}",
            }
        return titles

    def describe(self) -> dict[str, Any]:
        """Return what a checkpoint needs to read files as in training as JSON values."""
        return {
            "name": self.name,
            "title": self.title,
            "level": self.level,
            "label": self.label,
            "classes": list(self.classes),
            "hide": list(self.hide),
            "one_piano": self.one_piano,
        }
