"""The commands `finetune compare` and `finetune curve`: from arguments to printed tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.toolkit.command import parse
from finetune.compare.settings import CompareSettings, CurveSettings
from finetune.compare.tables import claim_line, cost_rows, failure_lines, rank_rows, score_rows
from finetune.report.tables import table_lines
from symbolic.errors import ConfigError

_COMPARE = (
    "Compare methods: every arm tries as many learning rates, chosen on validation pieces alone.\n"
    "An experiment file names tasks, arms, trials, seeds, grids and claims; flags come before it."
)
_COMPARE_EXAMPLES = """\
examples:
  finetune compare emotion genre --methods full,probe,lora,adapter,scratch
  finetune compare my_midi/ --methods features,probe,full
  finetune compare finetune/experiments/studies/methods.yaml --from runs/pretrain/X --parallel 2"""
_CURVE = (
    "Show how accuracy grows with labels: every method on every budget, with intervals over seeds.\n"
    "Writes a chart, a page and a CSV. Stopped, it goes on by --resume."
)
_CURVE_EXAMPLES = """\
examples:
  finetune curve my_midi/ --methods features
  finetune curve my_midi/ --labels labels.csv --budgets 10,30,100,100%
  finetune curve emotion --root DATA --methods features,probe,full --from runs/pretrain/X"""


def compare(argv: Sequence[str]) -> None:
    """Run a comparison and print its tables."""
    comparison = _run(CompareSettings, argv, _COMPARE, _COMPARE_EXAMPLES)
    lines = []
    for task in comparison["tasks"]:
        if task["rows"]:
            lines += ["", task["title"], "", *table_lines(*score_rows(task))]
            lines += ["", *table_lines(*cost_rows(task))]
            lines += [f"warning: {one}" for one in task["warnings"]]
    if comparison["ranks"]:
        lines += ["", *table_lines(*rank_rows(comparison))]
    if comparison["claims"]:
        lines += ["", claim_line(comparison)]
    folder = comparison["folder"]
    _end(
        comparison,
        [*lines, "", f"comparison  {folder}/comparison.md", f"page        {folder}/comparison.html"],
    )


def curve(argv: Sequence[str]) -> None:
    """Measure a task over budgets of labels and print the table."""
    comparison = _run(CurveSettings, argv, _CURVE, _CURVE_EXAMPLES)
    from finetune.compare.curve import curve_rows, warnings_of

    lines = []
    if any(task["rows"] for task in comparison["tasks"]):
        lines += ["", comparison["title"], "", *table_lines(*curve_rows(comparison))]
        lines += [f"warning: {one}" for one in warnings_of(comparison)]
    folder = comparison["folder"]
    _end(comparison, [*lines, "", f"page   {folder}/curve.html", f"table  {folder}/curve.csv"])


def _run(
    kind: type[CompareSettings], argv: Sequence[str], description: str, examples: str
) -> Mapping[str, Any]:
    of_curve = kind is CurveSettings
    settings = parse(
        kind.COMMAND,
        description,
        kind,
        argv,
        examples,
        without=("budget", "results", "preset") if of_curve else (),
        needed=("what",),
        runs=kind.RUNS,
        command=kind.COMMAND,
    )
    settings.check_sources()
    from finetune.compare.curve import write_curve  # imports matplotlib
    from finetune.compare.run import compare  # imports torch and lightning

    return compare(settings, write_curve) if of_curve else compare(settings)


def _end(comparison: Mapping[str, Any], lines: Sequence[str]) -> None:
    print("\n".join(lines))
    if failures := failure_lines(comparison):
        raise ConfigError([*failures, "What is done is kept; --resume tries these again."])
