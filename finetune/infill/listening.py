"""The command `finetune listen`: given and written passages in pairs, blind, on a page that saves the votes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.toolkit.command import parse
from data.toolkit.settings import ACCELERATORS, POSITIVE, SEEDS, Settings, setting
from symbolic.checkpoint.bundled import model_name, require_model
from symbolic.errors import ConfigError, CounterpointError

if TYPE_CHECKING:
    from data.toolkit.page import Page
    from symbolic.music.notes import Music
    from symbolic.predict.pretrained import PretrainedModel

_DESCRIPTION = """\
Make a blind listening test: a page with pairs of a given and a written passage of one piece.
The page plays both, asks which is written, and saves the votes as a table."""
_EPILOG = """\
example:
  finetune listen my_midi/ --pairs 10 --bars 4 --out listening.html"""


@dataclass(kw_only=True)
class ListenSettings(Settings):
    """The pieces of a listening test and the model that writes."""

    folder: str = setting(..., "folder of music files", positional=True)
    checkpoint: str = setting("infill", "pretrained model that writes", flag="from")
    style: str | None = setting(None, "folder of a style, made from the same model")
    pairs: int = setting(10, "pairs, each of another piece", within="[1, 100]")
    bars: int = setting(4, "bars that are written", within=POSITIVE)
    temperature: float = setting(1.0, "as for infill", within="[0, 10]")
    seed: int = setting(0, "seed of pieces, places, sides and notes", within=SEEDS)
    out: str = setting("listening.html", "the page")
    accelerator: str = setting("auto", "cpu, gpu or auto", choices=ACCELERATORS)

    def problems(self) -> list[str]:
        """Refuse what is no folder."""
        return (
            []
            if Path(self.folder).is_dir()
            else [f"{self.folder} is no folder. Name a folder of music files."]
        )


def listen(argv: Sequence[str]) -> list[str]:
    """Write the page of a listening test; return what to print.

    Raises:
        CounterpointError: If a setting is wrong, no piece is long enough, or the page cannot be written.
    """
    settings = parse("finetune listen", _DESCRIPTION, ListenSettings, argv, _EPILOG)
    for named in filter(None, (settings.checkpoint, settings.style)):
        require_model(named)
    from tqdm import tqdm

    from symbolic.music.files import music_files, without_music
    from symbolic.predict.network import device_of
    from symbolic.predict.pretrained import PretrainedModel

    if not (files := sorted(music_files(settings.folder))):
        raise ConfigError(without_music(settings.folder))
    skipped = list[str]()
    model = PretrainedModel.from_pretrained(settings.checkpoint, device_of(settings.accelerator))
    random = np.random.default_rng(settings.seed)
    pairs: list[dict[str, Any]] = []
    with tqdm(total=settings.pairs, desc="pairs", leave=False, disable=None) as bar:
        for name, music in _pieces(files, Path(settings.folder), random, skipped):
            if (pair := _pair(name, music, model, settings, random)) is not None:
                pairs.append(pair)
                bar.update()
            if len(pairs) == settings.pairs:
                break
    if not pairs:
        short = f"{settings.folder}: no piece has {settings.bars} bars of notes between others. Ask for fewer --bars."
        raise ConfigError([short, *skipped])
    try:
        listening_page(pairs, model_name(settings.style or settings.checkpoint)).write(settings.out)
    except OSError as error:
        raise ConfigError(f"--out {settings.out}: cannot be written ({error.strerror}).") from error
    short = "" if len(pairs) == settings.pairs else f"; no more pieces are long enough for {settings.pairs}"
    return [f"{settings.out}  {len(pairs)} pairs{short}"]


def listening_page(pairs: Sequence[dict[str, Any]], model: str) -> Page:
    """Return the page of a listening test.

    Args:
        pairs: For each "file", "bars", the notes of both "sides", and which of them is "written".
        model: Name of the model.
    """
    from data.toolkit.page import Page, asset
    from finetune.infill.page import NOTICE

    page = Page("Given or written?")
    page.text(
        "Each pair plays a few bars of one piece twice. In one of the two, bars in the middle were written by a model. "
        "Choose which. When all pairs have a vote, save the table; then the page shows what was right."
    )
    page.text(f"Written by {model}. By chance half of the votes are right.", note=True)
    page.widget(
        "listening",
        {"pairs": list(pairs)},
        [asset("finetune.infill", "variants.css")],
        [
            NOTICE + asset("data.toolkit", "tinysynth.min.js"),
            asset("data.toolkit", "player.js"),
            asset("finetune.infill", "listening.js"),
        ],
    )
    return page


def _pieces(
    files: Sequence[str], folder: Path, random: np.random.Generator, skipped: list[str]
) -> Iterator[tuple[str, Music]]:
    """Yield the pieces of a folder that can be read, in random order. Add a sentence to `skipped` for each other."""
    from symbolic.music.abc.tunes import with_tunes
    from symbolic.music.files import read_music

    names = list(with_tunes(files, folder))
    for place in random.permutation(len(names)).tolist():
        try:
            yield str(names[place]), read_music(folder / names[place])
        except CounterpointError as error:
            skipped.append(f"skipped {error}")


def _pair(
    name: str, music: Music, model: PretrainedModel, settings: ListenSettings, random: np.random.Generator
) -> dict[str, Any] | None:
    """Write bars from a random place of a piece; None where it is too short or nothing was written."""
    from finetune.infill.page import excerpt, stretch
    from symbolic.generate.sampling import Sampling
    from symbolic.tokens.vocabulary import BAR, RESERVED

    if not len(music):
        return None
    last = int(model.tokenizer(music).ids[:, BAR].max()) - RESERVED + 1
    if last < settings.bars + 2:
        return None
    first = int(random.integers(2, last - settings.bars + 1))
    (variant,) = model.infill(
        music,
        (first, first + settings.bars - 1),
        style=settings.style,
        seed=settings.seed,
        sampling=Sampling(settings.temperature),
    )
    if not len(variant.notes) or not variant.replaced.any():
        return None
    _, edges = stretch([variant])
    sides = [excerpt(one, variant, edges) for one in (music, variant.music)]
    for one in sides:
        del one["inside"]  # nothing on the page tells which notes are new
    written = int(random.integers(2))
    return {
        "file": Path(name).name,
        "bars": variant.passage.bars,
        "written": written,
        "sides": sides if written == 1 else sides[::-1],
    }
