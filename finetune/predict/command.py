"""The command `finetune predict`: trained models on new files."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from data.toolkit.command import parse
from data.toolkit.settings import ACCELERATORS, POSITIVE, Settings, setting
from symbolic.checkpoint.bundled import is_model, model_name, require_model
from symbolic.errors import ConfigError
from symbolic.music.midi.repair import KEEP, PEDAL
from symbolic.predict.lines.choices import TRACKS, VOTE

PREDICTIONS = "predictions"
"""Folder of predictions by default, with one for each model."""
_DESCRIPTION = """\
Use a run: MIDI with a track for each class of notes, or a table of probabilities.
Several runs, named before the files, answer in one pass; adapters of one backbone share it.
A file that cannot be read is skipped and named. The exit status is 0 if any was predicted, else 2."""
_EPILOG = """\
examples:
  finetune predict melody song.mid                           writes predictions/melody/song.mid
  finetune predict melody song.mid --page                    and a page to look at and listen to
  finetune predict melody songs/ --jobs 4                    by four processes
  finetune predict melody song.mid --csv - > notes.csv       a line for each note
  finetune predict runs/finetune/genre-full-X tunes/ --csv tunes.csv
  finetune predict runs/finetune/voice-lora-X runs/finetune/chord-lora-X songs/ --json all.json"""


@dataclass(kw_only=True)
class PredictSettings(Settings):
    """Trained models on new files."""

    run: str = setting(..., "bundled model such as melody, run folder, or checkpoint", positional=True)
    files: list[str] = setting(
        ..., "music files, and folders to walk; further runs may stand before them", positional=True
    )
    out: str | None = setting(None, "folder for MIDI files of note-level tasks (default: predictions/MODEL)")
    csv: str | None = setting(
        None, "also write a table as CSV: of pieces or of notes, with all probabilities; - is standard output"
    )
    json: str | None = setting(
        None, "also write everything as JSON: place and probabilities of each note; - is standard output"
    )
    page: bool = setting(
        False, "also write a page for each file: piano roll, playback, comparison with a rule"
    )
    pedal: str = setting(
        KEEP,
        "notes under the sustain pedal (MIDI): keep written lengths, or extend to its release",
        choices=PEDAL,
    )
    tracks: str = setting(
        VOTE,
        "where a file has several tracks: each votes for its notes (melody), or ignore them",
        choices=TRACKS,
    )
    accelerator: str = setting("auto", "cpu, gpu or auto", choices=ACCELERATORS)
    jobs: int = setting(1, "processes that share the files; each loads the models", within=POSITIVE)


def predict(argv: Sequence[str]) -> None:
    """Predict files and write what was asked for.

    Raises:
        CounterpointError: If a setting or a model is wrong, nothing can be written, or no file could be predicted.
    """
    settings = parse("finetune predict", _DESCRIPTION, PredictSettings, argv, _EPILOG)
    require_model(settings.run)
    from tqdm import tqdm

    from symbolic.predict.sources import find_sources

    runs = [settings.run, *takewhile(is_model, settings.files)]
    sources = find_sources(settings.files[len(runs) - 1 :], settings.out or PREDICTIONS)
    if not sources:
        raise ConfigError("Name a music file, or a folder of them, after the run.")
    out = settings.out or os.path.join(PREDICTIONS, *([model_name(settings.run)] if len(runs) == 1 else []))
    # Torch takes seconds to import, so what can be refused is refused before.
    from finetune.predict.workers import Work, predicted
    from symbolic.predict.files import predict_files, refuse_overwriting
    from symbolic.predict.writers import STANDARD_OUTPUT, described, printable, written_predictions

    work = Work(tuple(runs), settings.accelerator, settings.tracks, out, settings.pedal)
    predictors = work.predictors()
    if (jobs := min(settings.jobs, len(sources))) > 1:
        refuse_overwriting(predictors, sources, out)
        found_files = predicted(work, sources, jobs)
    else:
        found_files = predict_files(predictors, sources, out, settings.pedal)
    screen = sys.stderr if STANDARD_OUTPUT in (settings.csv, settings.json) else sys.stdout
    pages = None
    if settings.page:
        from finetune.predict.pages import Pages

        pages = Pages(out, predictors)
    skipped = 0
    with (
        written_predictions(predictors, settings.csv, settings.json) as files,
        tqdm(total=len(sources), unit=" files", disable=None, leave=False) as bar,
    ):
        for predictions in found_files:
            if pages:
                predictions = pages.add(predictions)
            if repairs := "; ".join(predictions[0].repairs):
                bar.write(f"repaired {printable(predictions[0].file)}: {repairs}", file=sys.stderr)
            for found in predictions:
                to = sys.stderr if found.skipped else screen
                bar.write(described(found, len(predictors) > 1), file=to)
                for warning in found.warnings:
                    bar.write(f"warning {printable(found.file)}: {warning}", file=sys.stderr)
            for file in files:
                file.add(predictions)
            skipped += all(found.skipped for found in predictions)
            bar.update()
    if skipped == len(sources):
        raise ConfigError(f"None of the {skipped:,} files could be predicted; the reasons stand above.")
    if pages and len(sources) > 1:
        screen.write(f"index  {printable(str(pages.write_index()))}\n")
    if len(sources) > 1:
        said = f"{len(sources) - skipped:,} of {len(sources):,} files predicted"
        sys.stderr.write(f"{said}; {skipped:,} skipped, each named above\n" if skipped else f"{said}\n")
