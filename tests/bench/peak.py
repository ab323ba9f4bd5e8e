"""Prepare a folder in a process of its own and print the peak memory, in MiB: `python peak.py FOLDER OUT`.

Printed are tokens, the peaks of parent and worker, and the parent's share of CPU time, its start left out. Linux only,
for the sake of /proc.
"""

import resource
import sys
from pathlib import Path

from cost import cpu_seconds

from data.corpora import CORPORA
from data.preparation.prepare import prepare
from symbolic.tokens.tokenizer import Tokenizer

if __name__ == "__main__":
    begun = cpu_seconds(resource.RUSAGE_SELF)
    shards = prepare(CORPORA["folder"](sys.argv[1]), sys.argv[2], Tokenizer(), jobs=1, progress=False)
    # Not getrusage for this process: that peak counts what its parent held when it forked.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    own = int(status.partition("VmHWM:")[2].split()[0])
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    used, others = (cpu_seconds(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    share = (used - begun) / (used - begun + others)
    print(len(shards), own / 1024, worker / 1024, share)  # noqa: T201
