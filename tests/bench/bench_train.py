"""Speed of a training step, ours and the published recipe's in turns within one run; `make bench`.

Times on a CPU are seconds of CPU with one thread, and the clock's with more; of several rounds the median counts. The
last line is one JSON object of ratios. About five minutes, half of them the recipe's. `--compile` adds what
`torch.compile` gains; `--gpu` measures the preset `base` on a CUDA device instead. Where the processor has no bf16,
PyTorch would emulate it, so only fp32 is measured.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median

import numpy as np
import torch
from bert import Bert
from processor import processor
from recipe import Recipe
from training import SIZES, Ours, Stopwatch, now, peak, random_batch, seconds

from data.batches import Batch, StepBatches
from symbolic.backbone import PRESETS, BackboneConfig
from symbolic.tokens.vocabulary import RESERVED

BASE = PRESETS["base"]
WINDOWS = 4
TYPES = {"fp32": torch.float32} | ({"bf16": torch.bfloat16} if processor().get("bf16") else {})


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)  # noqa: T201


def recipe_step(config: BackboneConfig, device: str = "cpu") -> Callable[[Batch], None]:
    """Make the published step in full precision with Adam."""
    model = Recipe(SIZES, config.dim, config.layers, config.heads, config.ffn, config.window).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)

    def step(batch: Batch) -> None:
        optimizer.zero_grad()
        model.step(batch.tokens).backward()
        optimizer.step()

    return step


def bench_step(rounds: int) -> dict[str, float]:
    """Compare a step of two layers of `base` with the recipe's, with BERT's and with the machine's matrix products."""
    config, batch = replace(BASE, layers=2), random_batch(WINDOWS, BASE.window)
    ours = {name: Ours(config, name == "bf16") for name in TYPES}
    recipe = recipe_step(config)
    berts = {name: Bert(config, name == "bf16") for name in ours}
    for one in (*ours.values(), *berts.values()):
        one.step(batch)
    times: dict[str, list[float]] = {name: [] for name in ("recipe", *TYPES)}
    equals: dict[str, list[float]] = {name: [] for name in TYPES}
    shares: dict[str, list[float]] = {name: [] for name in TYPES}
    for _ in range(rounds):
        times["recipe"].append(seconds(lambda: recipe(batch)))
        for name, dtype in TYPES.items():
            turns = []
            for _ in range(3):
                highest = peak(dtype)
                turns.append(seconds(lambda one=ours[name]: one.step(batch)))
                shares[name].append(ours[name].flops(batch) / turns[-1] / highest)
            times[name].append(median(turns))
            equals[name].append(seconds(lambda one=berts[name]: one.step(batch)) / times[name][-1])
    found = {name: _ratio(times, name) for name in shares}
    for name, value in found.items():
        say(
            f"A step of {WINDOWS} windows of {BASE.window} tokens, {BASE.dim} wide, 2 layers, {name}: {value:.1f} "
            f"times as fast as the recipe's in fp32, {median(equals[name]):.2f} times as fast as BERT's in {name}; "
            f"{median(shares[name]):.0%} of the rate of a square product"
        )
    return {f"recipe_ratio_{name}": value for name, value in found.items()} | {
        f"{measure}_{name}": median(values)
        for measure, lists in (("bert_ratio", equals), ("product_share", shares))
        for name, values in lists.items()
    }


def _ratio(times: Mapping[str, list[float]], name: str) -> float:
    return median(slow / fast for slow, fast in zip(times["recipe"], times[name], strict=True))


def selector_share(bf16: bool, rounds: int) -> float:
    """Time the parts of a step of `base`: scoring, choosing, corrupting, the selector's loss and its gradient."""
    ours, batch = Ours(BASE, bf16), random_batch(1, BASE.window)
    watch = Stopwatch("cpu")
    watch.around(ours.objective, ["selector_input", "_selector_loss"])
    watch.around(ours.objective.selector, ["scores", "choose"])
    watch.around(ours.objective.corruption, ["forward"])
    owned = sum(p.numel() for p in ours.objective.selector.parameters())
    part_of_update = owned / sum(p.numel() for p in ours.objective.parameters())
    # Its loss has a graph of its own, so that its gradient can be had, and timed, by itself.
    losses: list[torch.Tensor] = []
    teach = ours.objective._selector_loss
    object.__setattr__(
        ours.objective, "_selector_loss", lambda *a: losses.append(teach(*a)) or losses[-1].detach()
    )
    shares = []
    for _ in range(rounds + 1):
        watch.total = 0.0
        begin = now()
        ours.forward(batch).backward()
        middle = now()
        losses.pop().backward()
        learning = now()
        ours.update()
        end = now()
        shares.append((watch.total + learning - middle + part_of_update * (end - learning)) / (end - begin))
    return median(shares[1:])


class _Pieces:
    """Tokens in memory instead of prepared shards."""

    def __init__(self, tokens: int) -> None:
        random = np.random.default_rng(0)
        fields = [random.integers(RESERVED, size, tokens) for size in SIZES]
        self._rows = np.stack(fields, axis=1).astype(np.uint16)
        self._rows[:, 0] = RESERVED

    def tokens(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, 8)."""
        return self._rows[start:stop]


def bench_fill(rounds: int) -> float:
    """Tokens a second of `small` when windows fill a fifth of their length, over those when they fill four fifths."""
    config = PRESETS["small"]
    ours, random = Ours(config), np.random.default_rng(0)
    batches = {}
    for fill in (0.2, 0.8):
        low, high = int((fill - 0.05) * config.window), int((fill + 0.05) * config.window)
        stops = np.cumsum(random.integers(low, high, 200))
        windows = np.stack([np.r_[0, stops[:-1]], stops, np.arange(200)], axis=1)
        batches[fill] = StepBatches(_Pieces(int(stops[-1])), windows, tokens_per_batch=4096)
    rates: dict[float, list[float]] = {fill: [] for fill in batches}
    for number in range(rounds + 1):
        for fill, source in batches.items():
            begin, tokens = now(), 0
            for step in range(2 * number, 2 * number + 2):
                batch = source[step]
                ours.step(batch)
                tokens += int(batch.attention_mask.sum())
            rates[fill].append(tokens / (now() - begin))
    for fill, values in rates.items():
        say(
            f"small, windows {fill:.0%} full: {median(values[1:]):,.0f} tokens that are not padding a second in "
            "training"
        )
    return median(low / high for low, high in zip(rates[0.2][1:], rates[0.8][1:], strict=True))


def bench_compile(rounds: int) -> None:
    """Compare the compiled backbone with the plain one, after the first step."""
    batch = random_batch(WINDOWS, BASE.window)
    for name in TYPES:
        plain, compiled = (Ours(replace(BASE, layers=2), name == "bf16") for _ in range(2))
        compiled.objective.backbone.compile()
        plain.step(batch)
        begin = time.perf_counter()  # the compiler is another process
        compiled.step(batch)
        first = time.perf_counter() - begin
        gains = []
        for _ in range(rounds):
            slow = seconds(lambda one=plain: one.step(batch))
            gains.append(slow / seconds(lambda one=compiled: one.step(batch)))
        say(f"torch.compile, {name}: {median(gains):.2f} times the rate; its first step took {first:.0f} s")


def _gpu_rate(step: Callable[[Batch], None], batch: Batch, device: str) -> float:
    """Tokens a second; 0 where the batch does not fit into the card's memory."""
    try:
        for _ in range(3):
            step(batch)
        return batch.attention_mask.numel() / median(seconds(lambda: step(batch), device) for _ in range(10))
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return 0.0


def bench_gpu(
    config: BackboneConfig = BASE, batches: Sequence[int] = (8, 16, 32, 64), device: str = "cuda"
) -> dict[str, float]:
    """`base` in mixed bfloat16 by batch size, plain and compiled, against the recipe and the card's products."""
    highest = median(peak(torch.bfloat16, 8192, device) for _ in range(10))
    say(f"A square bf16 product: {highest / 1e12:,.1f} TFLOP/s")
    rates, share = {}, 0.0
    for compiled in (False, True):
        ours = Ours(config, bf16=True, device=device)
        if compiled:
            ours.objective.backbone.compile(dynamic=True)  # as `pretrain --compile` does
        for windows in batches:
            batch = random_batch(windows, config.window, device)
            rates[compiled, windows] = rate = _gpu_rate(ours.step, batch, device)
            reached = rate * ours.flops(batch) / batch.attention_mask.numel() / highest
            share = max(share, reached)
            kind = "compiled" if compiled else "plain"
            say(
                f"base, bf16, {kind}, {windows} windows: {rate:,.0f} tokens a second, {reached:.0%} of that rate"
            )
        del ours
    # Its authors left PyTorch's setting for fp32 products as it is, and so do we.
    theirs = _gpu_rate(recipe_step(config, device), random_batch(batches[0], config.window, device), device)
    say(f"The recipe, fp32, {batches[0]} windows: {theirs:,.0f} tokens a second (0: does not fit)")
    first = [rates[compiled, batches[0]] for compiled in (False, True)]
    return {
        "gpu_recipe_ratio": max(first) / theirs if theirs else 0.0,
        "gpu_peak_share": share,
        "gpu_compile_gain": first[1] / first[0] if first[0] else 0.0,
    }


def main() -> None:
    """Run everything and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile on the CPU too")
    parser.add_argument("--gpu", action="store_true", help="measure base on a CUDA device instead")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.gpu:
        if not torch.cuda.is_available():
            say("Skipped: there is no CUDA device here.")
            return
        result = bench_gpu()
    else:
        say(f"PyTorch {torch.__version__}, {torch.get_num_threads()} thread(s)")
        result = bench_step(options.rounds)
        shares = {name: selector_share(name == "bf16", options.rounds) for name in TYPES}
        for name, value in shares.items():
            say(f"base, 12 layers, one window, {name}: choosing takes {value:.1%} of a step")
        result["selector_share"] = max(shares.values())
        result["fill20_vs_fill80"] = bench_fill(options.rounds)
        if options.compile:
            bench_compile(options.rounds)
    say(json.dumps({key: round(value, 3) for key, value in result.items()}))


if __name__ == "__main__":
    main()
