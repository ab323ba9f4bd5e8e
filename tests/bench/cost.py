"""What a preparation costs, and what larger ones would: `python tests/bench/cost.py FOLDER [JOBS]`.

CPU time is counted, not the clock's, so that other work on the machine matters little.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from data.corpora.folder import FolderCorpus
from data.prepare import prepare
from symbolic.tokenizer import Tokenizer


def cpu_seconds(who: int) -> float:
    """Of this process or of its children that have ended."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def peak_megabytes(who: int) -> float:
    """Of resident memory, of this process or of the largest of its children; files it has mapped included."""
    return resource.getrusage(who).ru_maxrss / 1024


def main(folder: str, jobs: int) -> None:
    """Prepare the folder into a temporary one, and print rates."""
    with tempfile.TemporaryDirectory() as out:
        begun, cpu_begun = time.perf_counter(), cpu_seconds(resource.RUSAGE_SELF)
        shards = prepare(FolderCorpus(folder), Path(out) / "shards", Tokenizer(), jobs=jobs, progress=False)
        wall, parent = time.perf_counter() - begun, cpu_seconds(resource.RUSAGE_SELF) - cpu_begun
        workers = cpu_seconds(resource.RUSAGE_CHILDREN)
        totals = shards.manifest["totals"]
        files, notes = totals["pieces"], totals["rows"]
        cpu = parent + workers
        lines = [
            f"{folder}: {files:,} files of {notes / files:,.0f} notes, {jobs} processes, {wall:.1f} s",
            f"  CPU {1e3 * cpu / files:.2f} ms a file, {1e6 * cpu / notes:.2f} s a million notes; "
            f"of it the parent {1e3 * parent / files:.2f} ms a file",
        ]
        for kind in ("*.rows.npy", "*.source.npy", "*.sketch.npy", "*.json", "*.jsonl"):
            size = sum(file.stat().st_size for file in shards.path.glob(kind))
            lines.append(f"  {kind:12} {size / notes:5.2f} bytes a note, {size / files:7,.0f} a file")
        lines += [
            f"  peak: parent {peak_megabytes(resource.RUSAGE_SELF):.0f} MB, "
            f"largest worker {peak_megabytes(resource.RUSAGE_CHILDREN):.0f} MB",
            f"  near-duplicates {totals['near_duplicates']}, largest group {totals['largest_group']}",
        ]
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
