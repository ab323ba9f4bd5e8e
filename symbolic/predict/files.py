"""Predictions on many files: a bad file among good ones is skipped with its reason."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from symbolic.errors import ConfigError, CounterpointError, MusicFileError
from symbolic.music.files import read_music
from symbolic.music.midi.repair import KEEP
from symbolic.music.notes import Music, without_notes
from symbolic.predict.musicxml_output import is_musicxml
from symbolic.predict.predictions import NotePredictions, PiecePrediction
from symbolic.predict.predictor import NotePredictor, PiecePredictor
from symbolic.predict.sources import Source


@dataclass(frozen=True, eq=False)
class FilePrediction:
    """The prediction of one model for one file.

    Attributes:
        file: The path as it was named.
        task: Name of the predictor. "" where the file could not be read for any.
        result: The prediction. None where the file was skipped.
        written: The files that were written at note level: MIDI, and MusicXML of a score in MusicXML.
        skipped: Why it was skipped. "" if it was not.
        music: What was read. None where the file was skipped.
        place: Path of the MIDI file, written at note level alone.
    """

    file: str
    task: str = ""
    result: NotePredictions | PiecePrediction | None = None
    written: tuple[Path, ...] = ()
    skipped: str = ""
    music: Music | None = None
    place: Path = Path()

    @property
    def repairs(self) -> tuple[str, ...]:
        """Repairs made when the file was read, as sentences."""
        return self.music.repairs if self.music else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons to trust the prediction less, as sentences."""
        return self.result.warnings if isinstance(self.result, NotePredictions) else ()

    @property
    def probabilities(self) -> dict[str, float]:
        """Probability of each class or key of the piece by name. Empty where only notes have classes."""
        found = self.result
        return (
            found.keys if isinstance(found, NotePredictions) else dict(found.probabilities) if found else {}
        )

    @property
    def prediction(self) -> str | None:
        """The class or key with the highest probability. None where there is none."""
        return max(self.probabilities, key=lambda name: self.probabilities[name], default=None)


def predict_files(
    predictors: Sequence[NotePredictor | PiecePredictor],
    sources: Sequence[Source],
    out: str | Path,
    pedal: str = KEEP,
) -> Iterator[list[FilePrediction]]:
    """Predict file by file and write MIDI files at note level, with scores in MusicXML beside those made from them.

    Args:
        predictors: The models. Each file is read once for all of them.
        sources: From `find_sources`.
        out: Folder for MIDI files, made when first needed. Several models have a folder each in it.
        pedal: How notes under the sustain pedal are read, as in `read_music`.

    Yields:
        For each source the prediction of every model or one entry with the reason why it could not be read.

    Raises:
        ConfigError: If nothing can be written there, or a source would be overwritten.
    """
    refuse_overwriting(predictors, sources, out)
    folders = _folders(predictors, out)
    for source in sources:
        try:
            music = read_music(source.file, pedal=pedal)
            if not len(music):
                raise MusicFileError(source.file, without_notes(music))
        except CounterpointError as error:
            yield [FilePrediction(source.file, skipped=_reason(source.file, error))]
            continue
        found = []
        for predictor, folder in zip(predictors, folders, strict=True):
            result, skipped = None, ""
            written: tuple[Path, ...] = ()
            try:
                result = predictor(music)
                written = _write(result, folder / source.place)
            except MusicFileError as error:
                result, skipped = None, _reason(source.file, error)
            found.append(
                FilePrediction(
                    source.file, predictor.name, result, written, skipped, music, folder / source.place
                )
            )
        yield found


def refuse_overwriting(
    predictors: Sequence[NotePredictor | PiecePredictor], sources: Sequence[Source], out: str | Path
) -> None:
    """Refuse to write over a source. Arguments as for `predict_files`.

    Raises:
        ConfigError: If one would be. It names both.
    """
    read = {os.path.realpath(source.file): source.file for source in sources}
    for folder, predictor in zip(_folders(predictors, out), predictors, strict=True):
        if not isinstance(predictor, NotePredictor):
            continue
        for source in sources:
            for path in (folder / source.place, _score_beside(folder / source.place, source.file)):
                if over := read.get(os.path.realpath(path)):
                    raise ConfigError(
                        f"--out {folder}: {over} would be written over by its prediction. Name another folder."
                    )


def _folders(predictors: Sequence[NotePredictor | PiecePredictor], out: str | Path) -> list[Path]:
    """Return the folder of each model's files."""
    return [Path(out) / one.name if len(predictors) > 1 else Path(out) for one in predictors]


def _write(result: NotePredictions | PiecePrediction, path: Path) -> tuple[Path, ...]:
    if not isinstance(result, NotePredictions):
        return ()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        places = dict.fromkeys((path, _score_beside(path, result.music.path)))  # of other kinds they are one
        return tuple(result.write(place) for place in places)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}). Name another folder with --out."
        ) from error


def _score_beside(path: Path, source: str) -> Path:
    """The path of the score beside a MIDI file, where its source is MusicXML; else that of the MIDI file."""
    return path.with_suffix(Path(source).suffix) if is_musicxml(source) else path


def _reason(file: str, error: CounterpointError) -> str:
    """The error's words with the file first."""
    if isinstance(error, MusicFileError) and error.path != file:
        error = MusicFileError(file, error.reason, error.remedy)
    reason = str(error)
    return reason if file in reason else f"{file}: {reason}"
