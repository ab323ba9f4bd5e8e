"""Hold the kern reader against converter21, partitura and music21 over whole corpora: `make test-readers`.

Needs `pip install converter21 "partitura>=1.8,<2"`. A reader that finds other notes than the text has note tokens is
wrong for certain. Every other difference has a class by name, or is a failure.
"""

import csv
import re
import sys
import time
from collections import Counter

import numpy as np
import pytest
from made import CACHE, DATA
from second_opinions import WRITTEN, read_by, sounding

from data.corpora import open_corpus
from data.corpora.archives import CACHE_VARIABLE
from symbolic.errors import MusicFileError
from symbolic.music import notation
from symbolic.music.kern.reader import parse_kern
from symbolic.music.notation import RESOLUTION
from symbolic.music.notes import DRUM_PROGRAM

pytestmark = [pytest.mark.readers, pytest.mark.timeout(6000)]
_NOTE = re.compile(r"(?![.!*=])[^r\s]*[a-gA-G][^r\s]*")
_TIMED = re.compile("[0-9q]")
_CONTINUED = re.compile(r"[\]_]")
_SAMPLED = 40
"""Of so many files of polish_scores one is held against converter21."""


def corpus(name, monkeypatch):
    if not (DATA / name).is_dir():
        pytest.skip(f"{name} is not in {DATA}")
    monkeypatch.setenv(CACHE_VARIABLE, str(CACHE))
    found = open_corpus(name, DATA)
    return [(piece.file, found.folder / piece.file) for piece in found.pieces()]


def tokens(text):
    """Count the notes of a text whose other spines hold no digits, without those that a tie continues."""
    lines = [line for line in text.splitlines() if line[:1] not in ("!", "*", "=", "")]
    cells = [
        cell for line in lines for cell in line.split("\t") if _TIMED.search(cell) and "stamp" not in cell
    ]
    notes = [token for cell in cells for token in cell.split(" ") if _NOTE.fullmatch(token)]
    return sum(not _CONTINUED.search(token) for token in notes)


def ours(path):
    """Our notes as another program's: they are joined and stand in one measure."""
    notes = parse_kern(path.read_bytes(), path.name).notes
    found = np.zeros(len(notes), WRITTEN)
    found["offset"], found["length"] = (notes[name] / RESOLUTION for name in ("onset", "duration"))
    found["pitch"], found["drum"] = notes["pitch"], notes["program"] == DRUM_PROGRAM
    return found


def without_lengths(notes):
    """The other program makes all notes of a chord as long as the first one."""
    return Counter(key for (onset, _, pitch), count in notes.items() for key in [(onset, pitch)] * count)


def without_grace_notes(notes):
    """The other program does not tie a grace note."""
    return Counter({note: count for note, count in notes.items() if note[1]})


CAUSES = {"chords of unequal notes": without_lengths, "tied grace notes": without_grace_notes}


def judged(path, program, written):
    """ "alike", or the class of a difference.

    Args:
        path: The file.
        program: The other program.
        written: Number of pitched notes in the text.
    """
    mine, theirs = sounding(ours(path)), read_by(program, path)
    if theirs.error:
        return "not read" if theirs.error.startswith("not read") else "refused"
    other = sounding(theirs.notes)
    if mine == other:
        return "alike"
    if cause := next((name for name, undone in CAUSES.items() if undone(mine) == undone(other)), ""):
        return cause
    if (count := other.total()) != written == mine.total():
        return "notes lost" if count < written else "notes doubled or ties not joined"
    pitches = [Counter(pitch for _, _, pitch in found.elements()) for found in (mine, other)]
    return "other times" if pitches[0] == pitches[1] else "unexplained"


def tell(text):
    sys.__stdout__.write(f"{text}\n")


def table(title, found):
    tell(f"{title}: " + ", ".join(f"{name} {count:,}" for name, count in found.most_common()))


@pytest.fixture
def ends(monkeypatch):
    """Counts ends of ties without a beginning, as at the second ending of a repeat: a note to us, none to a count."""
    found = Counter()
    add = notation.Part.add

    def counted(self, onset, length, pitch, *, tie="", **about):
        found["alone"] += tie in ("continue", "stop") and not self._tied.get((pitch, onset))
        return add(self, onset, length, pitch, tie=tie, **about)

    monkeypatch.setattr(notation.Part, "add", counted)
    return found


def test_every_note_token_of_humdrum_sapp_is_read(ends, monkeypatch):
    wrong = []
    for file, path in corpus("humdrum_sapp", monkeypatch):
        ends.clear()
        music = parse_kern(path.read_bytes(), file)
        written = tokens(path.read_text(encoding="utf-8", errors="replace")) + ends["alone"]
        if len(music) != written or music.repairs:
            wrong.append((file, len(music), written, music.repairs))
    assert wrong == []


@pytest.mark.parametrize("program", ["converter21", "partitura"])
def test_humdrum_sapp_against_another_reader(program, monkeypatch):
    pytest.importorskip(program)
    found = Counter()
    for file, path in corpus("humdrum_sapp", monkeypatch):
        written = tokens(path.read_text(encoding="utf-8", errors="replace"))
        kind = judged(path, program, written)
        found[kind] += 1
        if kind != "alike":
            tell(f"{file}: {kind}")
    table(f"humdrum_sapp, {program}", found)
    assert found["alike"] >= {"converter21": 417, "partitura": 370}[program]
    assert not found["unexplained"]


def test_every_note_token_of_polish_scores_is_read(ends, monkeypatch):
    """The table of the corpus counts note tokens that no tie continues, by a program that is not ours."""
    with (DATA / "polish_scores" / "labels.csv").open(encoding="utf-8", newline="") as file:
        listed = {row["file"]: int(row["notes"]) for row in csv.DictReader(file)}
    found, repairs, wrong = Counter(), Counter(), []
    for file, path in corpus("polish_scores", monkeypatch):
        ends.clear()
        try:
            music = parse_kern(path.read_bytes(), file)
        except MusicFileError as error:
            wrong.append(str(error))
            continue
        found["files"] += 1
        found["notes"] += len(music)
        found["ends of ties without a beginning"] += ends["alone"]
        for repair in music.repairs:
            what, _, number = repair.rpartition(": ")
            repairs[what] += int(number.replace(",", ""))
        unpitched = sum(
            int(r.rpartition(": ")[2].replace(",", "")) for r in music.repairs if "unpitched" in r
        )
        if len(music) + unpitched != listed[file] + ends["alone"]:
            wrong.append((file, len(music), listed[file], ends["alone"]))
    table("polish_scores", found)
    table("repairs", repairs)
    assert wrong == []
    assert found["files"] == 8116


def test_polish_scores_against_converter21(monkeypatch):
    pytest.importorskip("converter21")
    found = Counter()
    for file, path in sorted(corpus("polish_scores", monkeypatch))[::_SAMPLED]:
        kind = judged(path, "converter21", int((~parse_kern(path.read_bytes(), file).drums).sum()))
        found[kind] += 1
        if kind != "alike":
            tell(f"{file}: {kind}")
    table("polish_scores, a sample, converter21", found)
    assert found["alike"] >= 0.95 * found.total()
    assert not found["unexplained"]


def test_kern_is_read_fifty_times_as_fast_as_by_music21(monkeypatch):
    from music21 import converter

    converter.resetSubConverters()

    def by_music21(path):
        text = path.read_bytes().decode("utf-8", "replace").replace("\r", "")
        text = re.sub(r"^!!.*\n?", "", text, flags=re.MULTILINE)
        score = converter.parseData(text, format="humdrum").toSoundingPitch()
        # Ours gives all onsets from the beginning of the piece.
        return [
            (float(note.getOffsetInHierarchy(score)), note.quarterLength) for note in score.recurse().notes
        ]

    def by_us(path):
        parse_kern(path.read_bytes(), path.name)

    rags = [path for file, path in corpus("humdrum_sapp", monkeypatch) if "joplin" in file][:10]
    parse_kern(rags[0].read_bytes(), "warm")
    spent = []
    for read in (by_music21, by_us):
        begun = time.process_time()
        for path in rags:
            read(path)
        spent.append(time.process_time() - begun)
    tell(
        f"ten rags: music21 {spent[0]:.1f} s, ours {spent[1]:.2f} s, {spent[0] / spent[1]:.0f} times as fast"
    )
    assert spent[0] >= 50 * spent[1]
