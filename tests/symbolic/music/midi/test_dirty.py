"""A folder of damaged files: repairs are recorded, and refused files are named."""

import numpy as np
import pytest
from dirty import meta, midi, off, on, scale, track
from made import tune, write_tunes
from prepared import ledger, run

from data.corpora.folder import FolderCorpus
from data.preparation.prepare import Filters
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import Music, note_array

SOUND = midi(track(*scale()))

KEPT = {
    "running-status": midi(
        track((0, on()), *[(60, bytes([60 + i // 2, 80 - 80 * (i % 2)])) for i in range(1, 30)])
    ),
    "overlapping": midi(track(*[(9, on())] * 12, *[(9, off())] * 12)),
    "unknown-chunk": midi(b"XFIH\0\0\0\4abcd", track(*scale())),
    "trailing-zeros": SOUND + bytes(9),
    "no-end-of-track": midi(track(*scale(), end=False)),
    "latin-1-name": midi(track((0, meta(3, "Flöte".encode("latin-1"))), *scale())),
    "shift-jis-name": midi(track((0, meta(3, "ピアノ".encode("shift-jis"))), *scale())),
    "one-tick-a-quarter": midi(track(*scale(length=1)), division=1),
    "slowest-tempo": midi(track((0, meta(0x51, b"\xff\xff\xff")), *scale())),
    "metre-255": midi(track((0, meta(0x58, b"\xff\2\x18\x08")), *scale())),
    "impossible-key": midi(track((0, meta(0x59, b"\x7f\x7f")), *scale())),
}
REPAIRED = {
    "velocity-200": (midi(track(*scale(velocity=200))), "values above 127 clipped: 12"),
    "controller-200": (midi(track((0, b"\xb0\x40\xc8"), *scale())), "values above 127 clipped"),
    "program-200": (midi(track((0, b"\xc0\xc8"), *scale())), "values above 127 clipped"),
    "long-header": (SOUND[:7] + b"\x08" + SOUND[8:14] + b"\0\0" + SOUND[14:], "read leniently"),
    "type-7": (midi(track(*scale()), kind=7), "type 7, which does not exist: read as type 1"),
    "no-tracks": (midi(track(*scale()), count=0), "its header promises 0 tracks, it holds 1"),
    "wrong-track-count": (midi(track(*scale()), count=9), "its header promises 9 tracks, it holds 1"),
    "trailing-junk": (SOUND + b"junk" * 9, "bytes after the last track left out: 36"),
    "short-trailing-junk": (SOUND + b"junk", "bytes after the last track left out: 4"),
    "track-longer-than-stated": (
        SOUND[:18] + (len(SOUND) - 34).to_bytes(4) + SOUND[22:],
        "bytes after the last track left out: 12",
    ),
    "status-missing": (
        midi(track((0, b"\x3c\x50"), *scale())),
        "bytes before the first status byte passed over: 3",
    ),
    "some-stuck": (midi(track(*scale(), *[(10, on(90))] * 3)), "sixteenth at most: 3"),
    "all-stuck": (midi(track(*[(10, on(50 + i)) for i in range(20)])), "sixteenth at most: 20"),
    "type-2": (midi(track(*scale()), track(*scale()), kind=2), "type 2, whose tracks are pieces"),
    "tempo-0": (
        midi(track((0, meta(0x51, b"\0\0\0")), *scale())),
        "tempos of no duration passed over: 1",
    ),
    "metre-0-4": (
        midi(track((0, meta(0x58, b"\0\2\x18\x08")), *scale())),
        "time signatures of no beats or an impossible unit passed over: 1",
    ),
    "metre-4-huge": (midi(track((0, meta(0x58, b"\4\xff\x18\x08")), *scale())), "an impossible unit"),
    "smpte": (midi(track(*scale()), division=-25 * 256 + 40), "frames of a film"),
    "zero-length": (midi(track(*scale(length=0))), "notes of no length given the shortest: 12"),
}
REFUSED = {
    "no-header": (track(*scale()), "unreadable"),
    "header-of-5": (SOUND[:7] + b"\x05" + SOUND[8:], "unreadable"),
    "no-ticks": (midi(track(*scale()), division=0), "unreadable"),
    "smpte-of-23": (midi(track(*scale()), division=-23 * 256 + 40), "unreadable"),
    "cut-off": (SOUND[:-9], "unreadable"),
    "track-of-2-GB": (midi(b"MTrk\x80\0\0\0" + track(*scale())[8:]), "unreadable"),
    "open-sysex": (midi(track((0, b"\xf0\x7f"), *scale())), "unreadable"),
    "wait-of-2^31": (midi(track(*scale(), (2**31, on()), (9, off()))), "unreadable"),
    "sum-of-2^31": (midi(track(*[(2**28 - 1, meta(1, b"x"))] * 9, *scale())), "unreadable"),
    "bars-beyond-count": (midi(track(*scale(), (2**28 - 1, on()), (9, off()))), "absurdly long"),
    "ends-alone": (midi(track(*[(10, off())] * 20)), "empty"),
    "web-page": (b"<!DOCTYPE html><html>404</html>", "unreadable"),
    "zeros": (bytes(1000), "unreadable"),
}


@pytest.fixture(scope="module")
def settled(tmp_path_factory):
    """The ledger and totals of all of them together, and of a sound tune."""
    base = tmp_path_factory.mktemp("dirty")
    folder = write_tunes(base / "music", 1)
    files = KEPT | {name: case[0] for name, case in (REPAIRED | REFUSED).items()}
    for name, content in files.items():
        (folder / f"{name}.mid").write_bytes(content)
    (folder / "not \udcff UTF-8.mid").write_bytes(SOUND)
    shards = run(FolderCorpus(folder), base / "out", near_duplicates=None)
    return ledger(base / "out"), shards.manifest["totals"]


@pytest.mark.parametrize("name", KEPT)
def test_harmless_faults_are_read_through(settled, name):
    assert settled[0][f"{name}.mid"]["status"] == "kept"


@pytest.mark.parametrize("name", REPAIRED)
def test_repairs_are_named(settled, name):
    line = settled[0][f"{name}.mid"]
    assert line["status"] == "kept"
    assert REPAIRED[name][1] in " ".join(line["repairs"])


@pytest.mark.parametrize("name", REFUSED)
def test_the_rest_is_refused_with_a_reason(settled, name):
    line = settled[0][f"{name}.mid"]
    assert (line["status"], line["reason"].partition(":")[0]) == ("skipped", REFUSED[name][1])


def test_nothing_is_lost(settled):
    lines, totals = settled
    assert totals["pieces"] == len(lines) == len(KEPT) + len(REPAIRED) + len(REFUSED) + 2
    assert totals["pieces"] == totals["kept"] + sum(totals["skipped"].values())
    assert totals["kept"] == len(KEPT) + len(REPAIRED) + 2
    assert totals["repaired"] == len(REPAIRED)


def test_bombs_of_notes_are_defused(tmp_path):
    folder = write_tunes(tmp_path / "music", 2)
    # With running status a note takes three bytes: 600,000 of them, and one long chord of every key.
    (folder / "bomb.mid").write_bytes(midi(track((0, on()), *[(0, b"\x3c\0"), (0, b"\x3c\x40")] * 600_000)))
    (folder / "fat.mid").write_bytes(midi(track(*scale()), b"XXXX\1\x31\x2d\0" + bytes(20_000_000)))
    million = Music(note_array(np.arange(250_000) * 30, 30, 60), 480)
    write_midi(million, folder / "long.mid")
    shards = run(FolderCorpus(folder), tmp_path / "out")
    assert [piece.key for piece in shards.pieces] == ["t000.mid", "t001.mid"]
    assert shards.manifest["totals"]["skipped"] == {"absurdly long": 2, "too large": 1}


def test_ten_million_notes_are_refused_by_their_number():
    notes = np.zeros(10_000_000, dtype=tune(0).notes.dtype)
    assert Filters().refusal(Music(notes, 480)).startswith("absurdly long: 10,000,000 notes")
