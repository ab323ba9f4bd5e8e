"""Prepare a folder in a process of its own and print the peak memory, in MiB: `python peak.py FOLDER OUT`.

Linux only, for the sake of /proc.
"""

import resource
import sys
from pathlib import Path

from data.corpora import CORPORA
from data.preparation.prepare import prepare
from symbolic.tokens.tokenizer import Tokenizer

if __name__ == "__main__":
    shards = prepare(CORPORA["folder"](sys.argv[1]), sys.argv[2], Tokenizer(), jobs=1, progress=False)
    # Not getrusage for this process: that peak counts what its parent held when it forked.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    own = int(status.partition("VmHWM:")[2].split()[0])
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(len(shards), own / 1024, worker / 1024)  # noqa: T201
