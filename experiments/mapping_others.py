"""Measure how partitura and music21 quantise held-out performances of (n)ASAP, beside `experiments.mapping`.

    python -m experiments.mapping_others --root DATA --out results/mapping.jsonl

Both snap notes to a grid. music21 chooses among quarters and thirds of a quarter note, its default. partitura has one
grid, here sixteenths. Where no beats are given, partitura follows Dixon (2001), and music21 keeps the 120 quarter notes
a minute of the file. partitura is no dependency of ours: pip install partitura.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

import mir_eval
import numpy as np
from music21.note import Note
from music21.stream import Stream

from data.corpora.asap import AsapPerformancesCorpus
from data.corpora.beats import read_annotation
from data.toolkit.command import guarded
from experiments.mapping import Scores, key_is_right, mapping_parser, one_each, report
from finetune.mapping.command import fifths_of
from finetune.mapping.examples import Example
from symbolic.errors import ConfigError
from symbolic.features.stats import Floats
from symbolic.mapping.beats import Beats
from symbolic.mapping.features import TICKS
from symbolic.music.notes import Music

_GRIDS = (4, 3)
"""Parts of a quarter note among which music21 chooses by default."""
_NOMINAL = 0.5
"""Seconds of a quarter note in files of performances."""


def main(argv: Sequence[str]) -> None:
    """Measure, print a table and append records."""
    options = mapping_parser(__doc__).parse_args(argv)
    warnings.filterwarnings("ignore", module="partitura")
    corpus = AsapPerformancesCorpus(options.root)
    rows = [
        by_music21(example) | by_grid(example) | _without_beats(corpus, example)
        for example in one_each(corpus, options.side)
    ]
    report(rows, "mapping, (n)ASAP", options.side, options.out)


def by_music21(example: Example) -> Scores:
    """Return the share of notes that `Stream.quantize` places and measures right, with beats given."""
    unit = float(np.median(example.unit))
    length = np.maximum(example.notes.end - example.notes.onset, 1 / TICKS) * unit
    notes = [Note("C4", quarterLength=one) for one in length.tolist()]
    stream, shift = Stream(), np.floor(example.notes.onset.min()) * unit
    begin = example.notes.onset * unit - shift
    for place, note in zip(begin.tolist(), notes, strict=True):
        stream.insert(place, note)
    stream.quantize(_GRIDS, processOffsets=True, processDurations=True, inPlace=True)
    onset = np.array([float(note.offset) for note in notes]) / unit + shift / unit
    return _shares(example, onset, np.array([float(note.quarterLength) for note in notes]) / unit, "music21")


def by_grid(example: Example) -> Scores:
    """Return the same for a grid of sixteenths, to which partitura's `load_score_midi` snaps onsets and ends."""
    step = 0.25 / float(np.median(example.unit))
    onset, end = (np.round(time / step) * step for time in (example.notes.onset, example.notes.end))
    return _shares(example, onset, end - onset, "partitura")


def _shares(example: Example, onset: Floats, length: Floats, name: str) -> Scores:
    at = example.at
    places, values = (np.round(one * TICKS).astype(np.int64) for one in (onset, length))
    return {
        f"onset, {name}": float((places[at] % TICKS == example.tick % TICKS).mean()),
        f"value, {name}": float((values[at] == np.round(example.value * TICKS)).mean()),
    }


def _without_beats(corpus: AsapPerformancesCorpus, example: Example) -> Scores:
    """Return how well both find beats, beats of a bar and the key signature of a performance."""
    try:
        from partitura.musicanalysis import estimate_key, estimate_time
    except ImportError as error:
        raise ConfigError("partitura is not installed. Add it: pip install partitura.") from error

    music = corpus.read(example.piece)
    annotation = read_annotation(corpus.folder / f"{example.piece.key}_annotations.txt")
    true = Beats(annotation.beats, annotation.down)
    array = _note_array(music)
    found = estimate_time(array)
    last = float(array["onset_sec"].max())
    beats = {"partitura": np.unique(found["beats"]), "music21": np.arange(0, last, _NOMINAL)}
    in_bar = {"partitura": int(found["meter_numerator"]), "music21": 4}
    stream = Stream()
    for pitch, begin, length in array.tolist():
        stream.insert(begin / _NOMINAL, Note(pitch, quarterLength=length / _NOMINAL))
    fifths = {"partitura": fifths_of(estimate_key(array)), "music21": stream.analyze("key").sharps}
    scores = {}
    for name, times in beats.items():
        trimmed = (mir_eval.beat.trim_beats(one) for one in (true.times, times))
        scores[f"beats found, F, {name}"] = float(mir_eval.beat.f_measure(*trimmed))
        scores[f"beats of a bar found, {name}"] = float(in_bar[name] == true.in_bar)
        scores[f"key signature found, {name}"] = key_is_right(example.score, fifths[name])
    return scores


def _note_array(music: Music) -> np.ndarray:
    """Return notes as partitura's functions read them."""
    notes = music.notes[np.argsort(music.notes["onset"], kind="stable")]
    found = np.zeros(len(notes), dtype=[("pitch", "i8"), ("onset_sec", "f8"), ("duration_sec", "f8")])
    begin, end = music.seconds(notes["onset"]), music.seconds(notes["onset"] + notes["duration"])
    found["pitch"], found["onset_sec"], found["duration_sec"] = (
        notes["pitch"],
        begin,
        np.maximum(end - begin, 1e-3),
    )
    return found


if __name__ == "__main__":
    sys.exit(guarded(main))
