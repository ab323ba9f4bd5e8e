"""The command `finetune surprise`: the information content of each note of files."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.toolkit.command import parse
from data.toolkit.settings import ACCELERATORS, POSITIVE, Settings, setting
from symbolic.checkpoint.bundled import require_model
from symbolic.errors import ConfigError, MusicFileError

_CONTEXTS = ("past", "both")
_DESCRIPTION = """\
Measure how surprising each note is to a pretrained model: information content in bits by field.
Writes a table with a line for each note.
A file that cannot be read is skipped and named. The exit status is 0 if any was measured, else 2."""
_EPILOG = """\
examples:
  finetune surprise song.mid                  writes surprise/song.csv
  finetune surprise song.mid --page           and a page to look at and listen to
  finetune surprise song.mid --context both   what does not fit where it stands
  finetune surprise songs/ --json"""


@dataclass(kw_only=True)
class SurpriseSettings(Settings):
    """Files, a model, and what it reads."""

    files: list[str] = setting(..., "music files, and folders to walk", positional=True)
    checkpoint: str = setting("tiny", "pretrained model", flag="from")
    context: str = setting(
        "past", "predict each note from the notes before it, or from both sides", choices=_CONTEXTS
    )
    memory: int = setting(64, "most notes before each that are read, with --context past", within=POSITIVE)
    every: int = setting(
        8, "hide one note in so many at a time, with --context both", within=POSITIVE, rare=True
    )
    out: str = setting("surprise", "folder for the tables and pages")
    json: bool = setting(False, "also write everything as JSON")
    page: bool = setting(False, "also write a page: piano roll coloured by surprise, playback")
    accelerator: str = setting("auto", "cpu, gpu or auto", choices=ACCELERATORS)


def surprise(argv: Sequence[str]) -> None:
    """Measure files, write their tables, and print a line for each.

    Raises:
        CounterpointError: If a setting or the model is wrong, nothing can be written, or no file could be measured.
    """
    settings = parse("finetune surprise", _DESCRIPTION, SurpriseSettings, argv, _EPILOG)
    require_model(settings.checkpoint)
    from symbolic.predict.sources import find_sources

    sources = find_sources(settings.files, settings.out)
    from symbolic.music.files import read_music
    from symbolic.predict.network import device_of
    from symbolic.predict.pretrained import PretrainedModel
    from symbolic.predict.writers import printable

    model = PretrainedModel.from_pretrained(settings.checkpoint, device_of(settings.accelerator))
    measured = 0
    for source in sources:
        try:
            music = read_music(source.file)
            found = model.surprise(music, settings.context, memory=settings.memory, every=settings.every)
        except MusicFileError as error:
            sys.stderr.write(f"skipped  {printable(str(error))}\n")
            continue
        measured += 1
        sys.stderr.writelines(f"repaired {printable(source.file)}: {repair}\n" for repair in music.repairs)
        table = _folder(Path(settings.out) / source.place).with_suffix(".csv")
        written = [found.to_csv(table)]
        if settings.json:
            written.append(found.to_json(table.with_suffix(".json")))
        if settings.page:
            from finetune.surprise.page import write_page

            written.append(write_page(found, table.with_suffix(".html")))
        fields = "  ".join(f"{name} {bits:.2f}" for name, bits in found.means.items())
        files = ", ".join(printable(str(path)) for path in written)
        line = f"{found.total.mean():.2f} bits a note  ({fields})  ->  {files}"
        sys.stdout.write(f"{printable(source.file)}  {line}\n")
    if not measured:
        raise ConfigError(f"None of the {len(sources):,} files could be measured; the reasons stand above.")


def _folder(path: Path) -> Path:
    """Make the folder of a file. Return the file's path."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{path.parent} cannot be made ({os.strerror(error.errno or 0)}). Name another folder with --out."
        ) from error
    return path
