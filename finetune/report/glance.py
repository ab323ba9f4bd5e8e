"""All tasks in one table: the best baseline, and the best of each way to learn."""

from __future__ import annotations

import re
from collections.abc import Sequence

from finetune.report.sections import Section, above, headings
from finetune.report.tables import Record, pretrained
from finetune.settings import FEATURES

NOTE = """\
Accuracy in per cent, mean ± standard deviation over seeds. ↑ above and ↓ below the best baseline by a paired bootstrap
over song groups and seeds (95 %); without an arrow, no difference can be claimed. Of several runs of a kind, the one
that is best on validation. The tables below say the rest."""
_KINDS = (FEATURES, "from scratch", "probe", "adapter", "full")


def glance(sections: Sequence[Section]) -> list[str]:
    """Lines of Markdown; none where there are no runs.

    Args:
        sections: Of which those with runs are shown.
    """
    named = zip(headings(sections), sections, strict=True)
    shown = [(heading, section) for heading, section in named if section.runs]
    kinds = [kind for kind in _KINDS if any(_kind(run) == kind for _, one in shown for run in one.runs)]
    if not shown:
        return []
    rows = [["task", "best baseline", "", *kinds], ["---"] * (3 + len(kinds))]
    for heading, section in shown:
        baseline = section.best_baseline
        score = f"{100 * baseline['test']['scores']['accuracy']['mean']:.1f}"
        rows.append([_link(heading), baseline["title"], score, *(_cell(section, kind) for kind in kinds)])
    return ["## At a glance", "", NOTE, "", *("| " + " | ".join(row) + " |" for row in rows), ""]


def _link(heading: str) -> str:
    """To the table below, whose anchor is made of its heading as Markdown's readers make it."""
    return f"[{heading}](#{re.sub(r'[^a-z0-9_ -]', '', heading.lower()).replace(' ', '-')})"


def _kind(run: Record) -> str:
    if not pretrained(run):
        return FEATURES if run["method"] == FEATURES else "from scratch"
    return str(run["method"]) if run["method"] in _KINDS else "adapter"


def _cell(section: Section, kind: str) -> str:
    """Score of the run of a kind that is best on validation, with its mark."""
    runs = [run for run in section.runs if _kind(run) == kind]
    if not runs:
        return ""
    best = max(runs, key=lambda run: run["valid"]["accuracy"]["mean"])
    score = best["test"]["accuracy"]
    cell = f"{100 * score['mean']:.1f}" + (f" ± {100 * score['sd']:.1f}" if len(best["seeds"]) > 1 else "")
    if kind == "adapter":
        cell += f" ({best['method']})"
    return cell + (" *leaky*" if best["leaks"]["leaky"] is not False else _mark(best, section.best_baseline))


def _mark(run: Record, baseline: Record) -> str:
    gap = above(run, baseline)
    return "" if gap is None else " ↑" if gap.low > 0 else " ↓" if gap.high < 0 else ""
