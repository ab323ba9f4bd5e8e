import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from made import contents, tune, write_tunes
from prepared import Moody, run, script, write_spoilt

import data.preparation.prepare as preparing
from data.corpora.archives import CACHE_VARIABLE
from data.corpora.folder import FolderCorpus
from data.preparation.prepare import Filters, prepare
from symbolic.errors import ConfigError
from symbolic.music.midi.writer import write_midi
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import Vocabulary


@pytest.fixture
def music(tmp_path):
    return write_tunes(tmp_path / "music", 20)


@pytest.fixture
def spoilt(tmp_path):
    return write_spoilt(tmp_path)


def test_the_bytes_do_not_depend_on_processes_or_interruptions(spoilt, tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "_SMALLEST", 2)
    monkeypatch.setattr(preparing, "_LARGEST", 2)
    corpus, out = FolderCorpus(spoilt, tracks=["tune"]), tmp_path / "out"
    run(corpus, tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    assert not any(str(tmp_path).encode() in content for content in whole.values()), "a machine's path"
    run(corpus, out, jobs=2)
    assert contents(out) == whole
    # As if killed before the end: shards missing, one without its last file, a half-written one left.
    for name in (
        "manifest.json",
        "pieces.jsonl",
        "shard-00001.json",
        "shard-00003.json",
        "shard-00003.tokens.npy",
    ):
        (out / name).unlink()
    (out / ".shard-00003.tokens.npy.partial").write_bytes(b"half")
    made = []
    monkeypatch.setattr(
        preparing,
        "tokenise",
        lambda r, p, do=preparing.tokenise: made.extend(one.key for one in p) or do(r, p),
    )
    run(corpus, out)
    assert contents(out) == whole
    assert len(made) == 4
    run(corpus, out)
    assert len(made) == 4, "a finished preparation is opened, not repeated"


def test_a_run_killed_in_the_middle_goes_on_to_the_same_bytes(tmp_path):
    folder, out = tmp_path / "music", tmp_path / "out"
    folder.mkdir()
    for seed in range(48):
        write_midi(tune(seed), folder / f"slow-{seed:02d}.mid")
    child = script(
        tmp_path,
        "from prepared import Moody, run",
        f"if __name__ == '__main__': run(Moody({str(folder)!r}), {str(out)!r}, jobs=2)",
    )
    while not list(out.glob("shard-*.json")):
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.02)
    child.kill()  # the parent alone; its workers hold the other ends of its pipes
    child.stderr.read()  # ends only when the workers have noticed and gone
    assert len(list(out.glob("shard-*.json"))) < 3
    assert not (out / "manifest.json").exists()
    run(Moody(folder), out)
    run(Moody(folder), tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


def test_of_two_runs_into_one_folder_one_waits(music, tmp_path):
    out = tmp_path / "out"
    code = (
        "from prepared import FolderCorpus, run",
        f"if __name__ == '__main__': run(FolderCorpus({str(music)!r}), {str(out)!r}, jobs=1)",
    )
    both = [script(tmp_path, *code), script(tmp_path, *code)]
    for child in both:
        assert child.wait() == 0, child.stderr.read()
    run(FolderCorpus(music), tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


def test_other_settings_or_files_need_another_folder(music, tmp_path, monkeypatch):
    out, corpus = tmp_path / "out", FolderCorpus(music)
    run(corpus, out)
    for problem, settings in {
        "filters": {"filters": Filters(min_notes=9)},
        "hide": {"hide": ["velocity"]},
    }.items():
        with pytest.raises(ConfigError, match=rf"made otherwise \(other {problem}\)\. Choose another folder"):
            run(corpus, out, **settings)
    with pytest.raises(ConfigError, match="other tokenizer"):
        prepare(corpus, out, Tokenizer(Vocabulary(velocity_bins=16)), jobs=0, progress=False)
    write_midi(tune(0, shift=1), music / "t000.mid")
    with pytest.raises(ConfigError, match="other files"):
        run(corpus, out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(ConfigError, match=r"full holds other files\. Choose a new folder"):
        run(corpus, tmp_path / "full")
    with pytest.raises(ConfigError, match="cannot hold shards"):
        run(corpus, music / "t001.mid")
    monkeypatch.setattr(Path, "mkdir", Mock(side_effect=PermissionError(13, "denied")))
    with pytest.raises(ConfigError, match=r"new cannot be written .* Choose another folder"):
        run(corpus, tmp_path / "new")


def test_without_a_folder_the_cache_is_used_again(music, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    first = run(FolderCorpus(music), None)
    assert first.path.parent == tmp_path / "cache" / "shards"
    monkeypatch.setattr(preparing, "tokenise", lambda *_: pytest.fail("prepared again"))
    assert run(FolderCorpus(music), None).fingerprint == first.fingerprint
    moved = shutil.copytree(music, tmp_path / "moved")
    assert run(FolderCorpus(moved), None).path == first.path


def killed_at(writes, music, out, folder):
    """Prepare in a process that is killed at its n-th write: before, in the middle of, or after the renaming."""
    step, moment = divmod(writes, 3)
    child = script(
        folder,
        "import os, signal, sys",
        "from pathlib import Path",
        "import data.preparation.prepare as preparing",
        "from prepared import FolderCorpus, run",
        "preparing._SMALLEST = preparing._LARGEST = 2",
        "done = [0]",
        "def die(): os.kill(os.getpid(), signal.SIGKILL)",
        "def sync(number, do=os.fsync):",
        f"    if done[0] == {step} and {moment} == 0: die()",
        "    do(number)",
        f"    if done[0] == {step} and {moment} == 1: die()",
        "def replace(self, target, do=Path.replace):",
        "    do(self, target)",
        f"    if done[0] == {step}: die()",
        "    done[0] += 1",
        "os.fsync, Path.replace = sync, replace",
        f"run(FolderCorpus({str(music)!r}), {str(out)!r})",
    )
    child.stderr.read()
    return child.wait()


@pytest.mark.parametrize(
    "kills", [pytest.param(4, id="quick"), pytest.param(60, id="long", marks=pytest.mark.slow)]
)
def test_killed_again_and_again_while_writing_the_bytes_are_the_same(tmp_path, monkeypatch, kills):
    music, out = write_tunes(tmp_path / "music", 7), tmp_path / "out"
    write_midi(tune(3, shift=2), music / "copy.mid")
    monkeypatch.setattr(preparing, "_SMALLEST", 2)
    monkeypatch.setattr(preparing, "_LARGEST", 2)
    run(FolderCorpus(music), tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    random = np.random.default_rng(kills)
    killed = 0
    for _ in range(kills):
        # After some kills few writes are left, and a run with none left ends well; it then starts anew.
        code = killed_at(int(random.integers(0, 18)), music, out, tmp_path)
        assert code in (0, -signal.SIGKILL)
        killed += code != 0
        if code == 0:
            assert contents(out) == whole
            shutil.rmtree(out)
    assert killed > kills / 2
    run(FolderCorpus(music), out)
    assert contents(out) == whole


def test_killed_at_random_moments_with_its_workers_the_bytes_are_the_same(tmp_path):
    folder, out = tmp_path / "music", tmp_path / "out"
    folder.mkdir()
    for seed in range(40):
        write_midi(tune(seed), folder / f"slow-{seed:02d}.mid")
    random = np.random.default_rng(0)
    for _ in range(3):
        child = script(
            tmp_path,
            "import os; os.setsid()",
            "from prepared import Moody, run",
            f"if __name__ == '__main__': run(Moody({str(folder)!r}), {str(out)!r}, jobs=2)",
        )
        time.sleep(random.uniform(0.8, 2.5))
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.stderr.read()
        child.wait()
    run(Moody(folder), out)
    run(Moody(folder), tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")
