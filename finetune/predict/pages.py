"""Pages of predictions, one a file and model, and their index."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data.toolkit.page import Link, Page
from finetune.predict.page import prediction_page
from symbolic.errors import ConfigError
from symbolic.music.conversion import as_music
from symbolic.predict.files import FilePrediction
from symbolic.predict.model import AnyMusic, named
from symbolic.predict.predictor import NotePredictor, PiecePredictor
from symbolic.predict.writers import in_words, printable

INDEX = "index.html"


class Pages:
    """Pages in the folder of the predictions, each where the MIDI file of its source is or would be.

    Args:
        out: The folder.
        predictors: The models.
    """

    def __init__(self, out: str | Path, predictors: Sequence[NotePredictor | PiecePredictor]) -> None:
        self._index = Path(out) / INDEX
        self._titles = {one.name: str(one.task["title"]) for one in predictors}
        self._lines: list[tuple[object, ...]] = []

    def add(self, predictions: Sequence[FilePrediction]) -> list[FilePrediction]:
        """Write the pages of one file.

        Returns:
            The same predictions with their page among the files that were written.

        Raises:
            ConfigError: If nothing can be written there.
        """
        return [self._add(found) for found in predictions]

    def write_index(self) -> Path:
        """Write the index of all files, those that were skipped with the reason. Returns its path.

        Raises:
            ConfigError: If nothing can be written there.
        """
        page = Page(f"Predictions: {', '.join(self._titles)}")
        columns = ("file", *(["model"] if len(self._titles) > 1 else []), "predicted", "warnings and repairs")
        # The last column is left out where there are none.
        shown = len(columns) - (not any(line[-1] for line in self._lines))
        page.table(columns[:shown], [line[:shown] for line in self._lines], numbers=False)
        return written(page, self._index)

    def _add(self, found: FilePrediction) -> FilePrediction:
        model = [found.task] if len(self._titles) > 1 else []
        if found.result is None:
            reason = printable(found.skipped.removeprefix(f"{found.file}: "))
            self._lines.append((printable(Path(found.file).name), *model, f"skipped: {reason}", ""))
            return found
        path = found.place.with_suffix(".html")
        if path == self._index:  # a file is called index.mid
            path = path.with_name("index-file.html")
        written(prediction_page(found, found.task, self._titles[found.task]), path)
        below = path.relative_to(self._index.parent)
        # The name of the file, below the folders in which it was found.
        shown = Path(*below.parts[len(model) : -1], Path(found.file).name).as_posix()
        link, remarks = Link(printable(shown), below.as_posix()), "; ".join((*found.warnings, *found.repairs))
        self._lines.append((link, *model, in_words(found.result), remarks))
        return replace(found, written=(*found.written, path))


def write_page(model: NotePredictor | PiecePredictor, music: AnyMusic, path: str | Path) -> Path:
    """Predict a piece and write the page on which to look at it and listen to it.

    Args:
        model: The model.
        music: Whatever `symbolic.as_music` takes: a path, bytes, Music and more.
        path: The HTML file. It is written over.

    Returns:
        The path.

    Raises:
        MusicFileError: If the piece cannot be read, or the model cannot predict it.
        ConfigError: If nothing can be written there.
    """
    read = as_music(music)
    found = FilePrediction(named(music), model.name, model(read), music=read)
    return written(prediction_page(found, model.name, str(model.task["title"])), Path(path))


def written(page: Page, path: Path) -> Path:
    """Write a page and make its folder. Returns its path.

    Raises:
        ConfigError: If nothing can be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        page.write(path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({os.strerror(error.errno or 0)}). Name another folder with --out."
        ) from error
    return path
