"""The command `finetune infill`: passages of a piece written anew."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.toolkit.command import parse
from data.toolkit.settings import ACCELERATORS, NATURAL, POSITIVE, SEEDS, Settings, setting
from symbolic.checkpoint.bundled import model_name, require_model
from symbolic.errors import ConfigError
from symbolic.generate.constraints import Constraints
from symbolic.generate.passage import DRAWN_NAMES
from symbolic.generate.sampling import Sampling

if TYPE_CHECKING:
    from symbolic.generate.variant import Variant

_MOST = 1000
"""No more variants are written at once."""
_DESCRIPTION = """\
Write bars or parts of a piece anew, or go on after its end.
All other notes and events stay as they are.
MusicXML comes back as MusicXML. All else comes back as MIDI, and `finetune map` notates it."""
_EPILOG = """\
examples:
  finetune infill song.mid --bars 9-12 --number 8            eight variants of four bars
  finetune infill song.mid --tracks bass                     a part under the others
  finetune infill song.mid --continue 8                      eight bars more
  finetune infill score.musicxml --bars 9-12 --page          a score again, and a page to listen to
  finetune infill song.mid --bars 9-12 --scale "D minor" --polyphony 1 --temperature 0.9"""


@dataclass(kw_only=True)
class InfillSettings(Settings):
    """A piece, what to write in it and how."""

    file: str = setting(..., "music file", positional=True)
    checkpoint: str = setting("infill", "pretrained model that writes", flag="from")
    bars: str | None = setting(
        None, "bars to write, counted from 1, a pick-up too: 9-12, or 9 (default: all)"
    )
    tracks: str | None = setting(
        None, "tracks to write, with commas: names, numbers from 1, or bass, drums ..."
    )
    fields: str | None = setting(
        None, f"keep the notes and draw some of {', '.join(DRAWN_NAMES)}, with commas"
    )
    more: int = setting(0, "write so many bars after the end instead", within=NATURAL, flag="continue")
    number: int = setting(1, "variants", within=f"[1, {_MOST}]")
    out: str = setting("variants", "folder for the variants")
    page: bool = setting(False, "also write a page with the variants side by side, which plays them")
    style: str | None = setting(None, "folder of a style, made from the same model")
    temperature: float = setting(
        1.0, "above 1 more surprising, below 1 less; 0 the most likely", within="[0, 10]"
    )
    top_p: float | None = setting(
        None, "draw among the most likely values that hold this share (default: by field)", within="(0, 1]"
    )
    seed: int = setting(0, "seed of everything random", within=SEEDS)
    scale: str | None = setting(None, "allow only its pitches, as 'C major', 'F# blues'")
    lowest: int = setting(0, "lowest MIDI pitch", within="[0, 127]")
    highest: int = setting(127, "highest MIDI pitch", within="[0, 127]")
    rhythm: bool = setting(False, "keep positions and durations of the notes")
    density: float = setting(1.0, "notes for each note that the bars would have", within="(0, 8]")
    polyphony: int | None = setting(
        None, "most notes of a track that sound together (default: as in the piece)", within=POSITIVE
    )
    steps: int = setting(6, "steps for each field", within="[1, 1000]", rare=True)
    noise: float | None = setting(
        None,
        "keep the surest values first, with so much noise (default: random order)",
        within="[0, 1000]",
        rare=True,
    )
    sweeps: int = setting(0, "times to draw the least sure values again", within="[0, 100]", rare=True)
    accelerator: str = setting("auto", "cpu, gpu or auto", choices=ACCELERATORS)

    def problems(self) -> list[str]:
        """Return one sentence for each setting that does not fit."""
        found = []
        for read in (lambda: self.bar_range, lambda: self.constraints):
            try:
                read()
            except ConfigError as error:
                found += error.problems
        return found

    @property
    def bar_range(self) -> tuple[int, int] | None:
        """First and last bar, counted from 1.

        Raises:
            ConfigError: If they are no bars.
        """
        if self.bars is None:
            return None
        first, dash, last = self.bars.partition("-")
        if not (first.strip().isdecimal() and (last.strip().isdecimal() or not dash)):
            raise ConfigError(f"--bars {self.bars}: give the first and the last bar as in 9-12, or one bar.")
        return int(first), int(last or first)

    @property
    def constraints(self) -> Constraints:
        """The rules for the notes.

        Raises:
            ConfigError: If they exclude each other.
        """
        return Constraints(self.scale, self.lowest, self.highest, self.rhythm, self.density, self.polyphony)


def infill(argv: Sequence[str]) -> list[str]:
    """Write the variants of a passage as files; return what to print.

    Raises:
        CounterpointError: If a setting is wrong, the piece cannot be read or does not have what is asked for, or
            nothing can be written.
    """
    settings = parse("finetune infill", _DESCRIPTION, InfillSettings, argv, _EPILOG)
    for named in filter(None, (settings.checkpoint, settings.style)):
        require_model(named)
    from symbolic.music.files import MUSICXML_SUFFIXES, read_music

    music = read_music(settings.file)
    out, source = Path(settings.out), Path(settings.file)
    suffix = source.suffix.lower() if source.suffix.lower() in MUSICXML_SUFFIXES else ".mid"
    paths = [out / f"{source.stem}-{number}{suffix}" for number in range(1, settings.number + 1)]
    if source.resolve() in {path.resolve() for path in paths}:
        raise ConfigError(f"--out {out}: {settings.file} would be written over. Name another folder.")
    from symbolic.predict.network import device_of
    from symbolic.predict.pretrained import PretrainedModel

    model = PretrainedModel.from_pretrained(settings.checkpoint, device_of(settings.accelerator))
    variants = model.infill(
        music,
        settings.bar_range,
        fields=_listed(settings.fields),
        tracks=_listed(settings.tracks),
        continue_bars=settings.more,
        number=settings.number,
        style=settings.style,
        seed=settings.seed,
        sampling=Sampling(
            settings.temperature,
            settings.top_p,
            steps=settings.steps,
            noise=settings.noise,
            sweeps=settings.sweeps,
        ),
        constraints=settings.constraints,
    )
    sys.stderr.writelines(f"repaired {settings.file}: {repair}\n" for repair in music.repairs)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be made ({error.strerror}). Name another folder.") from error
    for path, variant in zip(paths, variants, strict=True):
        variant.write(path)
    lines = [f"{path}  {variant.summary}" for path, variant in zip(paths, variants, strict=True)]
    return [*lines, *([str(_page(settings, variants, paths))] if settings.page else [])]


def _page(settings: InfillSettings, variants: Sequence[Variant], paths: Sequence[Path]) -> Path:
    """Write the page of the variants and return its path."""
    from finetune.infill.page import variants_page

    path = Path(settings.out) / f"{Path(settings.file).stem}.html"
    style = model_name(settings.style) if settings.style else ""
    page = variants_page(settings.file, model_name(settings.checkpoint), variants, paths, style)
    try:
        page.write(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}). Name another folder.") from error
    return path


def _listed(names: str | None) -> list[str] | None:
    """Split names at commas."""
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]
