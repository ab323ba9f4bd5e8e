"""Score models that write: hidden bars of held-out pieces under each, and bars that they write beside the given ones.

    python -m experiments.infilling infill tiny --root DATA --corpora pop909 --out results/infilling.jsonl

Pieces are of the validation and test sides of a corpus, and no model was trained on them. Bars 5 to 8 of each are
hidden and recovered in the order of writing: of each field in turn a share of the values is hidden, of fields that come
later all. Over shares this is the loss of writing the values one by one in random order (arXiv 2107.03006). Nats a
value are paired by piece with the first model. Neighbouring notes are a baseline. Then
the bars are written and measured: the share of pairs in which a classifier knows the written side, of which one half
is best, and the share of copied n-grams beside that of the given bars. The bars before are a baseline. At last
velocities alone are drawn anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.corpora import open_corpus
from data.corpora.base import LeftOut
from data.fingerprint import note_fingerprint
from data.toolkit.command import guarded
from data.toolkit.records import portable_provenance, provenance
from data.toolkit.results import append_results
from experiments.ngrams import NeighbourModel
from experiments.passages import bars_of, copied, grams, histogram_distances, loudness, told_apart
from finetune.style.objective import model_losses, paired_interval
from symbolic.dataset import MusicBatch
from symbolic.errors import MusicFileError
from symbolic.generate.passage import DRAWN, DRAWN_NAMES
from symbolic.heads import FieldHeads
from symbolic.music.files import read_music
from symbolic.music.notes import Music
from symbolic.predict.pretrained import PretrainedModel
from symbolic.tokens.tokenizer import rebase_bars
from symbolic.tokens.vocabulary import BAR, RESERVED

_PASSAGE = (4, 8)
"""The bars that are hidden and written, counted from 0."""
_BESIDE, _WINDOW = 2, 256
"""Visible bars on either side of hidden ones, and the most notes of all of them."""
_DRAWS = 4
"""Shares of a field that are hidden, evenly spaced."""
_KNOWN = 100
"""Pieces that neighbouring notes are counted in, and n-grams looked up in."""


def main(argv: Sequence[str]) -> None:
    """Measure every model, print a table and append records."""
    options = _options(argv)
    _compare(options)


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", help="models, the first of which is compared with the others")
    parser.add_argument("--corpora", default="pop909,openscore_lieder", help="corpora of the pieces")
    parser.add_argument("--root", help="folder of data sets (default: $COUNTERPOINT_DATA)")
    parser.add_argument("--pieces", type=int, default=20, help="held-out pieces of each corpus")
    parser.add_argument("--write", type=int, default=20, help="pieces of each of which bars are written")
    parser.add_argument("--out", type=Path, help="file of records to append to")
    return parser.parse_args(argv)


def _compare(options: argparse.Namespace) -> None:
    models = [PretrainedModel.from_pretrained(name) for name in options.models]
    for corpus in options.corpora.split(","):
        tested, others = held_out(corpus, models, options)
        record = measured(models, tested, others, options.write)
        print(_lines(corpus, record))  # noqa: T201
        if options.out:
            append_results(options.out, [portable_provenance({**provenance(), "corpus": corpus, **record})])


def held_out(
    corpus: str, models: Sequence[Any], options: argparse.Namespace
) -> tuple[list[Music], list[Music]]:
    """Read test pieces of a corpus that no model was trained on, and pieces of its training side.

    Args:
        corpus: Its name.
        models: The models.
        options: Those of the command.
    """
    opened = open_corpus(corpus, options.root)
    known = {
        one
        for model in models
        for one in ([] if model.checkpoint.pretrained_on is None else model.checkpoint.pretrained_on.tolist())
    }
    pieces = opened.pieces()
    found: tuple[list[Music], list[Music]] = [], []
    for place in np.random.default_rng(0).permutation(len(pieces)).tolist():
        side = int(pieces[place].split == "train")
        if len(found[side]) == (options.pieces, _KNOWN)[side]:
            continue
        try:
            read = read_music(opened.path(pieces[place].file))
            music = opened.interpret(pieces[place], read).music
        except (MusicFileError, LeftOut):
            continue
        if len(music) and (side or note_fingerprint(read) not in known):
            found[side].append(music)
    return found


def measured(
    models: Sequence[PretrainedModel], tested: Sequence[Music], others: Sequence[Music], most: int
) -> dict[str, Any]:
    """Return likelihoods of hidden bars, and measures of written ones.

    Args:
        models: The models, the first of which is compared with the others.
        tested: Held-out pieces.
        others: Pieces of the same kind for the counts of neighbouring notes and n-grams.
        most: Pieces of which bars are written.
    """
    tokenizer = models[0].tokenizer
    sources = [(music, tokenizer(music).ids) for music in tested]
    sources = [(music, ids) for music, ids in sources if len(bars_of(ids, *_PASSAGE)) > 1]
    windows = [tokenizer(music).ids[:_WINDOW] for music in others]
    sizes = tokenizer.vocabulary.sizes
    losses = {
        "neighbours": [
            _hidden_losses(NeighbourModel([rebase_bars(one) for one in windows], sizes).losses, ids)
            for _, ids in sources
        ]
    }
    for model in models:
        losses[model.name] = [_hidden_losses(_of_model(model), ids) for _, ids in sources]
    of_piece = {
        name: np.array([[one[field] for field in DRAWN_NAMES] for one in found])
        for name, found in losses.items()
    }
    first = models[0].name
    gains = {
        name: dict(
            zip(
                (*DRAWN_NAMES, "mean"),
                map(paired_interval, (*(found - of_piece[first]).T, (found - of_piece[first]).mean(1))),
                strict=True,
            )
        )
        for name, found in of_piece.items()
        if name != first
    }
    return {
        "models": [model.name for model in models],
        "pieces": len(sources),
        "nats": {
            name: dict(zip(DRAWN_NAMES, found.mean(0).tolist(), strict=True))
            for name, found in of_piece.items()
        },
        "gain": gains,
        "written": _written(models, sources[:most], others) if most else {},
    }


def _of_model(model: PretrainedModel) -> Any:
    heads = model.heads["fields"]
    assert isinstance(heads, FieldHeads)
    return lambda batch, hidden: model_losses(model.backbone, heads, batch, hidden)


@torch.inference_mode()
def _hidden_losses(losses_of: Any, ids: Any) -> dict[str, float]:
    """Return the loss of each drawn field in a passage. Everything meets the same hidden cells."""
    (first, stop), bar = _PASSAGE, ids[:, BAR].astype(np.int64) - RESERVED
    near = np.flatnonzero((bar >= first - _BESIDE) & (bar < stop + _BESIDE))[:_WINDOW]
    inside = torch.from_numpy((bar[near] >= first) & (bar[near] < stop))
    tokens = torch.from_numpy(rebase_bars(ids[near]).astype(np.int64)).expand(_DRAWS, -1, -1)
    batch = MusicBatch(
        tokens, torch.ones(tokens.shape[:2], dtype=torch.bool), torch.zeros(_DRAWS), torch.zeros(_DRAWS)
    )
    generator, rows = torch.Generator().manual_seed(0), inside.nonzero()[:, 0]
    found = {}
    for place, (field, name) in enumerate(zip(DRAWN, DRAWN_NAMES, strict=True)):
        hidden = torch.zeros(tokens.shape, dtype=torch.bool)
        for later in DRAWN[place + 1 :]:
            hidden[:, rows, later] = True
        for draw in range(_DRAWS):
            count = max(1, round((draw + 0.5) / _DRAWS * len(rows)))
            hidden[draw, rows[torch.randperm(len(rows), generator=generator)[:count]], field] = True
        losses, cells = losses_of(batch, hidden)[..., field], hidden[..., field]
        found[name] = float(((losses * cells).sum(1) / cells.sum(1)).mean())
    return found


def _written(
    models: Sequence[PretrainedModel], sources: Sequence[tuple[Music, Any]], others: Sequence[Music]
) -> dict[str, dict[str, float]]:
    first, stop = _PASSAGE
    tokenizer = models[0].tokenizer
    given = [bars_of(ids, first, stop) for _, ids in sources]
    systems = {
        "given": given,
        "bars before": [bars_of(ids, first - (stop - first), first) for _, ids in sources],
    }
    for model in models:
        systems[model.name] = [
            bars_of(tokenizer(model.infill(music, (first + 1, stop))[0].music).ids, first, stop)
            for music, _ in sources
        ]
    known = set[bytes]().union(*(grams(tokenizer(music).ids) for music in others))
    found = {}
    for system, passages in systems.items():
        pairs = [place for place, passage in enumerate(passages) if len(passage)]
        ours, theirs = ([side[place] for place in pairs] for side in (passages, given))
        found[system] = {
            "told_apart": 0.5 if system == "given" else float(told_apart(ours, theirs).mean()),
            "copied": copied(ours, known),
            **histogram_distances(ours, theirs),
        }
    step = 128 // tokenizer.vocabulary.velocity_bins
    found["given"] |= loudness(given, given, step)
    for model in models:
        louder = [model.infill(music, (first + 1, stop), fields=["velocity"])[0] for music, _ in sources]
        again = [bars_of(tokenizer(one.music).ids, first, stop) for one in louder]
        found[model.name] |= loudness(again, given, step)
    return found


def _lines(corpus: str, record: Mapping[str, Any]) -> str:
    """Return a record as lines of text."""
    lines = [f"{corpus}, {record['pieces']} pieces, hidden bars"]
    for name, fields in record["nats"].items():
        parts = "  ".join(f"{field} {value:.3f}" for field, value in fields.items())
        gain = record["gain"].get(name)
        told = (
            "" if gain is None else "  gain of the first {:+.3f} ({:+.3f} to {:+.3f})".format(*gain["mean"])
        )
        lines.append(f"  {name:12} {parts}{told}")
    for name, found in record["written"].items():
        lines.append(f"  {name:12} " + "  ".join(f"{one} {value:.3f}" for one, value in found.items()))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(guarded(main))
