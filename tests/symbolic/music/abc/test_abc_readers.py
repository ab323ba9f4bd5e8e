"""Hold the abc reader against abc2midi over whole corpora: `make test-readers`.

abc2midi reads a copy of each tune without what it does of its own accord: chord symbols, ornaments, grace notes that
take time, repeats that are unfolded, hornpipes that swing. A difference must vanish when one construct is taken out of
both texts: that names its class. A tune whose difference stays is a failure.
"""

import os
import re
import sys
import tempfile
from collections import Counter
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
from made import CACHE, DATA

from data.corpora.archives import CACHE_VARIABLE
from data.corpora.nottingham import NottinghamCorpus
from symbolic.music.abc.book import abc_tunes, parse_abc
from symbolic.music.notation import RESOLUTION

_LINES = re.compile(r"\r\n?|\n")
_FIELD = re.compile(r"[A-Za-z]:(?![|:])")
_INLINE = re.compile(r"(\[[A-Za-z]:[^\]]*\])")
_ORNAMENTS = re.compile(r'"[^"]*"?|![^!\s|\]\[]*!|\{[^}]*\}')
_BAR = re.compile(r"\[\||:{0,4}\|[|\]:]*(?:\[?\d[\d,.\-]*)?|::[|\]:]*|\[\d[\d,.\-]*")
_LEFT_OUT = re.compile(r"%%MIDI +(ratio|nobarlines)|[RPmUI]:(?!MIDI)|%%begin")


def music_lines(text, edit):
    """Edit the music between the fields of a tune."""
    lines = []
    for line in _LINES.split(text):
        if not (line.startswith("%") or _FIELD.match(line)):
            parts = _INLINE.split(re.sub(r"(?<!\\)%.*", "", line))
            parts[::2] = map(edit, parts[::2])
            line = "".join(parts) + " %" * bool(line.strip())  # an empty line would end the tune
        lines.append(line)
    return "\n".join(lines)


def plain(text):
    """A tune as abc2midi shall read it."""
    lines = [line for line in _LINES.split(text) if not _LEFT_OUT.match(line)]
    key = next((i for i, line in enumerate(lines) if line.startswith("K:")), len(lines) - 1)
    lines[key + 1 : key + 1] = ["%%MIDI gchordoff", "%%MIDI chordattack 0"]
    return music_lines(
        "\n".join(lines),
        lambda music: _BAR.sub(" | ", re.sub(r"[~.H-Wh-w`]", "", _ORNAMENTS.sub("", music))),
    )


def theirs(text):
    """Onset in quarters, pitch and length of each note by abc2midi, which begins each a tick late."""
    from symusic import Score

    handle, path = tempfile.mkstemp(suffix=".abc")
    try:
        os.write(handle, (plain(text) + "\n").encode("utf-8", "replace"))
        os.close(handle)
        score = Score.from_file(path)
    finally:
        os.unlink(path)
    quarter = score.ticks_per_quarter
    return [
        (n.start / quarter, n.pitch, (n.duration + 1) / quarter)
        for track in score.tracks
        for n in track.notes
    ]


def ours(text):
    """The same by our reader, without grace notes."""
    notes = parse_abc(text, "tune").notes
    return [
        (onset / RESOLUTION, pitch, length / RESOLUTION)
        for onset, pitch, length in notes[["onset", "pitch", "duration"]].tolist()
        if length
    ]


def alike(text, lengths=True):
    both = []
    for found in (ours(text), theirs(text)):
        first = min((onset for onset, *_ in found), default=0)  # a pick-up is moved by us alone
        both.append(
            sorted(
                (round(16 * (onset - first)), pitch, onset - first, length) for onset, pitch, length in found
            )
        )
    return len(both[0]) == len(both[1]) and all(
        mine[1] == other[1]
        and abs(mine[2] - other[2]) < 0.03
        and (not lengths or abs(mine[3] - other[3]) < 0.05)
        for mine, other in zip(*both, strict=True)
    )


MUSIC_CLASSES = {
    "accidental of a grace note": lambda music: re.sub(r"\{[^}]*\}", "", music),
    "tie to another note": lambda music: music.replace("-", ""),
    "broken rhythm of unequal notes": lambda music: re.sub("[<>]", "", music),
    "line end '!'": lambda music: music.replace("!", ""),
    "chord of abc 1": lambda music: re.sub(r"\+([\^_=]*[A-Ga-g][^+|]*)\+", r"[\1]", music),
    "chord that holds a note twice": lambda music: re.sub(r"\[([a-g])/2\1/2\]", r"\1/2", music),
    "chord without an end": lambda music: re.sub(r"\[(?![^\[\]|]*\])", "", music),
    "ending with a text": lambda music: music.replace('["', '"'),
    "tuplet cut off by another": lambda music: re.sub(r"\(\d", "", music),
}
FIELD_CLASSES = {
    "key that is none": lambda text: re.sub(r"^K: *Es$", "K:C", text, flags=re.MULTILINE),
    "octave sign '-8va'": lambda text: re.sub(r"^(K:.*)-8va", r"\1", text, flags=re.MULTILINE),
}
CLASSES = FIELD_CLASSES | {name: partial(music_lines, edit=edit) for name, edit in MUSIC_CLASSES.items()}
"""Differences by what must be taken out of a tune for them to vanish."""


def judged(text):
    """ "alike", the class of a difference, or "unexplained"."""
    try:
        if alike(text):
            return "alike"
    except RuntimeError:
        return "refused by abc2midi"
    if alike(text, lengths=False):
        return "chord of unequal notes"
    for name, edit in CLASSES.items():
        if alike(edit(text)):
            return name
    everything = text
    for edit in CLASSES.values():
        everything = edit(everything)
    return "several of these" if alike(everything, lengths=False) else "unexplained"


def books(kind):
    if kind == "nottingham":
        return sorted((NottinghamCorpus(DATA).folder).glob("ABC_*/*.abc"))
    places = (find_spec("music21").submodule_search_locations or [""])[0]
    return sorted(Path(places, "corpus").glob(kind))


@pytest.mark.readers
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    "kind",
    ["airdsAirs/*.abc", "oneills1850/*.abc", "ryansMammoth/*.abc", "[!aor]*/*.abc", "nottingham"],
)
def test_abc2midi_agrees(kind, monkeypatch, capfd):
    monkeypatch.setenv(CACHE_VARIABLE, str(CACHE))
    if kind == "nottingham" and not NottinghamCorpus.presence(DATA):
        pytest.skip("no 'nottingham'")
    found, unexplained = Counter(), []
    for book in books(kind):
        for number, text in enumerate(abc_tunes(book), 1):
            verdict = judged(text)
            found[verdict] += 1
            if verdict == "unexplained":
                unexplained.append(f"{book.name} {number}")
            capfd.readouterr()  # abc2midi's messages
    with capfd.disabled():
        counts = ", ".join(f"{count} {name}" for name, count in found.most_common())
        sys.stdout.write(f"\n{kind}: {found.total()} tunes, {counts}\n")
    assert found["alike"] > 0.98 * found.total()
    assert unexplained == []
