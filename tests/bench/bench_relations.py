"""Measure the price of relations: CPU time by relation, and of a training pass of `tiny` with and without them.

The last line is one JSON object.

OMP_NUM_THREADS=1 PYTHONPATH=.:tests python tests/bench/bench_relations.py
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from symbolic.backbone import build_backbone, preset
from symbolic.masking.corruption import MaskCorruption
from symbolic.music.notes import Music, note_array
from symbolic.relations import RELATIONS, relation_ids
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import Vocabulary

WINDOWS, LENGTH = 8, 256
REPEATS = 5


def cpu_seconds(function: Callable[[], object], calls: int) -> float:
    """Return the least CPU time of a call, over several runs of some calls."""
    function()
    found = []
    for _ in range(REPEATS):
        began = time.process_time()
        for _ in range(calls):
            function()
        found.append((time.process_time() - began) / calls)
    return min(found)


def piano(seed: int) -> Music:
    """Make a window of chords and lines: distinct pitches at random eighths of some bars."""
    random = np.random.default_rng(seed)
    cells = np.sort(random.choice(100 * 50, LENGTH, replace=False))
    return Music(note_array(cells // 50 * 240, random.integers(60, 900, LENGTH), 40 + cells % 50), 480)


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)  # noqa: T201


def masked_windows() -> torch.Tensor:
    """Return windows of which 30 % of the notes are masked, as in training."""
    windows = np.stack([Tokenizer()(piano(seed)).ids for seed in range(WINDOWS)])
    tokens = torch.from_numpy(windows.astype(np.int64))
    random = torch.Generator().manual_seed(0)
    cells = (torch.rand(WINDOWS, LENGTH, 1, generator=random) < 0.3).expand(tokens.shape)
    fate = torch.rand(WINDOWS, LENGTH, 1, generator=random)
    return MaskCorruption(Vocabulary().sizes)(tokens, cells, fate, random).tokens


def main() -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    tokens = masked_windows()
    notes = tokens.shape[0] * tokens.shape[1]
    libraries = {"numpy": tokens.numpy(), "torch": tokens}
    for name in [*RELATIONS, "all"]:
        names = None if name == "all" else [name]
        cost = [cpu_seconds(lambda a=a, n=names: relation_ids(a, n), 20) for a in libraries.values()]
        cells = [f"{1e3 * one:6.2f} ms {notes / one / 1e6:6.1f} M notes/s" for one in cost]
        say("  ".join([f"{name:18}", *cells]))
    seconds = dict[int, float]()
    for relations in ((), tuple(RELATIONS)):
        backbone = build_backbone(replace(preset("tiny"), relations=relations), Vocabulary().sizes).train()

        def step(backbone: torch.nn.Module = backbone) -> None:
            backbone(tokens).square().mean().backward()

        seconds[len(relations)] = cpu_seconds(step, 3)
        say(f"forward and backward, {len(relations):2} relations: {1e3 * seconds[len(relations)]:.0f} ms")
    say(json.dumps({"relations_step": round(seconds[len(RELATIONS)] / seconds[0], 3)}))


if __name__ == "__main__":
    main()
