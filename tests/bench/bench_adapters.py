"""Cost of adapters against full fine-tuning, and of many adapters against many copies.

    python tests/bench/bench_adapters.py

Every method takes training steps of `base` in a process of its own, in turns; memory is the process' peak, and times
are seconds of CPU. The last line is one JSON object of ratios to full fine-tuning and of numbers trained.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from symbolic.adapters import METHODS, attach
from symbolic.adapters.adapter_set import AdapterSet
from symbolic.backbone import Backbone, build_backbone, preset
from symbolic.tokens.vocabulary import RESERVED, Vocabulary

SIZES = Vocabulary().sizes
COPIES = 8


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)  # noqa: T201


def train(method: str, size: str, tokens: int, batch: int, steps: int) -> None:
    """Take steps and print peak memory in MiB, seconds a step, and numbers trained."""
    config = preset(size)
    backbone = build_backbone(config, SIZES)
    if method != "full":
        attach(backbone, method)
    trained = [p for p in backbone.parameters() if p.requires_grad]
    head = torch.nn.Linear(config.dim, 3)
    optimiser = torch.optim.AdamW([*trained, *head.parameters()], lr=1e-4)
    ids = torch.stack([torch.randint(RESERVED, n, (batch, tokens)) for n in SIZES], -1)
    labels = torch.randint(3, (batch, tokens))
    seconds = []
    for _ in range(steps):
        begin = time.process_time()
        loss = torch.nn.functional.cross_entropy(head(backbone(ids)).flatten(0, 1), labels.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seconds.append(time.process_time() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(json.dumps({"peak": peak, "seconds": min(seconds), "trained": sum(p.numel() for p in trained)}))


def bench_training(options: argparse.Namespace) -> dict[str, float]:
    """Each method in turns, several rounds."""
    methods = ["full", *sorted(METHODS)]
    found: dict[str, list[dict[str, float]]] = {method: [] for method in methods}
    shape = ["--size", options.size, "--tokens", str(options.tokens), "--batch", str(options.batch)]
    for _ in range(options.rounds):
        for method in methods:
            command = [sys.executable, __file__, "--train", method, *shape]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[method].append(json.loads(done.stdout))
    say(
        f"{options.size}, {options.batch} windows of {options.tokens} tokens, {torch.get_num_threads()} threads"
    )
    say(f"{'method':<14}{'trained':>12}{'peak MiB':>10}{'of full':>9}{'s a step':>10}{'of full':>9}")
    ratios: dict[str, float] = {}
    full = found["full"]
    for method in methods:
        runs = found[method]
        memory = median(one["peak"] / other["peak"] for one, other in zip(runs, full, strict=True))
        speed = median(one["seconds"] / other["seconds"] for one, other in zip(runs, full, strict=True))
        peak, seconds = (median(run[key] for run in runs) for key in ("peak", "seconds"))
        trained = int(runs[0]["trained"])
        say(f"{method:<14}{trained:>12,}{peak:>10,.0f}{memory:>9.2f}{seconds:>10.2f}{speed:>9.2f}")
        ratios |= {f"{method}_memory": memory, f"{method}_step": speed}
        ratios[f"{method}_trained"] = trained
    return ratios


def bench_serving(size: str) -> dict[str, float]:
    """Compare switching adapters on one backbone with the memory of as many copies."""
    backbone = build_backbone(preset(size), SIZES).eval()
    weights = sum(p.numel() for p in backbone.parameters())
    own = 0
    with tempfile.TemporaryDirectory() as folder:
        adapter_set = AdapterSet(backbone, "bench")
        for number in range(COPIES):
            adapter = attach(backbone, "lora")
            own += adapter.count()
            adapter.save(Path(folder) / str(number), "bench")
            adapter.detach()
            adapter_set.load(str(number), Path(folder) / str(number))
    begin = time.process_time()
    for turn in range(10 * COPIES):
        adapter_set.use(str(turn % COPIES))
    switching = (time.process_time() - begin) / (10 * COPIES)
    passing = _forward(backbone)
    memory = (weights + own) / (COPIES * weights)
    say(
        f"{COPIES} LoRA adapters on one {size}: {memory:.1%} of the memory of {COPIES} copies; switching takes "
        f"{1000 * switching:.1f} ms, a forward pass of 1,024 tokens {1000 * passing:.0f} ms"
    )
    return {"serving_memory": memory, "switch_vs_forward": switching / passing}


@torch.no_grad()
def _forward(backbone: Backbone) -> float:
    ids = torch.stack([torch.randint(RESERVED, n, (1, 1024)) for n in SIZES], -1)
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        backbone(ids)
        seconds.append(time.process_time() - begin)
    return median(seconds)


def main() -> None:
    """Run everything and print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="base")
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.train, options.size, options.tokens, options.batch, steps=3)
        return
    result = bench_training(options) | bench_serving(options.size)
    say(json.dumps({key: round(value, 4) for key, value in result.items()}))


if __name__ == "__main__":
    main()
