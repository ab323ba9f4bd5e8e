"""Measure scores of held-out performances of (n)ASAP by MV2H: ours, those of music21 and those of partitura.

    python -m experiments.mapping_mv2h --root DATA --out results/mapping.jsonl

The first 200 notes of one performance of each piece are written down, once with the annotated beats and once with
nothing given. Other libraries read a MIDI file. With beats given, its notes stand at their places among them, and it
states the time signature. Without, they take the 120 quarter notes a minute of a performance's file. partitura is no
dependency of ours: pip install partitura.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.corpora.asap import AsapPerformancesCorpus
from data.corpora.asap_pairs import read_written
from data.corpora.beats import read_annotation
from data.toolkit.command import guarded
from experiments.mapping import Scores, mapping_parser, one_each, report
from experiments.mv2h import Score, mv2h
from finetune.mapping.command import fifths_of, key_of
from finetune.mapping.examples import Example
from symbolic.errors import ConfigError
from symbolic.features.stats import Floats
from symbolic.mapping.beats import Beats, beats_of_file, find_beats
from symbolic.mapping.features import TICKS, Ints, in_beats
from symbolic.mapping.learnt import LearntMap, load_map
from symbolic.mapping.notation import notate, sheet
from symbolic.music.musicxml.symbols import DIVISIONS
from symbolic.music.notes import Music, note_array

_NOTES = 200
_STEP = 480
"""Ticks of a quarter note in files for other libraries."""
_MAJOR = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


class Page(NamedTuple):
    """Written notes: (N,) onsets and lengths in quarter notes, pitches and voices; and sharps of the key signature."""

    onset: Floats
    length: Floats
    pitch: Ints
    voice: Ints
    fifths: int


def main(argv: Sequence[str]) -> None:
    """Measure, print a table and append records."""
    options = mapping_parser(__doc__).parse_args(argv)
    warnings.filterwarnings("ignore")
    corpus, learnt = AsapPerformancesCorpus(options.root), load_map()
    assert learnt is not None
    rows = [measured(corpus, example, learnt) for example in one_each(corpus, options.side)]
    report(rows, "mapping, MV2H of (n)ASAP", options.side, options.out)


def measured(corpus: AsapPerformancesCorpus, example: Example, learnt: LearntMap) -> Scores:
    """Return the scores of all ways for the beginning of a performance."""
    music, annotation = (
        corpus.read(example.piece),
        read_annotation(corpus.folder / f"{example.piece.key}_annotations.txt"),
    )
    last = np.sort(music.notes["onset"])[: _NOTES + 1][-1]
    music = music.with_notes(music.notes[music.notes["onset"] < last])
    unit = float(np.median(example.unit))
    given = Beats(annotation.beats, annotation.down, int(4 / unit) if unit <= 1 else 8, unit in (0.75, 1.5))
    true = true_score(example, given, float(music.seconds(last)))
    found = find_beats(music, tracker=learnt.tracker)
    filed = beats_of_file(music)
    ways: dict[str, tuple[Page, Beats]] = {}
    for kind, own, others in (("beats given", given, given), ("nothing given", found, filed)):
        ways[f"{kind}, ours"] = our_page(music, own, learnt), own
        for name, read in (("music21", music21_page), ("partitura", partitura_page)):
            ways[f"{kind}, {name}"] = through_midi(music, others, read), others
    return {
        f"{part}, {way}": value
        for way, (page, beats) in ways.items()
        for part, value in mv2h(true, on_time(page, music, beats, float(true.onset.max()))).items()
    }


def true_score(example: Example, beats: Beats, end: float) -> Score:
    """Return what is written of the matched notes that were played before a time in seconds."""
    written = read_written(example.score).notes[example.written]
    seconds = _seconds(example.notes.onset[example.at], beats)
    kept = seconds < end
    begin = example.tick / TICKS
    fifths = int(np.bincount(written["fifths"][kept].astype(np.int64) + 7).argmax()) - 7
    return Score(
        seconds[kept],
        example.notes.pitch[example.at][kept],
        (10 * written["staff"].astype(np.int64) + written["voice"])[kept],
        _seconds(begin, beats)[kept],
        (_seconds(begin + example.value, beats) - _seconds(begin, beats))[kept],
        groups(beats, end),
        _key(fifths),
    )


def on_time(page: Page, music: Music, beats: Beats, end: float) -> Score:
    """Lay a page on the time of its performance. Each of its notes was played at the nearest onset of its pitch."""
    begin = _seconds(page.onset / beats.unit, beats)
    length = _seconds((page.onset + page.length) / beats.unit, beats) - begin
    played, pitch = music.seconds(music.notes["onset"]), music.notes["pitch"].astype(np.int64)
    apart = np.abs(begin[:, None] - played) + 1e6 * (page.pitch[:, None] != pitch)
    onset = played[apart.argmin(axis=1)] if len(begin) else begin
    return Score(onset, page.pitch, page.voice, begin, length, groups(beats, end), _key(page.fifths))


def groups(beats: Beats, end: float) -> NDArray[np.float64]:
    """Return (G, 2) begin and end of the sub-beats, beats and bars until some seconds after the first beat."""
    times = beats.times[: int(np.searchsorted(beats.times, end)) + 1]
    parts = 3 if beats.compound else 2
    fine = np.interp(np.arange((len(times) - 1) * parts + 1) / parts, np.arange(len(times)), times)
    levels = fine, times, times[beats.down[: len(times)]]
    return np.concatenate([np.stack([level[:-1], level[1:]], axis=1) for level in levels])


def our_page(music: Music, beats: Beats, learnt: LearntMap) -> Page:
    """Return the page that `finetune map` writes, with the bundled key."""
    found = sheet(music, beats, notate(music, beats, learnt.quantiser), [], "", "").notes
    voice = 10 * found["staff"].astype(np.int64) + found["voice"]
    pitch = found["pitch"].astype(np.int64)
    return Page(
        found["onset"] / DIVISIONS, found["length"] / DIVISIONS, pitch, voice, fifths_of(key_of(music))
    )


def through_midi(music: Music, beats: Beats, read: Callable[[Path], Page]) -> Page:
    """Write notes at their places among beats into a MIDI file, and read a page from it."""
    seconds = (
        music.seconds(music.notes["onset"]),
        music.seconds(music.notes["onset"] + music.notes["duration"]),
    )
    begin, end = (
        np.round(in_beats(one, beats.times) * beats.unit * _STEP).astype(np.int64) for one in seconds
    )
    ahead = -min(int(begin.min()) // _STEP, 0) * _STEP
    notes = note_array(
        begin + ahead, np.maximum(end - begin, 1), music.notes["pitch"], music.notes["velocity"]
    )
    upper = beats.in_bar * (3 if beats.compound else 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "performance.mid"
        Music(notes, _STEP, np.array([[0, upper, beats.lower]])).write(path)
        page = read(path)
    return page._replace(onset=page.onset - ahead / _STEP)


def music21_page(path: Path) -> Page:
    """Return what music21 makes of a MIDI file: its default grid, voices and key."""
    from music21 import converter, stream

    part = converter.parse(path).parts[0]
    key = part.analyze("key").sharps
    part.stripTies(inPlace=True)
    rows = []
    for note in part.recurse().notes:
        place = note.activeSite
        voice = int(str(place.id)) if isinstance(place, stream.Voice) and str(place.id).isdigit() else 0
        rows += [
            (float(note.getOffsetInHierarchy(part)), float(note.quarterLength), one.midi, voice)
            for one in note.pitches
        ]
    return _page(rows, int(key))


def partitura_page(path: Path) -> Page:
    """Return what partitura makes of a MIDI file: a grid of sixteenths and its key, in one voice.

    Its separation of voices fails with NumPy 2.4 (partitura 1.9.0).
    """
    try:
        from partitura import load_score_midi
        from partitura.musicanalysis import estimate_key
    except ImportError as error:
        raise ConfigError("partitura is not installed. Add it: pip install partitura.") from error

    notes = load_score_midi(path, quantization_unit=_STEP // 4).note_array()
    columns = (notes[name].tolist() for name in ("onset_quarter", "duration_quarter", "pitch", "voice"))
    return _page(list(zip(*columns, strict=True)), fifths_of(estimate_key(notes)))


def _page(rows: Sequence[tuple[float, float, int, int]], fifths: int) -> Page:
    onset, length, pitch, voice = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Page(onset, length, pitch.astype(np.int64), voice.astype(np.int64), fifths)


def _seconds(place: Floats, beats: Beats) -> Floats:
    """Convert beats to seconds. Before the first and after the last beat, the tempo stays as it is there."""
    times = beats.times
    at = np.clip(np.floor(place).astype(np.int64), 0, len(times) - 2)
    return np.asarray(times[at] + (place - at) * (times[at + 1] - times[at]))


def _key(fifths: int) -> str:
    """Return the major key of a signature: scores do not state their mode."""
    return f"{_MAJOR[7 * fifths % 12]} major"


if __name__ == "__main__":
    sys.exit(guarded(main))
