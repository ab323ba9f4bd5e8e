"""Hold the kern reader against converter21, partitura and music21 over whole corpora: `make test-readers`.

Needs `pip install converter21 "partitura>=1.8,<2"`. A reader that finds other notes than the text has note tokens is
wrong for certain. Every other difference has a class by name, or is a failure.
"""

import csv
import re
import sys
import time
import warnings
from collections import Counter, defaultdict

import pytest
from made import CACHE, DATA

from data.corpora import open_corpus
from data.corpora.archives import CACHE_VARIABLE
from symbolic.errors import MusicFileError
from symbolic.music import notation
from symbolic.music.kern.reader import parse_kern
from symbolic.music.notation import RESOLUTION

pytestmark = [pytest.mark.readers, pytest.mark.timeout(6000)]
_NOTE = re.compile(r"(?![.!*=])[^r\s]*[a-gA-G][^r\s]*")
_TIMED = re.compile("[0-9q]")
_CONTINUED = re.compile(r"[\]_]")
_RECORD = re.compile(r"^!!.*\n?", re.MULTILINE)
_FINE = 480


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


def summary(notes):
    """The onsets of each pitch from the first note on, and for how long it sounds in all, in 480ths of a quarter."""
    first = min((onset for onset, _, _, _ in notes), default=0)
    begun = Counter((round((onset - first) * _FINE), pitch) for onset, _, pitch, begins in notes if begins)
    sounding: dict[int, float] = defaultdict(float)
    for _, length, pitch, _ in notes:
        sounding[pitch] += float(length)
    return begun, {pitch: round(length * _FINE / 10) for pitch, length in sounding.items()}


def ours(path):
    notes = parse_kern(path.read_bytes(), path.name).notes
    return [
        (onset / RESOLUTION, length / RESOLUTION, pitch, True)
        for onset, length, pitch in notes[["onset", "duration", "pitch"]].tolist()
    ]


def by_music21(path):
    """Notes by music21's humdrum reader, or converter21's once it is registered."""
    from music21 import converter

    text = path.read_bytes().decode("utf-8", "replace").replace("\r", "")
    score = converter.parseData(_RECORD.sub("", text), format="humdrum").toSoundingPitch()
    return [
        (
            float(element.getOffsetInHierarchy(score)),
            element.quarterLength,
            note.pitch.midi,
            not _continues(note),
        )
        for element in score.recurse().notes
        if "Harmony" not in element.classes
        for note in (element.notes if element.isChord else (element,))
    ]


def _continues(note):
    return note.tie is not None and note.tie.type in ("stop", "continue")


def by_converter21(path):
    import converter21

    converter21.register(converter21.ConverterName.HUMDRUM)
    return by_music21(path)


def by_partitura(path):
    import partitura

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        notes = partitura.load_kern(str(path)).note_array(include_grace_notes=True)
    columns = [notes[name].tolist() for name in ("onset_quarter", "duration_quarter", "pitch")]
    return [(*note, True) for note in zip(*columns, strict=True)]


def judged(path, read, written):
    """ "alike", or the class of a difference.

    Args:
        path: The file.
        read: The other reader.
        written: Number of notes in the text.
    """
    mine = summary(ours(path))
    try:
        other = summary(read(path))
    except Exception as error:  # they raise all kinds
        return f"refused ({type(error).__name__})"
    if mine == other:
        return "alike"
    if mine[0] == other[0]:
        return "other lengths"
    if (count := other[0].total()) != written == mine[0].total():
        return "notes lost" if count < written else "notes doubled or ties not joined"
    return (
        "other times"
        if Counter(p for _, p in mine[0].elements()) == Counter(p for _, p in other[0].elements())
        else "unexplained"
    )


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


@pytest.mark.parametrize("reader", ["converter21", "partitura"])
def test_humdrum_sapp_against_another_reader(reader, monkeypatch):
    pytest.importorskip(reader)
    read = {"converter21": by_converter21, "partitura": by_partitura}[reader]
    found = Counter()
    for file, path in corpus("humdrum_sapp", monkeypatch):
        written = tokens(path.read_text(encoding="utf-8", errors="replace"))
        kind = judged(path, read, written)
        found[kind] += 1
        if kind != "alike":
            tell(f"{file}: {kind}")
    table(f"humdrum_sapp, {reader}", found)
    assert found["alike"] >= {"converter21": 417, "partitura": 370}[reader]
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
        if len(music) != listed[file] + ends["alone"]:
            wrong.append((file, len(music), listed[file], ends["alone"]))
    table("polish_scores", found)
    table("repairs", repairs)
    assert wrong == []
    assert found["files"] == 8116


def test_polish_scores_against_converter21(monkeypatch):
    pytest.importorskip("converter21")
    found = Counter()
    for file, path in corpus("polish_scores", monkeypatch)[::160]:
        kind = judged(path, by_converter21, len(parse_kern(path.read_bytes(), file)))
        found[kind] += 1
        if kind != "alike":
            tell(f"{file}: {kind}")
    table("polish_scores, a sample, converter21", found)
    assert found["alike"] >= 0.8 * found.total()
    assert not found["unexplained"]


def test_kern_is_read_fifty_times_as_fast_as_by_music21(monkeypatch):
    from music21 import converter

    converter.resetSubConverters()
    rags = [path for file, path in corpus("humdrum_sapp", monkeypatch) if "joplin" in file][:10]
    parse_kern(rags[0].read_bytes(), "warm")
    spent = []
    for read in (by_music21, ours):
        begun = time.process_time()
        for path in rags:
            read(path)
        spent.append(time.process_time() - begun)
    tell(
        f"ten rags: music21 {spent[0]:.1f} s, ours {spent[1]:.2f} s, {spent[0] / spent[1]:.0f} times as fast"
    )
    assert spent[0] >= 50 * spent[1]
