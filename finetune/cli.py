"""The command `finetune`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from symbolic.errors import ConfigError
from symbolic.siblings import exit_without_sibling

if TYPE_CHECKING:
    from finetune.config import TrainSettings
    from finetune.predict import Outcome
    from finetune.tasks import Task

_HELP = """\
usage: finetune COMMAND ... [options]

Make a task model of a backbone, score it honestly, and use it.

commands:
  melody      learn melody, bridge, accompaniment: every note of POP909
  genre       learn the dance of a folk tune: Nottingham
  sequence    learn your own labels of pieces: a folder and a table
  note        learn your own labels of notes: a folder and track names
  predict     use a trained run on new files
  floors      measure what needs no training
  report      make a table of many runs

Each has its own help: finetune melody --help"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    exit_without_sibling("data")
    from data.command import guarded

    return guarded(_dispatch, argv)


def _dispatch(argv: Sequence[str]) -> None:
    command, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    if command in ("-h", "--help"):
        print(_HELP)
    elif command in _COMMANDS:
        _COMMANDS[command](rest)
    else:
        raise ConfigError(
            f"There is no command '{command}'; choose one of {', '.join(_COMMANDS)}. See finetune --help."
        )


def _melody(argv: Sequence[str]) -> None:
    _named("melody", "Learn which notes are melody, bridge or accompaniment, from POP909.", argv)


def _genre(argv: Sequence[str]) -> None:
    _named("genre", "Learn which dance a folk tune is for, from the Nottingham tunes.", argv)


def _named(name: str, description: str, argv: Sequence[str]) -> None:
    """A task on a named corpus."""
    from data.command import parse
    from finetune.config import CorpusSettings

    epilog = f"""\
examples:
  finetune {name} --root DATA                     from scratch, the row to beat
  finetune {name} --root DATA --from runs/pretrain/X --seeds 5
  finetune {name} --root DATA --from runs/pretrain/X --method lora"""
    settings = parse(f"finetune {name}", description, CorpusSettings, argv, epilog)
    from finetune.tasks import TASKS

    _train(TASKS[name], settings.root, settings)


def _sequence(argv: Sequence[str]) -> None:
    from data.command import parse
    from finetune.config import SequenceSettings

    description = "Learn your own labels of pieces. Pieces without a split are dealt 80/10/10."
    epilog = """\
examples:
  finetune sequence my_midi/ --labels labels.csv
  finetune sequence my_midi/ --from runs/pretrain/X --method adapter"""
    settings = parse("finetune sequence", description, SequenceSettings, argv, epilog)
    from finetune.tasks import sequence_task

    _train(sequence_task(settings.folder, settings.labels), settings.folder, settings)


def _note(argv: Sequence[str]) -> None:
    from data.command import parse
    from finetune.config import NoteSettings

    description = "Learn labels of notes from track names; the model hears all tracks as one piano."
    epilog = """\
examples:
  finetune note my_midi/ --tracks MELODY,PIANO
  finetune note my_midi/ --tracks MELODY,PIANO --from runs/pretrain/X"""
    settings = parse("finetune note", description, NoteSettings, argv, epilog)
    from finetune.tasks import note_task

    _train(note_task(settings.folder, settings.track_names), settings.folder, settings)


def _train(task: Task, root: str | None, settings: TrainSettings) -> None:
    from finetune.report import score_table, title_of, window_line
    from finetune.run import finetune  # torch and lightning, once the settings are known to be right

    record = finetune(task, root, settings)
    folder, cost = record["folder"], record["seeds"][0]["cost"]
    print(f"\n{task.title}: {title_of(record)}\n")
    _print_table(*score_table(record))
    if window_line(record):
        print(window_line(record))
    print(f"\n{cost['trained_parameters']:,} parameters trained, {cost['seconds']:,.0f} s a seed\n")
    print(f"checkpoint  {folder}/{record['checkpoint']}")
    print(f"record      {folder}/record.json")
    print(f"report      {folder}/report.html")


def _predict(argv: Sequence[str]) -> None:
    from data.command import parse
    from finetune.config import PredictSettings

    description = "Use a run: MIDI with a track for each class of notes, or a table of probabilities."
    epilog = """\
examples:
  finetune predict runs/finetune/melody-full-X song.mid      writes predictions/song.mid
  finetune predict runs/finetune/genre-full-X tunes/*.mid --csv tunes.csv"""
    settings = parse("finetune predict", description, PredictSettings, argv, epilog)
    from finetune.predict import Forecaster, predict_files, write_csv, write_predictions

    forecaster = Forecaster.load(settings.run, settings.accelerator)
    outcomes = []
    for outcome in predict_files(forecaster, settings.files, settings.out):
        outcomes.append(outcome)
        print(_described(outcome), file=sys.stderr if outcome.skipped else sys.stdout)
    if forecaster.task["level"] == "sequence":
        if settings.csv:
            write_csv(settings.csv, outcomes, forecaster.classes)
        if settings.json:
            write_predictions(settings.json, outcomes)
    if all(outcome.skipped for outcome in outcomes):
        raise ConfigError(f"None of the {len(outcomes)} files could be read; the reasons stand above.")


def _described(outcome: Outcome) -> str:
    """One file in one line."""
    if outcome.skipped:
        return f"skipped  {outcome.skipped}"
    if outcome.written is not None:
        counts = ", ".join(f"{count} {name}" for name, count in outcome.counts.items())
        return f"{outcome.file}  ->  {outcome.written}  ({counts})"
    shares = sorted(outcome.probabilities.items(), key=lambda item: -item[1])
    return f"{outcome.file}  " + "  ".join(f"{name} {share:.3f}" for name, share in shares)


def _floors(argv: Sequence[str]) -> None:
    from data.command import parse
    from finetune.config import FloorsSettings

    description = "Measure a task's floors: what a model must clear. They are kept in the cache."
    epilog = "examples:\n  finetune floors melody --root DATA"
    settings = parse("finetune floors", description, FloorsSettings, argv, epilog)
    from finetune.report import floor_table
    from finetune.run import kept_floors, prepared
    from finetune.tasks import TASKS
    from symbolic.tokenizer import Tokenizer

    if settings.task not in TASKS:
        raise ConfigError(f"There is no task '{settings.task}'; choose one of {', '.join(TASKS)}.")
    task = TASKS[settings.task]
    data = prepared(task, settings.root, Tokenizer(), settings)
    print(f"{task.title}\n")
    _print_table(*floor_table(kept_floors(data), task.metric_titles()))


def _report(argv: Sequence[str]) -> None:
    from data.command import parse
    from finetune.config import ReportSettings

    description = "Make a table of all runs below a folder, with the command beside each row."
    epilog = "examples:\n  finetune report runs/finetune --out finetune/results/RESULTS.md"
    settings = parse("finetune report", description, ReportSettings, argv, epilog)
    from pathlib import Path

    from finetune.report import results_page

    page = results_page(settings.folder)
    out = Path(settings.out or Path(settings.folder) / "RESULTS.md")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")
    print(out)


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns in plain text, the first set left."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *others]))


_COMMANDS: dict[str, Callable[[Sequence[str]], Any]] = {
    "melody": _melody,
    "genre": _genre,
    "sequence": _sequence,
    "note": _note,
    "predict": _predict,
    "floors": _floors,
    "report": _report,
}

if __name__ == "__main__":
    sys.exit(main())
