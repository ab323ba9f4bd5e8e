"""The settings of `finetune style`."""

from __future__ import annotations

from dataclasses import dataclass

from data.toolkit.settings import ACCELERATORS, POSITIVE, SEEDS, Settings, setting
from finetune.settings import share_of
from symbolic.adapters import METHODS

FULL, NEW = "full", "scratch"
CONTROLS = (FULL, NEW)
"""Ways to learn a style that are no adapters: all weights, from the model's or from random ones."""
USUAL_SHARE = "1%"
_RATES = {FULL: 1e-4, NEW: 1e-3}
_ADAPTER_RATE = 1e-3
_TRANSPOSITION = 5


@dataclass(kw_only=True)
class StyleSettings(Settings):
    """The music of a style, the model that learns it and how."""

    folder: str | None = setting(None, "folder of music files", positional=True)
    checkpoint: str = setting("infill", "pretrained model, which stays frozen under an adapter", flag="from")
    method: str = setting(
        "conv",
        f"{', '.join(METHODS)}, or as controls {' and '.join(CONTROLS)}",
        choices=(*METHODS, *CONTROLS),
    )
    share: str | None = setting(None, f"size as a share of the backbone, as in 0.5% (default: {USUAL_SHARE})")
    layers: str | None = setting(None, "blocks of the adapter: all, mid, last, or as in 0,2-5 (default: all)")
    epochs: int = setting(20, "passes over the pieces", within=POSITIVE)
    batch: int = setting(8, "windows in a batch", within=POSITIVE, rare=True)
    lr: float | None = setting(None, "peak learning rate (default: by method)", within=POSITIVE)
    transposition: int | None = setting(
        None, "augment by up to this many semitones (default: 5, or 0 for microtonal music)", within="[0, 24]"
    )
    seeds: int = setting(1, "number of trainings", within=POSITIVE, free=True)
    seed: int = setting(0, "first of the seeds; it also deals the held-out pieces", within=SEEDS, rare=True)
    licence: str | None = setting(None, "terms of your own music, in a line (default: unstated)", free=True)
    out: str | None = setting(None, "run folder (default: runs/finetune/style-METHOD-FOLDER)", free=True)
    results: str | None = setting(None, "folder of records: add this run's record there", free=True)
    resume: bool = setting(False, "go on with RUN, with --out, or with the latest run", free=True)
    accelerator: str = setting("auto", "cpu, gpu or auto", choices=ACCELERATORS, free=True)

    def problems(self) -> list[str]:
        """Return one sentence for each setting that does not fit."""
        found = []
        if self.share is not None and not 0 < share_of(self.share) < 1:
            found.append(f"--share {self.share}: write a share above 0 and below 1, as in 0.5% or 0.005.")
        if self.method in CONTROLS:
            found += [
                f"{flag}: --method {self.method} trains all weights. Leave it out."
                for flag, value in (("--share", self.share), ("--layers", self.layers))
                if value is not None
            ]
        if self.seed + self.seeds > 2**32:
            found.append(f"--seeds {self.seeds}: the last seed would not be below {2**32}.")
        return found

    def most_transposition(self, microtonal: bool) -> int:
        """Return the largest transposition in semitones. By default the tuning of a pitch stays that of the pitch."""
        usual = 0 if microtonal else _TRANSPOSITION
        return usual if self.transposition is None else self.transposition

    @property
    def rate(self) -> float:
        """The peak learning rate."""
        return self.lr or _RATES.get(self.method, _ADAPTER_RATE)
