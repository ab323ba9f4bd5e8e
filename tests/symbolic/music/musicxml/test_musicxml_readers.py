"""Hold the MusicXML reader against music21 and partitura over whole corpora: `make test-readers`.

Both read every note alike, or the difference vanishes once a known cause is undone. Any other difference fails.
"""

import gc
import sys
import tarfile
import time
from collections import Counter
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from made import CACHE, DATA
from second_opinions import TIES, WALK, WRITTEN, read_by, sounding

from symbolic.music.files import MUSICXML_SUFFIXES, read_music
from symbolic.music.musicxml.reader import part_measures, read_parts
from symbolic.music.musicxml.source import score_tree
from symbolic.music.notes import DRUM_PROGRAM

ARCHIVES = {
    "openewld": "openewld/openewld.tar.xz",
    "orchestra": "orchestra/orchestra.tar.xz",
    "asap": "asap/asap_musicxml.tar.xz",
}
RUNS = [
    *[(program, corpus) for corpus in ("music21", "openewld", "orchestra") for program in ("music21",)],
    *[(program, "asap") for program in ("partitura", "music21")],
    *[(WALK, corpus) for corpus in ("music21", *ARCHIVES)],
]
ALTERS = {"flat": -1, "natural": 0, "sharp": 1}
TYPES = {"whole": 4, "half": 2, "quarter": 1, "eighth": 1 / 2, "16th": 1 / 4, "32nd": 1 / 8}
_MEASURED = 40
"""Files of music21's corpus on which speed is measured."""

pytestmark = [pytest.mark.readers, pytest.mark.timeout(0)]


def scores(corpus):
    """List the scores of a corpus, the smallest first."""
    if corpus == "music21":
        import music21

        folder = Path(music21.__file__).parent / "corpus"
    elif not (DATA / ARCHIVES[corpus]).is_file():
        pytest.skip(f"{ARCHIVES[corpus]} is not in {DATA}")
    else:
        folder = CACHE / "scores" / corpus
        if not folder.is_dir():
            with tarfile.open(DATA / ARCHIVES[corpus]) as packed:
                packed.extractall(folder, filter="data")
    found = [path for path in folder.rglob("*") if path.suffix.lower() in MUSICXML_SUFFIXES]
    return sorted(found, key=lambda path: (path.stat().st_size, path))


def written(path, silent_cues=None, change=None):
    """Return our notes as they are written, and the start of each measure. `change` may edit the tree before."""
    root = score_tree(path.read_bytes(), path.name)
    if change:
        change(root)
    readers, timeline = read_parts(root, path.name, silent_cues)
    measures = max(len(reader.lengths) for _, reader in readers)
    starts = [float(timeline.quarters(timeline.units(measure, 0))) for measure in range(measures + 1)]
    rows = [
        (
            part,
            note.measure,
            starts[note.measure],
            float(timeline.quarters(note.onset)),
            float(timeline.quarters(note.length)),
            note.pitch,
            TIES.index(note.tie),
            note.program == DRUM_PROGRAM,
        )
        for part, (_, reader) in enumerate(readers)
        for note in reader.notes
    ]
    return np.array(rows, WRITTEN), np.array(starts)


def in_our_bars(path, mine, theirs):
    """The other program begins bars elsewhere."""
    moved, (_, starts) = theirs.copy(), written(path)
    moved["start"] = starts[np.minimum(moved["measure"], len(starts) - 1)]
    return mine, moved


def odd_bars(path, theirs):
    """Return why bars last otherwise in the other program: a word for each, or "?" where their bar is not odd."""
    root, (_, starts) = score_tree(path.read_bytes(), path.name), written(path)
    parts, timeline = read_parts(root, path.name)
    readers = [reader for _, reader in parts]
    measures = [list(map(list, measures)) for _, measures in part_measures(root, path.name)]
    found = set()
    for part in np.unique(theirs["part"]):
        own = theirs[theirs["part"] == part]
        at, first = np.unique(own["measure"], return_index=True)
        drift = np.round(own["start"][first] - starts[np.minimum(at, len(starts) - 1)], 3)
        for index in np.flatnonzero(np.diff(drift)) + 1:
            between = range(at[index - 1], at[index])
            kinds = {kind for one in between for kind in kinds_of_bar(one, readers, timeline, measures)}
            found |= kinds or {"?"}
    return sorted(found)


def kinds_of_bar(index, readers, timeline, measures):
    """Yield what is odd about the length of a bar."""
    lengths = {reader.lengths[index] for reader in readers if index < len(reader.lengths)}
    elements = [one for part in measures if index < len(part) for one in part[index]]
    if any(reader.reached[index] > max(lengths) for reader in readers if index < len(reader.reached)):
        yield "hidden rests"
    elif 0 < abs(timeline.units(index + 1, 0) - timeline.units(index, 0) - max(lengths)) < max(lengths) / 16:
        yield "rounding"
    if len(lengths) > 1:
        yield "unequal parts"
    if any(one.tag == "forward" and not int(one.findtext("duration", "0")) for one in elements):
        yield "empty forward"
    if any(one.tag == "direction" and float(one.findtext("offset") or 0) > 0 for one in elements):
        yield "direction beyond the end"
    if any(one.tag == "harmony" for one in elements):
        yield "chord symbol"


def with_cue_notes(path, mine, theirs):
    """The other program sounds cue notes."""
    return written(path, silent_cues=False)[0], theirs


def print_only(root):
    """Set the sounding pitch to the printed accidental, and the length of chord notes to their printed one."""
    divisions = float(root.findtext(".//divisions", "1"))
    for note in root.iter("note"):
        pitch, accidental = note.find("pitch"), note.findtext("accidental")
        if pitch is not None and accidental in ALTERS:
            for alter in pitch.findall("alter"):
                pitch.remove(alter)
            ElementTree.SubElement(pitch, "alter").text = str(ALTERS[accidental])
        length, kind = note.find("duration"), note.findtext("type")
        if note.find("chord") is not None and length is not None and kind in TYPES:
            printed = TYPES[kind] * (2 - 0.5 ** len(note.findall("dot")))
            for tuplet in note.iter("time-modification"):
                printed *= float(tuplet.findtext("normal-notes")) / float(tuplet.findtext("actual-notes"))
            length.text = str(round(printed * divisions))


def as_printed(path, mine, theirs):
    """The other program believes what is printed where a pitch or a duration contradicts it."""
    return written(path, change=print_only)[0], theirs


def in_one_part(path, mine, theirs):
    """The other program has a part for each staff, and ties that cross them end there."""
    both = mine.copy(), theirs.copy()
    for notes in both:
        notes["part"] = 0
    return both


def of_no_length(path, mine, theirs):
    """The other program takes negative durations as they are. We take the length of the note's type."""
    both = mine.copy(), theirs.copy()
    negative = {
        (one["measure"], round(one["offset"], 3), one["pitch"]) for one in theirs if one["length"] < 0
    }
    for notes in both:
        for one in notes:
            if (one["measure"], round(one["offset"], 3), one["pitch"]) in negative:
                one["length"] = 0
    return both


CAUSES = {
    "bars": in_our_bars,
    "cue notes": with_cue_notes,
    "print": as_printed,
    "ties across staves": in_one_part,
    "negative durations": of_no_length,
}


def judged(program, path):
    """ "same", or the causes of all differences. "?" where there are others."""
    theirs = read_by(program, path)
    if theirs.error:
        return "not read" if theirs.error.startswith("not read") else "refused"
    mine, _ = written(path)
    for count in range(len(CAUSES) + 1):
        for causes in combinations(CAUSES, count):
            both = mine, theirs.notes
            for cause in causes:
                both = CAUSES[cause](path, *both)
            if sounding(both[0]) == sounding(both[1]):
                odd = odd_bars(path, theirs.notes) if "bars" in causes else []
                return (
                    "?" if "?" in odd else ", ".join([*odd, *causes]).replace(", bars", " in bars") or "same"
                )
    return "?"


@pytest.mark.parametrize(("program", "corpus"), RUNS)
def test_others_read_the_same_or_differ_for_a_known_cause(program, corpus):
    if program != WALK:
        pytest.importorskip(program)
    table, unexplained = Counter(), []
    for path in scores(corpus):
        verdict = judged(program, path)
        table[verdict] += 1
        if verdict not in ("same", "not read"):
            sys.__stdout__.write(f"{program}, {corpus}: {path.name}: {verdict}\n")
        unexplained += [path.name] * (verdict == "?")
    sys.__stdout__.write(f"{program}, {corpus}: {dict(table)}\n")
    assert unexplained == []


def test_musicxml_is_read_five_times_as_fast_as_by_music21():
    from music21 import converter

    paths = scores("music21")
    paths = paths[:: max(len(paths) // _MEASURED, 1)]
    readers = (read_music, lambda path: converter.parse(path, format="musicxml", forceSource=True))
    spent = []
    for read in readers:
        read(paths[0])  # imports
        gc.collect()
        gc.freeze()  # what music21 has imported is collected in nobody's time
        begun = time.process_time()
        for path in paths:
            read(path)
        spent.append(time.process_time() - begun)
        gc.unfreeze()
    sys.__stdout__.write(f"{len(paths)} scores: ours {spent[0]:.1f} s, music21 {spent[1]:.1f} s\n")
    assert spent[1] >= 5 * spent[0]
