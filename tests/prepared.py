"""Corpora with bad files, and ways to run a preparation, for the tests of `data.preparation.prepare`."""

from __future__ import annotations

import collections
import itertools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from made import tune, write_tunes

from data.corpora.folder import FolderCorpus
from data.preparation.prepare import prepare
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import Music, note_array
from symbolic.tokens.tokenizer import Tokenizer


class Moody(FolderCorpus):
    """A corpus whose file names choose what happens when they are read."""

    name = "moody"

    def read(self, piece, pedal="keep"):
        mood = Path(piece.file).stem.partition("-")[0]
        if mood == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if mood == "abort":
            os.abort()
        if mood == "endless":
            with suppress(BaseException):  # as the bare excepts of parsers do
                time.sleep(60)
            time.sleep(60)
        if mood == "slow" and multiprocessing.parent_process():
            time.sleep(0.08)
        if mood == "bug":
            raise KeyError(f"{self.folder}/x at {object()}")
        if mood == "hungry":
            np.ones(2**28)  # 2 GiB
        if mood == "deaf":
            collections.deque(itertools.repeat(0), maxlen=0)  # C code that never asks for signals
        return super().read(piece)


def run(corpus, out, **settings):
    return prepare(corpus, out, Tokenizer(), **{"jobs": 0, "progress": False, **settings})


def script(folder, *lines):
    """Run a script that can import these tests, its errors piped back."""
    path = folder / "script.py"
    path.write_text("\n".join(lines))
    here = Path(__file__).parent
    paths = os.pathsep.join(map(str, (here.parent, here)))
    return subprocess.Popen(
        [sys.executable, path], env={**os.environ, "PYTHONPATH": paths}, stderr=subprocess.PIPE, text=True
    )


def ledger(out):
    with (out / "ledger.jsonl").open("rb") as file:  # which breaks lines at newlines alone
        lines = [json.loads(line) for line in file]
    return {line["key"]: line for line in lines}


def reasons(out):
    return {key: line["reason"] for key, line in ledger(out).items() if line["status"] == "skipped"}


def write_spoilt(tmp_path):
    """Write good tunes and every kind of bad file."""
    folder = write_tunes(tmp_path / "spoilt", 3)
    whole = (folder / "t000.mid").read_bytes()
    (folder / "corrupt.mid").write_bytes(np.random.default_rng(0).bytes(500))
    (folder / "empty.mid").write_bytes(b"")
    (folder / "truncated.mid").write_bytes(whole[:40])
    (folder / "score.musicxml").write_text("<score-partwise>")
    (folder / "large.mid").write_bytes(whole + bytes(50_000))
    write_midi(tune(1, notes=0), folder / "silent.mid")
    write_midi(tune(1, notes=7), folder / "short.mid")
    write_midi(tune(1, notes=500), folder / "long.mid")
    write_midi(tune(1, drums=True), folder / "drums.mid")
    bars = Music(note_array(np.arange(9) * 2**24, 1, 60), 480, time_signatures=np.array([[0, 1, 4]]))
    write_midi(bars, folder / "bars.mid")
    return folder
