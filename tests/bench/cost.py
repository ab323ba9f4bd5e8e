"""Cost of a preparation, and an estimate for larger ones: `python tests/bench/cost.py CORPUS|FOLDER`.

With `--copies`, of so many files: the starts of those of the corpus, each in another key and tempo. CPU time is
counted, not the clock's, so that other work on the machine matters little; memory is for `bench_data.py`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from music import DATA, multiply

from data.corpora import CORPORA, open_corpus
from data.corpora.base import Corpus
from data.corpora.folder import FolderCorpus
from data.preparation.prepare import prepare
from symbolic.tokens.tokenizer import Tokenizer


def cpu_seconds(who: int) -> float:
    """Of this process or of its children that have ended."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Prepare the files into a temporary folder, and print rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", help="a name that `corpora` lists, or a folder")
    parser.add_argument("--copies", type=int, default=0, help="make so many files of those, and prepare them")
    parser.add_argument("--notes", type=int, default=400, help="of each copy at most")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args()
    corpus = open_corpus(options.corpus, DATA) if options.corpus in CORPORA else FolderCorpus(options.corpus)
    with tempfile.TemporaryDirectory() as out:
        if options.copies:
            files = [corpus.folder / piece.file for piece in corpus.pieces()]
            multiply(files, options.copies, Path(out) / "copies", options.notes)
            corpus = FolderCorpus(Path(out) / "copies")
        sys.stdout.write("\n".join(report(corpus, Path(out) / "shards", options.jobs, options.corpus)) + "\n")


def report(corpus: Corpus, out: Path, jobs: int, name: str) -> list[str]:
    """Prepare a corpus; rates in lines of text."""
    begun, cpu_begun = time.perf_counter(), cpu_seconds(resource.RUSAGE_SELF)
    shards = prepare(corpus, out, Tokenizer(), jobs=jobs, progress=False)
    wall, parent = time.perf_counter() - begun, cpu_seconds(resource.RUSAGE_SELF) - cpu_begun
    cpu = parent + cpu_seconds(resource.RUSAGE_CHILDREN)
    totals = shards.manifest["totals"]
    files, notes = totals["pieces"], totals["tokens"]
    lines = [
        f"{name}: {files:,} files of {notes / files:,.0f} notes, {jobs} processes, {wall:.1f} s",
        f"  CPU {1e3 * cpu / files:.2f} ms a file, {1e6 * cpu / notes:.2f} s a million notes; "
        f"of it the parent {1e3 * parent / files:.2f} ms a file",
    ]
    for kind in ("*.tokens.npy", "*.source.npy", "*.sketch.npy", "*.json", "*.jsonl"):
        size = sum(file.stat().st_size for file in shards.path.glob(kind))
        lines.append(f"  {kind:12} {size / notes:5.2f} bytes a note, {size / files:7,.0f} a file")
    return [
        *lines,
        f"  near-duplicates {totals['near_duplicates']}, largest group {totals['largest_group']}",
    ]


if __name__ == "__main__":
    main()
