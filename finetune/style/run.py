"""A run of `finetune style`: from a folder of music to checkpoints and a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.corpora.folder import FolderCorpus
from data.fingerprint import note_fingerprint
from data.toolkit.locks import sole_writer
from data.toolkit.records import portable_provenance, provenance, write_json
from data.toolkit.results import append_results
from data.toolkit.runs import SETTINGS, begin, read_settings
from finetune.style.batches import held_out_loader
from finetune.style.objective import PieceLosses, model_losses, paired_interval, piece_losses
from finetune.style.settings import CONTROLS, StyleSettings
from finetune.style.training import STATE, Style, pretrained_parts, train_style
from symbolic.checkpoint.bundled import RECORD, model_name, shipped_models
from symbolic.checkpoint.format import Checkpoint, load_checkpoint, save_checkpoint
from symbolic.checkpoint.licence import FINE_TUNING, Source, Stage, chain_values, identify, licence_of
from symbolic.commas import OFTEN, PART, microtonal_share
from symbolic.documents import read_json
from symbolic.errors import ConfigError, MusicFileError
from symbolic.music.abc.tunes import with_tunes
from symbolic.music.files import music_files, read_music, without_music
from symbolic.music.notes import Music
from symbolic.predict.network import device_of

COMMAND = "finetune style"
RESULTS = "style.jsonl"
_FORMAT = 1
_HELD_OUT = 5
"""One piece of so many is held out, one at least."""


@dataclass(frozen=True, eq=False)
class _Pieces:
    """The pieces of a folder.

    Attributes:
        trained: Those to learn from.
        held_out: The others.
        names: Names of the held-out files.
        skipped: Sentences on files that could not be read.
    """

    trained: list[Music]
    held_out: list[Music]
    names: list[str]
    skipped: list[str]


def run_style(settings: StyleSettings, folder: Path) -> dict[str, Any]:
    """Train every seed that is not done in the folder of a run, and write its record.

    Args:
        settings: Settings of the run.
        folder: Folder of the run.

    Returns:
        The record, with the sentences on "skipped" files added.

    Raises:
        CounterpointError: If fewer than two pieces can be read, the model is not fit for it, the music has changed
            since the run began, or another process uses the folder.
    """
    device_of(settings.accelerator)  # refuses one that is not there
    base = load_checkpoint(settings.checkpoint)
    backbone, heads = pretrained_parts(base)
    pieces = _read(str(settings.folder), settings.seed)
    seen, tested = ([note_fingerprint(music) for music in part] for part in (pieces.trained, pieces.held_out))
    with sole_writer(folder, wait=False):
        _begin(folder, settings, [*seen, *tested], base.fingerprint)
        held = held_out_loader(pieces.held_out, base.tokenizer, base.config.window, settings.batch)
        untrained = partial(model_losses, backbone.eval(), heads.eval())
        before = piece_losses(untrained, heads.sizes, held, len(pieces.held_out), settings.seed)
        origin = provenance()
        stage = _stage(settings, pieces.trained, folder.name)
        seeds = [
            _seed(base, pieces, settings, seed, folder, origin, seen, (*base.chain, stage))
            for seed in range(settings.seed, settings.seed + settings.seeds)
        ]
        best = min(seeds, key=lambda one: one["held_out"]["all"])
        known = set() if base.pretrained_on is None else set(base.pretrained_on.tolist())
        record = {
            "format": _FORMAT,
            **origin,
            "settings": settings.identity,
            "base": {"name": model_name(settings.checkpoint), "weights": base.fingerprint},
            "music": {
                "trained": len(pieces.trained),
                "held_out": pieces.names,
                "notes": sum(map(len, pieces.trained)),
                "microtonal": _microtonal(pieces),
                "held_out_in_pretraining": None
                if base.pretrained_on is None
                else sum(one in known for one in tested),
            },
            "chain": chain_values((*base.chain, stage)),
            "licence": licence_of((*base.chain, stage)).title,
            "before": before.by_field(),
            "pieces_before": before.pieces.tolist(),
            "gain": _gain(before, seeds),
            "checkpoint": f"seed-{best['seed']}/checkpoint",
            "seeds": seeds,
        }
        write_json(folder / RECORD, record)
    if settings.results:
        line = {"name": folder.name, **portable_provenance(record)}
        append_results(Path(settings.results) / RESULTS, [line])
    return {**record, "skipped": pieces.skipped}


def _seed(
    base: Checkpoint,
    pieces: _Pieces,
    settings: StyleSettings,
    seed: int,
    folder: Path,
    origin: Mapping[str, Any],
    seen: Sequence[int],
    chain: Sequence[Stage],
) -> dict[str, Any]:
    """Train one seed unless it is done, save its checkpoint, and return its part of the record."""
    place = folder / f"seed-{seed}"
    if (place / RECORD).is_file():
        return read_json(place / RECORD, ConfigError, "Delete it: --resume then trains this seed again.")
    style = train_style(
        base, pieces.trained, pieces.held_out, settings, seed, place, _microtonal(pieces) >= OFTEN
    )
    found = _summary(style, seed)
    known = base.pretrained_on
    own = settings.method in CONTROLS or settings.checkpoint not in shipped_models()
    save_checkpoint(
        place / "checkpoint",
        style.backbone,
        base.tokenizer,
        heads={"fields": style.heads},
        parts={} if style.comma_field is None else {PART: style.comma_field},
        provenance={**origin, "settings": settings.flat(), "held_out": found["held_out"]},
        pretrained_on=None if known is None else np.concatenate([known, np.array(seen, dtype=np.int64)]),
        base="" if own else settings.checkpoint,
        chain=tuple(chain),
    )
    found["saved_bytes"] = sum(one.stat().st_size for one in (place / "checkpoint").glob("adapter.*"))
    write_json(place / RECORD, found)
    (place / STATE).unlink(missing_ok=True)
    return found


def _summary(style: Style, seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "held_out": style.held_out.by_field(),
        "pieces": style.held_out.pieces.tolist(),
        "commas": dict(style.comma_losses),
        "trained_parameters": style.parameters,
        "seconds": round(style.seconds, 1),
        "history": style.history,
    }


def _gain(before: PieceLosses, seeds: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return by how much a held-out piece's loss falls, its mean over seeds, with the interval over pieces."""
    mean, low, high = paired_interval(before.pieces - np.mean([one["pieces"] for one in seeds], axis=0))
    return {"mean": mean, "low": low, "high": high}


def _microtonal(pieces: _Pieces) -> float:
    """Return the share of notes that lie off twelve tones."""
    return microtonal_share([*pieces.trained, *pieces.held_out])


def _stage(settings: StyleSettings, trained: Sequence[Music], model: str) -> Stage:
    """Return this training as a stage of the licence chain."""
    own = FolderCorpus
    line = settings.licence
    terms = (own.licence, "") if line is None else (line, identify(line))
    notes = sum(map(len, trained))
    source = Source(own.name, own.title, *terms, own.citation, own.homepage, len(trained), notes)
    return Stage(model, FINE_TUNING, (source,))


def _begin(folder: Path, settings: StyleSettings, music: Sequence[int], weights: str) -> None:
    """Write the settings into the folder. A resumed run needs the music and the weights of its start."""
    marks = {"music": sorted(music), "weights": weights}
    if (folder / SETTINGS).is_file():
        before = read_settings(folder)
        for name, said in (("music", f"The music in {settings.folder}"), ("weights", settings.checkpoint)):
            if before.get(name) != marks[name]:
                raise ConfigError(f"{said} has changed since {folder} began. Restore it, or start a new run.")
    begin(
        folder, {"command": COMMAND, "settings": {**settings.flat(), "out": None, "resume": False}, **marks}
    )


def _read(folder: str, seed: int) -> _Pieces:
    """Read the pieces of a folder and deal a part of them to be held out."""
    pieces, names, skipped = list[Music](), list[str](), list[str]()
    if not (files := sorted(music_files(folder))):
        raise ConfigError(without_music(folder))
    for name in with_tunes(files, folder):
        try:
            music = read_music(Path(folder) / name)
            if not len(music):
                raise MusicFileError(Path(folder) / name, "it holds no notes")
        except MusicFileError as error:
            skipped.append(f"skipped {error}")
        else:
            pieces.append(music)
            names.append(str(name))
    if len(pieces) < 2:
        raise ConfigError(
            [f"{folder}: fewer than two pieces could be read, and one is held out to measure.", *skipped]
        )
    order: NDArray[np.int64] = np.random.default_rng(seed).permutation(len(pieces))
    count = max(1, len(pieces) // _HELD_OUT)
    held_out, trained = order[:count].tolist(), order[count:].tolist()
    return _Pieces(
        [pieces[index] for index in trained],
        [pieces[index] for index in held_out],
        [names[index] for index in held_out],
        skipped,
    )
