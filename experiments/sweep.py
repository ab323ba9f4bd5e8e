"""Compare pretraining settings at equal compute: pretrain with several seeds, fine-tune, compare on validation.

    python -m experiments.sweep selectors --only uniform-30,adversarial-30 --seeds 3 --limit 540
    python -m experiments.sweep selectors --from tiny --tasks melody,emotion --out runs/from-tiny
    python -m experiments.sweep relations --from tiny --tasks emotion,composer --control masked -- permissive/
    python -m experiments.sweep results/sweeps/selectors-from-tiny.json

Every run saves its record. So the command can be stopped and repeated: it runs what is missing. Tables show validation
scores alone. Brackets hold the 95 % interval of the gain over the control, with pieces and seeds paired.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from data.toolkit.page import markdown_table
from data.toolkit.records import portable_provenance, provenance, write_json
from data.toolkit.runs import SETTINGS
from experiments.downstream import evaluate, gather, result_picture, result_rows
from symbolic.checkpoint.bundled import RECORD
from symbolic.documents import read_yaml
from symbolic.errors import ConfigError

HERE = Path(__file__).resolve().parents[1] / "pretrain" / "experiments"
SWEEP = "sweep.json"
"""The result of a sweep, small enough to be committed to `results/sweeps`."""
COMMON = {
    "corpus": "pop909",
    "preset": "tiny",
    "tokens_per_batch": "1024",
    "steps": "1000",
    "evaluations": "2",
}
"""Settings of every pretraining run that its file does not name: two minutes on one core."""
_PROBE = ["--protocol", "folds", "--method", "probe"]
TASKS = {
    "melody": ["--budget", "0.03", "--epochs", "3", "--lr", "1e-3", "--tokens_per_batch", "1024"],
    "velocity": ["--budget", "0.1", "--epochs", "3", "--lr", "1e-3"],
    "emotion": _PROBE,
    "composer": _PROBE,
}
"""Downstream tasks: fine-tuning on few labels, where pretraining matters most, and probes over all folds."""
NONE = "none"
"""The setting without pretraining: the checkpoint of --from, or random initialisation."""


class OutOfTime(Exception):
    """The limit is reached."""


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)  # noqa: T201


def main() -> int:
    """Run what is missing, then show the results."""
    options = _options()
    if options.past:
        show(json.loads(options.past.read_text(encoding="utf-8")), options.out)
        return 0
    names = options.only.split(",") if options.only else options.every
    end = time.monotonic() + (options.limit or float("inf"))
    try:
        # Seed by seed, so that a sweep cut short has compared all settings.
        for seed in range(options.seeds):
            for name in names:
                _one(name, seed, options, end)
    except OutOfTime:
        say(f"The limit of {options.limit} s is reached; the same command continues.")
    about = portable_provenance(provenance())
    sweep = {**about, "control": options.control, "runs": gather(options.out, options.tasks)}
    write_json(options.out / SWEEP, sweep)
    show(sweep, options.out)
    return 0


def show(sweep: dict[str, Any], folder: Path) -> None:
    """Print the table of results, and draw it into a folder."""
    settings = evaluate(sweep["runs"])
    try:
        say("\n".join(markdown_table(*result_rows(settings, sweep["control"]))))
    except ConfigError as error:  # cut short before there was anything to compare
        say(str(error))
        return
    if len(settings) > 1:
        result_picture(settings, sweep["control"]).savefig(folder / "sweep.png", dpi=120)


def _one(name: str, seed: int, options: argparse.Namespace, end: float) -> None:
    """Pretrain once and evaluate the checkpoint, unless that is done."""
    out = options.out / f"{name}-{seed}"
    begin, checkpoint = options.checkpoint, options.checkpoint or "scratch"
    if name != NONE:
        checkpoint = str(out / "pretrain")
        setting = HERE / options.study / f"{name}.yaml"
        own = read_yaml(setting.read_text(encoding="utf-8"))
        flags = [word for flag, value in COMMON.items() if flag not in own for word in (f"--{flag}", value)]
        flags += ["--config", str(setting), "--seed", str(seed)]
        flags += (["--from", begin] if begin else []) + options.pretrain
        _run("pretrain.cli", [*flags, "--out", checkpoint], out / "pretrain", end)
    for task in options.tasks:
        source = ["--from", checkpoint, "--seed", str(seed)]
        _run("finetune.cli", [task, *source, *TASKS[task], "--out", str(out / task)], out / task, end)


def _run(module: str, arguments: list[str], out: Path, end: float) -> None:
    """Run a command, or resume it; do nothing if it is done."""
    if (out / RECORD).is_file():
        return
    if (out / SETTINGS).is_file():
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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "study",
        help=f"folder of settings in pretrain/experiments, such as selectors; or a {SWEEP} to show again",
    )
    parser.add_argument("--only", help=f"some of them, with commas between; {NONE}: without pretraining")
    parser.add_argument("--from", dest="checkpoint", help="checkpoint that every run starts from")
    parser.add_argument("--tasks", default=",".join(TASKS), help="downstream tasks (default: %(default)s)")
    parser.add_argument(
        "--control", default="uniform-30", help="setting to compare with (default: %(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=float, help="seconds after which to stop; the same command continues")
    parser.add_argument("--out", type=Path, default=Path("runs/sweep"))
    parser.usage = "%(prog)s STUDY [options] [-- flags for every pretraining run]"
    # By hand, because argparse gives what follows -- to the first positional.
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    options = parser.parse_args(sys.argv[1:end])
    options.pretrain = sys.argv[end + 1 :]
    options.past = Path(options.study) if Path(options.study).suffix == ".json" else None
    if not (options.past or HERE / options.study).exists():
        parser.error(f"there is no folder {options.study} in {HERE}")
    options.tasks = options.tasks.split(",")
    if unknown := set(options.tasks) - set(TASKS):
        parser.error(f"--tasks {', '.join(unknown)}: choose among {', '.join(TASKS)}")
    options.every = [NONE, *sorted(path.stem for path in (HERE / options.study).glob("*.yaml"))]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return options


if __name__ == "__main__":
    sys.exit(main())
