"""What other programs read in a score, note by note. It is kept by the content of each file, so that runs can go on."""

from __future__ import annotations

import hashlib
import multiprocessing
import re
import resource
import time
import warnings
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from xml.etree import ElementTree

import numpy as np
from made import CACHE
from numpy.typing import NDArray

WRITTEN = np.dtype(
    [
        ("part", np.int32),
        ("measure", np.int32),
        ("start", float),
        ("offset", float),
        ("length", float),
        ("pitch", np.int32),
        ("tie", np.int8),
        ("drum", bool),
    ]
)
"""A note as it is written: start of its measure, offset in it, length, all in quarters. Ties are indices of `TIES`."""
TIES = ("", "start", "continue", "stop")
_DRUM_CHANNEL = 9
WALK = "walk"
"""The reader that is no other program's: a few lines here."""
_BEGINS, _ENDS = (1, 2), (2, 3)
_GRID = 48
"""Steps to the quarter in which times are compared."""
_UP = 0.01
"""Part of a step by which times are moved, so that those between two steps are rounded alike everywhere."""
_NEAR = range(-1, 2)
"""Steps by which a tie may miss its note: some programs round."""
Sounding: TypeAlias = "Counter[tuple[int, int, int]]"
"""How often each onset and length stand with each pitch: steps from the first note on."""


class Reading(NamedTuple):
    """What a program reads.

    Attributes:
        notes: (N,) of dtype `WRITTEN`.
        error: Why there are none, or "".
        seconds: CPU time.
    """

    notes: NDArray[np.void]
    error: str
    seconds: float


def read_by(program: str, path: Path, limit: int = 300) -> Reading:
    """Return what another program reads in a file, from the disk if it has read the content before.

    Args:
        program: One of `PROGRAMS`.
        path: A MusicXML or kern file.
        limit: Seconds of CPU time after which the program is stopped.
    """
    if program == WALK:
        return Reading(np.array(list(_by_walking(path)), WRITTEN), "", 0)
    name = hashlib.sha256(path.read_bytes()).hexdigest()[:20]
    kept = CACHE / "second_opinions" / f"{program}-{version(program)}" / f"{name}.npz"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        process = multiprocessing.get_context("fork").Process(target=_keep, args=(program, path, kept, limit))
        process.start()
        process.join()
        if not kept.is_file():
            _save(kept, Reading(np.empty(0, WRITTEN), f"not read in {limit} s", limit))
    with np.load(kept) as found:
        return Reading(found["notes"], str(found["error"]), float(found["seconds"]))


def _keep(program: str, path: Path, kept: Path, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    warnings.simplefilter("ignore")
    begun = time.process_time()
    notes, error = np.empty(0, WRITTEN), ""
    try:
        notes = np.array(list(PROGRAMS[program](path)), WRITTEN)
    except Exception as failure:  # they raise all kinds
        error = f"{type(failure).__name__}: {failure}"[:300]
    _save(kept, Reading(notes, error, time.process_time() - begun))


def _save(kept: Path, reading: Reading) -> None:
    partly = kept.with_suffix(".part.npz")
    np.savez(partly, **reading._asdict())
    partly.rename(kept)


def sounding(notes: NDArray[np.void]) -> Sounding:
    """Return the pitched notes of a reading with ties joined in each part."""
    notes = notes[~notes["drum"]]
    onsets = notes["start"] + notes["offset"]
    found: list[list[float]] = []
    waiting: dict[tuple[int, int, int], list[list[float]]] = defaultdict(list)
    for index in np.lexsort((notes["length"] > 0, onsets)):  # a tie may lead out of a grace note
        note, onset = notes[index], float(onsets[index])
        part, pitch, length = int(note["part"]), int(note["pitch"]), float(note["length"])
        begun = None
        if note["tie"] in _ENDS:
            ends = (waiting[part, pitch, round(onset * _GRID) + miss] for miss in _NEAR)
            begun = next((some.pop(0) for some in ends if some), None)
        if begun is None:
            begun = [onset, 0, pitch]
            found.append(begun)
        begun[1] += length
        if note["tie"] in _BEGINS:
            waiting[part, pitch, round((onset + length) * _GRID)].append(begun)
    first = min((onset for onset, _, _ in found), default=0)
    return Counter(
        (round((onset - first) * _GRID + _UP), round(length * _GRID / 2 + _UP), int(pitch))
        for onset, length, pitch in found
    )


Row: TypeAlias = "tuple[int, int, float, float, float, int, int, bool]"


def _by_music21(path: Path) -> Iterable[Row]:
    from music21 import converter

    score = converter.parse(path, format="musicxml", forceSource=True)
    drums = [part.getInstrument(returnDefault=True).midiChannel == _DRUM_CHANNEL for part in score.parts]
    return _rows_of(score, drums)


def _by_converter21(path: Path) -> Iterable[Row]:
    """Read kern. It is given no reference records, which it cannot read with music21 10, and folds no tremolos."""
    import converter21
    from music21 import converter

    converter21.register(converter21.ConverterName.HUMDRUM)
    text = path.read_bytes().decode("utf-8", "replace").replace("\r", "")
    text = re.sub(r"^!!.*\n?", "", text, flags=re.MULTILINE)
    text = re.sub(r"(?<![^\t\n])\*X?tremolo(?![^\t\n])", "*", text)
    score = converter.parseData(text, format="humdrum").toSoundingPitch()
    return _rows_of(score, [False] * len(score.parts))


def _rows_of(score: Any, drums: Sequence[bool]) -> Iterable[Row]:
    """Return the notes of a music21 score without its chord symbols.

    Args:
        score: The score.
        drums: Whether each part is one of drums. Unpitched notes are drums anywhere.
    """
    if any(instrument.transposition for instrument in score.recurse().getElementsByClass("Instrument")):
        score.toSoundingPitch(inPlace=True)
    for index, part in enumerate(score.parts):
        for number, measure in enumerate(part.getElementsByClass("Measure")):
            for stream in (measure, *measure.voices):
                base = 0.0 if stream is measure else float(stream.offset)
                for element in stream.notes:
                    if "Harmony" in element.classes:
                        continue
                    length = float(element.duration.quarterLength)
                    for note in element.notes if hasattr(element, "notes") else (element,):
                        pitched = hasattr(note, "pitch")
                        yield (
                            index,
                            number,
                            float(measure.offset),
                            base + float(element.offset),
                            length,
                            note.pitch.midi if pitched else 0,
                            _tie(note.tie.type if note.tie else ""),
                            drums[index] or not pitched,
                        )


def _tie(kind: str) -> int:
    return TIES.index(kind) if kind in TIES else 0


def _by_partitura(path: Path) -> Iterable[Row]:
    import partitura
    from partitura import score

    read = partitura.load_kern if path.suffix == ".krn" else partitura.load_musicxml
    for index, part in enumerate(read(str(path)).parts):
        quarters = part.quarter_map
        starts = [measure.start.t for measure in part.iter_all(score.Measure)]
        changes = list(part.iter_all(score.Transposition))
        for note in part.notes:
            number = max(int(np.searchsorted(starts, note.start.t, side="right")) - 1, 0)
            start, onset = float(quarters(starts[number])), float(quarters(note.start.t))
            grace = isinstance(note, score.GraceNote)
            shift = [change.chromatic or 0 for change in changes if change.start.t <= note.start.t]
            tie = (not note.tie_next) + 2 if note.tie_prev else bool(note.tie_next)
            yield (
                index,
                number,
                start,
                onset - start,
                0.0 if grace else float(quarters(note.end.t)) - onset,
                int(note.midi_pitch) + int(shift[-1] if shift else 0),
                int(tie),
                False,
            )


def _by_walking(path: Path) -> Iterable[Row]:
    """Walk through MusicXML by the letter of the standard. It shares no code with our reader.

    It repairs nothing, but no `<backup>` leads out of its measure. Measures last as long as anything in the longest
    part. Cue notes are notes. Unlike music21 and partitura it lays nothing out, so it is fast.
    """
    content = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            members = [name for name in packed.namelist() if not name.startswith("META-INF")]
            content = packed.read(next(name for name in members if name.endswith(("xml", "musicxml"))))
    root = ElementTree.fromstring(content)
    drums = {one.get("id") for one in root.iter("midi-instrument") if one.findtext("midi-channel") == "10"}
    found: list[tuple[int, int, float, float, int, int, bool]] = []
    ends: dict[int, float] = defaultdict(float)
    for index, part in enumerate(root.iter("part")):
        divisions, full, shifts = 1.0, 4.0, dict[str, int]()
        only = {
            one.get("id")
            for one in root.findall(f"part-list/score-part[@id='{part.get('id')}']/midi-instrument")
        }
        for number, measure in enumerate(part.iter("measure")):
            now = before = latest = 0.0
            for element in measure:
                length = float(element.findtext("duration") or 0) / divisions
                if element.tag == "attributes":
                    divisions = float(element.findtext("divisions") or divisions)
                    for change in element.iter("transpose"):
                        steps = (
                            float(change.findtext("chromatic") or 0),
                            float(change.findtext("octave-change") or 0),
                        )
                        shifts[change.get("number", "")] = int(steps[0] + 12 * steps[1])
                    if time_signature := element.find("time[beats]"):
                        beats = sum(map(int, str(time_signature.findtext("beats")).split("+")))
                        full = 4 * beats / int(str(time_signature.findtext("beat-type")))
                elif element.tag == "backup":
                    now = max(now - length, 0)
                elif element.tag == "forward":
                    now += length
                elif element.tag == "note":
                    onset = before if element.find("chord") is not None else now
                    before = onset
                    pitch = element.find("pitch")
                    if element.find("chord") is None:
                        now += length
                    if element.find("rest") is None:
                        kinds = {one.get("type") for one in element.findall("tie")}
                        tie = 2 if len(kinds) == 2 else TIES.index(str(kinds.pop())) if kinds else 0
                        instrument = element.find("instrument")
                        drum = (only if instrument is None else {instrument.get("id")}) <= drums and bool(
                            drums
                        )
                        steps_up = shifts.get(element.findtext("staff") or "1", shifts.get("", 0))
                        sounding_pitch = 0 if pitch is None else _pitch_of(pitch) + steps_up
                        found.append(
                            (index, number, onset, length, sounding_pitch, tie, drum or pitch is None)
                        )
                latest = max(latest, now)
            ends[number] = max(ends[number], latest or full)
    starts = np.concatenate([[0.0], np.cumsum([ends[number] for number in range(len(ends))])])
    for part_index, number, onset, length, pitch_number, tie, drum in found:
        yield part_index, number, float(starts[number]), onset, length, pitch_number, tie, drum


def _pitch_of(pitch: ElementTree.Element) -> int:
    step, alter, octave = (pitch.findtext(tag) or "0" for tag in ("step", "alter", "octave"))
    return 12 * int(octave) + 12 + (0, 2, 4, 5, 7, 9, 11)["CDEFGAB".index(step)] + round(float(alter))


PROGRAMS: dict[str, Callable[[Path], Iterable[Row]]] = {
    "music21": _by_music21,
    "converter21": _by_converter21,
    "partitura": _by_partitura,
    WALK: _by_walking,
}
