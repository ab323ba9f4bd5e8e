"""Run a comparison, from the study to its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.toolkit.locks import sole_writer
from data.toolkit.records import portable_command, portable_text, portable_value, provenance, write_json
from data.toolkit.results import COMPARISON, STUDIES
from data.toolkit.runs import begin, find_folder
from data.toolkit.safewrite import write_text
from data.toolkit.settings import spelling
from finetune.compare.cells import Cell, cells_of, prepare_cell, run_cell
from finetune.compare.page import comparison_page, write_page
from finetune.compare.results import compared, strangers
from finetune.compare.settings import CompareSettings
from finetune.compare.storage import read_study, save_study
from finetune.compare.study import Study
from finetune.compare.workers import TrainingsBar, work
from finetune.training.record import portable, save_task
from finetune.training.run import method_options
from symbolic.errors import ConfigError

LOST = "it ended without a result that fits, as if the program changed while it ran. --resume tries it again."
Place = tuple[str, str]
"""A task and an arm, by name."""


def compare(
    settings: CompareSettings, write: Callable[[Path, Mapping[str, Any]], object] = write_page
) -> dict[str, Any]:
    """Run a comparison or resume it.

    Args:
        settings: The study and how to run it.
        write: Writes the page into the comparison's folder.

    Returns:
        Content of `comparison.json` with "folder" added. Each task lists its failed arms under "failures".

    Raises:
        CounterpointError: If study or folder are unfit, or another process uses the folder.
    """
    settings.check_sources()
    study = settings.study()
    base = Path(settings.RUNS) / study.slug
    out = find_folder(base, settings.identity, settings.out, settings.resume, **spelling(type(settings)))
    common = {
        "accelerator": settings.accelerator,
        "jobs": settings.jobs,
        "root": settings.root,
        "allow_leaks": settings.allow_leaks,
    }
    cells = cells_of(study, out, common)
    _refuse_options(cells)
    with sole_writer(out, wait=False):
        asked = settings.having(out=None, resume=False).to_dict()
        begin(out, {"command": settings.COMMAND, "settings": asked})
        outcomes, comparison = _compare(settings, study, cells, out)
        write_json(out / COMPARISON, comparison)
        write(out, comparison)
        if settings.results:
            _save(Path(settings.results), study, outcomes, comparison)
        return {**comparison, "folder": str(out)}


def _compare(
    settings: CompareSettings, study: Study, cells: Sequence[Cell], out: Path
) -> tuple[dict[Place, Any], dict[str, Any]]:
    """Run a comparison in a folder that no other run uses. Return the results of arms and what they come to."""
    failures = _train(study, cells, out, settings.parallel)
    outcomes = {_place(cell): found for cell in cells if (found := cell.outcome()) is not None}
    for place in map(_place, cells):
        if place not in outcomes:
            failures.setdefault(place, LOST)
    odd = strangers(outcomes)
    failures |= odd
    outcomes = {place: found for place, found in outcomes.items() if place not in odd}
    return outcomes, {**provenance(), **compared(study, outcomes, failures)}


def _train(study: Study, cells: Sequence[Cell], out: Path, parallel: int) -> dict[Place, str]:
    """Run the cells that are not done; return why some failed."""
    waiting = [cell for cell in cells if cell.outcome() is None]
    failures: dict[Place, str] = {}
    with TrainingsBar(out, study.runs, len(cells)) as bar:
        bar.finished(len(cells) - len(waiting))
        unfit: dict[tuple[str, Any], str] = {}
        # One at a time: arms that share a task would all prepare the same music.
        for cell, reason in work(_first_of_each(waiting), prepare_cell, min(parallel, 1)):
            unfit[_needs(cell)] = reason
        ready = []
        for cell in waiting:
            if reason := unfit[_needs(cell)]:
                failures[_place(cell)] = reason
            else:
                ready.append(cell)
        done = len(cells) - len(waiting)
        for cell, reason in work(ready, run_cell, parallel):
            if reason:
                failures[_place(cell)] = reason
            else:
                done += 1
            bar.finished(done)
    return failures


def _refuse_options(cells: Sequence[Cell]) -> None:
    """Refuse options that no method has, before any music is read."""
    problems: dict[str, None] = {}
    for cell in cells:
        try:
            method_options(cell.settings)
        except ConfigError as error:
            problems |= dict.fromkeys(f"Arm '{cell.arm}': {problem}" for problem in error.problems)
    if problems:
        raise ConfigError(problems)


def _first_of_each(cells: Sequence[Cell]) -> list[Cell]:
    """Return one cell for each data set to prepare, in a folder beside those of its arms."""
    first: dict[Any, Cell] = {}
    for cell in cells:
        first.setdefault(_needs(cell), cell)
    return [replace(cell, folder=str(Path(cell.folder).with_name("prepared"))) for cell in first.values()]


def _needs(cell: Cell) -> tuple[str, Any]:
    """Return what the data of a cell depends on: its task, and the checkpoint with its tokenizer."""
    return cell.task, cell.settings.model.checkpoint


def _place(cell: Cell) -> Place:
    return cell.task, cell.arm


def _save(folder: Path, study: Study, outcomes: Mapping[Place, Any], comparison: Mapping[str, Any]) -> None:
    """Save records of all arms, baselines once a task, and the tables, without paths of this machine."""
    path = folder / STUDIES / f"{study.slug}.jsonl"
    saved = {place: {**outcome, "record": portable(outcome["record"])} for place, outcome in outcomes.items()}
    for outcome in saved.values():
        save_task(folder, outcome["record"], study.slug)
    save_study(path, study, saved, portable_comparison(comparison))
    write_text(path.with_suffix(".md"), comparison_page(read_study(path)).markdown())


def portable_comparison(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """Return a comparison whose absolute paths are cut to their last part."""
    special: dict[str, Callable[[Any], Any]] = {"command": portable_command, "reason": portable_text}

    def cut(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: special.get(name, cut)(one) for name, one in value.items()}
        return [cut(one) for one in value] if isinstance(value, list | tuple) else portable_value(value)

    found: dict[str, Any] = cut(comparison)
    return found
