"""Cost of predictions: starting, and a song after that; `python tests/bench/bench_predict.py`.

CPU seconds of one thread, the median of the rounds. What is started is compared with `import torch`, and a song with
the square matrix products that take as long as its network needs at least. The last line is one JSON object of ratios:

- `cold key`, `cold melody`, `cold melody onnx`: `finetune predict MODEL song.mid` over `import torch`.
- `melody`: a song of melody, from its file to its file, over the floor of its network.
- `onnx`: the same by ONNX Runtime, which is left out where it is not installed.
- `network`, `features and lines`, `files`: shares of a song.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import torch
from music import corpora

import symbolic
from symbolic.music.notes import Music
from symbolic.predict.predictor import NotePredictor

SIDE = 1024
"""Of the matrices whose product is the unit of computing."""
_COLD = "import sys; from finetune.cli import main; sys.exit(main(sys.argv[1:]))"


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)  # noqa: T201


def seconds(function: Callable[[], object]) -> float:
    """Return the CPU time of a call."""
    began = time.process_time()
    function()
    return time.process_time() - began


def cold(caches: Path, *command: str) -> float:
    """Return the CPU time of a new Python process. Its modules are compiled once, as an installer does it."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(caches)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", *command], check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def starting(song: Path, out: Path, rounds: int) -> dict[str, float]:
    """Compare starts with the import of torch."""
    models = {"key": "key", "melody": "melody"}
    if find_spec("onnx") and find_spec("onnxruntime"):
        import finetune

        models["melody onnx"] = str(finetune.export("melody", out / "melody-onnx", onnx=True))
    times: dict[str, list[float]] = {name: [] for name in ("torch", *models)}
    for _ in range(rounds + 1):
        times["torch"].append(cold(out / "caches", "import torch"))
        for name, model in models.items():
            command = (_COLD, "predict", model, str(song), "--out", str(out / "cold"))
            times[name].append(cold(out / "caches", *command))
    times = {name: found[1:] for name, found in times.items()}  # the first round compiles
    unit = median(times.pop("torch"))
    say(
        f"import torch {unit:.2f} s; "
        + ", ".join(f"{name} {median(one):.2f} s" for name, one in times.items())
    )
    return {f"cold {name}": median(one) / unit for name, one in times.items()}


def floor(model: NotePredictor, pieces: Sequence[Music]) -> float:
    """Return the square products that have as many operations as the network's linear layers and attention."""
    config, cut = model.backbone.config, model._encoding().cut
    layers = config.layers * (4 * config.dim**2 + 2 * config.dim * config.ffn)
    attention = 2 * config.layers * cut.length * config.dim
    windows = sum(-(-len(one) // (cut.length - cut.overlap)) for one in pieces)
    return windows * cut.length * (layers + attention) / SIDE**3


def warm(files: Sequence[Path], out: Path, rounds: int) -> dict[str, float]:
    """Measure a song of melody from its file to its file, and the shares of its parts."""
    models = {"melody": symbolic.load("melody")}
    if (out / "melody-onnx").is_dir():
        models["onnx"] = symbolic.load(out / "melody-onnx")
    matrix = torch.randn(SIDE, SIDE)
    pieces = [symbolic.read_music(file) for file in files]
    network = models["melody"].model
    tokens = [models["melody"].tokenizer(one).ids for one in pieces]
    times: dict[str, list[float]] = {name: [] for name in (*models, "unit", "network", "read", "predict")}
    for _ in range(rounds):
        times["unit"].append(seconds(lambda: [matrix @ matrix for _ in range(8)]) / 8)
        times["network"].append(seconds(lambda: network.batch_logits(tokens)))
        times["read"].append(seconds(lambda: [symbolic.read_music(file) for file in files]))
        times["predict"].append(seconds(lambda: models["melody"](pieces)))
        for name, model in models.items():
            times[name].append(
                seconds(
                    lambda m=model: [one.write(out / "song.mid") for one in m([str(file) for file in files])]
                )
            )
    found = {name: median(one) for name, one in times.items()}
    whole, least = found["melody"], floor(models["melody"], pieces) * found["unit"]
    say(f"{1e3 * whole / len(files):.0f} ms a song of {sum(map(len, pieces)) // len(files):,} notes")
    return {
        **{name: found[name] / least for name in models},
        "network": found["network"] / whole,
        "features and lines": (found["predict"] - found["network"]) / whole,
        "files": (whole - found["predict"]) / whole,
    }


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--songs", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        files = next(iter(corpora(out / "songs", options.songs).values()))[: options.songs]
        result = starting(files[0], out, options.rounds) | warm(files, out, options.rounds)
    say(json.dumps({key: round(value, 3) for key, value in result.items()}))


if __name__ == "__main__":
    main()
