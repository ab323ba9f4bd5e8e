import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from made import CACHE, DATA, contents, needs, tune, write_tunes

import data.prepare as preparing
from data.corpora import open_corpus
from data.corpora.archives import CACHE_VARIABLE
from data.corpora.base import Reading
from data.corpora.folder import FolderCorpus
from data.prepare import Filters, prepare
from data.shards import Shards
from symbolic.errors import ConfigError, CorpusError, LeakError, MusicFileError
from symbolic.files import write_midi
from symbolic.notes import DRUM_PROGRAM, Music, note_array
from symbolic.tokenizer import Tokenizer
from symbolic.vocabulary import HIDDEN, PROGRAM, VELOCITY, Vocabulary


class Moody(FolderCorpus):
    """Names of files say what happens when they are read."""

    name = "moody"

    def read(self, piece):
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
            raise MemoryError
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
    lines = [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]
    return {line["key"]: line for line in lines}


def reasons(out):
    return {key: line["reason"] for key, line in ledger(out).items() if line["status"] == "skipped"}


@pytest.fixture
def music(tmp_path):
    return write_tunes(tmp_path / "music", 20)


@pytest.fixture
def spoilt(tmp_path):
    """Good tunes among every kind of bad file."""
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
    bars = Music(note_array(np.arange(9) * 2**24, 1, 60), 480, metres=np.array([[0, 1, 4]]))
    write_midi(bars, folder / "bars.mid")
    return folder


def test_bad_files_are_skipped_and_every_input_is_accounted_for(spoilt, tmp_path):
    filters = Filters(max_notes=400, max_bytes=40_000)
    shards = run(FolderCorpus(spoilt), tmp_path / "out", filters=filters)
    assert [piece.key for piece in shards.pieces] == ["t000.mid", "t001.mid", "t002.mid"]
    kinds = {key: reason.partition(":")[0] for key, reason in reasons(tmp_path / "out").items()}
    assert kinds == {
        "corrupt.mid": "unreadable",
        "empty.mid": "unreadable",
        "truncated.mid": "unreadable",
        "score.musicxml": "unreadable",
        "large.mid": "too large",
        "silent.mid": "empty",
        "short.mid": "too short",
        "long.mid": "absurdly long",
        "bars.mid": "absurdly long",
        "drums.mid": "drum-only",
    }
    totals = shards.manifest["totals"]
    assert totals["pieces"] == len(ledger(tmp_path / "out")) == 13
    assert totals["pieces"] == totals["kept"] + sum(totals["skipped"].values())
    assert totals["skipped"] == Counter(kinds.values())


def test_filters_decide_what_is_kept(spoilt, tmp_path):
    filters = Filters(min_notes=1, drum_only=True)
    run(FolderCorpus(spoilt), tmp_path / "out", filters=filters)
    assert set(reasons(tmp_path / "out")) == {
        "corrupt.mid",
        "empty.mid",
        "truncated.mid",
        "score.musicxml",
        "silent.mid",
        "bars.mid",
    }


def test_impossible_filters_are_all_named():
    with pytest.raises(ConfigError) as caught:
        Filters(min_notes=0, max_bytes=-1, drum_only=True, keep_drums=False)
    assert len(caught.value.problems) == 3
    with pytest.raises(ConfigError, match="min_notes 9 exceeds max_notes 8"):
        Filters(min_notes=9, max_notes=8)


class Numbered(FolderCorpus):
    """Labels every note with its place in the file."""

    name = "numbered"

    def interpret(self, piece, music):
        self.note_classes = {"place": tuple(map(str, range(100)))}
        return Reading(music, {"place": np.arange(len(music), dtype=np.int8)})


def test_rows_labels_and_notes_stay_together_when_drums_are_dropped(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    random = np.random.default_rng(0)
    program = np.where(random.random(90) < 0.4, DRUM_PROGRAM, 0)
    notes = note_array(random.permutation(90) * 60, 60, random.integers(40, 90, 90), 80, program)
    write_midi(Music(notes, 480), folder / "a.mid")
    corpus = Numbered(folder, tracks=["x"])
    corpus.note_classes = {"place": tuple(map(str, range(100)))}
    read = corpus.read(corpus.pieces()[0])
    for filters in (Filters(), Filters(keep_drums=False)):
        shards = run(corpus, tmp_path / f"out{filters.keep_drums}", filters=filters)
        source = shards.source()
        assert len(source) == (90 if filters.keep_drums else (program == 0).sum())
        assert (shards.note_labels("place") == source).all()
        rows = shards.rows(0, len(shards)).astype(int)
        assert ((rows[:, PROGRAM] - 4) == read.notes["program"][source]).all()


def test_hidden_fields_are_hidden_and_unknown_ones_refused(music, tmp_path):
    shards = run(FolderCorpus(music), tmp_path / "out", hide=["velocity"])
    assert set(shards.rows(0, len(shards))[:, VELOCITY]) == {HIDDEN}
    with pytest.raises(ConfigError, match="No field is called loudness"):
        run(FolderCorpus(music), tmp_path / "other", hide=["loudness"])
    with pytest.raises(ConfigError, match="jobs is -1"):
        run(FolderCorpus(music), tmp_path / "other", jobs=-1)


# Splits


def test_copies_and_transpositions_fall_on_one_side(music, tmp_path):
    for seed in range(20):
        write_midi(tune(seed, shift=5), music / f"moved{seed}.mid")
    shards = run(FolderCorpus(music), tmp_path / "out")
    side = {piece.key: (piece.split, piece.group) for piece in shards.pieces}
    assert all(side[f"t{i:03d}.mid"] == side[f"moved{i}.mid"] for i in range(20))
    assert len(set(side.values())) == 20
    assert {split for split, _ in side.values()} >= {"train", "test"}


def test_a_copy_of_a_test_piece_is_taken_out_of_training(music, tmp_path):
    write_midi(tune(3, shift=-7), music / "copy.mid")
    (music / "labels.csv").write_text("file,split\ncopy.mid,train\nt003.mid,test\nt004.mid,train\n")
    shards = run(FolderCorpus(music), tmp_path / "out")
    assert [shards.pieces[i].key for i in shards.select("excluded")] == ["copy.mid"]
    line = ledger(tmp_path / "out")["copy.mid"]
    assert (line["status"], line["reason"]) == ("kept", "same music as t003.mid, which is in test")


def test_a_group_on_two_sides_stops_the_run(music, tmp_path):
    (music / "labels.csv").write_text("file,split,group\nt000.mid,train,song\nt001.mid,test,song\n")
    with pytest.raises(LeakError, match=r"'song' \(train and test\)"):
        run(FolderCorpus(music), tmp_path / "out")


# Resuming


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
        "shard-00003.rows.npy",
    ):
        (out / name).unlink()
    (out / ".shard-00003.rows.npy.partial").write_bytes(b"half")
    made = []
    monkeypatch.setattr(
        preparing, "tokenise", lambda r, p, do=preparing.tokenise: made.append(p.key) or do(r, p)
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
        "from test_prepare import Moody, run",
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
        "from test_prepare import FolderCorpus, run",
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


def test_when_nothing_is_kept_the_reasons_are_named(tmp_path):
    folder = write_tunes(tmp_path / "music", 3)
    (folder / "bad.mid").write_bytes(b"bad")
    with pytest.raises(
        CorpusError, match=r"None of the 4 pieces .* too short \(3\), unreadable \(1\); the first"
    ):
        run(FolderCorpus(folder), tmp_path / "out", filters=Filters(min_notes=25))
    assert len(run(FolderCorpus(folder), tmp_path / "out").pieces) == 3


# Processes


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
    for mood in ("endless", "bug", "hungry"):
        shutil.copy(music / "t000.mid", music / f"{mood}.mid")
    shards = run(Moody(music), tmp_path / "out", jobs=1, filters=Filters(read_seconds=0.3))
    assert len(shards.pieces) == 20
    found = reasons(tmp_path / "out")
    assert found["endless.mid"] == "too slow: not read within 0.3 s"
    assert found["hungry.mid"].startswith("out of memory")
    assert re.fullmatch(r"failed: KeyError: 'x at <object object at 0x…>'", found["bug.mid"])


def test_a_script_without_a_main_guard_is_told_so(music, tmp_path):
    ran = script(
        tmp_path,
        "from data.corpora import open_corpus",
        "from data.prepare import prepare",
        "from symbolic.tokenizer import Tokenizer",
        f"prepare(open_corpus('folder', {str(music)!r}), {str(tmp_path / 'out')!r}, Tokenizer(), jobs=1)",
    )
    assert ran.wait() == 1
    assert "must do so under `if __name__ == '__main__':`" in ran.stderr.read()


def test_workers_never_import_torch(music, tmp_path):
    ran = script(
        tmp_path,
        "import sys",
        "from test_prepare import FolderCorpus, Tokenizer, prepare",
        "heavy = {'torch', 'lightning', 'music21'}",
        "class Spy(FolderCorpus):",
        "    name = 'spy'",
        "    def read(self, piece):",
        "        assert not heavy & set(sys.modules)",
        "        return super().read(piece)",
        "if __name__ == '__main__':",
        f"    prepare(Spy({str(music)!r}), {str(tmp_path / 'out')!r}, Tokenizer(), jobs=1, progress=False)",
    )
    assert ran.wait() == 0, ran.stderr.read()
    assert reasons(tmp_path / "out") == {}


# Real corpora


@needs("pop909")
def test_pop909_keeps_its_published_split_and_refuses_other_content(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(CACHE))
    corpus = open_corpus("pop909", DATA)
    for key in ("001", "011", "017", "018", "034"):
        shutil.copytree(corpus.folder / key, tmp_path / "corpora" / "pop909" / key)
    shards = run(open_corpus("pop909", tmp_path / "corpora"), tmp_path / "out")
    assert {piece.key: piece.split for piece in shards.pieces} == {
        "001": "train",
        "011": "test",
        "017": "excluded",
        "018": "test",
        "034": "excluded",
    }
    assert set(shards.note_labels("melody")) == {0, 1, 2}
    assert set(shards.note_labels("velocity")) <= set(range(6))
    assert ledger(tmp_path / "out")["034"]["reason"] == "not in 4/4"
    swapped = tmp_path / "corpora" / "pop909" / "001" / "001.mid"
    shutil.copy(corpus.folder / "002" / "002.mid", swapped)
    run(open_corpus("pop909", tmp_path / "corpora"), tmp_path / "again")
    assert reasons(tmp_path / "again")["001"].startswith("other content")


@needs("pop909")
def test_a_song_without_beats_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(CACHE))
    corpus = open_corpus("pop909", DATA)
    for key in ("001", "002"):
        shutil.copytree(corpus.folder / key, tmp_path / "pop909" / key)
    (tmp_path / "pop909" / "002" / "beat_midi.txt").unlink()
    few = open_corpus("pop909", tmp_path)
    with pytest.raises(MusicFileError):
        few.interpret(few.pieces()[1], few.read(few.pieces()[1]))
    shards = run(few, tmp_path / "out")
    assert [piece.key for piece in shards.pieces] == ["001"]
    assert reasons(tmp_path / "out")["002"].startswith("unreadable: its beats cannot be read")


def test_shards_of_a_run_are_those_that_open(music, tmp_path):
    made = run(FolderCorpus(music), tmp_path / "out", jobs=1)
    assert Shards(tmp_path / "out").fingerprint == made.fingerprint
