"""The command `finetune style`: an adapter of a few per cent learns the style of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from data.toolkit.command import parse
from data.toolkit.runs import find_folder
from data.toolkit.settings import spelling
from finetune.style.settings import StyleSettings
from symbolic.checkpoint.bundled import model_name, require_model
from symbolic.errors import ConfigError

_RUNS = Path("runs/finetune")
_DESCRIPTION = """\
Learn a style: an adapter is trained on hidden notes of a folder, and the backbone stays as it is.
A fifth of the pieces is held out to measure and to choose the best of ten validations."""
_EPILOG = """\
examples:
  finetune style my_tunes/ --method conv --share 1%
  finetune style my_tunes/ --method transformer --layers mid --seeds 3
  finetune infill song.mid --bars 9-12 --style runs/finetune/style-conv-my_tunes"""


def style(argv: Sequence[str]) -> list[str]:
    """Train the adapter of a style; return what to print.

    Raises:
        CounterpointError: If a setting is wrong, there is too little music, or nothing can be written.
    """
    settings = parse(
        "finetune style",
        _DESCRIPTION,
        StyleSettings,
        argv,
        _EPILOG,
        needed=("folder",),
        runs=_RUNS,
        command="finetune style",
    )
    music = Path(str(settings.folder))
    if not music.is_dir():
        raise ConfigError(f"{music} is no folder. Name a folder of music files.")
    require_model(settings.checkpoint)
    name = f"style-{settings.method}-{music.resolve().name}"
    out = find_folder(
        _RUNS / name, settings.identity, settings.out, settings.resume, **spelling(StyleSettings)
    )
    from finetune.style.run import run_style

    record = run_style(settings, out)
    before, seeds = record["before"], record["seeds"]
    after = {one: sum(seed["held_out"][one] for seed in seeds) / len(seeds) for one in before}
    width = max(map(len, before))
    base = model_name(settings.checkpoint)
    gain, held = record["gain"], record["music"]["held_out"]
    return [
        f"nats a hidden field of {len(held):,} held-out pieces; trained on {record['music']['trained']:,}",
        *record["skipped"],
        "",
        f"{'hidden field'.ljust(width)}  {base:>8}  {'style':>8}",
        *(f"{one.ljust(width)}  {before[one]:{max(8, len(base))}.3f}  {after[one]:8.3f}" for one in before),
        "",
        f"gain {gain['mean']:.3f} ({gain['low']:.3f} to {gain['high']:.3f} over pieces, which also chose the best "
        "validation)",
        *_commas(record["music"]["microtonal"], [seed["commas"] for seed in seeds]),
        *_known(record["music"]["held_out_in_pretraining"], base),
        f"{seeds[0]['trained_parameters']:,} parameters trained in {seeds[0]['seconds']:.0f} s; "
        f"licence: {record['licence']}",
        f"style  {out}",
    ]


def _commas(share: float, found: Sequence[Mapping[str, float]]) -> list[str]:
    """Return a line on the commas of microtonal music."""
    if not found[0]:
        return []
    nats = {name: sum(one[name] for one in found) / len(found) for name in found[0]}
    return [
        f"{100 * share:.0f} % of the notes lie off twelve tones, so the style has commas: {nats['model']:.3f} nats a "
        f"hidden one ({nats['by_pitch']:.3f} from counts for its pitch, {nats['unigram']:.3f} from counts of all)"
    ]


def _known(count: int | None, base: str) -> list[str]:
    """Return a line on held-out pieces that the base was trained on."""
    if count is None:
        return [f"{base} does not record its pieces: it may have been trained on held-out ones"]
    return [f"{base} was trained on {count:,} of the held-out pieces"] if count else []
