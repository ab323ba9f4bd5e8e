"""Measure how well adapters learn styles from few pieces, against the frozen model and adapters of other styles.

    python -m experiments.style conv:all:1% --from tiny --root DATA --pieces 10 --seeds 3 --out results/styles.jsonl
    python -m experiments.style {adapter,conv,transformer}:{all,mid,last}:{0.3%,1%,3%} --from tiny --root DATA

An arm is method:layers:share, or a control: full, scratch, or token, one trained vector before the music. Arms that
the file of records has with these settings are left out, so that a stopped study goes on. A style is learnt from so
many pieces, a fifth of which choose the best validation. Test pieces are others. First measure: nats a hidden field
of each test piece, paired by piece, with intervals by a bootstrap over pieces of the mean over seeds. Then four bars
of each test piece are written anew and measured beside those that stood there: histograms, self-similarity, a
classifier of styles, one of written against given, and copied n-grams. Neighbouring notes (`experiments.ngrams`) and
the training piece that is most similar are controls too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data.corpora import open_corpus
from data.fingerprint import note_fingerprint
from data.toolkit.command import guarded
from data.toolkit.records import portable_provenance, provenance
from data.toolkit.results import Record, append_results, read_lines
from experiments.ngrams import NeighbourModel
from experiments.passages import (
    bars_of,
    copied,
    grams,
    histogram_distances,
    self_similarity,
    style_shares,
    told_apart,
)
from finetune.style.batches import held_out_loader
from finetune.style.objective import PieceLosses, model_losses, paired_interval, piece_losses
from finetune.style.settings import CONTROLS, StyleSettings
from finetune.style.training import pretrained_parts, train_style
from symbolic.checkpoint.bundled import model_name
from symbolic.checkpoint.format import Checkpoint, load_checkpoint
from symbolic.dataset import MusicDataset
from symbolic.errors import ConfigError, MusicFileError
from symbolic.heads import FieldHeads
from symbolic.music.files import read_music
from symbolic.music.notes import Music
from symbolic.predict.pretrained import PretrainedModel
from symbolic.tokens.vocabulary import BAR, RESERVED

STYLES: Mapping[str, tuple[str, str]] = {
    "rags": ("humdrum_sapp", "joplin"),
    "chorales": ("humdrum_sapp", "bach_370_chorales"),
    "dances": ("nottingham", ""),
    "lieder": ("openscore_lieder", ""),
    "quartets": ("openscore_quartets", ""),
    "makam": ("symbtr", ""),
}
"""Corpus of each style, and what the names of its files begin with."""
TOKEN = "token"
"""The arm that trains one vector before the music: a control token of the style."""
_PASSAGE = (4, 8)
"""The bars that are written, counted from 0. The four before them are their context."""
_REPEATS, _BATCH = 2, 4


@dataclass(frozen=True, eq=False)
class Pieces:
    """The pieces of one style.

    Attributes:
        trained: Those to learn from.
        chosen: Those that choose the best validation.
        tested: Those to measure on.
    """

    trained: list[Music]
    chosen: list[Music]
    tested: list[Music]


def main(argv: Sequence[str]) -> None:
    """Measure every arm, print a table and append records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("arms", nargs="+", help=f"method:layers:share, or full, scratch or {TOKEN}")
    parser.add_argument("--styles", default="rags,chorales,dances", help=f"some of {', '.join(STYLES)}")
    parser.add_argument("--seeds", type=int, default=1)
    options = with_flags(parser).parse_args(argv)
    study(options, options.arms, options.styles.split(","), options.seeds)


def with_flags(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Give a parser the flags of all studies of styles."""
    parser.add_argument("--from", dest="base", default="tiny", help="pretrained model")
    parser.add_argument("--root", help="folder of data sets (default: $COUNTERPOINT_DATA)")
    parser.add_argument("--pieces", type=int, default=10, help="to learn a style from")
    parser.add_argument("--test", type=int, default=30, help="most test pieces of a style")
    parser.add_argument(
        "--write", type=int, default=20, help="test pieces of which bars are written; 0: none"
    )
    parser.add_argument("--steps", type=int, default=200, help="of training, in whole passes over the pieces")
    parser.add_argument("--out", type=Path, help="file of records to append to")
    return parser


def study(options: argparse.Namespace, arms: Sequence[str], names: Sequence[str], seeds: int) -> list[Record]:
    """Measure arms on styles, and print and append their records. Return them with those that were there.

    Args:
        options: From `with_flags`.
        arms: The arms. One that cannot have its size is left out with a sentence.
        names: Some of `STYLES`. Each is a wrong style for the others.
        seeds: Trainings of each arm on each style.
    """
    base = load_checkpoint(options.base)
    settings = {
        **{name: getattr(options, name) for name in ("pieces", "test", "write", "steps")},
        **{"seeds": seeds, "styles": list(names)},
    }
    key = {"weights": base.fingerprint, "settings": settings}
    known = [one for one in read_lines(options.out) if key.items() <= one.items()] if options.out else []
    found = [one for one in known if one["arm"] in arms]
    left = [arm for arm in arms if sum(one["arm"] == arm for one in found) < len(names)]
    styles = {name: deal(name, options, base) for name in names} if left else {}
    controls = {name: _controls(pieces, base) for name, pieces in styles.items()}
    for arm in left:
        try:
            learnt = {
                (name, seed): _learnt(base, pieces, arm, seed, options)
                for name, pieces in styles.items()
                for seed in range(seeds)
            }
        except ConfigError as error:
            print(f"left out {arm}: {error}", file=sys.stderr)  # noqa: T201
            continue
        models = {place: model for place, (model, _) in learnt.items()}
        records = [
            {
                **{"arm": arm, "style": name, "base": model_name(options.base), **key},
                "trained_share": learnt[name, 0][1],
                **_measured(name, styles, models, controls[name], base, options),
            }
            for name in styles
        ]
        for record in records:
            print(_lines(record))  # noqa: T201
        found += records
        if options.out:
            append_results(
                options.out, [portable_provenance({**provenance(), **record}) for record in records]
            )
    return found


def deal(name: str, options: argparse.Namespace, base: Checkpoint) -> Pieces:
    """Read the pieces of a style and deal them. None that the base was trained on is used.

    Args:
        name: One of `STYLES`.
        options: Those of the command.
        base: The pretrained model.
    """
    corpus, start = STYLES[name]
    opened = open_corpus(corpus, options.root)
    known = set() if base.pretrained_on is None else set(base.pretrained_on.tolist())
    files = [piece.file for piece in opened.pieces() if piece.file.startswith(start)]
    pieces: list[Music] = []
    for place in np.random.default_rng(0).permutation(len(files)).tolist():
        if len(pieces) == options.pieces + options.test:
            break
        try:
            music = read_music(opened.path(files[place]))
        except MusicFileError:
            continue
        if len(music) and note_fingerprint(music) not in known:
            pieces.append(music)
    chosen = max(1, options.pieces // 5)
    return Pieces(pieces[chosen : options.pieces], pieces[:chosen], pieces[options.pieces :])


def _learnt(
    base: Checkpoint, pieces: Pieces, arm: str, seed: int, options: argparse.Namespace
) -> tuple[PretrainedModel, float]:
    """Return the model of an arm, and the numbers that it trains as a share of those of the backbone."""
    method, _, rest = arm.partition(":")
    layers, _, share = rest.partition(":")
    own = {} if method in CONTROLS else {"layers": layers or None, "share": share or None}
    size = sum(one.numel() for one in pretrained_parts(base)[0].parameters())
    if arm == TOKEN:  # room for one vector and not for two
        method, own = "prompt", {"share": f"{1.5 * base.config.dim / size:.6f}"}
    window = base.config.window
    windows = len(MusicDataset(pieces.trained, base.tokenizer, window, window // 2))
    settings = StyleSettings.of(
        folder="",
        method=method,
        epochs=-(-options.steps // -(-windows // _BATCH)),
        batch=_BATCH,
        accelerator="cpu",
        **own,
    )
    with tempfile.TemporaryDirectory() as folder:
        style = train_style(base, pieces.trained, pieces.chosen, settings, seed, Path(folder))
    return PretrainedModel(arm, base, style.backbone, {"fields": style.heads}), style.parameters / size


def _controls(pieces: Pieces, base: Checkpoint) -> dict[str, PieceLosses]:
    """Return the losses on test pieces of what learns nothing from a style but its counts."""
    trained = MusicDataset(pieces.trained, base.tokenizer, base.config.window)
    windows = [trained[k].tokens.numpy() for k in range(len(trained))]
    neighbours = NeighbourModel(windows, base.tokenizer.vocabulary.sizes).losses
    measure = _measure(pieces, base)
    return {"frozen": measure(_losses_of(_frozen(base))), "neighbours": measure(neighbours)}


def _measured(
    name: str,
    styles: Mapping[str, Pieces],
    models: Mapping[tuple[str, int], PretrainedModel],
    controls: Mapping[str, PieceLosses],
    base: Checkpoint,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Return the losses on test pieces of a style under every adapter, and the measures of written bars."""
    pieces = styles[name]
    measure = _measure(pieces, base)
    losses = {system: [found] for system, found in controls.items()}
    for (style, _), model in models.items():
        losses.setdefault(style, []).append(measure(_losses_of(model)))
    means = {system: np.mean([one.pieces for one in seeds], axis=0) for system, seeds in losses.items()}
    fields = {
        system: {
            field: float(np.mean([one.by_field()[field] for one in seeds])) for field in seeds[0].by_field()
        }
        for system, seeds in losses.items()
    }
    gains = {system: paired_interval(mean - means[name]) for system, mean in means.items() if system != name}
    wrong = next((style for style in styles if style != name), name)
    written = {"frozen": _frozen(base), "right": models[name, 0], "wrong": models[wrong, 0]}
    return {
        "pieces": {
            "trained": len(pieces.trained),
            "chosen": len(pieces.chosen),
            "tested": len(pieces.tested),
        },
        "nats": fields,
        "nats_by_piece": [round(float(one), 5) for one in means[name]],
        "gain_of_the_right_style": gains,
        "written": _written(name, styles, written, base, options.write) if options.write else {},
    }


def _measure(pieces: Pieces, base: Checkpoint) -> Any:
    """Return a function from losses of hidden cells to those of the test pieces of a style."""
    return partial(
        piece_losses,
        sizes=base.tokenizer.vocabulary.sizes,
        batches=list(held_out_loader(pieces.tested, base.tokenizer, base.config.window, 8)),
        pieces=len(pieces.tested),
        seed=0,
        repeats=_REPEATS,
    )


def _frozen(base: Checkpoint) -> PretrainedModel:
    backbone, heads = pretrained_parts(base)
    return PretrainedModel("frozen", base, backbone, {"fields": heads})


def _losses_of(model: PretrainedModel) -> Any:
    head = model.heads["fields"]
    assert isinstance(head, FieldHeads)
    return partial(model_losses, model.backbone.eval(), head)


def _written(
    name: str,
    styles: Mapping[str, Pieces],
    models: Mapping[str, PretrainedModel],
    base: Checkpoint,
    most: int,
) -> dict[str, dict[str, Any]]:
    """Write the same bars of test pieces by every model and measure them beside the given ones."""
    tokenizer, (first, stop) = base.tokenizer, _PASSAGE
    chosen = [music for music in styles[name].tested if _long_enough(tokenizer(music).ids)][:most]
    sources = [tokenizer(music).ids for music in chosen]
    given = [bars_of(tokens, first, stop) for tokens in sources]
    systems = {
        "given": given,
        "copy": [_nearest(tokens, styles[name].trained, tokenizer) for tokens in sources],
    }
    for system, model in models.items():
        systems[system] = [
            bars_of(tokenizer(model.infill(music, (first + 1, stop))[0].music).ids, first, stop)
            for music in chosen
        ]
    known = set[bytes]().union(*(grams(tokenizer(music).ids) for music in styles[name].trained))
    examples = [
        [bars_of(tokenizer(music).ids, 0, stop - first) for music in (*style.trained, *style.chosen)]
        for style in styles.values()
    ]
    found = {}
    for system, passages in systems.items():
        pairs = [place for place in range(len(given)) if len(passages[place]) and len(given[place])]
        ours, theirs = ([side[place] for place in pairs] for side in (passages, given))
        context = [bars_of(sources[place], first - (stop - first), first) for place in pairs]
        alike = [self_similarity(a, b) for a, b in zip(ours, context, strict=True)]
        found[system] = {
            "distances": histogram_distances(ours, theirs),
            "self_similarity": float(np.mean(alike)),
            "in_style": float(style_shares(ours, examples)[list(styles).index(name)]),
            "told_apart": 0.5 if system == "given" else float(told_apart(ours, theirs).mean()),
            "copied": copied(ours, known),
            "pieces": len(pairs),
        }
    return found


def _long_enough(tokens: Any) -> bool:
    return int(tokens[:, BAR].max()) - RESERVED >= _PASSAGE[1] and len(bars_of(tokens, *_PASSAGE)) > 1


def _nearest(tokens: Any, others: Sequence[Music], tokenizer: Any) -> Any:
    """Return the same bars of the training piece whose first bars are most alike."""
    first, stop = _PASSAGE
    context = bars_of(tokens, 0, first)
    found = [tokenizer(music).ids for music in others]
    alike = [self_similarity(bars_of(one, 0, first), context) if _long_enough(one) else -1.0 for one in found]
    return bars_of(found[int(np.argmax(alike))], first, stop)


def _lines(record: Mapping[str, Any]) -> str:
    """Return a record as lines of text."""
    lines = [f"{record['style']}, {record['arm']}, {record['pieces']}"]
    for system, (mean, low, high) in record["gain_of_the_right_style"].items():
        lines.append(
            f"  {system:12} {record['nats'][system]['all']:.3f}  gain of the right style {mean:+.3f} "
            f"({low:+.3f} to {high:+.3f})"
        )
    lines.append(f"  {record['style']:12} {record['nats'][record['style']]['all']:.3f}")
    for system, found in record["written"].items():
        distances = ", ".join(f"{name} {value:.2f}" for name, value in found["distances"].items())
        lines.append(
            f"  {system:8} {distances}; self-similarity {found['self_similarity']:.2f}; in style "
            f"{found['in_style']:.2f}; told apart {found['told_apart']:.2f}; copied {found['copied']:.3f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(guarded(main))
