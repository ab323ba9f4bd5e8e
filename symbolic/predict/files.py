"""Predictions on new files: MIDI with what was predicted of notes, or probabilities of classes or keys of pieces."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError, CounterpointError, MusicFileError
from symbolic.music.files import SUFFIXES, music_files, read_music
from symbolic.music.midi import to_symusic, write_midi
from symbolic.music.notes import Music
from symbolic.predict.discriminants import Reason
from symbolic.predict.keys import Chord, chords, key_shares
from symbolic.predict.predictor import VELOCITY, NotePredictions, Predictor

UNCLASSED = "drums"
"""Track of drum notes in written files: a note-level task does not ask of them."""


@dataclass(frozen=True)
class Source:
    """A file to be read, and where its prediction goes.

    Attributes:
        file: As it was named, or as a walk found it.
        place: Of the MIDI file below the output folder; unlike that of any other source.
    """

    file: str
    place: PurePath


@dataclass(eq=False)
class Outcome:
    """What one run said of one file.

    Attributes:
        file: As it was named.
        task: Name of the predictor; "" where the file could not be read for any.
        written: The MIDI file that was written, at note level.
        music: What was read, at note level.
        judgement: Of its notes.
        probabilities: Of each class, at sequence level; of each key, where that is what is told.
        chords: In time, where those are what is told.
        reasons: What speaks for the class or against it, at sequence level, where the model can say.
        counts: Notes of each class, at note level.
        skipped: Why it was skipped; "" if it was not.
    """

    file: str
    task: str = ""
    written: Path | None = None
    music: Music | None = None
    predictions: NotePredictions | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    chords: list[Chord] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    skipped: str = ""

    @property
    def prediction(self) -> str | None:
        """The class or key with the highest probability; None where neither is told, or the file was skipped."""
        return max(self.probabilities, key=lambda name: self.probabilities[name], default=None)

    @property
    def confidence(self) -> float | None:
        """Mean probability of the classes that the notes were given."""
        if self.predictions is None:
            return None
        return float(self.predictions.confidence[self.predictions.classes >= 0].mean())


def find_sources(names: Sequence[str], out: str | Path) -> list[Source]:
    """Files as named, and all music files below folders, in order of their paths.

    Args:
        names: Files and folders. A folder's inner structure is kept below `out`.
        out: Where predictions go; those of earlier calls are not read.

    Raises:
        ConfigError: If a folder holds no music files.
    """
    taken: set[PurePath] = set()
    sources = []
    for name in names:
        if not os.path.isdir(name):
            sources.append(Source(name, _free_place(PurePath(Path(name).name), taken)))
            continue
        below = sorted(music_files(name, leave_out=out))
        if not below:
            raise ConfigError(
                f"{name} holds no music files ({', '.join(sorted(SUFFIXES))}), nor do its subfolders."
            )
        sources += [Source(os.path.join(name, inner), _free_place(PurePath(inner), taken)) for inner in below]
    return sources


def predict_files(
    predictors: Sequence[Predictor], sources: Sequence[Source], out: str | Path
) -> Iterator[list[Outcome]]:
    """Predict file by file; a bad one among good ones is skipped with its reason.

    Args:
        predictors: Trained runs; each file is read once for all.
        sources: From `find_sources`.
        out: Folder for MIDI files, at note level; made when first needed. Several runs have a folder each in it.

    Yields:
        For each source what every run said of it, or one outcome that says why it could not be read.

    Raises:
        ConfigError: If nothing can be written there, or what would be written is one of the sources.
    """
    folders = [Path(out) / one.name if len(predictors) > 1 else Path(out) for one in predictors]
    _spare(sources, [folder for folder, one in zip(folders, predictors, strict=True) if one.note_level])
    for source in sources:
        try:
            music = read_music(source.file)
            if not len(music):
                raise MusicFileError(source.file, "it holds no notes")
        except CounterpointError as error:
            yield [Outcome(source.file, skipped=_reason(source.file, error))]
            continue
        outcomes = []
        for predictor, folder in zip(predictors, folders, strict=True):
            outcome = Outcome(source.file, predictor.name)
            try:
                _judge(predictor, music, outcome)
                _write(predictor, outcome, folder / source.place)
            except MusicFileError as error:
                outcome = Outcome(source.file, predictor.name, skipped=_reason(source.file, error))
            outcomes.append(outcome)
        yield outcomes


def _spare(sources: Sequence[Source], folders: Sequence[Path]) -> None:
    """Refuse to write over what is to be read: a prediction keeps less than its source held."""
    read = {os.path.realpath(source.file): source.file for source in sources}
    for folder in folders:
        for source in sources:
            if over := read.get(os.path.realpath(folder / source.place)):
                raise ConfigError(
                    f"--out {folder}: {over} would be written over by its prediction. Name another folder."
                )


def _judge(predictor: Predictor, music: Music, outcome: Outcome) -> None:
    """Fill in what a run says of a file.

    Raises:
        MusicFileError: If it can say nothing of it.
    """
    if predictor.note_level and music.drums.all():
        raise MusicFileError(outcome.file, "it holds no pitched notes")
    try:
        if not predictor.note_level:
            shares, outcome.reasons = predictor.explained(music)
            outcome.probabilities = dict(zip(predictor.classes, shares.tolist(), strict=True))
            return
        predictions = predictor.notes(music)
    except ConfigError as error:  # of more bars than the tokenizer counts
        raise MusicFileError(outcome.file, str(error).removesuffix(".")) from error
    if predictions.shares is not None and predictor.tells == "key":
        outcome.probabilities = key_shares(music, predictions.shares)
    elif predictions.shares is not None and predictor.tells == "chord":
        outcome.chords = chords(music, predictions.shares)
    asked = predictions.classes[predictions.classes >= 0]
    counts = np.bincount(asked, minlength=len(predictor.classes)).tolist()
    outcome.counts = dict(zip(predictor.classes, counts, strict=True))
    outcome.music, outcome.predictions = music, predictions


def _write(predictor: Predictor, outcome: Outcome, path: Path) -> None:
    """Write the music with what was said of its notes, if anything.

    A key or chords go as markers on it as it is; else it has new tracks or velocities.

    Raises:
        MusicFileError: If MIDI cannot hold it.
        ConfigError: If it cannot be written.
    """
    music, predictions = outcome.music, outcome.predictions
    if music is None or predictions is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if predictions.shares is not None and predictor.tells == VELOCITY:
            write_midi(with_velocities(music, predictions.shares, predictor.classes), path)
        elif not predictor.tells:
            write_midi(tracks_by_class(music, predictions.classes, predictor.classes), path)
        else:
            told = [(0, outcome.prediction)] if outcome.prediction else None
            _write_markers(music, told or [(one.onset, one.name) for one in outcome.chords], path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}). Name another folder with --out."
        ) from error
    outcome.written = path


def _write_markers(music: Music, markers: Sequence[tuple[int, str]], path: Path) -> None:
    from symusic import TextMeta

    score = to_symusic(music, path)
    score.markers.extend([TextMeta(tick, text) for tick, text in markers])
    path.write_bytes(score.dumps_midi())


def tracks_by_class(music: Music, classes: NDArray[np.integer], names: Sequence[str]) -> Music:
    """The same notes on a track for each class; one that several instruments play has a track for each.

    Args:
        music: Onsets, durations, pitches, velocities, programs, metre and tempo are kept.
        classes: (N,) class of each note; -1 goes to a track of its own.
        names: Of the classes.
    """
    notes = music.notes.copy()
    notes["track"] = np.where(classes < 0, len(names), classes)
    return replace(music, notes=notes, tracks=(*names, UNCLASSED))


def with_velocities(music: Music, shares: NDArray[np.floating], names: Sequence[str]) -> Music:
    """The same notes on the same tracks, each as loud as is to be expected: dynamics without steps.

    Args:
        music: All but velocities is kept.
        shares: (N, C) probabilities of the classes of each note; a note with NaN is left as it is.
        names: Of the classes, as in "32-47": the lowest and the highest MIDI velocity.
    """
    edges = np.array([name.split("-") for name in names], dtype=np.float64)
    expected = shares @ edges.mean(axis=1)
    told = np.isfinite(expected)
    notes = music.notes.copy()
    notes["velocity"][told] = expected[told].round()
    return music.with_notes(notes)


def _reason(file: str, error: CounterpointError) -> str:
    reason = str(error)
    return reason if file in reason else f"{file}: {reason}"


def _free_place(path: PurePath, taken: set[PurePath]) -> PurePath:
    """The path as that of a MIDI file, numbered where two inputs would have the same."""
    number, free = 1, path.with_suffix(".mid")
    while free in taken:
        number += 1
        free = path.with_name(f"{path.stem}-{number}.mid")
    taken.add(free)
    return free
