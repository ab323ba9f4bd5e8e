"""Speed and memory from file to batch, ours and peers' in turns within one run; `make bench`.

Rates are files per second of CPU, one thread, files read from disk; of several rounds the median. The last line
is one JSON object of ratios. About three minutes; `--huge` adds a corpus of 100,000 files, which takes ten more, and
`--only memory` leaves all else out.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from cost import cpu_seconds
from music import DATA, corpora, multiply, unpack

from data.corpora import CORPORA
from data.preparation.near import THRESHOLD, first_resembled, sketch
from data.preparation.prepare import prepare
from data.shards import Shards
from symbolic.music.files import read_music
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.transposition import transpose, transposition_range

TOKENIZER = Tokenizer()
Job = Callable[[Path], object]
SHORT = "short files"


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)  # noqa: T201


def rates(jobs: Mapping[str, tuple[Job, int]], files: Sequence[Path], rounds: int) -> dict[str, list[float]]:
    """Files per CPU second of each job in each round; jobs take turns within a round.

    Args:
        jobs: What is done with a file, and how often all files are gone through in a round: fast jobs more
            often, so that each lasts long enough to be measured.
        files: Which files.
        rounds: How many.
    """
    found: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, (job, repeats) in jobs.items():
            gc.collect()
            if name.endswith("collector off"):
                gc.disable()
            begin = time.process_time()
            for _ in range(repeats):
                for file in files:
                    job(file)
            found[name].append(repeats * len(files) / (time.process_time() - begin))
            gc.enable()
    return found


def ratio(found: Mapping[str, list[float]], ours: str, theirs: str) -> float:
    """Median over rounds of one rate over another."""
    return median(a / b for a, b in zip(found[ours], found[theirs], strict=True))


def bench_encoding(sets: Mapping[str, list[Path]], rounds: int) -> dict[str, float]:
    """Reading and encoding against MidiTok's Octuple at equal settings and against symusic's parser alone."""
    import miditok
    from symusic import Score

    octuple = miditok.Octuple(TOKENIZER.to_miditok())
    jobs: dict[str, tuple[Job, int]] = {
        "parser alone": (lambda path: Score.from_midi(path.read_bytes()), 20),
        "ours": (lambda path: TOKENIZER.encode(read_music(path)), 10),
        "MidiTok Octuple, collector off": (octuple, 1),
    }
    lowest: dict[str, float] = {}
    for name, files in sets.items():
        found = rates(jobs, files, rounds)
        medians = ", ".join(f"{job} {median(values):,.0f}" for job, values in found.items())
        say(f"{name}, {len(files)} files, files per CPU second: {medians}")
        kind = "encode_short" if name == SHORT else "encode"
        for theirs, key in (("MidiTok Octuple, collector off", "miditok"), ("parser alone", "parse")):
            value, key = ratio(found, "ours", theirs), f"{kind}_vs_{key}"
            lowest[key] = min(value, lowest.get(key, value))
    say("Of several corpora the lowest ratio counts.")
    return lowest


def bench_transposition(sets: Mapping[str, list[Path]], rounds: int) -> float:
    """A shift of tokens against MidiTok's of a score, both in memory."""
    from miditok.data_augmentation import augment_score
    from symusic import Score

    files = [file for some in sets.values() for file in some]
    scores = {file: Score(file) for file in files}
    tokens = {file: TOKENIZER.encode(read_music(file)).ids for file in files}
    shift = {file: max(transposition_range(tokens[file]), key=abs) for file in files}
    jobs: dict[str, tuple[Job, int]] = {
        "tokens": (lambda path: transpose(tokens[path], shift[path]), 20),
        "score": (lambda path: augment_score(scores[path], pitch_offset=shift[path]), 20),
    }
    return ratio(rates(jobs, files, rounds), "tokens", "score")


def bench_preparation(corpus: Path, folder: Path, rounds: int) -> tuple[dict[str, float], Shards]:
    """Milliseconds of CPU a file with one worker, its start included, and the share of the parent."""
    parents, workers = [], []
    for turn in range(rounds):
        before = [cpu_seconds(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        source = CORPORA["folder"](corpus)
        shards = prepare(source, folder / f"shards-{turn}", TOKENIZER, jobs=1, progress=False)
        after = [cpu_seconds(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        parents.append(after[0] - before[0])
        workers.append(after[1] - before[1])
    count = shards.manifest["totals"]["pieces"]
    together = [one + other for one, other in zip(parents, workers, strict=True)]
    found = {
        "prepare_ms_a_file": 1e3 * median(together) / count,
        "prepare_parent_share": median(
            one / all_of_it for one, all_of_it in zip(parents, together, strict=True)
        ),
    }
    say(f"Preparing {count:,} files: {', '.join(f'{name} {value:.3f}' for name, value in found.items())}")
    return found, shards


def bench_copies(file: Path) -> dict[str, float]:
    """Find copies in a mix, half of them held out: seconds of CPU, and growth from a tenth of them to all."""
    row, seconds = sketch(read_music(file))[:1], {}
    for count in (1000, 10_000):
        owners = np.arange(count)
        begin = time.process_time()
        first, _ = first_resembled([np.repeat(row, count, axis=0)], owners, THRESHOLD, owners % 2)
        seconds[count] = time.process_time() - begin
        assert np.count_nonzero(first < count) == count // 2  # each training copy is found
    say(", ".join(f"{count:,} copies: {value:.2f} s" for count, value in seconds.items()))
    return {"copies_seconds": seconds[10_000], "copies_growth": seconds[10_000] / seconds[1000]}


def bench_reading(shards: Shards, rounds: int) -> float:
    """Tokens per second read, shuffled and transposed, over those that training steps of `tiny` consume."""
    import torch
    from torch.nn.functional import cross_entropy

    from data.batches import Batch, StepBatches
    from data.windows import make_windows
    from pretrain.settings import TOKENS_PER_BATCH
    from symbolic.backbone import build_backbone
    from symbolic.backbone.config import PRESETS
    from symbolic.heads import FieldHeads
    from symbolic.tokens.vocabulary import MASK

    torch.set_num_threads(2)
    tiny, sizes = PRESETS["tiny"], TOKENIZER.vocabulary.sizes
    windows = make_windows(shards, shards.select(), tiny.window)
    batches = StepBatches(shards, windows, TOKENS_PER_BATCH["tiny"], transposition=11)
    backbone, heads = build_backbone(tiny, sizes), FieldHeads(tiny.dim, sizes)
    optimiser = torch.optim.AdamW([*backbone.parameters(), *heads.parameters()], lr=1e-4)

    def train(batch: Batch) -> None:
        masked = (torch.rand(batch.attention_mask.shape) < 0.15) & batch.attention_mask
        seen = torch.where(masked[..., None], MASK, batch.tokens)
        logits = heads(backbone(seen, batch.attend)[masked])
        loss = sum(cross_entropy(part, batch.tokens[masked][:, i]) for i, part in enumerate(logits))
        optimiser.zero_grad()
        torch.as_tensor(loss).backward()
        optimiser.step()

    random, reading, training = np.random.default_rng(0), [], []
    for _ in range(rounds):
        begin, tokens = time.perf_counter(), 0
        for step in random.integers(0, 10 * batches.per_epoch, 100):
            batch = batches[int(step)]
            tokens += int(batch.attention_mask.sum())
        reading.append(tokens / (time.perf_counter() - begin))
        begin, tokens = time.perf_counter(), 0
        for step in range(3):
            batch = batches[step]
            train(batch)
            tokens += int(batch.attention_mask.sum())
        training.append(tokens / (time.perf_counter() - begin))
    result = median(a / b for a, b in zip(reading, training, strict=True))
    say(
        f"Reading shuffled batches: {median(reading):,.0f} tokens a second; a tiny model in training consumes "
        f"{median(training):,.0f}: {result:.0f} times as many"
    )
    return result


def bench_memory(files: list[Path], folder: Path, counts: Sequence[int]) -> None:
    """Peak memory of preparing ever more files."""
    for count in counts:
        multiply(files, count, folder / f"{count}")
        begin = time.perf_counter()
        done = subprocess.run(
            [
                sys.executable,
                Path(__file__).with_name("peak.py"),
                folder / f"{count}",
                folder / f"{count}-out",
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        tokens, parent, worker, share = map(float, done.stdout.split())
        say(
            f"Preparing {count:,} files ({tokens:,.0f} tokens): peak {parent:,.0f} MiB in the parent, "
            f"{worker:,.0f} MiB in its one worker; {time.perf_counter() - begin:.0f} s; the parent took {share:.1%} of "
            "the CPU time"
        )


def main() -> None:
    """Run everything and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--huge", action="store_true", help="also prepare 100,000 files for their memory")
    parser.add_argument("--only", choices=["memory"], help="measure nothing else")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sets = corpora(folder, 30)
        files = [file for some in sets.values() for file in some]
        counts = [1000, 10_000, *([100_000] if options.huge else [])]
        if options.only == "memory":
            bench_memory(files, folder, counts)
            return
        multiply(files, 200, folder / "short", notes=100)
        encoding = bench_encoding({**sets, SHORT: sorted((folder / "short").iterdir())}, options.rounds)
        transposition = bench_transposition(sets, options.rounds)
        copies = bench_copies(files[0])
        whole = DATA / "pop1k7" / "pop1k7.tar.xz"
        if whole.is_file():
            unpack(whole, "", folder / "corpus", 1747)
        else:
            multiply(files, 2000, folder / "corpus", notes=1700)
        preparation, shards = bench_preparation(folder / "corpus", folder, options.rounds)
        reading = bench_reading(shards, options.rounds)
        bench_memory(files, folder, counts)
    result = {
        **encoding,
        "transpose_vs_miditok": transposition,
        **preparation,
        "read_vs_tiny": reading,
        **copies,
    }
    say(json.dumps({key: round(value, 3) for key, value in result.items()}))


if __name__ == "__main__":
    main()
