"""Run benchmarks and print one table of their ratios; `make bench`.

    python tests/bench/bench.py [NAME ...] [--results results]

Every `bench_NAME.py` beside this file runs in a process of its own, with one thread. Its last line is one JSON object
of ratios. With `--results` they replace its line in `speed.jsonl`, from which `speed_page.py` makes docs/speed.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from processor import processor
from speed_page import BEGIN, fill_page, table

from data.toolkit.records import provenance
from data.toolkit.results import write_results

HERE = Path(__file__).parent
NAMES = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
PAGE = HERE.parents[1] / "docs" / "speed.md"
ADDED = {"adapters": ["--rounds", "1"], "train": ["--rounds", "1"]}
"""Arguments beside the defaults, which take an hour."""


def measure(name: str) -> dict[str, Any]:
    """Run one benchmark and return its record."""
    words = [f"tests/bench/bench_{name}.py", *ADDED.get(name, [])]
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=HERE.parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None  # it is a pipe
    last = ""
    for last in process.stdout:
        say(last.rstrip())
    if process.wait():
        sys.exit(f"{words[0]} failed.")
    about = provenance(["OMP_NUM_THREADS=1", "python", *words])
    about["machine"] |= processor()
    return {"bench": name, **about, "ratios": json.loads(last)}


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)  # noqa: T201


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", choices=[[], *NAMES], help=f"of {', '.join(NAMES)} (default: all)"
    )
    parser.add_argument(
        "--results", type=Path, help="folder with speed.jsonl; docs/speed.md is made anew too"
    )
    options = parser.parse_args()
    records = [measure(name) for name in options.names or NAMES]
    say("\n" + table(records))
    if options.results:
        path = options.results / "speed.jsonl"
        measured = {record["bench"]: record for record in records}
        write_results(path, lambda lines: list(({line["bench"]: line for line in lines} | measured).values()))
        PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8"), path), encoding="utf-8")
        say(f"{path} and, below {BEGIN}, {PAGE.name} are written.")


if __name__ == "__main__":
    main()
