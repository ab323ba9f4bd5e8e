"""The command `finetune style`: an adapter of a few per cent learns the style of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.toolkit.command import parse
from data.toolkit.runs import begin, find_folder
from data.toolkit.settings import ACCELERATORS, POSITIVE, SEEDS, Settings, setting
from finetune.settings import share_of
from symbolic.adapters import METHODS
from symbolic.checkpoint.bundled import model_name, require_model
from symbolic.errors import ConfigError

_RUNS = Path("runs/finetune")
_EPILOG = """\
examples:
  finetune style my_tunes/ --method conv --share 1%
  finetune infill song.mid --bars 9-12 --style runs/finetune/style-conv-my_tunes"""


@dataclass(kw_only=True)
class StyleSettings(Settings):
    """The music of a style, the model that learns it and how."""

    folder: str = setting(..., "folder of music files", positional=True)
    checkpoint: str = setting("tiny", "pretrained model, which stays frozen", flag="from")
    method: str = setting("conv", f"adapter: {', '.join(METHODS)}", choices=tuple(METHODS))
    share: str = setting("1%", "size of the adapter as a share of the backbone, as in 0.5%")
    layers: str | None = setting(None, "blocks of the adapter: all, mid, last, or as in 0,2-5 (default: all)")
    epochs: int = setting(20, "passes over the pieces", within=POSITIVE)
    batch: int = setting(8, "windows in a batch", within=POSITIVE, rare=True)
    lr: float = setting(1e-3, "peak learning rate", within=POSITIVE)
    transposition: int = setting(5, "augment by up to this many semitones", within="[0, 24]")
    seed: int = setting(0, "seed of everything random", within=SEEDS)
    out: str | None = setting(None, "run folder (default: runs/finetune/style-METHOD-FOLDER)")
    accelerator: str = setting("auto", "cpu, gpu or auto", choices=ACCELERATORS)

    def problems(self) -> list[str]:
        """Return one sentence for each setting that does not fit."""
        found = []
        if not 0 < share_of(self.share) < 1:
            found.append(f"--share {self.share}: write a share above 0 and below 1, as in 0.5% or 0.005.")
        if not Path(self.folder).is_dir():
            found.append(f"{self.folder} is no folder. Name a folder of music files.")
        return found


def style(argv: Sequence[str]) -> list[str]:
    """Train the adapter of a style; return what to print.

    Raises:
        CounterpointError: If a setting is wrong, there is too little music, or nothing can be written.
    """
    description = (
        "Learn a style: an adapter is trained on hidden notes of a folder, and the backbone stays as it is."
    )
    settings = parse("finetune style", description, StyleSettings, argv, _EPILOG)
    require_model(settings.checkpoint)
    name = f"style-{settings.method}-{Path(settings.folder).resolve().name}"
    folder = find_folder(_RUNS / name, settings.flat(), settings.out, False)
    from symbolic.music.files import music_files

    if len(list(music_files(settings.folder))) < 2:
        raise ConfigError(
            f"{settings.folder} holds fewer than two music files. One piece is held out to measure."
        )
    from finetune.style.training import train_style

    begin(folder, {"command": "finetune style", "settings": settings.flat()})
    found = train_style(settings, folder)
    width = max(map(len, found.before))
    lines = [f"{'hidden field'.ljust(width)}  {model_name(settings.checkpoint):>8}  {'style':>8}"]
    lines += [
        f"{one.ljust(width)}  {found.before[one]:8.3f}  {found.after[one]:8.3f}" for one in found.before
    ]
    return [
        f"nats a hidden field of {found.held_out:,} held-out pieces; trained on {found.trained:,}",
        *found.skipped,
        "",
        *lines,
        "",
        f"{found.parameters:,} parameters trained",
        f"style  {folder}",
    ]
