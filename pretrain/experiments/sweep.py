"""Compare pretraining settings at equal compute: pretrain each with several seeds, fine-tune, tell validation scores.

    python pretrain/experiments/sweep.py selectors --only uniform-30,adversarial-30 --seeds 3 --limit 540

Every run keeps its record, so that the command can be stopped and given again: it goes on with what is missing. Tables
tell validation scores alone; test scores lie in the records, for the one setting that is chosen.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

HERE = Path(__file__).parent
COMMON = {"corpus": "pop909", "preset": "tiny", "rows_per_batch": "1024", "steps": "1000", "evaluations": "2"}
"""Settings of every pretraining run, unless told otherwise: two minutes on one core."""
_FEW = ["--budget", "0.1", "--epochs", "3", "--lr", "1e-3"]
TASKS = {"melody": _FEW, "velocity": _FEW}
"""What judges a checkpoint: fine-tuning on a tenth of the labels, where pretraining tells most."""


class OutOfTime(Exception):
    """The limit is reached."""


def say(text: str) -> None:
    """A line for the reader."""
    print(text, flush=True)  # noqa: T201


def main() -> int:
    """Run what is missing, then print the table of what there is."""
    options = _options()
    folder = HERE / options.study
    names = options.only.split(",") if options.only else sorted(path.stem for path in folder.glob("*.yaml"))
    end = time.monotonic() + (options.limit or float("inf"))
    try:
        # Seed by seed, so that a sweep cut short has compared all settings.
        for seed in range(options.seeds):
            for name in names:
                _one(folder / f"{name}.yaml", seed, options, end)
    except OutOfTime:
        say(f"The limit of {options.limit} s is reached; the same command goes on.")
    say(table(options.out, names))
    return 0


def _one(config: Path, seed: int, options: argparse.Namespace, end: float) -> None:
    """Pretrain once and judge the checkpoint, unless that is done."""
    out = options.out / f"{config.stem}-{seed}"
    flags = [word for name, value in COMMON.items() for word in (f"--{name}", value)]
    flags += ["--config", str(config), "--seed", str(seed), *options.pretrain]
    _run("pretrain.cli", [*flags, "--out", str(out / "pretrain")], out / "pretrain", end)
    for task, settings in TASKS.items():
        source = ["--from", str(out / "pretrain"), "--seed", str(seed)]
        _run("finetune.cli", [task, *source, *settings, "--out", str(out / task)], out / task, end)


def _run(module: str, arguments: list[str], out: Path, end: float) -> None:
    """A command, gone on with if it was begun; nothing if it is done."""
    if (out / "record.json").is_file():
        return
    if (out / "settings.json").is_file():
        arguments = [*arguments, "--resume"]
    left = end - time.monotonic()
    if left <= 0:
        raise OutOfTime
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(command, timeout=None if left == float("inf") else left, check=False)
    except subprocess.TimeoutExpired as error:
        raise OutOfTime from error
    if done.returncode:
        raise SystemExit(f"failed with {done.returncode}: {' '.join(command)}")


def table(out: Path, names: list[str]) -> str:
    """Validation scores over seeds as mean ± standard deviation, best first by the mean over tasks."""
    header = ["setting", "seeds", "held-out loss", *TASKS]
    lines = []
    for name in names:
        runs = [dict(_scores(run)) for run in sorted(out.glob(f"{name}-[0-9]*"))]
        runs = [run for run in runs if set(run) == set(header[2:])]
        if runs:
            columns = {column: [run[column] for run in runs] for column in header[2:]}
            rank = mean(mean(columns[task]) for task in TASKS)
            lines.append((rank, [name, str(len(runs)), *map(_shown, columns.values())]))
    rows = [header, *(line for _, line in sorted(lines, key=lambda item: -item[0]))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def _scores(run: Path) -> Iterator[tuple[str, float]]:
    if (run / "pretrain" / "record.json").is_file():
        held_out: dict[str, Any] = _read(run / "pretrain")["history"][-1]["held_out"]
        yield "held-out loss", mean(held_out["loss"].values())
    for task in TASKS:
        if (run / task / "record.json").is_file():
            yield task, 100 * _read(run / task)["valid"]["accuracy"]["mean"]


def _read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    return found


def _shown(values: list[float]) -> str:
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", help="folder of YAML files beside this one, such as selectors")
    parser.add_argument("--only", help="some of them, with commas between")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=float, help="seconds after which to stop, to go on later")
    parser.add_argument("--out", type=Path, default=Path("runs/sweep"))
    parser.add_argument("pretrain", nargs="*", help="after --: flags for every pretraining run")
    options = parser.parse_args()
    if not (HERE / options.study).is_dir():
        parser.error(f"there is no folder {options.study} in {HERE}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return options


if __name__ == "__main__":
    sys.exit(main())
