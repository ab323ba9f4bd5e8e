"""Hold the MusicXML reader against music21 over whole corpora: `make test-readers`.

Both read every note alike, or the file has a cause that is known by name. A difference without one is a failure.
"""

import tarfile
from collections import Counter
from pathlib import Path

import pytest
from made import DATA
from second_opinions import compare, notes_of, read_by_music21

from symbolic.music.files import MUSICXML_SUFFIXES, read_music

ARCHIVES = ("openewld/openewld.tar.xz", "asap/asap_musicxml.tar.xz", "orchestra/orchestra.tar.xz")
CAUSES = {
    "bars of unequal length": "parts slide apart in music21 where a bar is shorter in one of them",
    "miss their time signature": "music21 keeps bars that a program rounded",
    "cue notes": "music21 sounds cue notes",
    "percussion": "music21 leaves unpitched percussion out",
    "of their type": "music21 cannot take durations below nothing",
    "moved to it": "music21 begins before the bar",
    "music21": "music21 cannot read it",
}

pytestmark = pytest.mark.readers


def scores(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in MUSICXML_SUFFIXES)


def causes(path: Path) -> list[str]:
    """Why music21 may read a file differently; "?" for a difference without a known cause."""
    music = read_music(path)
    try:
        agreement = compare(notes_of(music), read_by_music21(path))
    except Exception:  # music21 raises all kinds
        return ["music21"]
    if agreement.same:
        return []
    return [cause for cause in CAUSES if any(cause in repair for repair in music.repairs)] or ["?"]


@pytest.mark.timeout(0)
@pytest.mark.parametrize("archive", ["music21", *ARCHIVES])
def test_music21_reads_the_same_or_differs_for_a_known_cause(archive, tmp_path):
    if archive == "music21":
        import music21

        folder = Path(music21.__file__).parent / "corpus"
    elif (DATA / archive).is_file():
        folder = tmp_path
        with tarfile.open(DATA / archive) as packed:
            packed.extractall(folder, filter="data")
    else:
        pytest.skip(f"{DATA / archive} is not here")
    table, unexplained = Counter(), []
    for path in scores(folder):
        found = causes(path)
        table[", ".join(found) or "same"] += 1
        unexplained += [path.name] if "?" in found else []
    print(archive, dict(table))  # noqa: T201
    assert not unexplained
