import errno
import re
import resource
import shutil
import signal
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from made import write_tunes
from prepared import Moody, reasons, run, script

from data.preparation.guards import guarded
from data.preparation.pool import run_tasks
from data.preparation.prepare import Filters
from symbolic.errors import ConfigError


@pytest.fixture
def music(tmp_path):
    return write_tunes(tmp_path / "music", 20)


def test_a_dying_worker_costs_one_piece(music, tmp_path):
    for name in ("kill-me", "abort"):
        shutil.copy(music / "t000.mid", music / f"{name}.mid")
    shards = run(Moody(music), tmp_path / "out", jobs=2)
    assert len(shards.pieces) == 20
    assert {key: reason.partition(":")[0] for key, reason in reasons(tmp_path / "out").items()} == {
        "abort.mid": "killed",
        "kill-me.mid": "killed",
    }


def test_endless_and_failing_readers_cost_one_piece_each(music, tmp_path):
    for mood in ("bug", "endless", "hungry"):
        shutil.copy(music / "t000.mid", music / f"{mood}.mid")
    filters = Filters(read_seconds=1.5, read_memory=2**30)
    shards = run(Moody(music), tmp_path / "out", jobs=1, filters=filters)
    assert len(shards.pieces) == 20
    found = reasons(tmp_path / "out")
    assert found["endless.mid"] == "too slow: not read within 1.5 s"
    assert found["hungry.mid"].startswith("out of memory")
    assert re.fullmatch(r"failed: KeyError: 'x at <object object at 0x…>'", found["bug.mid"])


def test_a_script_without_a_main_guard_is_refused(music, tmp_path):
    ran = script(
        tmp_path,
        "from data.corpora import open_corpus",
        "from data.preparation.prepare import prepare",
        "from symbolic.tokens.tokenizer import Tokenizer",
        f"prepare(open_corpus('folder', {str(music)!r}), {str(tmp_path / 'out')!r}, Tokenizer(), jobs=1)",
    )
    assert ran.wait() == 1
    assert "must do so under `if __name__ == '__main__':`" in ran.stderr.read()


def test_workers_never_import_torch(music, tmp_path):
    ran = script(
        tmp_path,
        "import sys",
        "from prepared import FolderCorpus, Tokenizer, prepare",
        "heavy = {'torch', 'lightning', 'music21'}",
        "class Spy(FolderCorpus):",
        "    name = 'spy'",
        "    def read(self, piece, pedal='keep'):",
        "        assert not heavy & set(sys.modules)",
        "        return super().read(piece)",
        "if __name__ == '__main__':",
        f"    prepare(Spy({str(music)!r}), {str(tmp_path / 'out')!r}, Tokenizer(), jobs=1, progress=False)",
    )
    assert ran.wait() == 0, ran.stderr.read()
    assert reasons(tmp_path / "out") == {}


def test_c_code_that_ignores_the_alarm_is_ended(music, tmp_path):
    for name in ("deaf", "kill"):
        shutil.copy(music / "t000.mid", music / f"{name}.mid")
    shards = run(Moody(music), tmp_path / "out", jobs=2, filters=Filters(read_seconds=1.0))
    assert len(shards.pieces) == 20
    assert reasons(tmp_path / "out") == {
        "deaf.mid": "too slow: not read within 1 s",
        "kill.mid": "killed: the process that read it died, by a crash or for want of memory",
    }


def test_guards_leave_the_users_own_process_alone():
    before = signal.getsignal(signal.SIGALRM), resource.getrlimit(resource.RLIMIT_AS)
    with guarded(0.01, 1) as one_file, one_file():
        time.sleep(0.05)
        assert len(np.ones(10**6)) == 10**6
    assert (signal.getsignal(signal.SIGALRM), resource.getrlimit(resource.RLIMIT_AS)) == before


def test_an_expendable_process_is_restored_after_a_file(tmp_path):
    ran = script(
        tmp_path,
        "import resource, signal",
        "from data.preparation.guards import guarded, make_expendable",
        "make_expendable()",
        "def state(): return signal.getsignal(signal.SIGALRM), resource.getrlimit(resource.RLIMIT_AS)",
        "before = state()",
        "with guarded(5, 2**30) as one_file:",
        "    with one_file():",
        "        within = state()",
        "assert state() == before",
        "assert within[0] != before[0] and within[1] != before[1]",
    )
    assert ran.wait() == 0, ran.stderr.read()


@pytest.mark.parametrize(
    "error", [OSError(errno.EAGAIN, "no more processes"), BrokenPipeError(32, "Broken pipe")]
)
def test_workers_that_cannot_start_are_an_error_in_words(error, monkeypatch):
    def submit(*_):
        raise error

    monkeypatch.setattr(ProcessPoolExecutor, "submit", submit)
    with pytest.raises(ConfigError, match="Worker processes cannot start"):
        list(run_tasks(abs, [1], 1))
