"""The command `finetune`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from symbolic.checkpoint.bundled import require_model
from symbolic.errors import ConfigError, did_you_mean
from symbolic.siblings import exit_without_sibling

if TYPE_CHECKING:
    from finetune.settings import FinetuneSettings
    from finetune.tasks import Task

_HELP = """\
usage: finetune COMMAND ... [options] (each has its own --help); learn from a corpus:
{tasks}
learn your own labels, and go on from there:
  sequence         of pieces: a folder and a table
  note             of notes: a folder and track names
  compare          methods of adaptation, each with as many trials: finetune compare genre
  curve            accuracy over budgets of labels: finetune curve my_midi/
  predict          use a trained run on new files
  style            learn the style of a folder by an adapter, for infill
  infill           write bars or parts of a piece anew, or go on after its end
  listen           make a blind listening test of written bars
  surprise         measure how surprising each note is, in bits
  embed            describe files by vectors, in a table
  similar          find the most similar files of each file
  map              write a score for a performance, or play a score
  match            find the score of each performance
  transfer         score a run on another task's test pieces: the same question, other music
  lines            fit a melody model for any music
  across           test a melody model on many kinds of music, in one table
  export           save the model of a run with a card
  baselines        measure what needs no training: finetune baselines composer --protocol folds
  tasks            list tasks with their protocols, and whether their corpora are here
  report           make a table of many runs"""

_OWN = ("folder", "labels", "tracks", "budget")
"""Settings of a user's own labels, and of training, that a command on named corpora does not have."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    exit_without_sibling("data")
    from data.toolkit.command import guarded

    return guarded(_dispatch, argv)


def _dispatch(argv: Sequence[str]) -> None:
    command, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    if command in ("-h", "--help"):
        from finetune.tasks import TASKS

        lines = (f"  {task.name.ljust(16)} {task.about}" for task in TASKS.values())
        print(_HELP.format(tasks="\n".join(lines)))
    elif command in _COMMANDS:
        _COMMANDS[command](rest)
    elif command.startswith("-"):
        from data.toolkit.command import VERSION

        meant = did_you_mean(command, ("--help", VERSION))
        raise ConfigError(f"There is no option '{command}'; {meant}see finetune --help.")
    else:
        from finetune.tasks import TASKS

        if command not in TASKS:
            names = [*TASKS, *_COMMANDS]
            raise ConfigError(
                f"There is no command '{command}'; {did_you_mean(command, names)}choose one of {', '.join(names)}. "
                "See finetune --help."
            )
        _named(TASKS[command], rest)


def _named(task: Task, argv: Sequence[str]) -> None:
    """A task on a named corpus."""
    several = ", ".join(protocol.name for protocol in task.protocols)
    description = f"Learn {task.about}.\nProtocols, the first by default: {several}."
    folds = " --protocol folds" if len(task.protocols) > 1 else ""
    epilog = f"""\
examples:
  finetune {task.name} --root DATA                     from tiny, a bundled model
  finetune {task.name} --root DATA --from scratch      without pretraining
  finetune {task.name} --root DATA --from runs/pretrain/X --seeds 5{folds}"""
    _train(_parse(task.name, description, argv, epilog, without=("folder", "labels", "tracks")))


def _sequence(argv: Sequence[str]) -> None:
    description = (
        "Learn your own labels of pieces. Without given sides, fewer than 500 are tested in five folds."
    )
    epilog = """\
example:
  finetune sequence my_midi/ --labels labels.csv --method features"""
    without = ("root", "tracks")
    _train(_parse("sequence", description, argv, epilog, without, needed=("folder",)))


def _note(argv: Sequence[str]) -> None:
    description = "Learn labels of notes from track names; the model reads all tracks as one piano."
    epilog = """\
examples:
  finetune note my_midi/ --tracks MELODY,PIANO --method conv
  finetune note my_midi/ --tracks MELODY,PIANO --from runs/pretrain/X"""
    without = ("root", "protocol", "labels")
    _train(_parse("note", description, argv, epilog, without, needed=("folder", "tracks")))


def _parse(
    task: str,
    description: str,
    argv: Sequence[str],
    epilog: str,
    without: Sequence[str],
    needed: Sequence[str] = (),
) -> FinetuneSettings:
    from data.toolkit.command import parse
    from finetune.settings import FinetuneSettings

    settings = parse(
        f"finetune {task}",
        description,
        FinetuneSettings,
        argv,
        epilog,
        fixed={"task": task},
        without=without,
        needed=needed,
        runs="runs/finetune",
    )
    settings.check_sources()
    return settings


def _train(settings: FinetuneSettings) -> None:
    from finetune.tasks.folds import check_data

    # What can be refused is refused before torch is imported, which takes seconds.
    sys.stderr.writelines(f"warning: {warning}\n" for warning in check_data(settings.data).warnings)
    from finetune.report import tables
    from finetune.training.run import finetune  # imports torch and lightning

    record = finetune(settings)
    folder, cost = record["folder"], record["seeds"][0]["cost"]
    print(f"\n{record['task']['title']}: {tables.title_of(record)}\n")
    _print_table(*tables.score_table(record))
    print()
    _print_table(*tables.account_table(record["split"]))
    print("\n".join(["", *record["skipped"], *(f"warning: {one}" for one in tables.warnings_of(record))]))
    lines = tables.verdict_line(record), tables.window_line(record), tables.model_line(record)
    print("\n".join(filter(None, lines)))
    if "fold_sd" in record["test"]["accuracy"]:
        runs = "folds and seeds" if len(record["seeds"]) > 1 else "folds"
        print(f"deviation over {runs}: {100 * record['test']['accuracy']['fold_sd']:.1f} points")
    trained = f"{cost['trained_parameters']:,} parameters trained{tables.kept_of(cost)}"
    print(f"\n{trained}, {cost['seconds']:,.0f} s a seed\n")
    print(f"checkpoint  {folder}/{record['checkpoint']}")
    print(f"record      {folder}/record.json")
    print(f"report      {folder}/report.html")


def _transfer(argv: Sequence[str]) -> None:
    from data.toolkit.command import parse
    from finetune.settings import TransferSettings

    description = "Score a run on another task's test pieces: the same question, asked of other music."
    epilog = """\
examples:
  finetune transfer runs/finetune/melody-full-X melody_files    the same songs, prepared otherwise
  finetune transfer runs/finetune/melody-full-X voice           songs of another kind"""
    settings = parse(
        "finetune transfer", description, TransferSettings, argv, epilog, without=_OWN, needed=("task",)
    )
    from finetune.tasks import TARGETS, known_task

    known_task(settings.data.task, TARGETS)
    require_model(settings.run)
    from finetune.report.tables import score_table, verdict_line, warnings_of
    from finetune.training.transfer import transfer

    record = transfer(settings)
    print(f"{record['task']['title']}\n")
    _print_table(*score_table(record))
    print("\n".join(["", *(f"warning: {one}" for one in warnings_of(record)), verdict_line(record)]))
    if "file" in record:
        print(f"\nrecord      {record['file']}")


def _across(argv: Sequence[str]) -> None:
    from finetune.across.command import HEAD, across

    rows, file = across(argv)
    _print_table(HEAD, rows)
    if file:
        print(f"\nrecord      {file}")


def _export(argv: Sequence[str]) -> None:
    from data.toolkit.command import parse
    from finetune.settings import ExportSettings

    description = (
        "Export a finished run: what validation chose, with a card.\n"
        "An adapter or a probe of a bundled model leaves that model out."
    )
    epilog = """\
examples:
  finetune export runs/finetune/melody-full-tiny my_melody/ --scores results
  finetune predict my_melody/ song.mid
  finetune export melody fast_melody/ --onnx       a bundled model that starts without torch"""
    settings = parse("finetune export", description, ExportSettings, argv, epilog)
    require_model(settings.run)
    from finetune.report.export import export

    print(export(**settings.flat()))


def _baselines(argv: Sequence[str]) -> None:
    from data.toolkit.command import parse
    from finetune.settings import BaselinesSettings

    description = "Measure a task's baselines: what a model must clear. They are kept in the cache."
    epilog = (
        "examples:\n  finetune baselines melody --root DATA\n  finetune baselines composer --protocol folds"
    )
    without = ("folder", "labels", "tracks")
    settings = parse(
        "finetune baselines", description, BaselinesSettings, argv, epilog, without=without, needed=("task",)
    )
    from finetune.tasks import known_task
    from finetune.tasks.folds import check_data

    known_task(settings.data.task)
    data, task = settings.data, check_data(settings.data)
    protocol = task.protocol(data.protocol)
    from finetune.baselines.baselines import cached_baselines
    from finetune.report.tables import baseline_table
    from finetune.tasks.accounts import pieces_tested
    from finetune.tasks.checks import few_pieces_warning
    from finetune.tasks.folds import prepared_folds
    from finetune.training.record import save_baselines, what
    from symbolic.tokens.tokenizer import Tokenizer

    folds = prepared_folds(task, data.root, Tokenizer(), data, protocol)
    baselines = cached_baselines(*(one.thinned(data.budget, settings.seed) for one in folds))
    if settings.results:
        print(save_baselines(settings.results, folds, baselines, data.budget, settings.seed), end="\n\n")
    print(f"{task.title}, {protocol.name}: {protocol.split}\n")
    tested = pieces_tested(what(folds, data.budget, settings.seed)["split"])
    _print_table(*baseline_table(baselines, task.metric_titles(), tested))
    print("".join(f"\nwarning: {one}" for one in few_pieces_warning(tested)))
    if len(folds) > 1:
        print("deviation of accuracy over folds, in points:")
        for baseline in baselines:
            print(f"  {100 * baseline['test']['scores']['accuracy']['fold_sd']:4.1f}  {baseline['title']}")


def _tasks(argv: Sequence[str]) -> None:
    from data.toolkit.command import parse
    from finetune.settings import TasksSettings

    description = "List tasks with level, corpus, classes and protocols, and whether the corpus is here."
    settings = parse("finetune tasks", description, TasksSettings, argv)
    from data.corpora import CORPORA
    from finetune.tasks import TASKS

    rows = [
        [
            task.name,
            task.level,
            task.corpus,
            str(len(task.classes)),
            " ".join(protocol.name for protocol in task.protocols),
            CORPORA[task.corpus].presence(settings.root) or "absent",
        ]
        for task in TASKS.values()
    ]
    _print_table(["task", "level", "corpus", "classes", "protocols", "data"], rows)


def _report(argv: Sequence[str]) -> None:
    from data.toolkit.command import parse
    from finetune.settings import ReportSettings

    description = "Make a table of all runs below a folder for each task, with the command beside each row."
    epilog = """\
examples:
  finetune report runs/finetune
  finetune report results --out TABLE.md"""
    settings = parse("finetune report", description, ReportSettings, argv, epilog)
    from pathlib import Path

    from data.toolkit.safewrite import write_text
    from finetune.report.results_page import results_page

    out = Path(settings.out or Path(settings.folder) / "RESULTS.md")
    page = results_page(settings.folder, out.parent)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, page.markdown())
    print(out)


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from finetune.report.tables import table_lines

    print("\n".join(table_lines(header, rows)))


def _of(module: str, command: str) -> Callable[[Sequence[str]], None]:
    """Return a command that another module has, and print the lines that it returns. The module is imported late."""

    def run(argv: Sequence[str]) -> None:
        lines = getattr(import_module(f"finetune.{module}"), command)(argv)
        if lines is not None:
            print("\n".join(lines))

    return run


_COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "sequence": _sequence,
    "note": _note,
    "compare": _of("compare.command", "compare"),
    "curve": _of("compare.command", "curve"),
    "predict": _of("predict.command", "predict"),
    "style": _of("style.command", "style"),
    "infill": _of("infill.command", "infill"),
    "listen": _of("infill.listening", "listen"),
    "surprise": _of("surprise.command", "surprise"),
    "embed": _of("vectors", "embed"),
    "similar": _of("vectors", "similar"),
    "map": _of("mapping.command", "map_between"),
    "match": _of("mapping.match", "match"),
    "transfer": _transfer,
    "lines": _of("lines.command", "lines"),
    "across": _across,
    "export": _export,
    "baselines": _baselines,
    "tasks": _tasks,
    "report": _report,
}

if __name__ == "__main__":
    sys.exit(main())
